"""The month's account: fixed cases, then generated spending under a clock that jumps."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from remsimd.failover.budget import Ledger, Limit, charge, is_tight, pause_s, spent_bytes

MB = 1_000_000
LIMIT = Limit(10 * MB, reset_day=15)


def at(year: int, month: int, day: int, hour: int = 12) -> float:
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


def test_the_month_begins_on_the_reset_day() -> None:
    ledger = charge(Ledger(), 4 * MB, at(2026, 11, 14), LIMIT)
    assert spent_bytes(ledger, at(2026, 11, 14, 23), LIMIT) == 4 * MB
    assert spent_bytes(ledger, at(2026, 11, 15, 0), LIMIT) == 0
    ledger = charge(ledger, MB, at(2026, 12, 14), LIMIT)
    assert [name for name, _ in ledger.periods] == ["2026-11-15", "2026-10-15"]


def test_a_reset_day_late_in_the_month_works_in_february_too() -> None:
    limit = Limit(MB, reset_day=28)
    ledger = charge(Ledger(), 7, at(2027, 2, 28), limit)
    assert spent_bytes(ledger, at(2027, 3, 27), limit) == 7
    assert spent_bytes(ledger, at(2027, 3, 28), limit) == 0


def test_a_clock_that_jumps_ahead_and_back_finds_what_was_spent() -> None:
    ledger = charge(Ledger(), 4 * MB, at(2026, 11, 20), LIMIT)
    ledger = charge(ledger, 1, at(2036, 1, 1), LIMIT)
    ledger = charge(ledger, 1, at(2026, 11, 20), LIMIT)
    assert spent_bytes(ledger, at(2026, 11, 21), LIMIT) == 4 * MB + 1


def test_a_clock_that_nobody_set_forgives_nothing() -> None:
    ledger = charge(Ledger(), 4 * MB, at(2026, 11, 20), LIMIT)
    assert spent_bytes(ledger, at(1970, 1, 1), LIMIT) == 4 * MB
    ledger = charge(Ledger(), 5, at(1970, 1, 1), LIMIT)
    ledger = charge(ledger, 6, at(2026, 11, 20), LIMIT)
    assert spent_bytes(ledger, at(2026, 11, 20), LIMIT) == 11


def test_what_is_left_is_spread_over_what_is_left_of_the_month() -> None:
    start = at(2026, 11, 15, 0)
    # 9 MB in 30 days at 72 bytes a round.
    fresh = pause_s(5.0, 72, Ledger(), start, LIMIT, urgent=False)
    assert fresh is not None
    assert 20.7 < fresh < 20.8
    assert pause_s(60.0, 72, Ledger(), start, LIMIT, urgent=False) == 60.0
    late = charge(Ledger(), 8 * MB, start, LIMIT)
    slow = pause_s(60.0, 72, late, start, LIMIT, urgent=False)
    assert slow is not None
    assert 186 < slow < 187


def test_a_suspicion_may_go_ahead_of_the_plan_but_not_far() -> None:
    start = at(2026, 11, 15, 0)
    assert pause_s(1.0, 144, Ledger(), start, LIMIT, urgent=True) == 1.0
    ahead = charge(Ledger(), 600_000, start, LIMIT)
    slowed = pause_s(1.0, 144, ahead, start, LIMIT, urgent=True)
    assert slowed is not None
    assert slowed > 40


def test_at_ninety_percent_nothing_is_sent_any_more() -> None:
    now = at(2026, 11, 20)
    spent = charge(Ledger(), 9 * MB, now, LIMIT)
    assert is_tight(spent, now, LIMIT)
    assert pause_s(1.0, 72, spent, now, LIMIT, urgent=True) is None
    assert not is_tight(spent, at(2026, 12, 15), LIMIT)


moments = st.floats(at(1970, 1, 2), at(2037, 1, 1))


@given(st.lists(st.tuples(st.integers(0, 10**6), moments), max_size=50), st.integers(1, 28))
def test_whatever_the_clock_does_the_account_holds(spending: list[tuple[int, float]], day: int) -> None:
    limit, ledger = Limit(10 * MB, day), Ledger()
    for count, wall_s in spending:
        before = spent_bytes(ledger, wall_s, limit)
        ledger = charge(ledger, count, wall_s, limit)
        assert spent_bytes(ledger, wall_s, limit) == before + count
        assert len(ledger.periods) <= 3
        pause = pause_s(5.0, 72, ledger, wall_s, limit, urgent=False)
        assert (pause is None) == is_tight(ledger, wall_s, limit)
        assert pause is None or pause >= 5.0


@given(st.integers(1, 28), st.floats(0, 86400 * 31), st.integers(1, 100))
def test_asking_at_the_given_pause_never_exceeds_the_limit(day: int, into_s: float, limit_mb: int) -> None:
    limit, ledger = Limit(limit_mb * MB, day), Ledger()
    now = datetime(2026, 10, day, tzinfo=UTC).timestamp() + into_s
    for _ in range(300):
        pause = pause_s(5.0, 72, ledger, now, limit, urgent=False)
        if pause is None:
            break
        hour = max(int(3600 / pause), 1)
        ledger = charge(ledger, 72 * hour, now, limit)
        now += pause * hour
        assert spent_bytes(ledger, now, limit) <= 0.9 * limit.limit_bytes + 72 * hour
