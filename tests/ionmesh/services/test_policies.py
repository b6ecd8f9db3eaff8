"""Which policy applies, by time and place."""

from __future__ import annotations

from datetime import UTC, datetime, time

from hypothesis import given
from hypothesis import strategies as st

from ionmesh.models import Balancing, SlotPolicy
from ionmesh.services.policies import judge
from tests.ionmesh.conftest import START

CLOCK_TIMES = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


def policy(number: int = 1, **values: object) -> SlotPolicy:
    defaults = {"policy_id": number, "priority": 10, "enabled": True, "timezone": "UTC"}
    return SlotPolicy(**defaults | {"load_balancing_mode": Balancing.PACK} | values)


def at(moment: time, zone: str = "UTC", **values: object) -> bool:
    rule = policy(timezone=zone, **values)
    return judge([rule], None, None, datetime.combine(START, moment, UTC))[0].reason is None


@given(CLOCK_TIMES, CLOCK_TIMES, CLOCK_TIMES)
def test_a_window_and_its_reverse_share_out_the_day(start: time, end: time, now: time) -> None:
    forth = {"time_of_day_start": f"{start:%H:%M}", "time_of_day_end": f"{end:%H:%M}"}
    back = {"time_of_day_start": f"{end:%H:%M}", "time_of_day_end": f"{start:%H:%M}"}
    if start != end:
        assert at(now, **forth) != at(now, **back)
    else:
        assert not at(now, **forth)


def test_a_window_is_in_its_own_time_zone() -> None:
    night = {"time_of_day_start": "22:00", "time_of_day_end": "06:00"}
    assert at(time(3), **night)
    assert not at(time(3), "Asia/Tokyo", **night), "noon there"


def test_priority_then_age_decide_and_the_rest_is_not_looked_at() -> None:
    rules = [policy(3, priority=5), policy(2, priority=1, enabled=False), policy(1, priority=5)]
    trace = judge(rules, None, None, datetime(2026, 1, 1, tzinfo=UTC))
    assert [(judged.policy.policy_id, judged.reason) for judged in trace] == [(2, "disabled"), (1, None)]
