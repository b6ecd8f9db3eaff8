"""Allowances: the billing month, what is used of each, and the alerts that follow."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionmesh.db import Database
from ionmesh.models import Scope, SimTraffic
from ionmesh.services import alerting, allowance, sampling
from ionmesh.services.allowance import period_start
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_key

ICCID = "8901260123456789012"
TODAY = sampling.day_of(START)


def spend(database: Database, sim: str, days_ago: int, received: int, sent: int = 0) -> None:
    with database.write() as session:
        day = TODAY - days_ago
        session.add(SimTraffic(tenant_id=1, sim=sim, day=day, rx_bytes=received, tx_bytes=sent))


@pytest.mark.parametrize(
    ("billing_day", "today", "start"),
    [
        (1, date(2026, 1, 1), date(2026, 1, 1)),
        (2, date(2026, 1, 1), date(2025, 12, 2)),
        (28, date(2026, 3, 27), date(2026, 2, 28)),
        (28, date(2026, 3, 28), date(2026, 3, 28)),
        (15, date(2024, 3, 1), date(2024, 2, 15)),
    ],
)
def test_the_billing_month_begins(billing_day: int, today: date, start: date) -> None:
    assert period_start(billing_day, today) == start


@given(st.integers(1, 28), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_billing_month_is_a_month_that_has_today(billing_day: int, today: date) -> None:
    start = period_start(billing_day, today)
    assert start.day == billing_day
    assert timedelta(0) <= today - start <= timedelta(days=30)
    assert period_start(billing_day, start - timedelta(days=1)) < start


def test_usage_counts_from_each_sims_own_day(admin: Admin, stocked: Database) -> None:
    """It is the first of January: the month of billing day 1 is one day old, that of 20 thirteen."""
    admin.post("allowances", {"sims": [ICCID], "limit_bytes": 1000, "billing_day": 20})
    admin.post("allowances", {"sims": ["1/2", "1/3"], "limit_bytes": 100})
    for sim, days_ago, received in ((ICCID, 13, 7), (ICCID, 12, 500), (ICCID, 0, 251), ("1/2", 1, 90)):
        spend(stocked, sim, days_ago, received)
    spend(stocked, "1/9", 0, 30, 12)
    spend(stocked, "1/9", 1, 77)
    shown = [
        (row["sim"], row["used_bytes"], row["percent"], row["since"])
        for row in admin.get("allowances").json["sims"]
    ]
    assert shown == [
        (ICCID, 751, 75.1, "2025-12-20"),
        ("1/2", 0, 0, "2026-01-01"),
        ("1/3", 0, 0, "2026-01-01"),
        ("1/9", 42, None, "2026-01-01"),
    ]


def test_each_threshold_is_an_alert_of_its_own(admin: Admin, stocked: Database, clock: ManualClock) -> None:
    made = admin.post("allowances", {"sims": [ICCID], "limit_bytes": 1000}).json["allowance_ids"]

    def fired(received: int) -> list[tuple[str, float, str]]:
        with stocked.write() as session:
            row = session.merge(SimTraffic(tenant_id=1, sim=ICCID, day=TODAY, rx_bytes=received, tx_bytes=0))
            assert row.rx_bytes == received
        with stocked.write() as session:
            alerting.evaluate(session, clock())
        rows = admin.get("alerts").json["alerts"]
        return sorted((row["rule_name"], row["value"], row["subject"]) for row in rows)

    subject = f"allowance {made[0]}"
    assert fired(749) == []
    assert fired(750) == [("75 % of allowance", 75, subject)]
    assert fired(950) == [("75 % of allowance", 95, subject), ("95 % of allowance", 95, subject)]
    names = [name for name, _, _ in fired(1200)]
    assert names == ["75 % of allowance", "95 % of allowance", "Allowance used up"]
    clock.advance(31 * 86_400)
    with stocked.write() as session:
        alerting.evaluate(session, clock())
    assert admin.get("alerts").json["alerts"] == [], "another month"


def test_a_reader_does_not_see_iccids(admin: Admin, http: object, stocked: Database) -> None:
    admin.post("allowances", {"sims": [ICCID, "1/2"], "limit_bytes": 1000})
    reader = Admin(http, add_key(stocked, scope=Scope.READ))  # type: ignore[arg-type]  # a FlaskClient
    assert [row["sim"] for row in reader.get("allowances").json["sims"]] == ["1/2", "...9012"]
    assert ICCID not in admin.get("audit-log").text


def test_days_of_a_sim(admin: Admin, stocked: Database) -> None:
    spend(stocked, "1/2", 40, 1)
    spend(stocked, "1/2", 1, 5, 6)
    spend(stocked, "1/2", 0, 7, 8)
    assert admin.get("sims/1/2/traffic").json["days"] == [
        {"day": "2025-12-31", "rx_bytes": 5, "tx_bytes": 6},
        {"day": "2026-01-01", "rx_bytes": 7, "tx_bytes": 8},
    ]
    assert admin.get("sims/1/2/traffic?days=400").json["days"][0]["day"] == "2025-11-22"
    assert admin.get("sims/1/7/traffic").status_code == 404


def test_setting_again_replaces_and_deleting_keeps_what_was_counted(
    admin: Admin, router: Router, stocked: Database
) -> None:
    spend(stocked, "1/2", 0, 5)
    first = admin.post("allowances", {"sims": ["1/2"], "limit_bytes": 10}).json["allowance_ids"]
    again = admin.post("allowances", {"sims": ["1/2"], "limit_bytes": 50}).json["allowance_ids"]
    assert again == first
    assert admin.get("allowances").json["sims"][0]["percent"] == 10
    assert admin.delete(f"allowances/{first[0]}").status_code == 200
    (left,) = admin.get("allowances").json["sims"]
    assert (left["used_bytes"], left["limit_bytes"]) == (5, None)
    for wrong in ({"sims": ["x"]}, {"billing_day": 29}, {"limit_bytes": 0}, {"sims": []}):
        body = {"sims": ["1/2"], "limit_bytes": 5} | wrong
        assert admin.post("allowances", body).status_code == 400, wrong


def test_only_what_went_over_the_card_counts_where_the_router_tells(
    router: Router, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    for data, card in ((5000, 100), (9000, 130), (9500, 130)):
        figures = {"data_rx_bytes": data, "data_tx_bytes": 0, "card_rx_bytes": card, "card_tx_bytes": card}
        router.heartbeat(stats=figures)
        with stocked.write() as session:
            sampling.record(session)
        clock.advance(60)
    with stocked.read() as session:
        (usage,) = allowance.usage(session, 1, clock())
    assert (usage.sim, usage.used_bytes) == ("1/1", 60)


def test_from_the_heartbeat_to_the_alert(
    admin: Admin, router: Router, stocked: Database, clock: ManualClock
) -> None:
    admin.post("allowances", {"sims": ["1/1"], "limit_bytes": 1000})
    router.register()
    for received in (10**9, 10**9 + 800):
        router.heartbeat(stats={"data_rx_bytes": received, "data_tx_bytes": 0})
        with stocked.write() as session:
            sampling.record(session)
        clock.advance(60)
    with stocked.write() as session:
        alerting.evaluate(session, clock())
    (alert,) = admin.get("alerts").json["alerts"]
    assert (alert["rule_name"], alert["value"]) == ("75 % of allowance", 80)
    with stocked.read() as session:
        (usage,) = allowance.usage(session, 1, clock())
    assert (usage.sim, usage.used_bytes) == ("1/1", 800)
