"""Reading time series: points, holes, roll-ups and samples that agree, and the REST route."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionmesh.db import Database
from ionmesh.models import ClientSeries, RawSample
from ionmesh.recorder import Recorder
from ionmesh.services import sampling, series
from ionmesh.services.series import Series
from tests.ionmesh.conftest import START, Admin, ManualClock, Router

CLIENT = "router-1-slot0"
START_S = int(START.timestamp())


def fill(database: Database, moments_s: list[int], client_id: str = CLIENT) -> None:
    """Samples at seconds after START: RSRP -100, one better with each; ten bytes each."""
    with database.write() as session:
        found = ClientSeries(tenant_id=1, client_id=client_id, sampled_at=START)
        session.add(found)
        session.flush()
        session.add_all(
            RawSample(series_id=found.series_id, at_s=START_S + moment_s, rsrp_dbm=-100 + index, rx_bytes=10)
            for index, moment_s in enumerate(moments_s)
        )


def read(database: Database, hours: float, points: int = 500, tenant_id: int = 1) -> Series:
    until = START + timedelta(hours=hours)
    with database.read() as session:
        metrics = ["rsrp_dbm", "rx_bytes"]
        return series.read(session, tenant_id, CLIENT, metrics, START, until, points)


def test_an_hour_has_a_point_a_minute(stocked: Database) -> None:
    fill(stocked, [0, 10, 70, 130])
    found = read(stocked, 1)
    assert found == Series(
        step_s=60,
        times_s=[START_S, START_S + 60, START_S + 120],
        values={"rsrp_dbm": [-99.5, -98, -97], "rx_bytes": [20, 10, 10]},
        lowest={"rsrp_dbm": [-100, -98, -97]},
        highest={"rsrp_dbm": [-99, -98, -97]},
    )


def test_a_hole_breaks_the_line_and_a_rare_reporter_is_none(stocked: Database) -> None:
    fill(stocked, [0, 60, 120, 1200, 1260])
    found = read(stocked, 1)
    assert [time_s - START_S for time_s in found.times_s] == [0, 60, 120, 180, 1200, 1260]
    assert found.values["rsrp_dbm"][3] is None
    assert found.values["rx_bytes"][3] is None
    fill(stocked, list(range(0, 7200, 1200)), "rare")
    with stocked.read() as session:
        rare = series.read(session, 1, "rare", ["rsrp_dbm"], START, START + timedelta(hours=2))
    assert len(rare.times_s) == 6
    assert None not in rare.values["rsrp_dbm"]


def test_nobody_has_no_points_and_another_tenant_sees_none(stocked: Database) -> None:
    nothing = Series(60, [], {"rsrp_dbm": [], "rx_bytes": []}, {"rsrp_dbm": []}, {"rsrp_dbm": []})
    assert read(stocked, 1) == nothing
    fill(stocked, [0])
    assert read(stocked, 1, tenant_id=2) == nothing


@pytest.mark.parametrize("hours", [6, 48, 24 * 40])
def test_rolled_up_or_not_the_sums_are_the_same(stocked: Database, clock: ManualClock, hours: int) -> None:
    """Half a point may be rolled up and the other half not: nothing is counted twice or missing."""
    moments_s = list(range(0, 3600 * 5, 70))
    fill(stocked, moments_s)
    before = read(stocked, hours)
    # In the midst of a stretch of every width.
    clock.advance(3600 * 2 + 1500)
    Recorder(stocked, clock).run()
    after = read(stocked, hours)
    assert sum(value or 0 for value in after.values["rx_bytes"]) == 10 * len(moments_s)
    assert after.values["rx_bytes"] == before.values["rx_bytes"]
    assert after.times_s == before.times_s
    assert after.values["rsrp_dbm"] == pytest.approx(before.values["rsrp_dbm"])
    assert after.lowest == before.lowest
    assert after.highest == before.highest


def test_what_is_only_kept_coarsely_has_coarse_points(stocked: Database, clock: ManualClock) -> None:
    fill(stocked, list(range(0, 7200, 60)))
    clock.advance(timedelta(hours=30).total_seconds())
    for days, step_s, points in ((0, 300, 24), (40, 3600, 2)):
        clock.advance(timedelta(days=days).total_seconds())
        Recorder(stocked, clock).run()
        with stocked.write() as session:
            sampling.drop_old(session, clock())
        found = read(stocked, 2)
        assert (found.step_s, len(found.times_s)) == (step_s, points)
        assert sum(value or 0 for value in found.values["rx_bytes"]) == 1200


@given(st.floats(1, 3e8), st.integers(1, 500))
def test_a_span_is_never_more_points_than_asked_for(span_s: float, points: int) -> None:
    step_s = series.step_for(span_s, points)
    assert span_s <= step_s * points
    assert step_s % 60 == 0
    assert 86_400 % step_s == 0 or step_s % 86_400 == 0


def test_over_rest(router: Router, admin: Admin, stocked: Database, clock: ManualClock) -> None:
    router.register()
    for rsrp in (-98, -97):
        router.heartbeat(stats={"signal_rsrp": rsrp, "data_rx_bytes": 5})
        with stocked.write() as session:
            sampling.record(session)
        clock.advance(600)
    found = admin.get(f"clients/{CLIENT}/timeseries?metrics=rsrp_dbm,rx_bytes").json["series"]
    assert found["values"] == {"rsrp_dbm": [-98, -97], "rx_bytes": [None, 0]}
    assert found["step_s"] == 300
    assert set(admin.get(f"clients/{CLIENT}/timeseries").json["series"]["values"]) == set(series.METRICS)
    hour = f"clients/{CLIENT}/timeseries?since=2026-01-01T00:05:00Z&until=2026-01-01T01:05:00Z"
    assert len(admin.get(hour).json["series"]["times_s"]) == 1


def test_wrong_questions(router: Router, admin: Admin) -> None:
    router.register()
    for query, code in (
        ("metrics=rsrp_dbm,beauty", "invalid_request"),
        ("points=501", "invalid_request"),
        ("since=2026-01-01T00:00:00", "invalid_request"),
        ("since=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "bad_range"),
    ):
        refused = admin.get(f"clients/{CLIENT}/timeseries?{query}")
        assert (refused.status_code, refused.json["code"]) == (400, code), query
