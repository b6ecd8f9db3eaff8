"""What one minute changes in the recording, within one transaction that the caller keeps."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from remsimd.observe.eventlog import Entry
from remsimd.observe.readings import Aggregate, Key
from remsimd.observe.rollup import MINUTE_S, SCALE, STAGED, STEPS_S, kept
from remsimd.observe.timebase import Timebase, look
from remsimd.observe.usage import Counters, Usage, local_day

if TYPE_CHECKING:
    import sqlite3

EVENTS_KEPT = 5000
STAGED_KEPT = 1440
USAGE_DAYS = 400

_UPSERT = """
INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    low = min(low, excluded.low), high = max(high, excluded.high), total = total + excluded.total,
    count = count + excluded.count, last = excluded.last
"""


@dataclass(frozen=True, slots=True)
class Minute:
    """What was read in one minute of the monotonic clock, counted from the boot."""

    number: int
    values: Mapping[Key, Aggregate]


@dataclass(frozen=True, slots=True)
class Happened:
    """An entry of the timeline, and when it happened on the monotonic clock."""

    mono_s: float
    entry: Entry


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes; `used` and `counters` by link."""

    boot: str
    wall_s: float
    mono_s: float
    minutes: tuple[Minute, ...] = ()
    events: tuple[Happened, ...] = ()
    used: Mapping[str, Usage] | None = None
    counters: Mapping[str, Counters] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a batch.

    The clock's jump before it; whether minutes have their place (usage is written only then), or
    wait for the clock; and how many of an earlier boot, whose clock was never set, are lost.
    """

    jump_s: float
    settled: bool
    lost_minutes: int


class Recorder:
    """Writes batches into an open database; foreign errors pass through to the archive."""

    def __init__(self, database: "sqlite3.Connection", days: int) -> None:
        self._database = database
        self._kept = kept(days)
        self._series: dict[Key, int] = {}
        self._pruned_hour: int | None = None

    def write(self, batch: Batch) -> Written:
        """All that a batch says, and what follows from the clock: see `timebase`."""
        self._load_series()
        known = self._timebase()
        lost_minutes = 0
        if known is None or known.boot != batch.boot:
            lost_minutes = self._drop_staged()
            self._remember_first_event()
            known = Timebase(batch.boot, batch.wall_s - batch.mono_s, batch.mono_s)
        now, jump_s = look(known, batch.wall_s, batch.mono_s, self.newest_s())
        if jump_s:
            self._shift(known, jump_s, batch.mono_s)
        if now.settled:
            now = self._place(now, (*self._take_staged(), *batch.minutes))
            self._count(batch, now)
        else:
            self._insert(STAGED, [(minute.number, minute.values) for minute in batch.minutes])
        self._record(batch.events, now)
        self._prune(batch.mono_s, now)
        self._set("timebase", json.dumps(asdict(now)))
        return Written(jump_s, now.settled, lost_minutes)

    def newest_s(self) -> float | None:
        """The newest minute recorded, as wall-clock seconds; None when there is none."""
        row = self._database.execute("SELECT max(t) FROM point WHERE tier = 0").fetchone()
        return None if row[0] is None else float(row[0] * MINUTE_S)

    def counters(self) -> dict[str, Counters]:
        """The counters up to which usage has been written, by link."""
        rows = self._database.execute("SELECT link, boot, rx, tx FROM counter")
        return {link: Counters(boot, rx, tx) for link, boot, rx, tx in rows}

    def _load_series(self) -> None:
        rows = self._database.execute("SELECT id, metric, subject FROM series")
        self._series = {Key(metric, subject): number for number, metric, subject in rows}

    # The clock

    def _timebase(self) -> Timebase | None:
        row = self._database.execute("SELECT value FROM meta WHERE key = 'timebase'").fetchone()
        return None if row is None else Timebase(**json.loads(row[0]))

    def _set(self, key: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _shift(self, known: Timebase, jump_s: float, mono_s: float) -> None:
        """Move what this boot has placed to where the clock that is right now puts it."""
        first = self._database.execute("SELECT value FROM meta WHERE key = 'first_event'").fetchone()
        if first is not None:
            self._database.execute(
                "UPDATE event SET wall_s = wall_s + ? WHERE id >= ?", (jump_s, int(first[0]))
            )
        if known.run_from_s is None:
            return
        from_s, until_s = known.run_from_s, known.wall_s(mono_s)
        for tier, step_s in enumerate(STEPS_S):
            by = round(jump_s / step_s)
            span = (tier, int(from_s // step_s), int(until_s // step_s))
            # By way of times below zero, so that no row meets one that has not moved yet.
            self._database.execute(
                "UPDATE point SET t = -1 - (t + ?) WHERE tier = ? AND t BETWEEN ? AND ?", (by, *span)
            )
            self._database.execute("UPDATE OR REPLACE point SET t = -1 - t WHERE tier = ? AND t < 0", (tier,))
        days = local_day(until_s + jump_s).toordinal() - local_day(until_s).toordinal()
        if days:
            self._shift_usage(local_day(from_s).toordinal(), local_day(until_s).toordinal(), days)

    def _shift_usage(self, first: int, last: int, days: int) -> None:
        rows = self._database.execute(
            "SELECT day, link, rx, tx FROM usage WHERE day BETWEEN ? AND ?", (first, last)
        ).fetchall()
        self._database.execute("DELETE FROM usage WHERE day BETWEEN ? AND ?", (first, last))
        for day, link, rx, tx in rows:
            self._add_usage(day + days, link, Usage(rx, tx))

    # Minutes

    def _place(self, now: Timebase, minutes: tuple[Minute, ...]) -> Timebase:
        """Put minutes where they belong in every tier."""
        if not minutes:
            return now
        placed = [
            (round(now.wall_s(minute.number * MINUTE_S) / MINUTE_S), minute.values) for minute in minutes
        ]
        for tier, step_s in enumerate(STEPS_S):
            self._insert(tier, [(t * MINUTE_S // step_s, values) for t, values in placed])
        if now.run_from_s is not None:
            return now
        return replace(now, run_from_s=float(min(t for t, _ in placed) * MINUTE_S))

    def _insert(self, tier: int, rows: list[tuple[int, Mapping[Key, Aggregate]]]) -> None:
        self._database.executemany(
            _UPSERT,
            (
                (
                    tier,
                    t,
                    self._series_id(key),
                    round(values.low * SCALE),
                    round(values.high * SCALE),
                    round(values.total * SCALE),
                    values.count,
                    round(values.last * SCALE),
                )
                for t, by_key in rows
                for key, values in by_key.items()
            ),
        )

    def _series_id(self, key: Key) -> int:
        known = self._series.get(key)
        if known is None:
            cursor = self._database.execute(
                "INSERT INTO series (metric, subject) VALUES (?, ?)", (key.metric, key.subject)
            )
            known = self._series[key] = int(cursor.lastrowid or 0)
        return known

    def _drop_staged(self) -> int:
        """Forget minutes of a boot whose clock was never set: nothing tells any more when they were."""
        row = self._database.execute(
            "SELECT count(DISTINCT t) FROM point WHERE tier = ?", (STAGED,)
        ).fetchone()
        self._database.execute("DELETE FROM point WHERE tier = ?", (STAGED,))
        return int(row[0])

    def _take_staged(self) -> tuple[Minute, ...]:
        names = {number: key for key, number in self._series.items()}
        rows = self._database.execute(
            "SELECT t, series, low, high, total, count, last FROM point WHERE tier = ? ORDER BY t", (STAGED,)
        ).fetchall()
        minutes: dict[int, dict[Key, Aggregate]] = {}
        for t, series, low, high, total, count, last in rows:
            values = Aggregate(low / SCALE, high / SCALE, total / SCALE, count, last / SCALE)
            minutes.setdefault(t, {})[names[series]] = values
        if minutes:
            self._drop_staged()
        return tuple(Minute(t, values) for t, values in minutes.items())

    # Usage and events

    def _count(self, batch: Batch, now: Timebase) -> None:
        today = local_day(now.wall_s(batch.mono_s)).toordinal()
        for link, usage in (batch.used or {}).items():
            self._add_usage(today, link, usage)
        for link, counters in (batch.counters or {}).items():
            self._database.execute(
                "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?)",
                (link, counters.boot, counters.rx_bytes, counters.tx_bytes),
            )

    def _add_usage(self, day: int, link: str, usage: Usage) -> None:
        self._database.execute(
            "INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET rx = rx + excluded.rx, "
            "tx = tx + excluded.tx",
            (day, link, usage.rx_bytes, usage.tx_bytes),
        )

    def _remember_first_event(self) -> None:
        row = self._database.execute("SELECT coalesce(max(id), 0) + 1 FROM event").fetchone()
        self._set("first_event", str(row[0]))

    def _record(self, events: tuple[Happened, ...], now: Timebase) -> None:
        self._database.executemany(
            "INSERT INTO event (wall_s, kind, severity, subject, text) VALUES (?, ?, ?, ?, ?)",
            (
                (now.wall_s(h.mono_s), h.entry.kind, h.entry.severity.value, h.entry.subject, h.entry.text)
                for h in events
            ),
        )

    # Bounds

    def _prune(self, mono_s: float, now: Timebase) -> None:
        """Once an hour keep the newest of each tier, counted and not dated: no clock can empty it.

        Rows dated after now come from a clock that was wrong before the last boot; where room is
        needed they go first.
        """
        hour = int(mono_s // 3600)
        if hour == self._pruned_hour:
            return
        self._pruned_hour = hour
        wall_s = now.wall_s(mono_s)
        for tier, room in ((STAGED, STAGED_KEPT), *enumerate(self._kept)):
            times = [
                t
                for (t,) in self._database.execute(
                    "SELECT DISTINCT t FROM point WHERE tier = ? ORDER BY t DESC", (tier,)
                )
            ]
            if tier != STAGED and now.settled:
                present = int(wall_s // STEPS_S[tier])
                times = [t for t in times if t <= present] + [t for t in times if t > present]
            surplus = [(tier, t) for t in times[room:]]
            self._database.executemany("DELETE FROM point WHERE tier = ? AND t = ?", surplus)
        self._database.execute(
            "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", (EVENTS_KEPT,)
        )
        self._database.execute(
            "DELETE FROM usage WHERE day NOT IN (SELECT DISTINCT day FROM usage ORDER BY day DESC LIMIT ?)",
            (USAGE_DAYS,),
        )
