"""Banks, pools, alerts, allowance, webhooks, keys, people, and every table as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask

from ionmesh.db import Database
from ionmesh.models import (
    Alert,
    AlertKind,
    AlertState,
    Bank,
    BankStatus,
    Role,
    Severity,
    SignalMetric,
    Slot,
    SlotStatus,
)
from ionmesh.services import alert_rules, alerts, audit, registration
from tests.ionmesh.conftest import START, Router, add_key, add_tenant
from tests.ionmesh.dashboard.conftest import BOTH, CLIENTS, Person
from tests.ionmesh.dashboard.fleet import BANK_SIZE, Fleet


def letters(page: str) -> list[str]:
    """The looks of a bank's slots, in order."""
    return re.findall(r'<a class="(\w+)" href="/banks/\d+/slots/', page)


@BOTH
def test_a_bank_is_shown_slot_by_slot(owner: Person, fleet: Fleet) -> None:
    page = owner.get("/banks/1").text
    looks = letters(page)
    assert len(looks) == BANK_SIZE
    assert set(looks[:CLIENTS]) <= set("opcu")
    assert set(looks[CLIENTS : BANK_SIZE - 6]) == {"f"}
    assert set(looks[BANK_SIZE - 6 :]) <= set("rd")
    assert re.search(r'aria-label="1: [^"]+, tram-0001-slot0"', page)
    assert f"{CLIENTS} of {BANK_SIZE} slots in use" in page
    overview = re.findall(r'data-slots="(\w+)"', owner.get("/banks").text)
    assert overview[0] == "".join(looks)
    assert re.findall(r'data-slots="(\w+)"', owner.get("/").text) == overview


@BOTH
def test_heat_is_how_often_a_card_changed_hands_and_what_went_over_it(
    owner: Person, fleet: Fleet, database: Database
) -> None:
    with database.write() as session:
        for slot_id in (40, 41, 40):
            registration.reassign(session, fleet.tenant_id, fleet.names[0], (1, slot_id), "test", START)
            session.flush()
    page = owner.get("/banks/1?view=handovers").text
    assert re.search(r'class="h4" href="/banks/1/slots/40\?view=handovers"[^>]*>2<', page)
    assert re.search(r'class="h2" href="/banks/1/slots/41\?view=handovers"[^>]*>1<', page)
    traffic = letters(owner.get("/banks/1?view=traffic").text)
    assert set(traffic[12:]) == {"h0"}
    assert set(traffic[:12]) <= {"h1", "h2", "h3", "h4"}
    assert "h4" in traffic[:12]


def test_clients_of_others_in_a_shared_bank_are_not_told(
    app: Flask, owner: Person, fleet: Fleet, database: Database
) -> None:
    with database.write() as session:
        bank = Bank(bank_id=50, name="shared", status=BankStatus.ONLINE, bankd_host="b", created_at=START)
        bank.bankd_port, bank.server_port = 9999, 9998
        session.add(bank)
        session.flush()
        session.add_all(Slot(bank_id=50, slot_id=number) for number in (1, 2))
    add_tenant(database, "other")
    Router(app.test_client(), add_key(database, "other"), "secret-router").register(preferred_bank_id=50)
    page = owner.get("/banks/50/slots/1").text
    assert letters(page) == ["u", "f"]
    assert "secret-router" not in page
    assert "Nobody yet" in page
    assert "secret" not in owner.get("/banks").text


def test_a_slot_tells_its_card_s_traffic_and_history(owner: Person, fleet: Fleet) -> None:
    page = owner.get("/banks/1/slots/3").text
    assert len(re.findall(r"<rect x=", page)) >= 27
    history = page.partition("Who had this card")[2]
    assert re.search(r"now</span>.*has it", history, re.DOTALL)
    earlier = re.findall(r"spare-\d+-slot0", history)
    assert len(set(earlier)) == history.count("gave it back")


def test_pools_are_made_changed_and_deleted_by_admins(person: Callable[[Role], Person], fleet: Fleet) -> None:
    admin = person(Role.ADMIN)
    page = admin.get("/pools").text
    assert "Only authentications reach a card" in page
    assert "0 of 64" in page
    form = {
        "pool_name": "second",
        "carrier": "Nordnet",
        "mcc_mnc": "24001",
        "bank_id": "90",
        "slot_range_start": "9",
        "slot_range_end": "12",
        "virtual_slot_start": "201",
        "virtual_slot_end": "210",
        "max_virtual_sims": "10",
        "routing_mode": "random",
    }
    assert admin.post("/pools", form).location == "/pools?done=created"
    assert admin.post("/pools", form, Accept="application/json").json["code"] == "pool_exists"
    assert admin.post("/pools/2", {"max_virtual_sims": "5", "enabled": "false"}).status_code == 303
    page = admin.get("/pools/2").text
    assert "0 of 5" in page
    assert "Closed" in page
    assert admin.post("/pools/2/delete").location == "/pools?done=deleted"
    assert admin.get("/pools/2").status_code == 404


@BOTH
def test_alerts_are_acknowledged_and_muted(
    person: Callable[[Role], Person], fleet: Fleet, database: Database
) -> None:
    operator = person(Role.OPERATOR)
    page = operator.get("/alerts").text
    assert len(re.findall(r'data-alert="', page)) == 2
    number = re.search(r'data-alert="(\d+)"', page)
    assert number
    assert operator.post(f"/alerts/{number[1]}/acknowledge").location == "/alerts?done=acknowledged"
    assert "acknowledged by operator@example.com" in operator.get("/alerts").text
    form = {"subject": "bank 4", "hours": "8", "back": "/alerts"}
    assert operator.post("/alerts/mutes", form).location == "/alerts?done=muted"
    assert "bank 4" in operator.get("/alerts").text.partition('id="mutes"')[2]
    assert operator.post("/alerts/mutes/1/end").status_code == 303
    for hours in ("0", "-1", "721", "x", "9" * 9, "٣"):
        assert (
            operator.post("/alerts/mutes", form | {"hours": hours}, Accept="application/json").status_code
            == 400
        )
    assert operator.post("/alerts/rules/1/mute", {"hours": "8"}).status_code == 303
    assert "Muted" in operator.get("/alerts").text
    assert operator.post("/alerts/rules/1/mute", {"hours": "0"}).status_code == 303
    with database.write() as session:
        page_of, _ = alerts.listed(session, fleet.tenant_id)
        alerts.end(session, page_of, START)
    assert "Nothing is wrong" in operator.get("/alerts").text
    assert "operator@example.com" in operator.get("/alerts/history").text


def test_rules_are_made_changed_and_deleted_by_admins(person: Callable[[Role], Person], fleet: Fleet) -> None:
    admin = person(Role.ADMIN)
    form = {
        "name": "Very weak",
        "kind": "signal_below",
        "signal": "rsrp_dbm",
        "threshold": "-120.5",
        "hysteresis": "3",
        "for_s": "600",
        "severity": "error",
        "window_s": "",
    }
    assert admin.post("/alerts/rules", form).status_code == 303
    page = admin.get("/alerts").text
    assert "RSRP &lt; -120.5 dBm" in page
    assert "10 min" in page
    number = max(int(found) for found in re.findall(r"/alerts/rules/(\d+)/delete", page))
    assert admin.post(f"/alerts/rules/{number}", {"enabled": "false"}).status_code == 303
    assert "Turn on" in admin.get("/alerts").text
    assert admin.post(f"/alerts/rules/{number}/delete").status_code == 303
    assert "Very weak" not in admin.get("/alerts").text
    wrong = admin.post("/alerts/rules", form | {"signal": ""}, Accept="application/json")
    assert (wrong.status_code, wrong.json["code"]) == (400, "bad_signal")
    assert admin.post("/alerts/rules/usual").status_code == 303


@BOTH
def test_an_alert_tells_its_figure_in_the_unit_of_its_rule(
    person: Callable[[Role], Person], fleet: Fleet, database: Database
) -> None:
    with database.write() as session:
        for number, (kind, signal, threshold) in enumerate(
            [
                ("signal_below", "sinr_db", 3),
                ("signal_below", "rsrp_dbm", -110),
                ("allowance_reached", None, 80),
            ]
        ):
            values = {"name": f"rule {number}", "kind": AlertKind(kind), "threshold": threshold}
            values |= {"severity": Severity.ERROR, "signal": SignalMetric(signal) if signal else None}
            rule = alert_rules.create(session, fleet.tenant_id, values, "test", START)
            session.add(
                Alert(
                    tenant_id=fleet.tenant_id,
                    rule_id=rule.rule_id,
                    rule_name=rule.name,
                    kind=rule.kind,
                    severity=rule.severity,
                    subject=fleet.names[number] if signal else "allowance 1",
                    state=AlertState.FIRING,
                    value=threshold + 0.5,
                    since=START,
                    fired_at=START,
                    told=True,
                )
            )
    page = person(Role.VIEWER).get("/alerts").text
    figures = re.findall(r'rule \d.*?<td class="number wide">([^<]+)</td>', page, re.DOTALL)
    assert sorted(figures) == sorted(["3.5 dB", "-109.5 dBm", "80 %"])
    assert re.search(r"<b>SIM \.\.\.\d{4}</b>", page), "the SIM of an allowance is named, cut for a viewer"


@BOTH
def test_a_rules_thresholds_are_changed_on_its_page(
    person: Callable[[Role], Person], fleet: Fleet, database: Database
) -> None:
    admin, operator = person(Role.ADMIN), person(Role.OPERATOR)
    with database.read() as session:
        rules = {rule.name: rule for rule in alert_rules.listed(session, fleet.tenant_id)}
    weak, failures, down = (rules[name] for name in ("Weak signal", "Authentication failures", "Bank down"))
    path = f"/alerts/rules/{weak.rule_id}"
    assert f'href="{path}"' in admin.get("/alerts").text
    assert f'href="{path}"' not in operator.get("/alerts").text
    page = admin.get(path).text
    assert 'name="threshold" type="number" value="-115"' in page
    assert "RSRP in dBm, -160 to 60." in page
    form = dict(re.findall(r'<input id="f-\w+" name="(\w+)"[^>]* value="([^"]*)"', page))
    assert set(form) == {"name", "threshold", "hysteresis", "for_s"}
    form |= {"threshold": "-112.5", "hysteresis": "2", "severity": "critical"}
    assert admin.post(path, form).location == "/alerts?done=noted"
    assert admin.post(path, form).status_code == 303, "nothing is changed twice"
    assert "RSRP &lt; -112.5 dBm" in admin.get("/alerts").text
    assert 'name="threshold" type="number" value="-112.5"' in admin.get(path).text
    with database.read() as session:
        entries, _ = audit.entries(session, fleet.tenant_id, action="alert_rule_changed", offset=0, limit=10)
    (entry,) = entries
    assert (entry.actor, entry.subject) == ("admin@example.com", f"alert rule {weak.rule_id}")
    assert entry.details["changed"] == ["hysteresis", "severity", "threshold"]
    for wrong, code, message in (
        ({"threshold": "61"}, "bad_threshold", "threshold of signal_below is -160..60"),
        ({"threshold": "x"}, "invalid_request", "threshold: "),
        ({"window_s": "600"}, "bad_window", "window_s belongs to auth_failures"),
        ({"for_s": "-1"}, "invalid_request", "for_s: "),
    ):
        refused = admin.post(path, form | wrong, Accept="application/json").json
        assert (refused["code"], refused["message"][: len(message)]) == (code, message)
    assert 'name="window_s" type="number" value="900"' in admin.get(f"/alerts/rules/{failures.rule_id}").text
    assert "threshold" not in admin.get(f"/alerts/rules/{down.rule_id}").text
    assert admin.get("/alerts/rules/9999").status_code == 404


@BOTH
def test_allowances_are_shown_set_and_removed(person: Callable[[Role], Person], fleet: Fleet) -> None:
    admin = person(Role.ADMIN)
    assert "of 4.2 GB" in admin.get("/allowance").text
    form = {"sims": "1/5, 8949020000100010020", "limit_mb": "2.5", "billing_day": "7"}
    assert admin.post("/allowance", form).location == "/allowance?done=noted"
    page = admin.get("/allowance").text
    assert "2.5 MB" in page
    assert "1/5" in page
    number = re.search(r"/allowance/(\d+)/delete", page)
    assert number
    assert admin.post(f"/allowance/{number[1]}/delete").status_code == 303
    for wrong in (
        {"limit_mb": "x"},
        {"limit_mb": "inf"},
        {"limit_mb": "0"},
        {"sims": "<b>"},
        {"billing_day": "31"},
    ):
        assert admin.post("/allowance", form | wrong, Accept="application/json").status_code == 400, wrong


def test_webhooks_are_made_tested_and_changed(person: Callable[[Role], Person], fleet: Fleet) -> None:
    admin = person(Role.ADMIN)
    shown = admin.post("/webhooks", {"url": "https://hook.example.com/x", "events": ["client_recovered"]})
    secret = re.search(r"data-secret[^>]*>(whsec_[A-Za-z0-9+/=]+)<", shown.text)
    assert secret
    assert secret[1] not in admin.get("/webhooks").text + admin.get("/webhooks/2").text
    assert admin.post("/webhooks/2/test").location == "/webhooks/2?done=tested"
    assert "Waiting" in admin.get("/webhooks/2").text
    assert admin.post("/webhooks/2", {"enabled": "false"}).status_code == 303
    form = {"url": "https://hook.example.com/y", "events": ["client_expired", "alert_fired"]}
    assert admin.post("/webhooks/2", form).status_code == 303
    page = admin.get("/webhooks/2").text
    assert "client_expired, alert_fired" in page
    assert "Turn on" in page
    for url in ("http://hook.example.com", "https://127.0.0.1/", "ftp://x"):
        assert admin.post("/webhooks", {"url": url}, Accept="application/json").json["code"] == "bad_url"
    assert admin.post("/webhooks/2/delete").status_code == 303


def test_a_key_is_shown_once_and_works(app: Flask, person: Callable[[Role], Person], fleet: Fleet) -> None:
    admin = person(Role.ADMIN)
    shown = admin.post("/api-keys", {"name": "new", "scopes": ["remsim", "read"], "life": "90"}).text
    text = re.search(r"data-secret[^>]*>(imk_live_\w+)<", shown)
    assert text
    page = admin.get("/api-keys").text
    assert text[1] not in page
    assert text[1][:17] in page
    http = app.test_client()
    answer = http.get("/api/backend/v1/clients", headers={"X-API-Key": text[1]})
    assert answer.status_code == 200
    rotated = admin.post("/api-keys/3/rotate").text
    assert re.search(r"data-secret[^>]*>imk_live_", rotated)
    assert admin.post("/api-keys/3/revoke").status_code == 303
    assert http.get("/api/backend/v1/clients", headers={"X-API-Key": text[1]}).status_code == 401
    for form in (
        {"scopes": ["platform"], "life": ""},
        {"scopes": [], "life": ""},
        {"scopes": ["read"], "life": "1"},
    ):
        assert admin.post("/api-keys", form, Accept="application/json").status_code in (400, 403), form


def test_nobody_makes_or_changes_somebody_above_them(person: Callable[[Role], Person], fleet: Fleet) -> None:
    admin, owner = person(Role.ADMIN), person(Role.OWNER)
    form = {"email": "new@example.com", "password": "a-good-long-password", "role": "owner"}
    assert admin.post("/users", form).status_code == 403
    assert admin.post("/users", form | {"role": "operator"}).status_code == 303
    owner_id, viewer_id = 1, 4
    for path in (f"/users/{owner_id}", f"/users/{owner_id}/second-factor/off", f"/users/{owner_id}/delete"):
        assert admin.post(path, {"role": "viewer"}).status_code == 403
    assert admin.post(f"/users/{viewer_id}", {"role": "owner"}).status_code == 403
    assert admin.post(f"/users/{viewer_id}", {"role": "operator"}).status_code == 303
    assert admin.post(f"/users/{viewer_id}/delete").status_code == 303
    lonely = owner.post(f"/users/{owner_id}/delete", Accept="application/json")
    assert (lonely.status_code, lonely.json["code"]) == (409, "last_owner")


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("clients", CLIENTS),
        ("slots", BANK_SIZE + 8 + 64),
        ("pools", 1),
        ("alerts", 2),
        ("allowance", 12),
        ("webhooks", 1),
        ("keys", 2),
        ("users", 4),
        ("alert-history", 0),
        ("alert-rules", 8),
        ("events", 60),
        ("events?client=tram-0001-slot0", 10),
        ("commands?client=tram-0001-slot0", 0),
        ("deliveries?webhook=1", 1),
    ],
)
def test_every_table_is_a_file(owner: Person, what: str, rows: int) -> None:
    name, _, query = what.partition("?")
    answer = owner.get(f"/export/{name}.csv?{query}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.csv"'
    assert len(list(csv.DictReader(io.StringIO(answer.text)))) == rows
    assert len(owner.get(f"/export/{name}.json?{query}").json) == rows


def test_a_file_has_what_its_page_shows(owner: Person, viewer: Person, fleet: Fleet) -> None:
    assert [row["client_id"] for row in owner.get("/export/clients.json?q=tram-0003").json] == [
        "tram-0003-slot0"
    ]
    assert len(owner.get("/export/slots.json?bank=90").json) == 72
    entries = owner.get("/export/audit.json?action=user_created").json
    assert {entry["action"] for entry in entries} == {"user_created"}
    assert {viewer.get(f"/export/{what}.csv").status_code for what in ("webhooks", "keys", "users")} == {403}
    for path in ("/export/secrets.csv", "/export/clients.xml"):
        assert owner.get(path).status_code == 404


def test_documented_paths_lead_on(owner: Person, fleet: Fleet) -> None:
    led = owner.get("/admin/openwrt-clients/?status=offline&mapping_mode=KI_PROXY_SWSIM")
    assert led.location == "/clients?state=critical&mode=KI_PROXY_SWSIM"
    assert owner.get("/admin/openwrt-clients/a-slot0/details").location == "/clients/a-slot0"


def test_statuses_out_of_service_are_told(owner: Person, database: Database, fleet: Fleet) -> None:
    with database.write() as session:
        for slot_id, status in ((100, SlotStatus.FAULTY), (101, SlotStatus.RESERVED)):
            session.get_one(Slot, (1, slot_id)).status = status
        session.get_one(Bank, 1).status = BankStatus.MAINTENANCE
    assert letters(owner.get("/banks/1").text)[99:101] == ["d", "r"]
    assert "Maintenance" in owner.get("/banks/1").text
