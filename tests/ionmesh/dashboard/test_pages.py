"""What the pages of clients show and do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError

from ionmesh.db import Database
from ionmesh.models import Role
from ionmesh.services import alerts, audit, clients, events, registration, users
from tests.ionmesh.conftest import START, Router, add_key
from tests.ionmesh.dashboard.conftest import BOTH, Person
from tests.ionmesh.dashboard.fleet import Fleet, iccid, place


def listed(person: Person, query: str) -> list[str]:
    """The clients of a table's page, in order."""
    return re.findall(r'<tr data-client="([^"]+)"', person.get(f"/clients?{query}").text)


def audited(database: Database, fleet: Fleet, action: str) -> Sequence[Any]:
    with database.read() as session:
        return audit.entries(session, fleet.tenant_id, action=action, offset=0, limit=100)[0]


@BOTH
def test_clients_are_found_filtered_sorted_and_paged(owner: Person, fleet: Fleet) -> None:
    everybody = sorted(fleet.names)
    assert listed(owner, "") == everybody
    assert listed(owner, "sort=client&order=desc") == everybody[::-1]
    assert listed(owner, "q=tram-0003") == ["tram-0003-slot0"]
    assert listed(owner, f"q={iccid(*place(4))[-6:]}") == [fleet.names[4]]
    assert listed(owner, "q=%25") == [], "a per cent sign is a character"
    assert listed(owner, "tag=depot-south") == sorted(fleet.names[10::15])
    assert listed(owner, "bank=2") == []
    assert listed(owner, "mode=KI_PROXY_SWSIM") == []
    grades = [listed(owner, f"state={grade}") for grade in ("ok", "problem", "critical", "unknown")]
    assert sorted(name for names in grades for name in names) == everybody
    for sort in ("slot", "mode", "signal", "heartbeat"):
        for order in ("asc", "desc"):
            assert sorted(listed(owner, f"sort={sort}&order={order}")) == everybody
    assert listed(owner, "sort=slot") == list(fleet.names)
    assert listed(owner, "sort=nonsense&state=nonsense&mode=x&page=0&bank=99999999999") == everybody
    assert listed(owner, "page=2") == []
    assert "No client is like that" in owner.get("/clients?q=nobody").text


def test_identities_are_cut_for_viewers_and_cannot_be_searched_for(
    person: Callable[[Role], Person], fleet: Fleet
) -> None:
    viewer, operator = person(Role.VIEWER), person(Role.OPERATOR)
    whole = iccid(*place(0))
    paths = (
        "/clients",
        f"/clients/{fleet.names[0]}",
        "/banks/1/slots/1",
        "/export/clients.csv",
        "/allowance",
    )
    for path in (*paths, "/export/slots.json", "/export/allowance.json", "/pools/1", "/audit-log"):
        assert "894902" not in viewer.get(path).text, path
        assert not re.search(r"\b26201\d{10}\b", viewer.get(path).text), path
    for path in paths:
        assert whole in operator.get(path).text, path
    assert listed(viewer, f"q={whole[-6:]}") == []


def test_the_client_page_says_what_it_has_and_why(owner: Person, fleet: Fleet) -> None:
    name = next(name for name in fleet.names if name in listed(owner, "state=ok"))
    card = iccid(*place(fleet.names.index(name)))
    page = owner.get(f"/clients/{name}").text
    for expected in (card, "Amsterdam 1", "It registered and was given a free one", "primary", "wwan0"):
        assert expected in page, expected


@BOTH
def test_series_come_in_columns(owner: Person, fleet: Fleet) -> None:
    for name, points in (("1h", 20), ("24h", 250), ("7d", 150), ("30d", 200), ("nonsense", 250)):
        found = owner.get(f"/clients/{fleet.names[0]}/series.json?range={name}").json
        assert points <= len(found["times_s"]) <= 500, name
        assert {len(column) for column in found["values"].values()} == {len(found["times_s"])}
    assert owner.get(f"/clients/{fleet.names[5]}/series.json").json["times_s"] == []
    assert owner.get("/clients/nobody/series.json", Accept="application/json").status_code == 404


@BOTH
def test_reassigning_offers_what_is_possible_and_moves(
    owner: Person, fleet: Fleet, database: Database
) -> None:
    name = fleet.names[0]
    page = owner.get(f"/clients/{name}/reassign?bank=1").text
    offered = re.findall(r'name="place" value="([0-9/]+)"', page)
    assert offered == [f"1/{slot}" for slot in range(31, 251)][: len(offered)]
    assert len(offered) == 200
    elsewhere = re.findall(
        r'name="place" value="90/(\d+)"', owner.get(f"/clients/{name}/reassign?bank=90").text
    )
    assert elsewhere[:1] == ["5"], "master cards are not given"
    for path, text in (("1/2", "not available"), ("1/999", "no slot"), ("", "bank_id"), ("x/y", "bank_id")):
        answer = owner.post(f"/clients/{name}/reassign", {"place": path}, Accept="application/json")
        assert answer.status_code in (400, 404)
        assert text in answer.json["message"].lower()
    done = owner.post(f"/clients/{name}/reassign", {"place": "1/200"}, Accept="application/json")
    assert done.json == {"status": "ok", "location": f"/clients/{name}?done=reassigned"}
    page = owner.get(done.json["location"]).text
    assert "Client moved" in page
    assert "<dd data-slot>1/200</dd>" in page
    assert "owner@example.com chose it" in page
    assert [entry.actor for entry in audited(database, fleet, "client_moved")] == ["owner@example.com"]
    assert "Free" in owner.get("/banks/1/slots/1").text
    history = owner.get("/banks/1/slots/1").text.partition("Who had this card")[2]
    assert name in history
    assert "moved" in history


def test_a_command_is_queued_shown_and_cancelled(
    person: Callable[[Role], Person], app: Flask, fleet: Fleet
) -> None:
    operator, name = person(Role.OPERATOR), fleet.names[1]
    assert operator.post(f"/clients/{name}/commands", {"type": "restart"}).status_code == 303
    router = Router(app.test_client(), fleet.key, name)
    command = router.heartbeat().json["commands"][0]
    assert command["type"] == "restart"
    page = operator.get(f"/clients/{name}").text
    assert "Sent" in page
    assert operator.post(f"/clients/{name}/commands/{command['id']}/cancel").status_code == 303
    assert "Expired" in operator.get(f"/clients/{name}").text
    unknown = operator.post(f"/clients/{name}/commands", {"type": "format-disk"}, Accept="application/json")
    assert (unknown.status_code, unknown.json["code"]) == (400, "invalid_request")
    for detail in ("failed", "done"):
        operator.post(f"/clients/{name}/commands", {"type": "log-tail"})
        given = router.heartbeat().json["commands"][-1]
        router.heartbeat(command_results=[{"id": given["id"], "state": detail, "detail": f"said {detail}"}])
        assert f"said {detail}" in operator.get(f"/clients/{name}").text


def test_notes_and_tags_are_kept(person: Callable[[Role], Person], fleet: Fleet) -> None:
    operator, path = person(Role.OPERATOR), f"/clients/{fleet.names[2]}"
    form = {"notes": "on the roof\r\nnorth side", "tags": "roof, north pilot", "heartbeat_interval_s": "300"}
    assert operator.post(f"{path}/notes", form).status_code == 303
    page = operator.get(path).text
    assert "on the roof\nnorth side" in page
    assert 'value="roof north pilot"' in page
    assert 'value="300"' in page
    assert listed(operator, "tag=roof") == [fleet.names[2]]
    assert operator.post(f"{path}/notes", {"notes": "", "tags": ""}).status_code == 303
    assert listed(operator, "tag=roof") == []
    bad = operator.post(f"{path}/notes", {"tags": "<b>"}, Accept="application/json")
    assert bad.status_code == 400


@BOTH
def test_bulk_actions_leave_out_who_has_no_slot(
    person: Callable[[Role], Person], fleet: Fleet, database: Database
) -> None:
    operator, chosen = person(Role.OPERATOR), [*fleet.names[:3], "nobody", "a\0b"]
    back = "/clients?tag=roof"
    for action, notice in (("restart", "bulk_partly"), ("tag", "bulk_partly"), ("mute", "bulk_partly")):
        form = {"action": action, "client": chosen, "tag": "roof", "back": back}
        assert operator.post("/clients/bulk", form).location == f"{back}&done={notice}"
    assert listed(operator, "tag=roof") == sorted(fleet.names[:3])
    form = {"action": "untag", "client": list(fleet.names[:1]), "tag": "roof", "back": "//evil.example"}
    assert operator.post("/clients/bulk", form).location == "/clients?done=bulk"
    assert len(listed(operator, "tag=roof")) == 2
    queued = audited(database, fleet, "command_queued")
    assert sorted(entry.subject for entry in queued) == sorted(fleet.names[:3])
    with database.read() as session:
        muted = alerts.mutes(session, fleet.tenant_id, START)
    assert {mute.subject for mute in muted} == set(fleet.names[:3])
    for wrong in ({"action": "restart"}, {"client": chosen}, {"action": "x", "client": chosen}):
        assert operator.post("/clients/bulk", wrong, Accept="application/json").status_code == 400
    assert (
        operator.post("/clients/bulk", {"action": "tag", "client": chosen[:1], "tag": "<i>"}).status_code
        == 400
    )


def test_a_client_without_slot_is_still_shown(owner: Person, fleet: Fleet, database: Database) -> None:
    name = fleet.names[6]
    with database.write() as session:
        registration.unregister(session, fleet.tenant_id, name, "test", START)
    assert name not in listed(owner, "")
    assert listed(owner, "state=deactivated") == [name]
    page = owner.get(f"/clients/{name}").text
    assert "No slot" in page
    assert "Reassign" not in page
    assert owner.get(f"/clients/{name}/reassign").status_code == 404


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}"]
)
def test_stored_html_stays_text(
    app: Flask, owner: Person, fleet: Fleet, database: Database, hostile: str
) -> None:
    """Names, notes, and whatever a router says about itself, on every page that shows them."""
    router = Router(app.test_client(), add_key(database, "metro"), "router<i>".replace("<i>", "-i"))
    router.register(
        software_version=hostile[:60], fingerprint=hostile, hardware_info={"modem_vendor": hostile}
    )
    router.heartbeat(
        stats={"signal_rsrp": hostile, "uptime_seconds": hostile},
        modem_info=dict.fromkeys(("vendor", "model", "firmware", "imei", "network"), hostile),
        links={
            hostile: {"role": hostile, "interface": hostile, "health": hostile, "sim": hostile},
            "x": hostile,
        },
        events=[{"at": 1, "kind": hostile, "severity": "warning", "subject": hostile, "text": hostile}],
    )
    with database.write() as session:
        values = {"notes": hostile}
        clients.change(session, fleet.tenant_id, router.client_id, values, hostile, START)
        session.flush()
        for event in events.latest(session, fleet.tenant_id, client_id=None, limit=1):
            event.client_id = hostile
    assert (
        owner.post("/users", {"email": "x@example.com", "name": hostile, "password": "p" * 12}).status_code
        == 303
    )
    assert owner.post("/api-keys", {"name": hostile, "scopes": "read", "life": ""}).status_code == 200
    rule = {"name": hostile, "kind": "bank_down", "severity": "info"}
    assert owner.post("/alerts/rules", rule).status_code == 303
    escaped = re.escape(hostile.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    shown = 0
    paths = ("/", "/clients", f"/clients/{router.client_id}", "/users", "/api-keys", "/alerts", "/audit-log")
    for path in (*paths, f"/clients?q={hostile}", "/banks/1"):
        page = owner.get(path).text
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
        assert "49" not in page or "{{7*7}}" not in hostile or ">49<" not in page, path
        shown += len(re.findall(escaped.replace('"', "(?:&#34;|&quot;)"), page)) if "<" in hostile else 0
    assert "<" not in hostile or shown > 10


@BOTH
@pytest.mark.parametrize("table", ["clients", "audit"])
def test_what_no_column_holds_is_not_asked_for(owner: Person, fleet: Fleet, table: str) -> None:
    filters = "tag=%00&q=%00" if table == "clients" else "subject=%00&action=%00"
    page = "/clients" if table == "clients" else "/audit-log"
    assert owner.get(f"{page}?{filters}").status_code == 200
    assert owner.get(f"/export/{table}.csv?{filters}").status_code == 200
    assert owner.get("/export/events.csv?client=%00").status_code == 200


def test_what_two_make_at_the_same_time_is_refused_as_a_page(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object, **__: object) -> None:
        raise IntegrityError("INSERT", None, Exception("UNIQUE constraint failed: users.email"))

    monkeypatch.setattr(users, "create", taken)
    form = {"email": "new@example.com", "password": "a-good-long-password", "role": "viewer"}
    answer = owner.post("/users", form)
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "It exists already, or is in use." in answer.text
