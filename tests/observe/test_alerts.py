"""When alerts fire and end: generated courses, hysteresis, unknown values, counters, people."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.config.model import AlertConfig
from remsimd.observe.alerts import CLEAR_AFTER_MAX_S, Board, Change, Growth, Phase, Standing, look, step

WEAK = AlertConfig(name="weak", metric="remsim_signal_rssi_dbm", below=-100.0, for_s=30, hysteresis=3.0)
Course = list[tuple[float, float | None]]


def run(alert: AlertConfig, course: Course) -> list[tuple[float, Change]]:
    standing, changes = Standing(), []
    for now_s, value in course:
        standing, change = step(alert, standing, value, now_s)
        if change is not None:
            changes.append((now_s, change))
    return changes


def every(seconds: float, *values: float | None) -> Course:
    return [(seconds * n, value) for n, value in enumerate(values)]


def test_it_fires_only_after_it_was_bad_long_enough() -> None:
    assert run(WEAK, every(10, -90, -101, -101, -101, -101)) == [(40, Change.FIRES)]
    assert run(WEAK, every(10, -101, -101, -101, -90, -101, -101, -101)) == []


def test_it_is_over_only_beyond_the_hysteresis_and_for_a_while() -> None:
    fired = [-101.0] * 4
    assert run(WEAK, every(10, *fired, -99, -98, -99, -98, -99, -98)) == [(30, Change.FIRES)]
    assert run(WEAK, every(10, *fired, -96, -96, -99, -96, -96, -96, -96)) == [
        (30, Change.FIRES),
        (100, Change.OVER),
    ]


def test_without_a_duration_it_fires_and_ends_at_once() -> None:
    alert = AlertConfig(name="gone", metric="remsim_connection_up", below=1.0)
    assert run(alert, every(5, 1, 0, 1)) == [(5, Change.FIRES), (10, Change.OVER)]


def test_an_unknown_value_is_no_evidence() -> None:
    assert run(WEAK, every(10, -101, -101, None, -101, -101, -101)) == []
    assert run(WEAK, every(10, *[-101.0] * 4, None, None, None, None)) == [
        (30, Change.FIRES),
        (70, Change.OVER),
    ]


VALUES = st.one_of(st.none(), st.floats(-130, -70))


@given(st.lists(st.tuples(st.floats(0.5, 40), VALUES), max_size=60), st.integers(0, 120), st.floats(0, 5))
def test_histories(steps: list[tuple[float, float | None]], for_s: int, hysteresis: float) -> None:
    """Fires and endings alternate, none without its evidence."""
    alert = replace(WEAK, for_s=for_s, hysteresis=hysteresis)
    standing, now_s = Standing(), 0.0
    bad_since = good_since = None
    firing = False
    for after_s, value in steps:
        now_s += after_s
        standing, change = step(alert, standing, value, now_s)
        bad = value is not None and value < -100
        good = value is None or value >= -100 + hysteresis
        bad_since = (now_s if bad_since is None else bad_since) if bad else None
        good_since = (now_s if good_since is None else good_since) if good else None
        if change is Change.FIRES:
            assert not firing
            assert bad_since is not None
            assert now_s - bad_since >= for_s
            firing = True
        elif change is Change.OVER:
            assert firing
            assert good_since is not None
            assert now_s - good_since >= min(for_s, CLEAR_AFTER_MAX_S)
            firing, bad_since = False, None
        assert firing == (standing.phase is Phase.FIRING)


def test_each_modem_has_its_own_standing_and_one_that_is_gone_is_forgotten() -> None:
    board = Board()
    alert = replace(WEAK, for_s=0)
    board, changes = look(board, alert, {"primary": -105.0, "secondary": -80.0}, 0.0)
    assert [(subject, change) for subject, change, _ in changes] == [("primary", Change.FIRES)]
    board, count = board.acknowledge("weak", None)
    assert count == 1
    assert board.standings["weak", "primary"].acknowledged
    board, changes = look(board, alert, {"secondary": -80.0}, 10.0)
    assert [(subject, change) for subject, change, _ in changes] == [("primary", Change.OVER)]
    board, _ = look(board, alert, {}, 20.0)
    assert board.standings == {}


def test_only_what_fires_can_be_acknowledged_and_the_next_time_is_told_again() -> None:
    board, count = Board().acknowledge("weak", "primary")
    assert count == 0
    alert = replace(WEAK, for_s=0)
    for value in (-105.0, -90.0, -105.0):
        board, _ = look(board, alert, {"primary": value}, 0.0)
    assert not board.standings["weak", "primary"].acknowledged


def test_a_counter_is_watched_by_its_growth() -> None:
    growth = Growth()
    for now_s, value in ((0.0, 7.0), (5.0, 7.0), (10.0, 9.0)):
        growth = growth.read(now_s, value)
    assert growth.by == 2.0
    assert growth.read(400.0, 9.0).by == 0.0
    assert growth.read(15.0, 1.0).by == 1.0, "a counter that began anew has grown by what it shows"


@given(st.lists(st.tuples(st.floats(1, 100), st.integers(0, 5)), min_size=1, max_size=100))
def test_growth_needs_little_memory(steps: list[tuple[float, int]]) -> None:
    growth, now_s, value = Growth(), 0.0, 0
    for after_s, more in steps:
        now_s, value = now_s + after_s, value + more
        growth = growth.read(now_s, value)
        assert growth.readings[0][0] >= now_s - 300 - 100
        assert 0 <= growth.by <= value


@pytest.mark.parametrize("until_s", [10.0, 0.0])
def test_mutes_end(until_s: float) -> None:
    board = Board().with_mute("weak", until_s)
    assert board.muted("weak", 5.0) == (until_s > 5)
    assert not board.muted("other", 5.0)
