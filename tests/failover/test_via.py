"""Where management sockets are bound."""

import pytest

from remsimd.events import LinkHealth
from remsimd.failover.via import Candidate, choose

UP, SUSPECT, UNKNOWN, DOWN = LinkHealth.UP, LinkHealth.SUSPECT, LinkHealth.UNKNOWN, LinkHealth.DOWN


def links(primary: LinkHealth, secondary: LinkHealth, *, device: str | None = "wwan1") -> list[Candidate]:
    return [Candidate("primary", 2, primary, "wwan0"), Candidate("secondary", 1, secondary, device)]


@pytest.mark.parametrize(
    ("primary", "secondary", "device"),
    [
        (UP, UP, "wwan1"),
        (UP, SUSPECT, "wwan1"),
        (UP, UNKNOWN, "wwan1"),
        (UP, DOWN, "wwan0"),
        (SUSPECT, DOWN, "wwan0"),
        (DOWN, DOWN, "wwan1"),
    ],
)
def test_the_named_link_unless_it_is_down(primary: LinkHealth, secondary: LinkHealth, device: str) -> None:
    assert choose("secondary", links(primary, secondary)) == device


def test_any_is_normal_routing() -> None:
    assert choose("any", links(UP, UP)) is None


def test_a_link_without_a_device_is_passed_over() -> None:
    assert choose("secondary", links(UP, UP, device=None)) == "wwan0"
    assert choose("secondary", links(DOWN, UP, device=None)) is None
    others = [Candidate("a", 3, UP, None), Candidate("b", 2, SUSPECT, "b0"), Candidate("c", 1, DOWN, "c0")]
    assert choose("c", others) == "b0"


def test_the_healthiest_other_before_the_preferred_one() -> None:
    others = [Candidate("a", 3, SUSPECT, "a0"), Candidate("b", 2, UP, "b0"), Candidate("c", 1, DOWN, "c0")]
    assert choose("c", others) == "b0"


def test_an_unknown_name_gets_the_best_there_is() -> None:
    assert choose("nobody", links(UP, UP)) == "wwan0"
    assert choose("nobody", []) is None
