"""A monthly data limit: what was spent of it, and how often that lets us ask. Pure.

The figures are bytes on the wire from the IP header up, both directions: what a tariff counts.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from remsimd.dataplan import period_start

TIGHT_SHARE = 0.9
"""From this share of the limit on nothing is sent only to find out whether a link works."""

BURST_SHARE = 0.05
"""How far ahead of an even spending over the month a suspicion may go."""

CLOCK_SET_AFTER = date(2025, 1, 1)
"""Routers without a battery start in the past: an earlier date says only that nobody set the clock."""

_DATELESS = "unset"
_KEPT_PERIODS = 3
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """So many bytes between two reset days (1..28, at 00:00 UTC)."""

    limit_bytes: int
    reset_day: int = 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """Bytes spent by period, the one used last first; a period is named by its first day.

    Older ones are kept for a while: a clock that jumps to a wrong month and back finds what was
    spent in the right one.
    """

    periods: tuple[tuple[str, int], ...] = ()

    def spent_bytes(self, period: str) -> int:
        """What was spent in a period."""
        return dict(self.periods).get(period, 0)


def charge(ledger: Ledger, count: int, wall_s: float, limit: Limit) -> Ledger:
    """The ledger after `count` more bytes at this wall clock, seconds since 1970."""
    period = _period(ledger, wall_s, limit)
    spent = ledger.spent_bytes(period) + count
    others = [entry for entry in ledger.periods if entry[0] != period]
    if period != _DATELESS:
        # What was spent before the clock was set belongs to the first month that is known.
        spent += sum(bytes_ for name, bytes_ in others if name == _DATELESS)
        others = [entry for entry in others if entry[0] != _DATELESS]
    return Ledger(((period, spent), *others[: _KEPT_PERIODS - 1]))


def spent_bytes(ledger: Ledger, wall_s: float, limit: Limit) -> int:
    """What was spent in the period of this wall clock."""
    return charge(ledger, 0, wall_s, limit).periods[0][1]


def is_tight(ledger: Ledger, wall_s: float, limit: Limit) -> bool:
    """Whether only passive evidence and heartbeats may be relied on until the next period."""
    return spent_bytes(ledger, wall_s, limit) >= TIGHT_SHARE * limit.limit_bytes


def pause_s(
    plain_s: float, cost_bytes: int, ledger: Ledger, wall_s: float, limit: Limit, *, urgent: bool
) -> float | None:
    """Seconds between rounds of this cost: `plain_s`, or more where the rest of the period asks for it.

    What is left up to 90 % of the limit is spread over what is left of the period. An `urgent`
    round (something is suspicious) may come at its plain pause as long as the spending is at most
    5 % of the limit ahead of an even one. None once 90 % are spent.
    """
    left_bytes = TIGHT_SHARE * limit.limit_bytes - spent_bytes(ledger, wall_s, limit)
    if left_bytes <= 0:
        return None
    whole_s, left_s = _times(_period(ledger, wall_s, limit), wall_s, limit)
    even_bytes = TIGHT_SHARE * limit.limit_bytes * left_s / whole_s
    if urgent and left_bytes >= even_bytes - BURST_SHARE * limit.limit_bytes:
        return plain_s
    return max(plain_s, cost_bytes * left_s / left_bytes)


def _period(ledger: Ledger, wall_s: float, limit: Limit) -> str:
    today = _date(wall_s)
    if today < CLOCK_SET_AFTER:
        return ledger.periods[0][0] if ledger.periods else _DATELESS
    return period_start(today, limit.reset_day).isoformat()


def _times(period: str, wall_s: float, limit: Limit) -> tuple[float, float]:
    """Length of the period and what is left of it, seconds; without a date a whole month is assumed."""
    today = _date(wall_s)
    if today < CLOCK_SET_AFTER or period == _DATELESS:
        return 31 * _DAY_S, 31 * _DAY_S
    start = date.fromisoformat(period)
    end = period_start(start + timedelta(days=31), limit.reset_day)
    end_s = datetime(end.year, end.month, end.day, tzinfo=UTC).timestamp()
    return (end - start).days * _DAY_S, max(end_s - wall_s, 1.0)


def _date(wall_s: float) -> date:
    return datetime.fromtimestamp(wall_s, UTC).date()
