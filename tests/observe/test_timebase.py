"""The two clocks: the one set last is believed, and jumps back undo jumps forth."""

from hypothesis import given
from hypothesis import strategies as st

from remsimd.observe.timebase import BELIEVED_AFTER_S, JUMP_S, Timebase, look

YEAR_S = 365 * 86400.0
NOW_S = 1_790_000_000.0


def at(offset_s: float, *, settled: bool = True, run_from_s: float | None = None) -> Timebase:
    return Timebase("boot", offset_s, 0.0, settled, run_from_s)


def test_slewing_is_followed_and_is_no_jump() -> None:
    known = at(NOW_S)
    for minute in range(1, 200):
        known, jump_s = look(known, NOW_S + minute * 60 * 1.0005, minute * 60.0, None)
        assert jump_s == 0.0
    assert known.steady_since_s == 0.0


def test_a_boot_in_1970_waits_until_the_clock_is_set() -> None:
    known, _ = look(at(0.0, settled=False), 100.0, 100.0, newest_s=NOW_S)
    assert not known.settled
    known, jump_s = look(known, NOW_S + 200, 160.0, newest_s=NOW_S)
    assert known.settled
    assert jump_s == NOW_S + 40


def test_a_clock_that_nobody_sets_is_believed_after_an_hour() -> None:
    known, _ = look(at(0.0, settled=False), BELIEVED_AFTER_S - 1, BELIEVED_AFTER_S - 1, newest_s=NOW_S)
    assert not known.settled
    known, _ = look(known, BELIEVED_AFTER_S, BELIEVED_AFTER_S, newest_s=NOW_S)
    assert known.settled


@given(st.lists(st.floats(-10 * YEAR_S, 10 * YEAR_S).filter(lambda s: abs(s) >= JUMP_S), max_size=8))
def test_jumps_that_cancel_leave_everything_where_it_was(jumps: list[float]) -> None:
    known, mono_s = at(NOW_S, run_from_s=NOW_S + 60), 120.0
    offset_s = NOW_S
    for by_s in (*jumps, *(-jump for jump in reversed(jumps))):
        offset_s += by_s
        mono_s += 60.0
        known, jump_s = look(known, mono_s + offset_s, mono_s, None)
        assert abs(jump_s - by_s) < 0.01
    assert known.run_from_s is not None
    assert abs(known.run_from_s - (NOW_S + 60)) < 0.1
