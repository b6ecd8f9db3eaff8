"""The router's own load, as the kernel counts it in /proc (proc(5))."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Clock ticks since boot, of all cores together."""

    busy: int
    total: int


def cpu_times(proc: Path = PROC) -> CpuTimes | None:
    """The counters of /proc/stat now; None where they cannot be read."""
    try:
        head = (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        # The last two, guest times, are contained in the first two already.
        ticks = [int(word) for word in head[1:9]]
    except (OSError, ValueError):
        return None
    if head[:1] != ["cpu"] or len(ticks) < 5:
        return None
    idle = ticks[3] + ticks[4]
    return CpuTimes(sum(ticks) - idle, sum(ticks))


def busy_share(before: CpuTimes, now: CpuTimes) -> float | None:
    """The share of the time between two readings in which the CPU worked, 0..1."""
    passed = now.total - before.total
    return None if passed <= 0 else (now.busy - before.busy) / passed


def memory_used_bytes(proc: Path = PROC) -> int | None:
    """What is not available to new programs; None where it cannot be read."""
    try:
        text = (proc / "meminfo").read_text(encoding="ascii")
        values = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()}
    except (OSError, ValueError, IndexError):
        return None
    if "MemTotal" not in values or "MemAvailable" not in values:
        return None
    return (values["MemTotal"] - values["MemAvailable"]) * 1024
