"""Records what is known every ten seconds, a minute at a time, and answers questions about it.

Nothing is written per event: minutes, events and usage collect in memory and go into one
transaction a minute. A write that fails is tried again with the next one; what no longer fits
in memory is lost, and said to be.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remsimd import clock
from remsimd import events as ev
from remsimd.bus import Bus, Stamped
from remsimd.config.model import HistoryConfig
from remsimd.dataplan import period_start
from remsimd.observe import events as observed
from remsimd.observe import usage
from remsimd.observe.errors import HistoryError
from remsimd.observe.eventlog import Entry, EventLog
from remsimd.observe.measured import Measures
from remsimd.observe.readings import Aggregate, Key, of_one, readings
from remsimd.observe.recorder import Batch, Happened, Minute, Written
from remsimd.observe.rollup import DAY_S, MINUTE_S
from remsimd.observe.usage import Counters, Meter, Usage
from remsimd.state import State
from remsimd.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remsimd.observe.archive import Archive, Opened

log = logging.getLogger(__name__)

FILE_NAME = "history.db"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SAMPLE_S = 10.0
MINUTES_KEPT = 120
EVENTS_KEPT = 500
"""What is held in memory while writing fails."""
GAP_S = 180.0
"""A longer time without a recorded minute is worth a word."""
LAST_SAVE_WITHIN_S = 2.0
"""The service manager does not wait much longer for the daemon's end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A link's data plan: its reset day (1..28) and limit, None without one."""

    reset_day: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Sources:
    """What is recorded: the snapshots, the bus and the timeline."""

    state: Callable[[], State]
    measures: Callable[[], Measures]
    bus: Bus
    eventlog: EventLog


class History:
    """Keeps the recording while `run` runs; `plans` are those of the links, by name."""

    def __init__(
        self,
        config: HistoryConfig,
        sources: Sources,
        *,
        state_dir: Path,
        plans: dict[str, Plan],
        boot: str | None = None,
        wall: Callable[[], float] = clock.wall,
        thread: Callable[[str, Callable[[], None]], Worker[Any]] = Worker,
    ) -> None:
        self._config = config
        self._sources = sources
        self._snapshot = state_dir / FILE_NAME
        self._plans = plans
        self._boot = boot
        self._wall = wall
        self._make_worker = thread
        self._worker: Worker[Any] | None = None
        self._archive: Archive | None = None
        self._open_minute: tuple[int, dict[Key, Aggregate]] | None = None
        self._minutes: deque[Minute] = deque()
        self._events: deque[Happened] = deque(maxlen=EVENTS_KEPT)
        self._meters: dict[str, Meter] = {}
        self._lost_minutes = self._lost_events = 0
        self._failing = False
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Record until cancelled, then save. Raises HistoryError where nothing can be recorded."""
        with self._thread():
            opened = await self._do(lambda archive: archive.open())
            with self._sources.bus.listen(self._take):
                stop_listening = self._sources.eventlog.add_listener(self._hear)
                try:
                    self._tell_opened(opened)
                    await self._record()
                finally:
                    stop_listening()
                    await self._save_last()

    async def ask(self, question: Callable[["Archive"], Any]) -> Any:
        """The answer of the archive, the minute that has just begun included; raises HistoryError."""
        await self._write(early=True)
        return await self._do(question)

    async def usage(self) -> dict[str, dict[str, dict[str, int]]]:
        """Bytes of each link by period (today, week, month, plan); raises HistoryError."""
        today = usage.local_day(self._wall())
        periods = {"today": today, "week": usage.week_start(today), "month": today.replace(day=1)}
        report: dict[str, dict[str, dict[str, int]]] = {}
        for name, first in periods.items():
            days = first.toordinal(), today.toordinal()
            for link, spent in (await self.ask(partial(_usage_of, days))).items():
                report.setdefault(link, {})[name] = asdict(spent)
        for link, plan in self._plans.items():
            days = period_start(today, plan.reset_day).toordinal(), today.toordinal()
            spent = (await self.ask(partial(_usage_of, days))).get(link)
            if spent is not None:
                report.setdefault(link, {})["plan"] = asdict(spent)
        return report

    # What is collected

    def _take(self, stamped: Stamped) -> None:
        if isinstance(stamped.event, ev.TrafficRead):
            read = stamped.event
            counters = Counters(self._boot_id(), read.rx_bytes, read.tx_bytes)
            self._meters[read.link] = usage.read(self._meters.get(read.link, Meter()), counters)

    def _hear(self, entry: Entry) -> None:
        self._lost_events += len(self._events) == EVENTS_KEPT
        self._events.append(Happened(clock.monotonic(), entry))

    def _sample(self) -> None:
        number = int(clock.monotonic() // MINUTE_S)
        if self._open_minute is None or self._open_minute[0] != number:
            self._close_minute()
            self._open_minute = number, {}
        values = self._open_minute[1]
        for key, value in readings(self._sources.state(), self._sources.measures()):
            known = values.get(key)
            values[key] = of_one(value) if known is None else known.plus(value)

    def _close_minute(self) -> None:
        if self._open_minute is None or not self._open_minute[1]:
            return
        self._minutes.append(Minute(*self._open_minute))
        self._open_minute = None
        if len(self._minutes) > MINUTES_KEPT:
            self._minutes.popleft()
            self._lost_minutes += 1

    async def _record(self) -> None:
        saved_s = clock.monotonic()
        while True:
            self._sample()
            if self._minutes:
                await self._write()
                await self._count_plans()
            if clock.monotonic() - saved_s >= DAY_S:
                saved_s = clock.monotonic()
                await self._save()
            await asyncio.sleep(SAMPLE_S)

    # Writing

    async def _write(self, *, early: bool = False) -> None:
        """One transaction with everything collected; a failure keeps it for the next time.

        Shielded: what the thread has written must be taken off here too, or it would count twice.
        """
        task = asyncio.ensure_future(self._write_now(early=early))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _write_now(self, *, early: bool) -> None:
        async with self._writing:
            if early and not self._failing:
                self._close_minute()
            minutes, events = tuple(self._minutes), tuple(self._events)
            used = {link: m.unwritten for link, m in self._meters.items() if m.unwritten != Usage()}
            counters = {link: meter.seen for link, meter in self._meters.items() if meter.seen is not None}
            if early and not (minutes or events or used):
                return
            batch = Batch(self._boot_id(), self._wall(), clock.monotonic(), minutes, events, used, counters)
            try:
                written: Written = await self._do(lambda archive: archive.write(batch))
            except HistoryError as error:
                self._failed(error)
                return
            # What came in meanwhile may have pushed older ones out: what was written is told by identity.
            done = set(map(id, (*minutes, *events)))
            self._minutes = deque(m for m in self._minutes if id(m) not in done)
            self._events = deque((e for e in self._events if id(e) not in done), EVENTS_KEPT)
            if written.settled:
                self._subtract(used)
            self._tell_written(written)

    def _subtract(self, used: dict[str, Usage]) -> None:
        for link, written in used.items():
            meter = self._meters[link]
            self._meters[link] = replace(meter, unwritten=meter.unwritten - written)

    def _failed(self, error: HistoryError) -> None:
        level = logging.DEBUG if self._failing else logging.WARNING
        log.log(level, "history is not written: %s; held in memory for %d minutes", error, MINUTES_KEPT)
        if not self._failing:
            self._failing = True
            self._publish(f"cannot be written, held in memory: {error}", lost=False)

    async def _save(self) -> None:
        try:
            await self._do(lambda archive: archive.save())
        except HistoryError as error:
            log.warning("history is not saved: %s; the last copy stays", error)
            self._publish(f"not saved to flash, the last copy stays: {error}", lost=False)

    async def _save_last(self) -> None:
        """What a stop still has time for."""
        try:
            async with asyncio.timeout(LAST_SAVE_WITHIN_S):
                await self._write(early=True)
                await self._save()
        except TimeoutError:
            log.warning("history is not saved within %.0f s; the last copy stays", LAST_SAVE_WITHIN_S)

    async def _count_plans(self) -> None:
        """Tell what each link has carried since its plan's reset day."""
        today = usage.local_day(self._wall())
        for link, plan in self._plans.items():
            days = period_start(today, plan.reset_day).toordinal(), today.toordinal()
            try:
                found: dict[str, Usage] = await self._do(partial(_usage_of, days))
            except HistoryError as error:
                log.debug("usage is not read: %s", error)
                return
            if link in found:
                used_bytes = found[link].rx_bytes + found[link].tx_bytes
                self._sources.bus.publish(observed.UsageCounted(link, used_bytes, plan.limit_bytes))

    # The thread that owns the archive

    @contextmanager
    def _thread(self) -> "Iterator[None]":
        try:
            from remsimd.observe.archive import Archive
        except ImportError as error:
            raise HistoryError(f"no SQLite here ({error}); install python3-sqlite3") from error
        archive = Archive(Path(self._config.path) / FILE_NAME, self._snapshot, self._config.days)
        worker = self._make_worker("history", archive.close)
        worker.start()
        self._archive, self._worker = archive, worker
        try:
            yield
        finally:
            self._archive = self._worker = None
            worker.stop()

    async def _do(self, job: Callable[["Archive"], Any]) -> Any:
        archive, worker = self._archive, self._worker
        if archive is None or worker is None:
            raise HistoryError("the history is not open")
        return await worker.run(lambda: job(archive))

    def _boot_id(self) -> str:
        if self._boot is None:
            self._boot = BOOT_ID.read_text(encoding="ascii").strip()
        return self._boot

    # What people are told

    def _publish(self, text: str, *, lost: bool) -> None:
        self._sources.bus.publish(observed.HistoryChanged(text, lost))

    def _tell_opened(self, opened: "Opened") -> None:
        for link, counters in opened.counters.items():
            self._meters.setdefault(link, Meter(counters))
        for problem in opened.problems:
            log.warning("history: %s", problem)
            self._publish(f"a recording is lost: {problem}", lost=True)
        if opened.newest_s is None:
            return
        gap_s = self._wall() - opened.newest_s
        if gap_s < 0:
            ahead = (
                f"recorded until {_when(opened.newest_s)}, the clock is behind that: waiting until it is set"
            )
            self._publish(ahead, lost=False)
        elif gap_s > GAP_S:
            text = f"nothing recorded from {_when(opened.newest_s)} on, for {gap_s / MINUTE_S:.0f} min"
            self._publish(f"{text} (continued from {opened.source})", lost=True)

    def _tell_written(self, written: Written) -> None:
        minutes, events = self._lost_minutes, self._lost_events
        if self._failing or minutes or events:
            self._failing = False
            self._lost_minutes = self._lost_events = 0
            lost = f"{minutes} minutes and {events} events are" if minutes or events else "nothing is"
            self._publish(f"written again; {lost} lost", lost=minutes + events > 0)
        if written.lost_minutes:
            text = f"{written.lost_minutes} minutes of the last boot are lost: its clock was never set"
            self._publish(text, lost=True)
        if written.jump_s:
            text = f"the clock was set by {written.jump_s:+.0f} s; what this boot recorded moved along"
            self._publish(text, lost=False)


def _usage_of(days: tuple[int, int], archive: "Archive") -> dict[str, Usage]:
    return archive.usage(*days)


def _when(wall_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_s))
