"""Delays grow to the cap, jitter stays in its share, success starts anew."""

from hypothesis import given
from hypothesis import strategies as st

from remsimd.backoff import Backoff


def test_delays_double_up_to_the_cap() -> None:
    backoff, delays = Backoff(first_s=1, cap_s=10, jitter=0), []
    for _ in range(6):
        delays.append(backoff.delay_s(0.5))
        backoff = backoff.failed()
    assert delays == [0, 1, 2, 4, 8, 10]
    assert backoff.succeeded().delay_s(0.5) == 0


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_no_number_of_failures_breaks_the_bounds(failures: int, chance: float) -> None:
    backoff = Backoff(first_s=1, cap_s=60, jitter=0.1, failures=failures)
    assert 0 <= backoff.delay_s(chance) <= 66
