"""The recording as files: in memory, and a copy on flash that comes back after a power cut.

Everything here blocks and is called from one thread. A minute is one transaction, so what a
killed daemon leaves behind is whole; the counters of the data usage stand in the same one.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from remsimd import files
from remsimd.observe import queries, schema
from remsimd.observe.errors import DamagedError, HistoryError
from remsimd.observe.queries import Point, Search, Wanted
from remsimd.observe.recorder import Batch, Recorder, Written
from remsimd.observe.usage import Counters, Usage


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found: `source` is memory, flash or nothing; `problems` were worked around."""

    source: str
    newest_s: float | None
    problems: tuple[str, ...]
    counters: Mapping[str, Counters]


class Archive:
    """One recording. Every method raises HistoryError; `open` and `close` may alternate."""

    def __init__(self, path: Path, snapshot: Path, days: int) -> None:
        self._path = path
        self._snapshot = snapshot
        self._days = days
        self._database: sqlite3.Connection | None = None
        self._recorder: Recorder | None = None

    def open(self) -> Opened:
        """Open what is in memory, or else the copy on flash, or else begin anew."""
        problems = []
        database, source = None, "nothing"
        for candidate, make_ready in (("memory", self._in_memory), ("flash", self._restored)):
            try:
                database = make_ready()
            except DamagedError as error:
                problems.append(str(error))
            if database is not None:
                source = candidate
                break
        if database is None:
            schema.remove(self._path)
            database = schema.connect(self._path)
        self._database, self._recorder = database, Recorder(database, self._days)
        with self._translated():
            return Opened(source, self._recorder.newest_s(), tuple(problems), self._recorder.counters())

    def _in_memory(self) -> sqlite3.Connection | None:
        return schema.connect(self._path) if self._path.exists() else None

    def _restored(self) -> sqlite3.Connection | None:
        """The copy on flash as the recording in memory; a damaged one is put aside, for people to see."""
        if not self._snapshot.exists():
            return None
        try:
            schema.remove(self._path)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._snapshot, self._path)
            return schema.connect(self._path)
        except OSError as error:
            raise HistoryError(f"{self._snapshot}: {error.strerror}") from error
        except DamagedError as error:
            with suppress(OSError):
                self._snapshot.replace(self._snapshot.with_name(f"{self._snapshot.name}.damaged"))
            raise DamagedError(f"the copy {self._snapshot}: {error}") from error

    def close(self) -> None:
        """Close the recording; the log is folded in."""
        if self._database is not None:
            self._database.close()
            self._database = self._recorder = None

    def write(self, batch: Batch) -> Written:
        """Write all of a batch, or nothing of it."""
        database = self._open_database()
        if self._recorder is None:
            raise HistoryError(f"{self._path} is not open")
        with self._translated():
            try:
                database.execute("BEGIN IMMEDIATE")
                written = self._recorder.write(batch)
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")
        return written

    def points(self, wanted: Wanted) -> tuple[Point, ...]:
        """The recorded spans that fit, oldest first."""
        with self._translated():
            return queries.points(self._open_database(), wanted)

    def series(self) -> tuple[tuple[str, str], ...]:
        """Metric and subject of everything recorded."""
        with self._translated():
            return queries.series(self._open_database())

    def events(self, search: Search) -> list[dict[str, object]]:
        """The entries that fit, oldest first, as the timeline shows them."""
        with self._translated():
            return queries.events(self._open_database(), search)

    def usage(self, from_day: int, to_day: int) -> dict[str, Usage]:
        """The bytes of each link in a span of days (ordinals), both included."""
        with self._translated():
            return queries.usage(self._open_database(), from_day, to_day)

    def save(self) -> None:
        """Put a whole, compact copy beside the router's other state, replacing the last one."""
        fresh = self._snapshot.with_name(f".{self._snapshot.name}.new")
        try:
            self._snapshot.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            self._open_database().execute("VACUUM INTO ?", (str(fresh),))
            files.sync(fresh)
            fresh.replace(self._snapshot)
            files.sync(self._snapshot.parent)
        except (sqlite3.Error, OSError) as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise HistoryError(f"{self._snapshot}: {error}") from error

    def _open_database(self) -> sqlite3.Connection:
        if self._database is None:
            raise HistoryError(f"{self._path} is not open")
        return self._database

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise HistoryError(f"{self._path}: {error}") from error
