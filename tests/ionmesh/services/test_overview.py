"""What operators see of clients: health in two languages, who had which slot, tags, and reported events."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select, update

from ionmesh.db import Database
from ionmesh.models import (
    Bank,
    ClientState,
    Connectivity,
    Event,
    EventType,
    ProfileStatus,
    ServiceProfile,
    SlotKind,
)
from ionmesh.services import health, holdings, tags
from ionmesh.services.health import Health
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_bank, add_key, add_slots, add_tenant
from tests.ionmesh.services.fleet import add_clients

CLIENT = "router-1-slot0"


def test_the_grades_are_the_same_in_python_and_in_sql(stocked: Database) -> None:
    banks = {None: 1, True: 2, False: 3}
    cases = [
        (status, connectivity, reported, connected)
        for status in ProfileStatus
        for connectivity in Connectivity
        for reported in (None, "active", "warning", "error")
        for connected in banks
    ]
    expected = dict.fromkeys(Health, 0)
    for case in cases:
        expected[health.grade(*case)] += 1
    assert all(expected.values())
    with stocked.write() as session:
        for connected, bank_id in banks.items():
            if bank_id != 1:
                session.add(
                    Bank(
                        bank_id=bank_id,
                        name="",
                        bankd_host="b",
                        bankd_port=1,
                        server_port=1,
                        created_at=START,
                    )
                )
                session.flush()
            session.execute(update(Bank).where(Bank.bank_id == bank_id).values(bankd_connected=connected))
            mine = [case for case in cases if case[3] is connected]
            profiles = add_clients(session, bank_id, len(mine), START)
            for number, (profile_id, (status, connectivity, reported, _)) in enumerate(
                zip(profiles, mine, strict=True)
            ):
                session.execute(
                    update(ServiceProfile)
                    .where(ServiceProfile.profile_id == profile_id)
                    .values(status=status, client_id=f"b{bank_id}-{number}")
                )
                session.execute(
                    update(ClientState)
                    .where(ClientState.profile_id == profile_id)
                    .values(connectivity=connectivity, reported_status=reported)
                )
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with stocked.read() as session:
        event.listen(stocked.engine, "before_cursor_execute", note)
        assert health.counts(session, 1) == expected
        assert sum(health.counts(session, 2).values()) == 0
    assert len([text for text in statements if text.startswith("SELECT")]) == 2


def test_a_client_counts_once_by_its_latest_profile(router: Router, admin: Admin) -> None:
    router.register()
    router.heartbeat()
    router.unregister()
    assert admin.get("fleet/health").json["health"]["deactivated"] == 1
    router.register()
    counted = admin.get("fleet/health").json["health"]
    assert counted == {"ok": 0, "problem": 0, "critical": 0, "unknown": 1, "deactivated": 0}
    router.heartbeat(status="warning")
    assert admin.get("fleet/health").json["health"]["problem"] == 1


def test_who_had_a_slot_and_which_slots_a_client_had(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock, http: Any
) -> None:
    add_slots(stocked, "900", kind=SlotKind.VIRTUAL)
    router.register()
    clock.advance(60)
    admin.post(f"clients/{CLIENT}/reassign", {"bank_id": 1, "slot_id": 3})
    clock.advance(60)
    other = Router(http, add_key(stocked), "other")
    other.register(preferred_bank_id=1)
    clock.advance(60)
    router.unregister()
    clock.advance(60)
    router.register(mapping_mode="ONE_TO_ONE_VSIM")

    def shown(path: str) -> list[tuple[Any, ...]]:
        names = ("client_id", "slot_id", "since", "until", "ended_by")
        return [
            tuple(
                row[name][11:19] if name in ("since", "until") and row[name] else row[name] for name in names
            )
            for row in admin.get(path).json["history"]
        ]

    mine = [
        (CLIENT, 900, "00:04:00", None, None),
        (CLIENT, 3, "00:01:00", "00:03:00", "client_unregistered"),
        (CLIENT, 1, "00:00:00", "00:01:00", "client_moved"),
    ]
    assert shown(f"clients/{CLIENT}/history") == mine
    assert shown("simbank/slots/1/3/history") == [mine[1]]
    (last, first) = (*shown("simbank/slots/1/2/history"), mine[2])
    assert last == ("other", 2, "00:02:00", None, None)
    assert first in shown("simbank/slots/1/1/history")
    assert admin.get("simbank/slots/9/1/history").status_code == 404
    with stocked.read() as session:
        assert holdings.of_slot(session, 2, (1, 1)) == [], "another tenant's clients are not told of"
    router.unregister()
    for path in ("history", "logs", "timeseries"):
        shown_after = admin.get(f"clients/{CLIENT}/{path}")
        assert shown_after.status_code == 200, "what was stays to be seen when the slot is given back"
    assert admin.get(f"clients/{CLIENT}").status_code == 404


def test_tags_of_many_clients(stocked: Database, admin: Admin, router: Router) -> None:
    router.register()
    with stocked.write() as session:
        add_clients(session, 1, 3, START, tenant_id=1)
    changed = admin.post("tags", {"client_ids": ["c-0", "c-1", CLIENT, "nobody"], "add": ["van", "berlin"]})
    assert changed.json["changed"] == 3
    assert admin.post("tags", {"client_ids": ["c-0"], "add": ["van"]}).json["changed"] == 0
    admin.post("tags", {"client_ids": ["c-1"], "remove": ["van"], "add": ["depot"]})
    assert admin.get("tags").json["tags"] == {"berlin": 3, "depot": 1, "van": 2}
    assert admin.get(f"clients/{CLIENT}").json["client"]["tags"] == ["van", "berlin"]
    with stocked.read() as session:
        found = session.scalars(select(ServiceProfile.client_id).where(tags.tagged(session, "van")))
        assert set(found) == {"c-0", CLIENT}
        assert not session.scalars(select(ServiceProfile).where(tags.tagged(session, "va"))).all()
    many = [f"t{number}" for number in range(32)]
    refused = admin.post("tags", {"client_ids": ["c-0"], "add": many})
    assert (refused.status_code, refused.json["code"]) == (400, "too_many_tags")


def test_a_note_is_text_whatever_is_in_it_and_each_tag_is_kept_once(router: Router, admin: Admin) -> None:
    router.register()
    noted = {"notes": "<script>alert(1)</script>", "tags": ["a", "a", "b"]}
    assert admin.patch(f"clients/{CLIENT}", noted).status_code == 200
    client = admin.get(f"clients/{CLIENT}").json["client"]
    assert (client["notes"], client["tags"]) == ("<script>alert(1)</script>", ["a", "b"])


REPORT = {"at": 1767225600, "kind": "failover", "severity": "warning", "subject": "wan", "text": "wan -> lte"}


def reported(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as session:
        rows = session.scalars(
            select(Event).where(Event.type == EventType.CLIENT_REPORTED).order_by(Event.event_id)
        )
        return [(row.severity.value, row.details) for row in rows]


def test_what_a_client_reports_is_an_event_once(
    router: Router, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    later = REPORT | {"at": 1767225660, "severity": "critical", "text": "a\0b"}
    router.heartbeat(events=[REPORT], events_left_out=4)
    clock.advance(60)
    router.heartbeat(events=[REPORT, later])
    known = {"at": "2026-01-01T00:00:00Z", "kind": "failover", "subject": "wan", "text": "wan -> lte"}
    assert reported(stocked) == [
        ("warning", known | {"left_out": 4}),
        ("critical", known | {"at": "2026-01-01T00:01:00Z", "text": "ab"}),
    ]


def test_a_report_reaches_the_events_and_the_webhooks_that_want_it(
    router: Router, admin: Admin, stocked: Database
) -> None:
    router.register()
    made = admin.post("webhooks", {"url": "https://hooks.example.com/x", "events": ["client_reported"]}).json
    router.heartbeat(events=[REPORT])
    (told,) = [row for row in admin.get("events").json["events"] if row["type"] == "client_reported"]
    assert (told["client_id"], told["details"]["text"]) == (CLIENT, "wan -> lte")
    path = f"webhooks/{made['webhook']['webhook_id']}/deliveries"
    assert [row["event_type"] for row in admin.get(path).json["deliveries"]] == ["client_reported"]


@pytest.mark.parametrize(
    "wrong", [{"at": -1}, {"at": 2**40}, {"kind": "a b"}, {"severity": "loud"}, {"text": "x" * 1025}]
)
def test_a_report_that_is_none_is_named(router: Router, wrong: dict[str, Any]) -> None:
    router.register()
    refused = router.heartbeat(events=[REPORT | wrong])
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_request")
    assert refused.json["message"].startswith(f"events.0.{next(iter(wrong))}")


def test_banks_that_are_not_the_tenants_have_no_history(admin: Admin, stocked: Database) -> None:
    add_bank(stocked, 5, add_tenant(stocked, "other"))
    assert admin.get("simbank/slots/5/1/history").status_code == 404
