"""When an alert fires and when it is over: pure, one standing for each thing an alert watches."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from remsimd.config.model import AlertConfig

CLEAR_AFTER_MAX_S = 60.0
"""An alert is over when the value was well for as long as it had to be bad, but at most so long."""

RATE_OVER_S = 300.0
"""A counter is watched as what it grew by in so long."""


class Phase(StrEnum):
    """How one thing that an alert watches is."""

    WELL = "well"
    """The value is known to be well, or unknown."""
    PENDING = "pending"
    """Bad, but not yet for long enough."""
    FIRING = "firing"
    """Bad for long enough; stays so until well for a while."""


class Change(StrEnum):
    """What became of an alert in one look."""

    FIRES = "fires"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert for one subject; times are monotonic seconds.

    `since_s` is when the phase began, `well_since_s` when a firing alert's value became well.
    """

    phase: Phase = Phase.WELL
    since_s: float = 0.0
    value: float | None = None
    well_since_s: float | None = None
    acknowledged: bool = False


def step(
    alert: AlertConfig, known: Standing, value: float | None, now_s: float
) -> tuple[Standing, Change | None]:
    """The standing after one look at the value (None: unknown), and what became of the alert.

    Between the threshold and the threshold with its hysteresis nothing changes. An unknown
    value is no evidence of anything bad: it ends a pending alert at once and a firing one like
    a good value.
    """
    now = replace(known, value=value if value is not None else known.value)
    if known.phase is Phase.FIRING:
        return _firing(alert, now, value, now_s)
    if value is None or not _bad(alert, value):
        return Standing(since_s=now_s if known.phase is Phase.PENDING else known.since_s, value=value), None
    if known.phase is Phase.WELL:
        now = Standing(Phase.PENDING, now_s, value)
    if now_s - now.since_s >= alert.for_s:
        return Standing(Phase.FIRING, now_s, value), Change.FIRES
    return now, None


def _firing(
    alert: AlertConfig, now: Standing, value: float | None, now_s: float
) -> tuple[Standing, Change | None]:
    if value is not None and not _good(alert, value):
        return replace(now, well_since_s=None), None
    well_since_s = now_s if now.well_since_s is None else now.well_since_s
    if now_s - well_since_s >= min(alert.for_s, CLEAR_AFTER_MAX_S):
        return Standing(since_s=now_s, value=now.value), Change.OVER
    return replace(now, well_since_s=well_since_s), None


def _bad(alert: AlertConfig, value: float) -> bool:
    above = alert.above is not None and value > alert.above
    return above or (alert.below is not None and value < alert.below)


def _good(alert: AlertConfig, value: float) -> bool:
    """Back beyond every threshold by the hysteresis; without one, simply not bad."""
    low_enough = alert.above is None or value <= alert.above - alert.hysteresis
    return low_enough and (alert.below is None or value >= alert.below + alert.hysteresis)


@dataclass(frozen=True, slots=True)
class Growth:
    """Readings of one counter, oldest first, as (monotonic seconds, value)."""

    readings: tuple[tuple[float, float], ...] = ()

    def read(self, now_s: float, value: float) -> "Growth":
        """With one more reading; one that ran backwards began anew, like its daemon."""
        if self.readings and value < self.readings[-1][1]:
            return Growth(((now_s, 0.0), (now_s, value)))
        # The newest reading older than the span is kept: growth counts from there.
        older = [r for r in self.readings if now_s - r[0] > RATE_OVER_S]
        young = [r for r in self.readings if now_s - r[0] <= RATE_OVER_S]
        return Growth((*older[-1:], *young, (now_s, value)))

    @property
    def by(self) -> float:
        """What the counter grew by."""
        return self.readings[-1][1] - self.readings[0][1] if self.readings else 0.0


@dataclass(frozen=True, slots=True)
class Board:
    """Every standing, by alert name and subject, and until when alerts are muted."""

    standings: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    muted_until_s: Mapping[str, float] = field(default_factory=dict)

    def muted(self, alert: str, now_s: float) -> bool:
        """Whether nobody is to be told of this alert now."""
        return self.muted_until_s.get(alert, now_s) > now_s

    def with_mute(self, alert: str, until_s: float) -> "Board":
        """Nobody is told of this alert until then."""
        return replace(self, muted_until_s={**self.muted_until_s, alert: until_s})

    def acknowledge(self, alert: str, subject: str | None) -> tuple["Board", int]:
        """Firing standings of an alert taken note of, of one subject or all; and how many."""
        chosen = [
            key
            for key, standing in self.standings.items()
            if key[0] == alert and subject in (None, key[1]) and standing.phase is Phase.FIRING
        ]
        known = {key: replace(self.standings[key], acknowledged=True) for key in chosen}
        return replace(self, standings={**self.standings, **known}), len(chosen)


def look(
    board: Board, alert: AlertConfig, values: Mapping[str, float], now_s: float
) -> tuple[Board, tuple[tuple[str, Change, Standing], ...]]:
    """The board after one look at an alert's values by subject, and what changed for which.

    Subjects that were seen before and have no value now count as unknown; when they are well,
    they are forgotten.
    """
    seen = {subject for name, subject in board.standings if name == alert.name}
    standings = dict(board.standings)
    changes = []
    for subject in sorted(seen | set(values)):
        key = alert.name, subject
        after, change = step(alert, standings.get(key, Standing()), values.get(subject), now_s)
        standings[key] = after
        if change is not None:
            changes.append((subject, change, after))
        if after.phase is Phase.WELL and subject not in values:
            del standings[key]
    return replace(board, standings=standings), tuple(changes)
