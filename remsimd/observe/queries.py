"""Questions to the recording; plain SQL over an open database."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from remsimd.observe.rollup import DAY_S, FINER_DAYS, SCALE, STEPS_S
from remsimd.observe.usage import Usage

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A span of wall-clock seconds, and which series of it: empty means all.

    `step_s` is one of STEPS_S, None the finest that reaches back so far.
    """

    from_s: float
    to_s: float
    metrics: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    step_s: int | None = None

    @property
    def tier(self) -> int:
        """Which roll-up answers."""
        if self.step_s is not None:
            return STEPS_S.index(self.step_s)
        reach = [days * DAY_S for days in FINER_DAYS]
        span_s = self.to_s - self.from_s
        return next((tier for tier, reach_s in enumerate(reach) if span_s <= reach_s), len(reach))


class Point(NamedTuple):
    """One span of one series; `at_s` is its beginning, wall clock.

    A tuple, because a month of everything has 80,000 of them, and these are made twice as fast.
    """

    at_s: int
    metric: str
    subject: str
    low: float
    high: float
    average: float
    last: float


@dataclass(frozen=True, slots=True)
class Search:
    """Which events: the newest `limit` since a wall-clock time, of a kind, severity and subject or any."""

    since_s: float = 0.0
    kind: str | None = None
    severity: str | None = None
    subject: str | None = None
    limit: int = 1000


def points(database: "sqlite3.Connection", wanted: Wanted) -> tuple[Point, ...]:
    """The spans that begin within the wanted time, oldest first."""
    names = {
        number: (metric, subject)
        for number, metric, subject in database.execute("SELECT id, metric, subject FROM series")
        if not wanted.metrics or metric in wanted.metrics
        if not wanted.subjects or subject in wanted.subjects
    }
    step_s = STEPS_S[wanted.tier]
    rows = database.execute(
        "SELECT t * :step, series, low / :scale, high / :scale, total / (:scale * count),"
        " last / :scale FROM point WHERE tier = :tier AND t BETWEEN :first AND :latest"
        " AND series IN (SELECT value FROM json_each(:wanted)) ORDER BY t, series",
        {
            "step": step_s,
            "scale": float(SCALE),
            "tier": wanted.tier,
            "first": int(wanted.from_s // step_s),
            "latest": int(wanted.to_s // step_s),
            "wanted": json.dumps(list(names)),
        },
    )
    return tuple(
        Point(at_s, *names[series], low, high, round(average, 3), last)
        for at_s, series, low, high, average, last in rows
    )


def series(database: "sqlite3.Connection") -> tuple[tuple[str, str], ...]:
    """Metric and subject of everything recorded, in order."""
    return tuple(database.execute("SELECT metric, subject FROM series ORDER BY metric, subject"))


def events(database: "sqlite3.Connection", search: Search) -> list[dict[str, object]]:
    """The newest entries that fit, oldest first."""
    rows = database.execute(
        "SELECT id, wall_s, kind, severity, subject, text FROM event WHERE wall_s >= :since"
        " AND :kind IN ('', kind) AND :severity IN ('', severity) AND :subject IN ('', subject)"
        " ORDER BY id DESC LIMIT :limit",
        {
            "since": search.since_s,
            "kind": search.kind or "",
            "severity": search.severity or "",
            "subject": search.subject or "",
            "limit": search.limit,
        },
    ).fetchall()
    fields = ("seq", "wall_s", "kind", "severity", "subject", "text")
    return [dict(zip(fields, row, strict=True)) for row in reversed(rows)]


def usage(database: "sqlite3.Connection", from_day: int, to_day: int) -> dict[str, Usage]:
    """The bytes of each link in a span of days, both included."""
    rows = database.execute(
        "SELECT link, sum(rx), sum(tx) FROM usage WHERE day BETWEEN ? AND ? GROUP BY link ORDER BY link",
        (from_day, to_day),
    )
    return {link: Usage(rx, tx) for link, rx, tx in rows}
