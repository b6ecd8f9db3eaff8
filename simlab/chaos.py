"""Random faults against a running router: after each, and after several at once, it must be well again.

    python -m simlab.chaos --minutes 5 --seed 1

Ends with status 0 and the number of faults survived, or 1 with the fault that was not and the folder of
the logs.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlab.lab import Lab, namespaces_possible
from simlab.links import LabError
from simlab.modems.state import ModemState
from simlab.process import ProgramError

WELL_WITHIN_S = 150.0
"""A SIM switch may take two minutes in the worst case; everything else is faster."""
UNEXPECTED = ("Traceback", "failed in a way it should not", "was never awaited", "never retrieved")
SETTINGS = "config failover 'failover'\n\toption hold_down '1'\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks, and how it is mended."""

    name: str
    strike: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]]


def faults(lab: Lab) -> list[Fault]:
    """Everything that can be broken in this lab."""

    async def nothing() -> None:
        pass

    def modem(which: str, state: ModemState) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            getattr(lab, which).set_state(state)

        return act

    async def kill_bank() -> None:
        await lab.bank.end(signal.SIGKILL)

    async def kill_ionmesh() -> None:
        await lab.ionmesh.end(signal.SIGKILL)

    async def kill_router() -> None:
        await lab.router.end(signal.SIGKILL)
        await lab.start_router()

    async def reload_router() -> None:
        lab.router.signal(signal.SIGHUP)

    found = [
        Fault("the bank is killed", kill_bank, lab.start_bank),
        Fault("IonMesh is killed", kill_ionmesh, lab.start_ionmesh),
        Fault("remsimd is killed and restarted", kill_router, nothing),
        Fault("SIGHUP", reload_router, nothing),
    ]
    for which in ("primary", "secondary"):
        well = modem(which, ModemState.REGISTERED)
        found.append(Fault(f"{which} loses its signal", modem(which, ModemState.NO_SIGNAL), well))
        found.append(Fault(f"{which} is unplugged", modem(which, ModemState.GONE), well))
    if lab.world is not None:
        found += _link_faults(lab)
    return found


def _link_faults(lab: Lab) -> list[Fault]:
    world = lab.world
    if world is None:
        return []
    found = []
    for link in ("wwan0", "wwan1"):

        def carrier(up: bool, link: str = link) -> Callable[[], Awaitable[None]]:
            return lambda: world.carrier(link, up)

        def hole(on: bool, link: str = link) -> Callable[[], Awaitable[None]]:
            return lambda: world.blackhole(link, on)

        found.append(Fault(f"{link} loses its carrier", carrier(False), carrier(True)))
        found.append(Fault(f"{link} becomes a black hole", hole(True), hole(False)))
    return found


def well(status: dict[str, Any]) -> bool:
    """Whether the router does its whole job."""
    modem = status["modems"]["primary"]
    registration = modem["registration"]
    return (
        modem["sim_source"] == "remote"
        and modem["sim_switching_to"] is None
        and registration is not None
        and registration["state"] in ("home", "roaming")
        and status["rspro"]["state"] == "operational"
        and status["ionmesh"]["state"] == "registered"
        # Which link is not asked: after many faults the damping rightly keeps data where it is.
        and status["links"].get(status["active_link"], {}).get("health") == "up"
    )


async def rage(lab: Lab, minutes: float, seed: int) -> int:
    """Break and mend until the time is over; the number of faults. Raises LabError with the history."""
    chance = random.Random(seed)
    history: list[str] = []
    await lab.start_router()
    await lab.remsimd.until(well, "well at the start", within_s=60)
    ends_s = time.monotonic() + 60 * minutes
    while time.monotonic() < ends_s:
        struck = chance.sample(faults(lab), k=chance.choice((1, 1, 1, 2, 3)))
        for fault in struck:
            history.append(fault.name)
            print(f"{time.strftime('%H:%M:%S')} {fault.name}", flush=True)
            await fault.strike()
            await asyncio.sleep(chance.uniform(0.0, 3.0))
        chance.shuffle(struck)
        for fault in struck:
            await fault.mend()
            await asyncio.sleep(chance.uniform(0.0, 1.0))
        started_s = time.monotonic()
        await lab.remsimd.until(well, f"well again after: {', '.join(history[-4:])}", within_s=WELL_WITHIN_S)
        print(f"{time.strftime('%H:%M:%S')} well after {time.monotonic() - started_s:.1f} s", flush=True)
        _check_log(lab)
    return len(history)


def _check_log(lab: Lab) -> None:
    text = (lab.folder / "remsimd.log").read_text(errors="replace")
    for word in UNEXPECTED:
        if word in text:
            raise LabError(f"the log has {word!r}: {lab.folder / 'remsimd.log'}")


def main() -> None:
    """Parse, rage, report."""
    parser = argparse.ArgumentParser(
        prog="python -m simlab.chaos",
        description=__doc__.splitlines()[0],
        epilog="Exit status: 0 with the number of faults survived, 1 with the fault that was not "
        "and the folder of the logs.",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        metavar="NUMBER",
        help="how long to go on (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="NUMBER",
        help="which faults in which order (default: %(default)s)",
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="remsim-chaos-"))

    async def play() -> int:
        async with Lab.create(
            folder, namespaces=namespaces_possible(), prefix="remsim-chaos", settings=SETTINGS
        ) as lab:
            return await rage(lab, arguments.minutes, arguments.seed)

    survived: int | None = None
    try:
        survived = asyncio.run(play())
    except (LabError, ProgramError) as error:
        print(f"not survived: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        if survived is None:
            print(f"logs: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{survived} faults survived")


if __name__ == "__main__":
    main()
