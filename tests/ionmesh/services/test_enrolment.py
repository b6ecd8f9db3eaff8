"""Many registrations in one transaction come to what they would one by one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from ionmesh.db import Database, serialise
from ionmesh.errors import NoSlot, NotFound
from ionmesh.models import (
    AuditEntry,
    Balancing,
    ClientState,
    Event,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
    SlotKind,
    SlotStatus,
    WebhookDelivery,
)
from ionmesh.services import enrolment, policies, registration, webhooks
from ionmesh.services.enrolment import Wanted
from ionmesh.services.registration import Registered, Registration
from tests.ionmesh.conftest import START, add_bank, add_slots, add_tenant, url_of

SWSIM = MappingMode.ONE_TO_ONE_SWSIM
SILENCE = timedelta(seconds=300)


def wanted(*names: str, tenant_id: int = 1, **fields: Any) -> list[Wanted]:
    return [Wanted(tenant_id, Registration(name, SWSIM, **fields)) for name in names]


def enrol(database: Database, items: list[Wanted]) -> list[enrolment.Answer]:
    with database.write() as session:
        return enrolment.enrol(session, items, START)


def places(answers: list[enrolment.Answer]) -> list[tuple[int, int] | None]:
    return [
        (answer.assignment.bank_id, answer.assignment.slot_id) if isinstance(answer, Registered) else None
        for answer in answers
    ]


def rows_of(database: Database) -> dict[str, list[Any]]:
    """Everything registrations write, without what is drawn at random."""
    with database.read() as session:
        slots = session.execute(select(Slot.slot_id, Slot.status).order_by(Slot.bank_id, Slot.slot_id)).all()
        profiles = session.scalars(select(ServiceProfile).order_by(ServiceProfile.client_id)).all()
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.subject)).all()
        events = session.scalars(select(Event).order_by(Event.client_id)).all()
        deliveries = session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.body)).all()
        states = session.scalars(
            select(ClientState).join(ClientState.profile).order_by(ServiceProfile.client_id)
        ).all()

        def values(row: Any, *without: str) -> dict[str, Any]:
            columns = row.__table__.columns.keys()
            return {name: getattr(row, name) for name in columns if name not in without}

        return {
            "slots": [tuple(row) for row in slots],
            "profiles": [values(row, "profile_id") for row in profiles],
            "states": [values(row, "profile_id") for row in states],
            "audit": [values(row, "entry_id") for row in entries if row.action == "client_registered"],
            "events": [values(row, "event_id") for row in events],
            "deliveries": [values(row, "delivery_id") for row in deliveries],
        }


def test_many_at_once_write_what_one_by_one_writes(stocked: Database, tmp_path: Any) -> None:
    with stocked.write() as session:
        webhooks.create(session, 1, "https://example.com/a", [], "test", START)
        webhooks.create(session, 1, "https://example.com/b", ["client_unregistered"], "test", START)
    requests = wanted("a", "b", fingerprint="f", source_ip="192.0.2.1", hardware_info={"modem": "x"})
    single = Database(url_of(stocked))
    together = enrol(stocked, requests)
    written = rows_of(stocked)
    with single.write() as session:
        for table in (WebhookDelivery, Event, ClientState, ServiceProfile):
            session.query(table).delete()
        for slot in session.scalars(select(Slot)):
            slot.status = SlotStatus.AVAILABLE
        before = session.scalar(select(func.max(AuditEntry.entry_id)))
        alone = [registration.register(session, 1, item.request, START, SILENCE) for item in requests]
    assert places(together) == places(list(alone)) == [(1, 1), (1, 2)]
    again = rows_of(single)
    with single.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.entry_id > before)).all()
    assert [(entry.subject, entry.details) for entry in entries] == [
        (entry["subject"], entry["details"]) for entry in written["audit"]
    ]
    for name in ("slots", "profiles", "states", "events", "deliveries"):
        assert written[name] == again[name], name
    assert len(written["deliveries"]) == 2
    single.close()


def test_what_is_not_for_many_is_left_alone(stocked: Database) -> None:
    add_slots(stocked, "4-9")
    with stocked.write() as session:
        registration.register(session, 1, Registration("known", SWSIM), START, SILENCE)
        registration.register(session, 1, Registration("past", SWSIM), START, SILENCE)
        registration.unregister(session, 1, "past", "test", START)
    answers = enrol(stocked, wanted("known", "past", "OpenWrt-slot0", "new", "new"))
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [Registered, type(None)]


def test_a_name_somebody_else_registers_now_is_left_to_wait(stocked: Database) -> None:
    if stocked.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with stocked.write() as session:
        serialise(session, "client", 1, "busy")
        answers = enrol(stocked, wanted("busy", "free"))
    assert places(answers) == [None, (1, 1)]
    assert answers[0] is None


def test_too_few_slots_go_to_the_first_and_the_others_hear_why(stocked: Database) -> None:
    add_slots(stocked, "900", kind=SlotKind.VIRTUAL)
    answers = enrol(stocked, wanted("a", "b", "c", "d", "e"))
    assert places(answers[:3]) == [(1, 1), (1, 2), (1, 3)]
    for answer in answers[3:]:
        assert isinstance(answer, NoSlot)
        assert answer.available_modes == ("ONE_TO_ONE_VSIM",)
    pool = [Wanted(1, Registration("k", MappingMode.KI_PROXY_SWSIM, mcc_mnc="00101"))]
    assert isinstance(enrol(stocked, pool)[0], NotFound)


def test_tenants_in_one_round_stay_apart(stocked: Database) -> None:
    other = add_tenant(stocked, "other")
    add_bank(stocked, 2, tenant_id=other)
    add_slots(stocked, "1-2", bank_id=2)
    answers = enrol(stocked, wanted("a", "b") + wanted("a", "b", "c", tenant_id=other))
    # Its own slots before shared ones.
    assert places(answers) == [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3)]
    with stocked.glance() as connection:
        recalled = enrolment.recall(
            connection, wanted("a", "c") + wanted("a", tenant_id=other), START + SILENCE
        )
    assert [found.active for found in recalled] == [True, False, True]
    assert recalled[2].registered is not None
    assert recalled[2].registered.assignment.bank_id == 2


def test_policies_count_and_what_they_want_one_by_one_is_left_alone(stocked: Database) -> None:
    add_bank(stocked, 2)
    add_slots(stocked, "1-2", bank_id=2)
    rule = {"name": "", "priority": 1, "enabled": True, "timezone": "UTC", "preferred_bank_id": 2}
    with stocked.write() as session:
        policy = policies.create(
            session, 1, rule | {"load_balancing_mode": Balancing.ROUND_ROBIN}, "test", START
        )
    assert places(enrol(stocked, wanted("a", "b", "c"))) == [(2, 1), (2, 2), (1, 1)]
    with stocked.write() as session:
        policies.change(session, 1, policy.policy_id, {"load_balancing_mode": Balancing.PACK}, "test", START)
    assert enrol(stocked, wanted("d", "e")) == [None, None]


def test_a_lost_race_undoes_the_whole_round(stocked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with stocked.write() as session:
        registration.register(session, 1, Registration("a", SWSIM), START, SILENCE)
    # As if the other's commit came between the look and the insert.
    monkeypatch.setattr(enrolment, "_strangers", lambda _session, items: list(range(len(items))))
    with pytest.raises(IntegrityError):
        enrol(stocked, wanted("b", "a"))
    with stocked.read() as session:
        active = session.scalars(select(ServiceProfile.client_id)).all()
        taken = session.scalar(
            select(func.count()).select_from(Slot).where(Slot.status == SlotStatus.ASSIGNED)
        )
    assert (list(active), taken) == (["a"], 1)


def test_touching_leaves_out_who_is_being_changed(stocked: Database) -> None:
    found = enrol(stocked, wanted("a", "b"))
    ids = [answer.assignment.profile_id for answer in found if isinstance(answer, Registered)]
    later = START + timedelta(minutes=5)
    held = stocked.engine.dialect.name == "postgresql"
    other = Database(url_of(stocked))
    with other.write() as session:
        if held:
            session.execute(select(ServiceProfile).where(ServiceProfile.client_id == "a").with_for_update())
        else:
            session.rollback()
        with stocked.telemetry() as connection:
            enrolment.touch(connection, ids, later)
    other.close()
    with stocked.read() as session:
        moments = session.scalars(select(ServiceProfile.registered_at).order_by(ServiceProfile.client_id))
        assert list(moments) == [START if held else later, later]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), st.integers(1, 5))
def test_rounds_of_any_make_up_never_double(stocked: Database, names: list[str], size: int) -> None:
    for start in range(0, len(names), size):
        enrol(stocked, wanted(*names[start : start + size]))
    with stocked.read() as session:
        active = session.execute(
            select(ServiceProfile.client_id, ServiceProfile.bank_id, ServiceProfile.slot_id).where(
                ServiceProfile.status == ProfileStatus.ACTIVE
            )
        ).all()
        assigned = session.execute(
            select(Slot.bank_id, Slot.slot_id).where(Slot.status == SlotStatus.ASSIGNED)
        ).all()
    assert len({row[0] for row in active}) == len(active)
    assert sorted(tuple(row[1:]) for row in active) == sorted(tuple(row) for row in assigned)
