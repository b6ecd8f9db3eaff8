"""Which wall-clock time belongs to what was collected, on routers whose clock is set late or wrongly.

Everything is collected in minutes of the monotonic clock, which starts with the router and
never jumps. The clock that was set last is believed, for the whole time since the boot: when
it is set from 1970 to today, or by a year and back, what this boot recorded moves along.
"""

from dataclasses import dataclass, replace

JUMP_S = 5.0
"""More than this between two looks a minute apart is no slewing (500 ppm at most, ntp_adjtime(2))."""

BELIEVED_AFTER_S = 3600.0
"""A clock behind what is recorded already is wrong, unless nobody sets it for so long."""


@dataclass(frozen=True, slots=True)
class Timebase:
    """How the two clocks of one boot relate.

    `offset_s` is wall minus monotonic, `steady_since_s` the monotonic time since when it is so,
    `settled` whether minutes have their place in time or still wait for a clock that can be
    right, `run_from_s` the wall time of the first minute that this boot has placed.
    """

    boot: str
    offset_s: float
    steady_since_s: float
    settled: bool = False
    run_from_s: float | None = None

    def wall_s(self, mono_s: float) -> float:
        """What the wall clock says, or would have said, at a monotonic time."""
        return mono_s + self.offset_s


def look(known: Timebase, wall_s: float, mono_s: float, newest_s: float | None) -> tuple[Timebase, float]:
    """The relation now, and by how many seconds the wall clock has jumped since `known` (mostly 0).

    `newest_s` is the newest time recorded: a router that boots with a clock before it has the
    wrong time, and what it collects must not be mixed with what is there.
    """
    jump_s = (wall_s - mono_s) - known.offset_s
    if abs(jump_s) < JUMP_S:
        jump_s = 0.0
    steady_since_s = mono_s if jump_s else known.steady_since_s
    believable = newest_s is None or wall_s >= newest_s or mono_s - steady_since_s >= BELIEVED_AFTER_S
    now = replace(
        known,
        offset_s=wall_s - mono_s,
        steady_since_s=steady_since_s,
        settled=known.settled or believable,
        run_from_s=None if known.run_from_s is None else known.run_from_s + jump_s,
    )
    return now, jump_s
