"""Samples: from what clients report to rows, roll-ups, and the bytes of each SIM."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from ionmesh.db import Database
from ionmesh.models import (
    ClientSeries,
    FiveMinuteSample,
    HourSample,
    RawSample,
    RollupProgress,
    SimTraffic,
)
from ionmesh.recorder import Recorder
from ionmesh.services import sampling
from ionmesh.services.sampling import Counters, traffic
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_bank, add_key, add_slots, add_tenant
from tests.ionmesh.services.fleet import add_clients

DAY = sampling.day_of(START)
FULL = {"signal_rssi": -71, "signal_rsrp": -98, "signal_rsrq": -10.5, "signal_sinr": 12}


def record(database: Database) -> int:
    with database.write() as session:
        return sampling.record(session)


def samples(database: Database) -> list[RawSample]:
    with database.read() as session:
        return list(session.scalars(select(RawSample).order_by(RawSample.at_s)))


def spent(database: Database) -> dict[tuple[str, int], tuple[int, int]]:
    with database.read() as session:
        return {
            (row.sim, row.day): (row.rx_bytes, row.tx_bytes) for row in session.scalars(select(SimTraffic))
        }


def test_each_report_becomes_a_sample(router: Router, stocked: Database, clock: ManualClock) -> None:
    router.register()
    assert record(stocked) == 0, "nothing said yet"
    router.heartbeat(stats=FULL | {"data_rx_bytes": 1000, "data_tx_bytes": 10, "uptime_seconds": 5})
    assert (record(stocked), record(stocked)) == (1, 0)
    clock.advance(60)
    router.heartbeat(stats={"signal_rsrp": -99, "data_rx_bytes": 1500, "data_tx_bytes": 30})
    clock.advance(30)
    router.heartbeat()
    assert (record(stocked), record(stocked)) == (1, 0), "a heartbeat without figures is no sample"
    first, second = samples(stocked)
    assert (first.rssi_dbm, first.rsrp_dbm, first.rsrq_db, first.sinr_db) == (-71, -98, -10.5, 12)
    assert (first.at_s, first.rx_bytes, first.tx_bytes) == (int(START.timestamp()), None, None)
    assert (second.at_s - first.at_s, second.rx_bytes, second.tx_bytes) == (60, 500, 20)
    assert (second.rsrp_dbm, second.rssi_dbm) == (-99, None)
    assert spent(stocked) == {("1/1", DAY): (500, 20)}


def test_a_second_holds_one_sample_and_no_traffic_is_lost(
    router: Router, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    for received in (100, 150, 200):
        router.heartbeat(stats={"data_rx_bytes": received})
        record(stocked)
        clock.advance(0.4)
    clock.advance(1)
    router.heartbeat(stats={"data_rx_bytes": 300})
    record(stocked)
    assert [sample.rx_bytes for sample in samples(stocked)] == [None, 200]


def test_a_client_keeps_its_series_over_assignments_and_a_sim_what_went_over_it(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    router.heartbeat(stats={"data_rx_bytes": 0})
    record(stocked)
    for received, step in ((100, "reassign"), (300, "register"), (700, "")):
        clock.advance(60)
        router.heartbeat(stats={"data_rx_bytes": received})
        record(stocked)
        if step == "reassign":
            admin.post("clients/router-1-slot0/reassign", {"bank_id": 1, "slot_id": 3})
        elif step == "register":
            router.unregister()
            admin.post("simbank/banks/1/slots", {"slots": "9"})
            router.register()
    with stocked.read() as session:
        assert session.scalar(select(func.count()).select_from(ClientSeries)) == 1
    assert spent(stocked) == {("1/1", DAY): (100, 0), ("1/3", DAY): (600, 0)}


def test_a_sim_is_known_by_its_iccid_where_it_is_known(
    router: Router, database: Database, clock: ManualClock
) -> None:
    iccid = "8901260123456789012"
    add_slots(database, "7", iccids=[iccid], mcc_mnc="310410")
    router.register(mcc_mnc="310410")
    for received in (5, 12):
        router.heartbeat(stats={"data_rx_bytes": received, "data_tx_bytes": received})
        record(database)
        clock.advance(60)
    assert spent(database) == {(iccid, DAY): (7, 7)}


@pytest.mark.parametrize(
    "stats",
    [
        {"signal_rsrp": "strong", "data_rx_bytes": "many"},
        {"signal_rsrp": True, "data_rx_bytes": [1]},
        {"signal_rsrp": -9000, "data_rx_bytes": -1},
        {"signal_rsrp": 1e300, "data_rx_bytes": 2**80},
        {"signal_rsrp": None, "data_rx_bytes": None, "uptime_seconds": {}},
    ],
)
def test_what_is_no_figure_is_not_known(router: Router, stocked: Database, stats: dict[str, Any]) -> None:
    router.register()
    router.heartbeat(stats=stats)
    assert record(stocked) == 1
    (sample,) = samples(stocked)
    assert (sample.rsrp_dbm, sample.rx_bytes) == (None, None)


@pytest.mark.parametrize(
    ("before", "now", "passed"),
    [
        (Counters(10, 10, 50), Counters(15, 10, 60), (5, 0)),
        (Counters(10, 10, 50), Counters(4, 2, 6), (4, 2)),  # it restarted
        (Counters(10, 10, 50), Counters(15, 12, 6), (5, 2)),  # only its daemon restarted
        (Counters(10, 10, 50), Counters(4, 12, 60), (0, 2)),  # one of its devices was made anew
        (Counters(2**32 - 10, 0, 50), Counters(90, 0, 60), (100, 0)),  # a 32-bit counter wrapped
        (Counters(2**32 - 10, 0, 50), Counters(90, 0, 6), (90, 0)),
        (Counters(2**32 + 10, 0, 50), Counters(90, 0, 60), (0, 0)),  # too large for one of 32 bits
        (Counters(None, 10, None), Counters(5, None, 60), (None, None)),
    ],
)
def test_traffic_between_two_reports(before: Counters, now: Counters, passed: tuple[int, int]) -> None:
    assert traffic(before, now) == passed


@given(st.lists(st.tuples(st.integers(0, 2**30), st.booleans()), max_size=30))
def test_whatever_restarts_between_reports_the_sum_is_what_went_over(steps: list[tuple[int, bool]]) -> None:
    known, counter, uptime_s, total = Counters(0, 0, 0), 0, 0, 0
    for passed, restarts in steps:
        if restarts:
            counter = uptime_s = 0
        counter += passed
        # A restart shows in a shorter uptime and in a counter that is not ahead of the last one.
        uptime_s += 60
        now = Counters(counter, 0, uptime_s if not restarts else 0)
        received, _ = traffic(known, now)
        assert received is not None
        assert 0 <= received <= counter
        total += received
        known = now
    assert total <= sum(passed for passed, _ in steps)
    if not any(restarts for _, restarts in steps):
        assert total == counter


def test_recording_takes_few_statements_however_many_clients(stocked: Database, clock: ManualClock) -> None:
    with stocked.write() as session:
        add_clients(session, 1, 40, clock.now, stats=FULL | {"data_rx_bytes": 5})
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with stocked.write() as session:
        event.listen(stocked._writing_engine, "before_cursor_execute", note)
        assert sampling.record(session, limit=1000) == 40
    assert len(statements) <= 5


def test_figures_cost_a_heartbeat_no_statement(router: Router, stocked: Database) -> None:
    router.register()
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    router.heartbeat()
    event.listen(stocked._telemetry_engine, "before_cursor_execute", note)
    event.listen(stocked._writing_engine, "before_cursor_execute", note)
    assert router.heartbeat(stats=FULL | {"data_rx_bytes": 5}).status_code == 200
    assert len([text for text in statements if not text.startswith("BEGIN")]) == 1


def fill(database: Database, minutes: int, *, every_s: int = 60) -> None:
    """One client's samples from START on, their RSRP -100 and -90 in turn, each with 10 bytes."""
    with database.write() as session:
        series = ClientSeries(tenant_id=1, client_id="router-1-slot0", sampled_at=START)
        session.add(series)
        session.flush()
        first_s = int(START.timestamp())
        session.add_all(
            RawSample(
                series_id=series.series_id,
                at_s=at_s,
                rsrp_dbm=-90 - 10 * (index % 2),
                rx_bytes=10,
            )
            for index, at_s in enumerate(range(first_s, first_s + 60 * minutes, every_s))
        )


def rolled_up(database: Database, table: type[FiveMinuteSample] | type[HourSample]) -> list[Any]:
    with database.read() as session:
        return list(session.scalars(select(table).order_by(table.at_s)))


def test_complete_stretches_are_rolled_up_once(stocked: Database, clock: ManualClock) -> None:
    fill(stocked, 63)
    recorder = Recorder(stocked, clock)
    clock.advance(3600 + 59)
    for _ in range(2):
        recorder.run()
    fives = rolled_up(stocked, FiveMinuteSample)
    assert len(fives) == 11, "the twelfth may still get a late sample"
    assert rolled_up(stocked, HourSample) == []
    clock.advance(2)
    for _ in range(2):
        recorder.run()
    first, *_ = fives = rolled_up(stocked, FiveMinuteSample)
    assert (len(fives), first.at_s, first.samples) == (12, int(START.timestamp()), 5)
    assert (first.rsrp_dbm, first.rsrp_dbm_min, first.rsrp_dbm_max) == (-94, -100, -90)
    assert (first.rx_bytes, first.tx_bytes, first.sinr_db) == (50, None, None)
    (hour,) = rolled_up(stocked, HourSample)
    assert (hour.samples, hour.rsrp_dbm, hour.rx_bytes) == (60, -95, 600)


def test_a_long_absence_is_caught_up_with(stocked: Database, clock: ManualClock) -> None:
    fill(stocked, 60 * 20, every_s=300)
    clock.advance(20 * 3600 + 61)
    assert Recorder(stocked, clock).run()
    assert len(rolled_up(stocked, FiveMinuteSample)) == 20 * 12
    assert sum(hour.rx_bytes for hour in rolled_up(stocked, HourSample)) == 20 * 12 * 10


def test_samples_are_dropped_when_a_coarser_form_is_kept(stocked: Database, clock: ManualClock) -> None:
    fill(stocked, 60 * 2)
    with stocked.write() as session:
        session.add(SimTraffic(tenant_id=1, sim="1/1", day=DAY, rx_bytes=1, tx_bytes=1))

    def kept() -> tuple[int, int, int, int]:
        with stocked.write() as session:
            sampling.drop_old(session, clock())
        with stocked.read() as session:
            tables = (RawSample, FiveMinuteSample, HourSample, SimTraffic)
            counted = [session.scalar(select(func.count()).select_from(table)) for table in tables]
        return counted[0] or 0, counted[1] or 0, counted[2] or 0, counted[3] or 0

    clock.advance(26 * 3600 + 1)
    assert kept() == (120, 0, 0, 1), "not rolled up yet"
    Recorder(stocked, clock).run()
    assert kept() == (0, 24, 2, 1)
    clock.advance(timedelta(days=30).total_seconds())
    assert kept() == (0, 0, 2, 1)
    clock.advance(timedelta(days=371).total_seconds())
    assert kept() == (0, 0, 0, 0)
    with stocked.read() as session:
        assert session.scalar(select(func.count()).select_from(RollupProgress)) == 2


def test_tenants_with_clients_of_the_same_name_are_kept_apart(database: Database, http: Any) -> None:
    for slug in ("acme", "other"):
        add_tenant(database, slug)
    add_bank(database)
    add_slots(database, "1-2")
    for slug, rsrp in (("acme", -80), ("other", -120)):
        router = Router(http, add_key(database, slug), "same")
        router.register()
        router.heartbeat(stats={"signal_rsrp": rsrp})
    assert record(database) == 2
    with database.read() as session:
        rows = session.scalars(select(ClientSeries).order_by(ClientSeries.tenant_id))
        assert [(row.tenant_id, row.rsrp_dbm) for row in rows] == [(1, -80), (2, -120)]
