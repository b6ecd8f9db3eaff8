"""The repeating thread: when it runs, who waits for it, and how it ends."""

from __future__ import annotations

import threading

import pytest

from ionmesh.background import Repeater

DEADLINE_S = 10
NEVER_S = 3600


class Job:
    """Counts its runs, says when each has begun, and can be held."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.runs = 0
        self.result = True

    def __call__(self) -> bool:
        self.runs += 1
        self.begun.release()
        assert self.may_end.wait(DEADLINE_S)
        return self.result


def nothing() -> None:
    pass


def test_runs_at_start_and_when_woken() -> None:
    job = Job()
    repeater = Repeater("test", NEVER_S, job, nothing)
    repeater.start()
    assert job.begun.acquire(timeout=DEADLINE_S)
    assert repeater.wake(DEADLINE_S)
    assert job.runs == 2
    repeater.stop(DEADLINE_S)
    assert not repeater.wake(NEVER_S)
    assert job.runs == 2


def test_a_wake_during_a_run_gets_a_run_of_its_own() -> None:
    job = Job()
    job.may_end.clear()
    repeater = Repeater("test", NEVER_S, job, nothing)
    repeater.start()
    assert job.begun.acquire(timeout=DEADLINE_S)
    assert not repeater.wake(), "nobody waits when no time is given"
    job.may_end.set()
    assert job.begun.acquire(timeout=DEADLINE_S)
    repeater.stop(DEADLINE_S)
    assert job.runs == 2


def test_nobody_waits_while_runs_fail() -> None:
    job = Job()
    job.result = False
    repeater = Repeater("test", NEVER_S, job, nothing)
    repeater.start()
    assert not repeater.wake(DEADLINE_S)
    job.may_end.clear()
    assert not repeater.wake(NEVER_S), "returns although this run does not end"
    job.may_end.set()
    repeater.stop(DEADLINE_S)


def test_one_who_waited_in_vain_is_the_last_until_a_run_ends_well() -> None:
    job = Job()
    job.may_end.clear()
    repeater = Repeater("test", NEVER_S, job, nothing)
    repeater.start()
    assert not repeater.wake(0.01)
    assert not repeater.wake(NEVER_S), "returns although the first run has not ended"
    job.may_end.set()
    assert job.begun.acquire(timeout=DEADLINE_S)
    assert job.begun.acquire(timeout=DEADLINE_S)
    repeater.stop(DEADLINE_S)


def test_repeats_by_itself() -> None:
    job = Job()
    repeater = Repeater("test", 0.001, job, nothing)
    repeater.start()
    for _ in range(3):
        assert job.begun.acquire(timeout=DEADLINE_S)
    repeater.stop(DEADLINE_S)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # the thread dies on purpose
def test_an_unforeseen_error_is_reported_and_releases_who_waits() -> None:
    died, may_break = threading.Event(), threading.Event()

    def broken() -> bool:
        assert may_break.wait(DEADLINE_S)
        raise LookupError("not foreseen")

    repeater = Repeater("test", NEVER_S, broken, died.set)
    repeater.start()
    breaker = threading.Timer(0.02, may_break.set)
    breaker.start()
    assert not repeater.wake(NEVER_S), "released by the death of the thread it waited for"
    assert died.wait(DEADLINE_S)
    breaker.join()
    repeater.stop(DEADLINE_S)
