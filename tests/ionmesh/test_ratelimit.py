"""Token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ionmesh.ratelimit import RateLimit


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(10, 100))
def test_never_more_than_a_burst_and_the_rate(gaps: list[float], per_min: int) -> None:
    limit, now, allowed = RateLimit(per_min), 0.0, 0
    for gap in gaps:
        now += gap
        allowed += limit.wait_s("a", now) == 0
    assert allowed <= per_min + now * per_min / 60 + 1e-6


def test_who_waits_as_told_is_let_in_and_names_do_not_disturb_each_other() -> None:
    limit = RateLimit(60)
    assert [limit.wait_s("a", 0) for _ in range(60)] == [0] * 60
    assert limit.wait_s("b", 0) == 0
    wait = limit.wait_s("a", 0)
    assert 0 < wait <= 1
    assert limit.wait_s("a", wait) == 0
    assert limit.wait_s("a", wait - 100) > 0, "a clock that goes back fills nothing"


def test_full_buckets_are_dropped() -> None:
    limit = RateLimit(60)
    for number in range(50_000):
        limit.wait_s(number, number / 10)
    assert len(limit._buckets) <= 20_001
