"""The recording part: minutes in virtual time, failures held and told, the copy at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from modems.facts import Registration, RegistrationState, Signal
from remsimd import clock
from remsimd import events as ev
from remsimd.bus import Bus, Stamped
from remsimd.config.model import Config, HistoryConfig, ModemConfig
from remsimd.errors import RemsimError
from remsimd.observe.archive import Archive
from remsimd.observe.errors import HistoryError
from remsimd.observe.eventlog import EventLog
from remsimd.observe.events import HistoryChanged, UsageCounted
from remsimd.observe.history import EVENTS_KEPT, MINUTES_KEPT, History, Plan, Sources
from remsimd.observe.measured import Measured
from remsimd.observe.queries import Search, Wanted
from remsimd.orchestrator import events as ionmesh_events
from remsimd.state import start
from remsimd.store import Store
from remsimd.worker import Worker
from tests import virtual

NOW_S = 1_790_000_400.0


class InlineWorker(Worker[Any]):
    """Runs each job at once: virtual time does not wait for threads. `full` makes every write fail."""

    full = False

    def start(self) -> None:
        pass

    async def run(self, call: Callable[[], Any]) -> Any:
        if self.full:
            raise HistoryError("database or disk is full")
        return call()

    def stop(self) -> None:
        self._on_stop()


class Story:
    """A router whose history is watched."""

    def __init__(self, folder: Path, *, offset_s: float = NOW_S, boot: str = "boot") -> None:
        self.bus, self.eventlog, self.measured = Bus(), EventLog(), Measured()
        self.store = Store(start(Config(modems=(ModemConfig(name="primary", interface="wwan0"),)), NOW_S))
        self.offset_s = offset_s
        self.told: list[ev.Event] = []
        self.workers: list[InlineWorker] = []
        self.history = History(
            HistoryConfig(path=str(folder / "ram")),
            Sources(lambda: self.store.now, lambda: self.measured.now, self.bus, self.eventlog),
            state_dir=folder / "flash",
            plans={"primary": Plan(1, 1_000_000)},
            boot=boot,
            wall=lambda: clock.monotonic() + self.offset_s,
            thread=self._worker,
        )

    def _worker(self, name: str, on_stop: Callable[[], None]) -> InlineWorker:
        self.workers.append(InlineWorker(name, on_stop))
        return self.workers[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The history with everything it listens to."""

        def hear(stamped: Stamped) -> None:
            self.told.append(stamped.event)

        with (
            self.bus.listen(self.store.take),
            self.bus.listen(self.measured.take),
            self.bus.listen(self.eventlog.take),
            self.bus.listen(hear),
        ):
            task = asyncio.create_task(self.history.run())
            await asyncio.sleep(1)
            yield task
            task.cancel()
            await asyncio.wait((task,))

    def texts(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, HistoryChanged)]

    async def rsrp(self) -> list[float]:
        wanted = Wanted(0, 10 * NOW_S, ("rsrp",), step_s=60)
        return [p.average for p in await self.history.ask(lambda archive: archive.points(wanted))]


def read_signal(story: Story, rsrp_dbm: float) -> None:
    story.bus.publish(ev.SignalRead("primary", Signal(rsrp_dbm=rsrp_dbm)))


def test_minutes_are_recorded_and_come_back_after_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        story = Story(tmp_path)
        async with story.running():
            read_signal(story, -90.0)
            await asyncio.sleep(118)
            read_signal(story, -80.0)
            await asyncio.sleep(50)
        assert story.texts() == []

    async def second() -> list[float]:
        story = Story(tmp_path, offset_s=NOW_S + 200, boot="second")
        async with story.running():
            return await story.rsrp()

    virtual.run(first())
    assert (tmp_path / "flash" / "history.db").exists()
    assert virtual.run(second()) == [-90.0, -90.0, -80.0]


def test_the_minute_that_has_just_begun_is_part_of_an_answer(tmp_path: Path) -> None:
    async def story() -> None:
        told = Story(tmp_path)
        async with told.running():
            read_signal(told, -90.0)
            await asyncio.sleep(15)
            assert await told.rsrp() == [-90.0]
            await asyncio.sleep(20)
            assert await told.rsrp() == [-90.0]

    virtual.run(story())


def test_a_time_without_a_recording_is_said_to_be_lost(tmp_path: Path) -> None:
    async def some_minutes(offset_s: float, boot: str) -> list[str]:
        story = Story(tmp_path, offset_s=offset_s, boot=boot)
        async with story.running():
            read_signal(story, -90.0)
            await asyncio.sleep(130)
        return story.texts()

    assert virtual.run(some_minutes(NOW_S, "first")) == []
    (text,) = virtual.run(some_minutes(NOW_S + 7200, "second"))
    assert "nothing recorded from 2026-" in text
    assert "for 118 min (continued from memory)" in text


def test_a_clock_set_late_is_told(tmp_path: Path) -> None:
    async def story() -> list[str]:
        told = Story(tmp_path, offset_s=0.0)
        async with told.running():
            read_signal(told, -90.0)
            await asyncio.sleep(130)
            told.offset_s = NOW_S
            await asyncio.sleep(130)
            assert len(await told.rsrp()) == 5
        return told.texts()

    (text,) = virtual.run(story())
    assert text == f"the clock was set by {NOW_S:+.0f} s; what this boot recorded moved along"


def test_what_does_not_fit_while_the_disk_is_full_is_lost_and_said_to_be(tmp_path: Path) -> None:
    async def story() -> None:
        told = Story(tmp_path)
        async with told.running():
            read_signal(told, -90.0)
            await asyncio.sleep(61)
            told.workers[-1].full = True
            for number in range(EVENTS_KEPT + 1):
                told.bus.publish(ionmesh_events.CommandReceived(str(number), "restart"))
            await asyncio.sleep(60 * (MINUTES_KEPT + 30))
            told.workers[-1].full = False
            await asyncio.sleep(70)
            assert len(await told.rsrp()) == MINUTES_KEPT + 3
            found = await told.history.ask(lambda archive: archive.events(Search(kind="command")))
            texts = [entry["text"] for entry in found]
            assert (texts[0], texts[-1]) == ("command restart (2)", "command restart (500)")
        first, second = told.texts()
        assert first == "cannot be written, held in memory: database or disk is full"
        assert second == "written again; 30 minutes and 2 events are lost"

    virtual.run(story())


def test_data_used_is_counted_over_restarts_and_told_against_the_plan(tmp_path: Path) -> None:
    async def carry(rx_bytes: int, boot: str) -> Story:
        story = Story(tmp_path, boot=boot)
        async with story.running():
            read_signal(story, -90.0)
            story.bus.publish(ev.TrafficRead("primary", rx_bytes, 10))
            await asyncio.sleep(130)
            usage = await story.history.usage()
        assert {spent["rx_bytes"] for spent in usage.get("primary", {}).values()} <= {rx_bytes, 1500, 2200}
        return story

    virtual.run(carry(1000, "first"))
    told = virtual.run(carry(2500, "first")).told
    assert UsageCounted("primary", 1500, 1_000_000) in told
    told = virtual.run(carry(700, "second")).told
    assert UsageCounted("primary", 1500 + 700 + 10, 1_000_000) in told


def test_a_stop_in_the_middle_of_a_write_counts_nothing_twice(tmp_path: Path) -> None:
    class SlowWorker(InlineWorker):
        async def run(self, call: Callable[[], Any]) -> Any:
            result = call()
            await asyncio.sleep(0.5)
            return result

    async def stop() -> None:
        story = Story(tmp_path)
        story.history._make_worker = SlowWorker
        async with story.running():
            read_signal(story, -90.0)
            story.bus.publish(ev.TrafficRead("primary", 0, 0))
            story.bus.publish(ev.TrafficRead("primary", 500, 0))
            # The write begins with the first look after the minute, at 60.5 s or so.
            await asyncio.sleep(59.8)

    virtual.run(stop())
    archive = Archive(tmp_path / "ram" / "history.db", tmp_path / "copy.db", 30)
    archive.open()
    assert [usage.rx_bytes for usage in archive.usage(0, 10**6).values()] == [500]
    archive.close()


def test_without_sqlite_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "remsimd.observe.archive", None)

    async def story() -> None:
        with pytest.raises(RemsimError, match="install python3-sqlite3"):
            await Story(tmp_path).history.run()

    virtual.run(story())


async def test_the_real_thread_records_and_ends(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.history._make_worker = Worker
    with story.bus.listen(story.store.take):
        story.bus.publish(ev.RegistrationRead("primary", Registration(RegistrationState.HOME)))
        task = asyncio.create_task(story.history.run())
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while not (await _series(story.history)):
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
    assert (tmp_path / "flash" / "history.db").exists()
    with pytest.raises(HistoryError, match="not open"):
        await story.history.ask(lambda archive: archive.series())


async def _series(history: History) -> Any:
    try:
        return await history.ask(lambda archive: archive.series())
    except HistoryError:
        return ()
