"""Data usage from the kernel's counters, which wrap, restart and outlive the daemon: pure."""

import time
from dataclasses import dataclass, replace
from datetime import date, timedelta

WRAP_BYTES = 1 << 32
"""Drivers with 32-bit counters start again here."""
_NEAR_WRAP = WRAP_BYTES // 4


@dataclass(frozen=True, slots=True)
class Counters:
    """The kernel's counters of one link, and the boot (random/boot_id) in which they were read."""

    boot: str
    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes received and sent."""

    rx_bytes: int = 0
    tx_bytes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.rx_bytes + other.rx_bytes, self.tx_bytes + other.tx_bytes)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.rx_bytes - other.rx_bytes, self.tx_bytes - other.tx_bytes)


@dataclass(frozen=True, slots=True)
class Meter:
    """One link: the counters seen last, and the usage not written yet."""

    seen: Counters | None = None
    unwritten: Usage = Usage()


def read(meter: Meter, now: Counters) -> Meter:
    """The meter after one more reading.

    A link seen for the first time ever starts at nothing. After a boot the counters began at 0
    again, so all they show is new; the same holds for a device made anew. Only a 32-bit counter
    that was close to its end and is close to its beginning has wrapped.
    """
    seen = meter.seen
    if seen is None:
        return Meter(now, meter.unwritten)
    anew = _restarted(seen.rx_bytes, now.rx_bytes) or _restarted(seen.tx_bytes, now.tx_bytes)
    if anew or seen.boot != now.boot:
        used = Usage(now.rx_bytes, now.tx_bytes)
    else:
        used = Usage(_passed(seen.rx_bytes, now.rx_bytes), _passed(seen.tx_bytes, now.tx_bytes))
    return replace(meter, seen=now, unwritten=meter.unwritten + used)


def _restarted(before: int, now: int) -> bool:
    """One of the two directions started anew: then the device did, and the other one, too."""
    wrapped = WRAP_BYTES - _NEAR_WRAP <= before < WRAP_BYTES and now < _NEAR_WRAP
    return now < before and not wrapped


def _passed(before: int, now: int) -> int:
    return now - before if now >= before else now + WRAP_BYTES - before


def local_day(wall_s: float) -> date:
    """The day in the router's time zone, which is what a data plan counts in."""
    return date(*time.localtime(wall_s)[:3])


def week_start(day: date) -> date:
    """The Monday of the week (ISO 8601)."""
    return day - timedelta(days=day.weekday())
