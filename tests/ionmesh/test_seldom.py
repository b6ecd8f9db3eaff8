"""Now and then instead of each time."""

from __future__ import annotations

from datetime import timedelta

from ionmesh.seldom import _TRACKED_MAX, Seldom
from tests.ionmesh.conftest import START

MINUTE = timedelta(minutes=1)


def test_each_name_has_its_time_once_an_interval() -> None:
    seldom = Seldom(MINUTE)
    assert [seldom.is_time("a", START + MINUTE * at / 2) for at in range(5)] == [True, False] * 2 + [True]
    assert seldom.is_time("b", START + MINUTE)


def test_names_that_were_seen_once_are_not_kept_for_ever() -> None:
    seldom = Seldom(MINUTE)
    assert all(seldom.is_time(number, START) for number in range(_TRACKED_MAX + 1))
    assert seldom.is_time(0, START), "it is asked twice rather than remembered without end"
    assert not seldom.is_time(_TRACKED_MAX, START)
