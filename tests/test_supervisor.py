"""Parts run, fail, come back and are replaced on reload; virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from remsimd.errors import RemsimError
from remsimd.events import Event, PartFailed, PartRunning
from remsimd.supervisor import Part, Supervisor
from tests import virtual


@dataclass
class Worker:
    """Runs until cancelled, after failing as often as told."""

    log: list[str]
    name: str = "worker"
    failures: list[Exception] = field(default_factory=list)

    async def run(self) -> None:
        self.log.append(f"{self.name} runs")
        if self.failures:
            raise self.failures.pop(0)
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append(f"{self.name} stops")


def part(name: str, key: object, build: Callable[[], Worker]) -> Part:
    return Part(name, repr(key), build)


def test_a_failed_part_comes_back_later_each_time_and_the_others_go_on() -> None:
    events: list[Event] = []
    log: list[str] = []

    async def story() -> None:
        supervisor = Supervisor(events.append)
        bad = Worker(log, "bad", [RemsimError("no bank"), RuntimeError("bug"), RemsimError("no bank")])
        await supervisor.apply((part("bad", 1, lambda: bad), part("good", 1, lambda: Worker(log, "good"))))
        await asyncio.sleep(30)
        await supervisor.stop()

    virtual.run(story())
    failed = [event for event in events if isinstance(event, PartFailed)]
    assert [event.reason for event in failed] == ["no bank", "RuntimeError: bug", "no bank"]
    assert failed[0].retry_s < failed[1].retry_s < failed[2].retry_s
    assert log.count("good runs") == 1
    assert log[-2:] == ["good stops", "bad stops"]  # the last started stops first
    assert sum(event == PartRunning("bad") for event in events) == 4


def test_a_part_that_was_well_for_a_while_starts_a_new_series_of_failures() -> None:
    events: list[Event] = []

    class Fading:
        async def run(self) -> None:
            await asyncio.sleep(100)
            raise RemsimError("lost")

    async def story() -> None:
        supervisor = Supervisor(events.append)
        await supervisor.apply((Part("fading", 1, Fading),))
        await asyncio.sleep(1000)
        await supervisor.stop()

    virtual.run(story())
    retries = [event.retry_s for event in events if isinstance(event, PartFailed)]
    assert len(retries) == 9
    assert max(retries) < 1.2


def test_a_reload_replaces_only_what_is_made_from_something_else() -> None:
    log: list[str] = []

    def wanted(**keys: int) -> tuple[Part, ...]:
        return tuple(part(n, k, lambda n=n, k=k: Worker(log, f"{n}{k}")) for n, k in keys.items())

    async def story() -> None:
        supervisor = Supervisor(lambda event: None)
        assert await supervisor.apply(wanted(a=1, b=1, c=1)) == ("a", "b", "c")
        kept = supervisor.find("a", Worker)
        await asyncio.sleep(1)
        assert await supervisor.apply(wanted(a=1, b=2, d=1)) == ("b", "c", "d")
        await asyncio.sleep(1)
        assert supervisor.find("a", Worker) is kept
        assert supervisor.find("c", Worker) is None
        await supervisor.stop()

    virtual.run(story())
    assert log[:5] == ["a1 runs", "b1 runs", "c1 runs", "c1 stops", "b1 stops"]
    assert set(log[5:7]) == {"b2 runs", "d1 runs"}


def test_a_part_whose_end_fails_is_ended_all_the_same() -> None:
    log: list[str] = []

    class Clumsy:
        async def run(self) -> None:
            log.append("runs")
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("what it wrote to is gone")

    async def story() -> None:
        supervisor = Supervisor(lambda event: None)
        await supervisor.apply((Part("clumsy", 1, Clumsy),))
        await asyncio.sleep(1)
        async with asyncio.timeout(10):
            await supervisor.stop()

    virtual.run(story())
    assert log == ["runs"]


def test_a_part_whose_task_group_fails_is_started_again() -> None:
    starts: list[float] = []

    class Grouped:
        async def run(self) -> None:
            starts.append(0.0)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._fail())

        async def _fail(self) -> None:
            await asyncio.sleep(1)
            raise OSError("unplugged")

    async def story() -> None:
        supervisor = Supervisor(lambda event: None)
        await supervisor.apply((Part("grouped", 1, Grouped),))
        await asyncio.sleep(30)
        await supervisor.stop()

    virtual.run(story())
    assert len(starts) > 1
