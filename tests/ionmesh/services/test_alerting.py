"""Alerts: what a look at a rule comes to, for every kind of rule, and who is told of it how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, update

from ionmesh.db import Database
from ionmesh.models import AlertState, Bank, ClientSeries, ClientState, Event, EventType, PushMessage
from ionmesh.services import alert_rules, alerting, alerts, push, sampling
from ionmesh.services.alerting import Seen, decide
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_tenant
from tests.ionmesh.services.browser import ELSEWHERE
from tests.ionmesh.services.fleet import add_clients

CLIENT = "router-1-slot0"


def evaluate(database: Database, clock: ManualClock) -> int:
    with database.write() as session:
        return alerting.evaluate(session, clock())


def add_rule(admin: Admin, kind: str, **fields: Any) -> int:
    made = admin.post("alerts/rules", {"name": "rule", "kind": kind} | fields)
    assert made.status_code == 201, made.json
    rule_id = made.json["rule"]["rule_id"]
    assert isinstance(rule_id, int)
    return rule_id


def shown(admin: Admin, state: str = "firing") -> list[tuple[str, float | None]]:
    return [(row["subject"], row["value"]) for row in admin.get(f"alerts?state={state}").json["alerts"]]


def told(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as session:
        rows = session.scalars(select(Event).where(Event.type.like("alert_%")).order_by(Event.event_id))
        return [(row.type.value, row.client_id, row.severity.value) for row in rows]


def silence(admin: Admin, **fields: Any) -> int:
    return add_rule(admin, "client_offline", threshold=600, severity="error", **fields)


def test_a_silent_client_raises_an_alert_and_a_heartbeat_ends_it(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    silence(admin)
    router.register()
    clock.advance(10_000)
    assert evaluate(stocked, clock) == 0, "it never heartbeated"
    router.heartbeat()
    clock.advance(599)
    assert evaluate(stocked, clock) == 0
    clock.advance(1)
    assert (evaluate(stocked, clock), evaluate(stocked, clock)) == (1, 0)
    assert shown(admin) == [(CLIENT, None)]
    router.heartbeat()
    assert (evaluate(stocked, clock), evaluate(stocked, clock)) == (1, 0)
    assert shown(admin) == []
    assert shown(admin, "resolved") == [(CLIENT, None)]
    assert told(stocked) == [("alert_fired", CLIENT, "error"), ("alert_resolved", CLIENT, "info")]


def test_a_client_that_heartbeats_rarely_gets_three_of_its_intervals(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    silence(admin)
    router.register()
    router.heartbeat(interval=900)
    clock.advance(2699)
    assert evaluate(stocked, clock) == 0
    clock.advance(1)
    assert evaluate(stocked, clock) == 1


def test_weak_signal_with_duration_and_hysteresis(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    add_rule(admin, "signal_below", signal="rsrp_dbm", threshold=-110, hysteresis=4, for_s=120)
    router.register()

    def after(rsrp: int) -> list[tuple[str, float | None]]:
        clock.advance(60)
        router.heartbeat(stats={"signal_rsrp": rsrp})
        with stocked.write() as session:
            sampling.record(session)
        evaluate(stocked, clock)
        return shown(admin)

    assert after(-112) == []
    assert shown(admin, "pending") == [(CLIENT, -112)]
    assert after(-109) == [], "not below any more: counting begins anew"
    assert shown(admin, "pending") == []
    for _ in range(2):
        assert after(-112) == []
    assert after(-113) == [(CLIENT, -113)]
    assert after(-107) == [(CLIENT, -107)], "within the hysteresis"
    assert after(-106) == []
    assert after(-111) == []
    assert told(stocked) == [("alert_fired", CLIENT, "warning"), ("alert_resolved", CLIENT, "info")]


def test_signal_of_a_client_that_is_away_is_nobodys_concern(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    add_rule(admin, "signal_below", signal="rsrp_dbm", threshold=-110)
    router.register()
    router.heartbeat(stats={"signal_rsrp": -120})
    with stocked.write() as session:
        sampling.record(session)
    assert evaluate(stocked, clock) == 1
    with stocked.write() as session:
        session.execute(update(ClientState).values(connectivity="offline"))
    assert evaluate(stocked, clock) == 1
    assert shown(admin) == []


def test_a_full_pool(admin: Admin, router: Router, stocked: Database, clock: ManualClock) -> None:
    admin.post("simbank/banks", {"bank_id": 7, "bankd": "bank7"})
    pool = {"pool_name": "east", "carrier": "Example", "mcc_mnc": "310410", "bank_id": 7}
    pool |= {"slot_range_start": 1, "slot_range_end": 9}
    admin.post("ki-proxy-pools", pool | {"virtual_slot_start": 100, "virtual_slot_end": 101})
    add_rule(admin, "pool_utilisation_above", threshold=50, severity="critical")
    assert evaluate(stocked, clock) == 0
    router.register(mapping_mode="KI_PROXY_SWSIM", mcc_mnc="310410")
    assert evaluate(stocked, clock) == 1
    assert shown(admin) == [("pool east", 50)]
    router.unregister()
    assert evaluate(stocked, clock) == 1


def test_refused_challenges_within_the_window(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    add_rule(admin, "auth_failures", threshold=2, window_s=300)
    router.register()

    def report(kind: str) -> None:
        moment_s = int(clock().timestamp())
        router.heartbeat(events=[{"at": moment_s, "kind": kind, "severity": "error", "text": "refused"}])

    for kind in ("auth_failure", "auth_success", "link"):
        report(kind)
    assert evaluate(stocked, clock) == 0
    clock.advance(200)
    report("auth_failure")
    assert evaluate(stocked, clock) == 1
    assert shown(admin) == [(CLIENT, 2)]
    clock.advance(101)
    assert evaluate(stocked, clock) == 1, "the first one is too long ago"


def test_a_lost_bankd(admin: Admin, stocked: Database, clock: ManualClock) -> None:
    add_rule(admin, "bank_down", for_s=60, severity="critical")
    for connected, state in ((None, []), (True, []), (False, [("bank 1", None)])):
        with stocked.write() as session:
            session.execute(update(Bank).values(bankd_connected=connected))
        for _ in range(2):
            evaluate(stocked, clock)
            clock.advance(60)
        assert shown(admin) == state


def test_acknowledging(router: Router, admin: Admin, stocked: Database, clock: ManualClock) -> None:
    silence(admin)
    router.register()
    router.heartbeat()
    clock.advance(600)
    evaluate(stocked, clock)
    (alert,) = admin.get("alerts?acknowledged=false").json["alerts"]
    path = f"alerts/{alert['alert_id']}/acknowledge"
    first = admin.post(path, None).json["alert"]
    clock.advance(5)
    assert admin.post(path, None).json["alert"] == first, "who did so first stays"
    assert first["acknowledged_at"] == "2026-01-01T00:10:00Z"
    assert admin.get("alerts?acknowledged=false").json["total"] == 0
    assert admin.get("alerts?acknowledged=true").json["total"] == 1
    with stocked.read() as session:
        assert sum(alerts.firing(session, 1).values()) == 0
    router.heartbeat()
    evaluate(stocked, clock)
    assert admin.post(path, None).json["code"] == "alert_over"
    kinds = [kind for kind, _, _ in told(stocked)]
    assert kinds == ["alert_fired", "alert_acknowledged", "alert_resolved"]


@pytest.mark.parametrize("what", ["client", "rule"])
def test_nobody_is_told_of_what_is_muted_until_the_mute_ends(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock, what: str
) -> None:
    rule_id = silence(admin)
    until = "2026-01-01T01:00:00Z"
    if what == "client":
        admin.post("alerts/mutes", {"subject": CLIENT, "until": until})
    else:
        admin.patch(f"alerts/rules/{rule_id}", {"muted_until": until})
    router.register()
    router.heartbeat()
    clock.advance(600)
    assert evaluate(stocked, clock) == 0
    assert shown(admin) == [(CLIENT, None)], "it is there all the same"
    router.heartbeat()
    assert evaluate(stocked, clock) == 0, "who was not told that it fires is not told that it is over"
    assert shown(admin) == []
    clock.advance(2999)
    assert evaluate(stocked, clock) == 0
    assert told(stocked) == []
    clock.advance(1)
    assert evaluate(stocked, clock) == 1
    assert told(stocked) == [("alert_fired", CLIENT, "error")]


def test_a_mute_can_be_replaced_and_ended(admin: Admin, clock: ManualClock) -> None:
    for until in ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"):
        made = admin.post("alerts/mutes", {"subject": CLIENT, "until": until}).json["mute"]
    assert admin.get("alerts/mutes").json["mutes"] == [made]
    assert admin.delete(f"alerts/mutes/{made['mute_id']}").status_code == 200
    assert admin.get("alerts/mutes").json["mutes"] == []
    past = admin.post("alerts/mutes", {"subject": CLIENT, "until": "2026-01-01T00:00:00Z"})
    assert past.json["code"] == "bad_until"


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_alerts_end_with_their_rule_and_stay_as_history(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock, how: str
) -> None:
    rule_id = silence(admin)
    router.register()
    router.heartbeat()
    clock.advance(600)
    evaluate(stocked, clock)
    if how == "disabled":
        admin.patch(f"alerts/rules/{rule_id}", {"enabled": False})
    else:
        admin.delete(f"alerts/rules/{rule_id}")
    evaluate(stocked, clock)
    (alert,) = admin.get("alerts?state=resolved").json["alerts"]
    assert (alert["rule_name"], alert["subject"]) == ("rule", CLIENT)
    assert alert["rule_id"] == (rule_id if how == "disabled" else None)
    assert [kind for kind, _, _ in told(stocked)] == ["alert_fired", "alert_resolved"]


def test_rules_that_make_no_sense(admin: Admin) -> None:
    for fields, code in (
        ({"kind": "signal_below", "threshold": -100}, "bad_signal"),
        ({"kind": "signal_below", "signal": "rsrp_dbm", "threshold": -161}, "invalid_request"),
        ({"kind": "client_offline", "threshold": 29}, "bad_threshold"),
        ({"kind": "client_offline", "threshold": 60, "window_s": 60}, "bad_window"),
        ({"kind": "auth_failures", "threshold": 1}, "bad_window"),
        ({"kind": "bank_down", "threshold": 1}, "bad_threshold"),
        ({"kind": "full_moon"}, "invalid_request"),
    ):
        refused = admin.post("alerts/rules", {"name": "x"} | fields)
        assert (refused.status_code, refused.json["code"]) == (400, code), fields
    assert admin.get("alerts/rules").json["rules"] == []


def test_the_usual_rules_are_added_once(admin: Admin) -> None:
    made = admin.post("alerts/rules/usual", None).json["rules"]
    assert {rule["kind"] for rule in made} == {kind.value for kind in alert_rules.AlertKind}
    assert [rule["threshold"] for rule in made if rule["kind"] == "allowance_reached"] == [75, 95, 100]
    assert admin.post("alerts/rules/usual", None).json["rules"] == []


def test_many_alerts_are_one_statement_and_one_push_a_rule(
    admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    silence(admin)
    add_rule(admin, "signal_below", signal="rsrp_dbm", threshold=-110, severity="info")
    with stocked.write() as session:
        push.subscribe(session, 1, None, **ELSEWHERE, actor="test", now=START)
        add_clients(session, 1, 60, START, stats={"signal_rsrp": -120})
        sampling.record(session)
    clock.advance(600)
    selects: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        selects.append(statement) if statement.startswith("SELECT") else None

    with stocked.write() as session:
        event.listen(stocked._writing_engine, "before_cursor_execute", note)
        assert alerting.evaluate(session, clock()) == 120
    # Open alerts, rules, new alerts, mutes; one for each rule; webhooks; browsers, for each rule.
    assert len(selects) <= 4 + 2 + 1 + 2
    with stocked.read() as session:
        (message,) = session.scalars(select(PushMessage))
    assert (message.urgency, message.topic) == ("high", "rule-1")
    assert '"count":60' in message.body
    assert "c-1" not in message.body


STATES = st.sampled_from([None, AlertState.PENDING, AlertState.FIRING])
SEEN = st.sampled_from([None, Seen(1, holds=True), Seen(1, holds=False)])


@given(st.lists(st.tuples(st.integers(1, 100), SEEN), max_size=40), st.sampled_from([0, 60, 300]))
def test_whatever_is_seen_an_alert_fires_only_after_its_time_and_ends_only_when_well(
    looks: list[tuple[int, Seen | None]], for_s: int
) -> None:
    state: AlertState | None = None
    now = since = START
    unbroken_since = None
    for step_s, seen in looks:
        now += timedelta(seconds=step_s)
        holds = seen is not None and seen.holds
        if state is None:
            since = now
        unbroken_since = (unbroken_since or now) if holds else None
        after = decide(state, since, for_s, seen, now)
        if after is AlertState.FIRING and state is not AlertState.FIRING:
            assert unbroken_since is not None
            assert now - unbroken_since >= timedelta(seconds=for_s)
        if state is AlertState.FIRING:
            assert (after is AlertState.RESOLVED) == (seen is None)
        state = None if after is AlertState.RESOLVED else after


def test_one_tenants_rules_do_not_see_anothers_clients(stocked: Database, clock: ManualClock) -> None:
    other = add_tenant(stocked, "other")
    with stocked.write() as session:
        alert_rules.add_usual(session, other, "test", START)
        add_clients(session, 1, 2, START, stats={"signal_rsrp": -120})
        sampling.record(session)
        session.execute(update(ClientSeries).values(rsrp_dbm=-120))
    clock.advance(1200)
    assert evaluate(stocked, clock) == 0
    with stocked.read() as session:
        assert alerts.listed(session, other, states=list(AlertState))[1] == 0
    assert EventType.ALERT_FIRED not in {kind for kind, _, _ in told(stocked)}
