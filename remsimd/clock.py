"""The daemon's two clocks.

Durations and deadlines are taken from the running event loop, so that a loop with virtual
time makes everything built on it testable without waiting. Only time stamps shown to people
or sent to others come from the wall clock, which jumps when NTP sets it.
"""

import asyncio
import time


def monotonic() -> float:
    """Seconds of the running loop's clock; comparable only with itself."""
    return asyncio.get_running_loop().time()


def wall() -> float:
    """Seconds since the epoch, UTC."""
    return time.time()
