"""How fast, how calm and how cheap the failover is, in network namespaces with TUN links.

Beside it a shell tracker that does what mwan3's documented algorithm does: it pings one target
after another until `reliability` answered, counts failed rounds in a row, and takes the link's
default route away. Without nftables there is no LAN that is masqueraded for, and without ping no
shell tracker; their figures are left out then.
"""

import argparse
import asyncio
import fcntl
import itertools
import os
import random
import shutil
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure
from _links import DOWNLOAD, PORT, Bench, bench, talker

from simlab.histories import Violation, play_many
from simlab.links import PROBE_ADDRESSES, SERVICE_ADDRESS, World
from simlab.namespaces import inside

HARD_FAULTS = 200
CARRIER_FAULTS = 20
CARRIER_PAUSE_S = 1.1
"""The kernel reports at most one change of a carrier a second (net/core/link_watch.c)."""
BLACK_HOLES = 20
AT_ONCE = 4
TRACKED = 4
HISTORIES = 10_000
MWAN3_HOLE = "mwan3 2.12.2: 127 s shipped (122 to 130), 8.9 s most aggressive (8.4 to 9.3)"
MWAN3_HARD = "mwan3 2.12.2: 70 to 90 ms (measured, n=6)"
QUICK = {
    "interval_s": 0.5, "fast_interval_s": 0.1, "timeout_s": 0.3, "up": 2,
    "hold_down_s": 0.05, "hold_down_max_s": 0.1,
}  # fmt: skip
TRACKER = """
# link, score at the start, rounds in a row until it is down, seconds between rounds, ping's patience
dev=$1 down=$2 pause=$3 patience=$4 gateway=$5 metric=$6; shift 6
score=$((2 * down))
while :; do
    answered=0
    for target in "$@"; do
        ping -I "$dev" -c 1 -W "$patience" -q "$target" >/dev/null 2>&1 && answered=1 && break
    done
    if [ $answered = 1 ]; then
        [ $score -le "$down" ] && ip route replace default via "$gateway" dev "$dev" metric "$metric"
        score=$((2 * down))
    elif [ $score -gt "$down" ]; then
        score=$((score - 1))
        [ $score = "$down" ] && ip route del default dev "$dev" && conntrack -F 2>/dev/null
    fi
    sleep "$pause"
done
"""


# Hard faults


def set_up(world: World, up: bool) -> None:
    """Set the interface up or down in this process: starting `ip` would take longer than the failover."""
    with inside(world.router, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        request = struct.pack("16sH22x", b"wwan0", 0)
        (flags,) = struct.unpack("16xH22x", fcntl.ioctl(sock, 0x8913, request))
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH22x", b"wwan0", flags | 1 if up else flags & ~1))


# Ways to break a link, each followed by the one that mends it


async def link_down(here: Bench) -> None:
    set_up(here.world, False)


async def link_up(here: Bench) -> None:
    set_up(here.world, True)
    await here.world.lose_gateway("wwan0", False)


async def gone(here: Bench) -> None:
    await here.world.unplug("wwan0")


async def back(here: Bench) -> None:
    await here.world.plug("wwan0")


async def detached(here: Bench) -> None:
    here.router.tell(modem="primary", registration="searching")


async def attached(here: Bench) -> None:
    here.router.tell(modem="primary", registration="home")


async def carrier_lost(here: Bench) -> None:
    await here.world.carrier("wwan0", False)


async def carrier_back(here: Bench) -> None:
    await here.world.carrier("wwan0", True)
    await asyncio.sleep(CARRIER_PAUSE_S)


Act = Callable[[Bench], Awaitable[None]]
HARD: tuple[tuple[Act, Act], ...] = ((link_down, link_up), (gone, back), (detached, attached))


async def hard_fault(here: Bench, fault: Act, mend: Act) -> tuple[float, dict[str, float]]:
    """One fault and its repair: seconds to the moved route, and to the answers of each flow."""
    here.forget()
    fault_s = time.monotonic()
    await fault(here)
    moved_s = await here.moved("secondary") - fault_s
    answers = {kind: await here.answered(kind, fault_s) for kind in here.flows}
    here.router.forget()
    await mend(here)
    await here.moved("primary")
    await asyncio.sleep(random.uniform(0.1, 0.2))
    return moved_s, answers


async def hard_faults(share: float) -> None:
    """Devices that lose a carrier, their state or themselves, and modems that lose their network."""
    async with bench(**QUICK) as here:
        await here.flow("new", 0.005)
        if here.lan:
            await here.flow("ask", 0.005)
        kinds = itertools.islice(itertools.cycle(HARD), times(HARD_FAULTS, share))
        found = [await hard_fault(here, *kind) for kind in kinds]
        await asyncio.sleep(CARRIER_PAUSE_S)
        drops = itertools.repeat((carrier_lost, carrier_back), times(CARRIER_FAULTS, share))
        carrier = [await hard_fault(here, *kind) for kind in drops]
    moved = sorted(moved_s for moved_s, _ in found)
    figure("hard fault to route moved, p50", 1000 * below(moved, 0.5), "ms", budget=10, peer=MWAN3_HARD)
    figure("hard fault to route moved, p99", 1000 * below(moved, 0.99), "ms", budget=30, peer=MWAN3_HARD)
    lost = sorted(moved_s for moved_s, _ in carrier)
    figure("lost carrier to route moved, p50", 1000 * below(lost, 0.5), "ms", budget=10, peer=MWAN3_HARD)
    names = {"new": "first answered new flow", "ask": "established flow answered again"}
    for kind in found[0][1]:
        answered = sorted(answers[kind] for _, answers in found)
        peer = MWAN3_HARD if kind == "new" else "mwan3 2.12.2: never (watched for 60 s)"
        figure(f"hard fault to {names[kind]}, p95", 1000 * below(answered, 0.95), "ms", budget=100, peer=peer)


# Black holes


async def black_holes(number: int, count: int, *, traffic: bool) -> list[float]:
    """Seconds from each black hole to the moved route, with default options but for the hold-down."""
    found = []
    async with bench(number, hold_down_s=0.0, hold_down_max_s=0.0) as here:
        if traffic:
            await here.flow("ask" if here.lan else "new", 0.02)
        for _ in range(count):
            await asyncio.sleep(random.uniform(2.0, 7.0))
            here.forget()
            fault_s = time.monotonic()
            await here.world.blackhole("wwan0", True)
            found.append(await here.moved("secondary") - fault_s)
            here.router.forget()
            await here.world.blackhole("wwan0", False)
            await here.moved("primary")
    return found


async def all_black_holes(share: float) -> None:
    """Links that swallow everything, several worlds at once."""
    for traffic, limit, name in ((True, 4.0, "while traffic flows"), (False, 9.0, "on an idle link")):
        each = times(BLACK_HOLES // AT_ONCE, share)
        rounds = [black_holes(number, each, traffic=traffic) for number in range(AT_ONCE)]
        found = sorted(itertools.chain.from_iterable(await asyncio.gather(*rounds)))
        p95_s = below(found, 0.95)
        figure(f"black hole {name} to route moved, p95", p95_s, "s", budget=limit, peer=MWAN3_HOLE)


async def shell_tracker(share: float) -> None:
    """The peer's algorithm in the same world, with its most aggressive settings."""
    if shutil.which("ping") is None:
        return
    found = []
    async with World.create(f"bf{os.getpid()}-t") as world:
        await world.add_lan()
        echo = await talker(world.exec_world([*DOWNLOAD, "echo", SERVICE_ADDRESS, str(PORT)]))
        trackers = []
        for link in world.links.values():
            settings = [link.name, "3", "1", "1", link.gateway, str(link.metric), *PROBE_ADDRESSES]
            trackers.append(await talker(world.exec(["sh", "-c", TRACKER, "tracker", *settings])))
        flow = await talker(world.exec([*DOWNLOAD, "new", SERVICE_ADDRESS, str(PORT), "0.02"]))
        await flow.first(lambda line: True)
        for _ in range(times(TRACKED, share)):
            await asyncio.sleep(random.uniform(2.0, 4.0))
            fault_s = time.monotonic()
            await world.blackhole("wwan0", True)
            answer = await flow.first(lambda line, fault_s=fault_s: line["sent_s"] > fault_s)
            found.append(answer["at_s"] - fault_s)
            await world.blackhole("wwan0", False)
            await asyncio.sleep(3.0)
        for one in (flow, echo, *trackers):
            await one.end()
    name = "the same by a shell tracker (interval 1, timeout 1, down 3), p50"
    figure(name, below(sorted(found), 0.5), "s", budget=None, peer=MWAN3_HOLE)


# Decisions


async def histories(share: float) -> None:
    """Generated faults, and what must hold of every decision."""
    count, broken = times(HISTORIES, share), 0
    try:
        play_many(count)
    except Violation as error:
        broken = 1
        print(error, file=sys.stderr)
    figure(f"promises broken in {count} generated fault histories", broken, "histories", budget=0)


def times(count: int, share: float) -> int:
    """This share of so many repetitions, once at least."""
    return max(round(count * share), 1)


def below(ordered: list[float], part: float) -> float:
    """The value below which this part of the ordered ones lies."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


async def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--share", type=float, default=1.0, help="of the repetitions, up to 1")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        if name not in PARTS:
            parser.error(f"there is no part {name}")
        await PARTS[name](options.share)


PARTS: dict[str, Callable[[float], Awaitable[None]]] = {
    "hard": hard_faults,
    "black": all_black_holes,
    "tracker": shell_tracker,
    "histories": histories,
}

if __name__ == "__main__":
    asyncio.run(main())
