"""Threads that share rounds of work."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ionmesh.grouping import Group, PassOn

DEADLINE_S = 10


class Work:
    """Doubles numbers, one round at a time, and waits in the first round until it is told to go on."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self._busy = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        assert self._busy.acquire(blocking=False), "one round at a time"
        self.rounds.append(list(items))
        self.begun.set()
        assert self.go_on.wait(DEADLINE_S)
        self._busy.release()
        if -1 in items:
            raise LookupError("no")
        return [2 * item for item in items]


def waiting(group: Group[int, int], count: int) -> bool:
    """Whether that many are in the queue within the deadline."""
    moment = threading.Event()
    for _ in range(DEADLINE_S * 1000):
        if len(group._waiting) >= count:
            return True
        moment.wait(0.001)
    return False


def test_alone_waits_for_nobody() -> None:
    work = Work()
    work.go_on.set()
    group = Group(work, 10)
    assert [group.submit(1), group.submit(2)] == [2, 4]
    assert work.rounds == [[1], [2]]


def test_who_comes_during_a_round_shares_the_next_ones() -> None:
    work = Work()
    group = Group(work, 4)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(group.submit, 0)
        assert work.begun.wait(DEADLINE_S)
        others = [pool.submit(group.submit, number) for number in range(1, 10)]
        assert waiting(group, 9)
        work.go_on.set()
        assert first.result(DEADLINE_S) == 0
        assert [other.result(DEADLINE_S) for other in others] == [2 * number for number in range(1, 10)]
    assert [len(items) for items in work.rounds] == [1, 4, 4, 1]


def test_a_round_that_fails_is_its_leaders_error_and_ends_nobody_elses() -> None:
    work = Work()
    group = Group(work, 10)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(group.submit, 5)
        assert work.begun.wait(DEADLINE_S)
        others = [pool.submit(group.submit, -1)]
        assert waiting(group, 1)
        others += [pool.submit(group.submit, 1), pool.submit(group.submit, 2)]
        assert waiting(group, 3)
        work.go_on.set()
        assert first.result(DEADLINE_S) == 10
        with pytest.raises(LookupError):
            others[0].result(DEADLINE_S)
        assert [other.result(DEADLINE_S) for other in others[1:]] == [None, None]
    assert group.submit(7) == 14


def test_nothing_is_lost_or_mixed_up_under_load() -> None:
    lock = threading.Lock()
    most = 0

    def work(items: Sequence[int]) -> list[int]:
        nonlocal most
        with lock:
            most = max(most, len(items))
        return [item + 1 for item in items]

    group = Group(work, 8)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(group.submit, range(5000))) == list(range(1, 5001))
    assert most <= 8


def test_what_is_passed_on_is_in_a_round_of_the_next_group() -> None:
    second = Work()
    beyond: Group[int, int] = Group(second, 10)
    first: Group[int, int] = Group(
        lambda items: [item if item % 2 else PassOn.IT for item in items], 10, beyond
    )
    with ThreadPoolExecutor(8) as pool:
        alone = pool.submit(first.submit, 0)
        assert second.begun.wait(DEADLINE_S)
        assert first.submit(3) == 3, "who stays does not wait for who was passed on"
        others = [pool.submit(first.submit, number) for number in (2, 4, 6)]
        assert waiting(beyond, 3)
        second.go_on.set()
        assert alone.result(DEADLINE_S) == 0
        assert [other.result(DEADLINE_S) for other in others] == [4, 8, 12]
    assert sorted(map(sorted, second.rounds)) == [[0], [2, 4, 6]]


def test_a_next_round_that_fails_is_its_leaders_error_alone() -> None:
    second = Work()
    beyond: Group[int, int] = Group(second, 10)
    first: Group[int, int] = Group(lambda items: [PassOn.IT] * len(items), 10, beyond)
    with ThreadPoolExecutor(4) as pool:
        alone = pool.submit(first.submit, 5)
        assert second.begun.wait(DEADLINE_S)
        others = [pool.submit(first.submit, -1)]
        assert waiting(beyond, 1)
        others.append(pool.submit(first.submit, 1))
        assert waiting(beyond, 2)
        second.go_on.set()
        assert alone.result(DEADLINE_S) == 10
        with pytest.raises(LookupError):
            others[0].result(DEADLINE_S)
        assert others[1].result(DEADLINE_S) is None
    assert first.submit(7) == 14


def test_nothing_is_lost_where_much_is_passed_on() -> None:
    beyond: Group[int, int] = Group(lambda items: [-item for item in items], 7)
    first: Group[int, int] = Group(
        lambda items: [PassOn.IT if item % 3 else item for item in items], 8, beyond
    )
    wanted = [-number if number % 3 else number for number in range(5000)]
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(first.submit, range(5000))) == wanted
