"""Doing something now and then instead of each time."""

from __future__ import annotations

from datetime import datetime, timedelta

# Beyond this everything counts as long ago.
_TRACKED_MAX = 20_000


class Seldom:
    """Says once an interval, in this process, that it is time for what a name stands for."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval
        self._last: dict[object, datetime] = {}

    def is_time(self, name: object, now: datetime) -> bool:
        """Whether the last time was an interval ago; if so, this is the last time from now on."""
        last = self._last.get(name)
        if last is not None and now - last < self._interval:
            return False
        if len(self._last) >= _TRACKED_MAX:
            self._last.clear()
        self._last[name] = now
        return True
