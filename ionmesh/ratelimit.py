"""Token buckets in memory: what a process lets one client or key do. Other processes count for themselves."""

from __future__ import annotations

import threading
from dataclasses import dataclass

# Beyond this the buckets that are full again, which say nothing, are dropped.
_TRACKED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Quota:
    """How a name stands after a call."""

    limit: int
    """Calls a minute, and in a burst."""
    remaining: int
    reset_s: float
    """Until it has all of them again."""
    wait_s: float
    """0: the call was allowed; else until there is one to take."""


class RateLimit:
    """Allows `per_min` calls a minute to each name, in bursts of as many."""

    def __init__(self, per_min: int) -> None:
        self._burst = float(per_min)
        self._per_s = per_min / 60
        self._lock = threading.Lock()
        self._buckets: dict[object, tuple[float, float]] = {}

    def wait_s(self, name: object, now_s: float) -> float:
        """As `take`; returns 0, or the seconds until there is a call to take."""
        return self.take(name, now_s).wait_s

    def take(self, name: object, now_s: float) -> Quota:
        """Take a call from the name's bucket, if there is one, and say what is left.

        `now_s` are seconds of any clock; one that goes back fills nothing.
        """
        with self._lock:
            tokens, at_s = self._buckets.get(name, (self._burst, now_s))
            tokens = min(self._burst, tokens + max(0.0, now_s - at_s) * self._per_s)
            allowed = tokens >= 1
            self._buckets[name] = (tokens - 1 if allowed else tokens, now_s)
            if len(self._buckets) > _TRACKED_MAX:
                self._drop_full(now_s)
        left = tokens - 1 if allowed else tokens
        return Quota(
            limit=int(self._burst),
            remaining=int(left),
            reset_s=(self._burst - left) / self._per_s,
            wait_s=0.0 if allowed else (1 - tokens) / self._per_s,
        )

    def _drop_full(self, now_s: float) -> None:
        self._buckets = {
            name: (tokens, at_s)
            for name, (tokens, at_s) in self._buckets.items()
            if tokens + (now_s - at_s) * self._per_s < self._burst
        }
