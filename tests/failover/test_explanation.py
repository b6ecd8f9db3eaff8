"""What people are told of the decision, link by link."""

import pytest

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth
from remsimd.failover.explanation import Explanation, explain
from remsimd.failover.machine import HealthSeen, Pin, Tick, initial, step

UP, DOWN, SUSPECT, UNKNOWN = LinkHealth.UP, LinkHealth.DOWN, LinkHealth.SUSPECT, LinkHealth.UNKNOWN
CONFIG = FailoverConfig(hold_down_s=60.0)


def told(*story: tuple[float, HealthSeen | Pin]) -> Explanation:
    state = initial((("primary", 2), ("iot", 1)))
    now = 0.0
    for now, event in story:
        state, _ = step(state, event, now, CONFIG)
    state, _ = step(state, Tick(), now, CONFIG)
    return explain(state, now, CONFIG)


def seen(link: str, health: LinkHealth, cause: str = "x", *, hard: bool = False) -> HealthSeen:
    return HealthSeen(link, health, cause, hard=hard, verified=True)


def test_nothing_is_chosen_before_a_link_is_up() -> None:
    before = told()
    assert (before.active, before.why, before.for_s) == (None, "no link is up yet", None)


@pytest.mark.parametrize(
    ("health", "standing"),
    [
        (DOWN, "not usable: carrier lost"),
        (UNKNOWN, "not known yet: carrier lost"),
        (SUSPECT, "being checked: something did not come back"),
        (UP, "takes over if the active link is down"),
    ],
)
def test_a_link_that_stands_by(health: LinkHealth, standing: str) -> None:
    found = told((0.0, seen("primary", UP)), (1.0, seen("iot", health, "carrier lost")))
    assert [link.standing for link in found.links] == [
        "carries the data until it is down or a preferred link is up",
        standing,
    ]


def test_the_active_link_that_is_down_is_kept_for_want_of_a_better_one() -> None:
    found = told((0.0, seen("primary", UP)), (5.0, seen("primary", DOWN, "no answer")))
    assert found.active == "primary"
    assert found.links[0].standing == "carries the data although it is down: no other link is better"


def test_a_hold_down_is_counted_down() -> None:
    found = told(
        (0.0, seen("iot", UP)),
        (0.0, seen("primary", UP)),
        (10.0, seen("primary", DOWN, "carrier lost", hard=True)),
        (20.0, seen("primary", UP)),
        (50.0, seen("iot", UP)),
    )
    assert found.active == "iot"
    assert found.next_change_in_s == 30.0
    expected = "takes over in 30 s if it stays up (60 s are asked for), at once if the active link is down"
    assert found.links[0].standing == expected
