"""How fast, how calm and how cheap the failover is, in network namespaces with TUN links.

Beside it a shell tracker that does what mwan3's documented algorithm does: it pings one target
after another until `reliability` answered, counts failed rounds in a row, and takes the link's
default route away. Without nftables there is no LAN that is masqueraded for, and without ping no
shell tracker; their figures are left out then.
"""

import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure

from remsimd.bus import Stamped
from remsimd.config.model import FailoverConfig, ProbeKind, ProbeTarget
from remsimd.events import Event, HeartbeatSent
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.probe import NetworkProber, wire_bytes
from simlab.histories import Violation, play_many
from simlab.links import PROBE_ADDRESSES, SERVICE_ADDRESS, World, inside
from tests.failover.fakes import FakeAir, FakeKernel, FakeRouting, facts
from tests.virtual import run as run_virtual

ROOT = Path(__file__).parents[2]
HARD_FAULTS = 200
CARRIER_FAULTS = 20
BLACK_HOLES = 20
AT_ONCE = 4
TRACKED = 4
HISTORIES = 10_000
PORT = 7007
DAY_S, MONTH_DAYS = 86_400.0, 30
HEARTBEAT_S = 600.0
MWAN3_SHIPPED = "mwan3 2.12.2, shipped settings: 122 to 130 s (measured, n=16)"
MWAN3_AGGRESSIVE = "mwan3 2.12.2, most aggressive integers: 8.4 to 9.3 s (measured, n=21)"
MWAN3_MONTH = "mwan3 2.12.2: 59 MB of tracking (measured)"
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


class Talker:
    """A program that prints JSON lines; the newest and those waited for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.startswith(b"{"):
                self.lines.append(json.loads(line))
                self._news.set()

    async def first(self, fits: Callable[[dict[str, Any]], bool], within_s: float = 60.0) -> dict[str, Any]:
        """The first line that fits, of those printed from the last `forget` on."""
        seen = 0
        async with asyncio.timeout(within_s):
            while True:
                self._news.clear()
                for line in self.lines[seen:]:
                    if fits(line):
                        return line
                seen = len(self.lines)
                await self._news.wait()

    def forget(self) -> None:
        """Only what is printed from now on counts."""
        self.lines.clear()

    def tell(self, **order: Any) -> None:
        """Give it an order on its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reading


async def talker(argv: list[str]) -> Talker:
    return Talker(
        await asyncio.create_subprocess_exec(
            *argv,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    )


class Bench:
    """A world with a router on its first link, a host behind it, and an echo server outside."""

    def __init__(self, world: World, router: Talker, *, lan: bool, program: list[str]) -> None:
        self.world = world
        self.router = router
        self.lan = lan
        self._program = program
        self.flows: dict[str, Talker] = {}

    async def flow(self, kind: str, every_s: float) -> Talker:
        """Start a flow of questions from the host (from the router itself where nothing masquerades)."""
        argv = [*self._program, kind, SERVICE_ADDRESS, str(PORT), str(every_s)]
        place = self.world.exec_lan(argv) if self.lan else self.world.exec(argv)
        self.flows[kind] = await talker(place)
        await self.flows[kind].first(lambda line: True)
        return self.flows[kind]

    def forget(self) -> None:
        for one in (self.router, *self.flows.values()):
            one.forget()

    async def moved(self, link: str, within_s: float = 60.0) -> float:
        """When the data was seen to have moved to a link, on the steady clock."""
        line = await self.router.first(
            lambda line: line["kind"] == "ActiveLinkChanged" and line["active"] == link, within_s
        )
        return float(line["at_s"])

    async def answered(self, kind: str, fault_s: float) -> float:
        """Seconds from the fault to the first answer of a question asked after it."""
        line = await self.flows[kind].first(lambda line: line["sent_s"] > fault_s)
        return float(line["at_s"]) - fault_s


@contextlib.asynccontextmanager
async def bench(number: int = 0, **options: Any) -> AsyncIterator[Bench]:
    """A running bench; `options` of FailoverConfig differ from the defaults."""
    program = [sys.executable, "-m", "simlab.download"]
    async with World.create(f"bf{os.getpid()}-{number}") as world:
        lan = await world.add_lan()
        echo = await talker(world.exec_world([*program, "echo", SERVICE_ADDRESS, str(PORT)]))
        settings = {"targets": PROBE_ADDRESSES, "secondary_carries": "all", **options}
        argv = [sys.executable, "-m", "tests.failover.router", json.dumps(settings)]
        router = await talker(world.exec([*argv, "primary=wwan0", "secondary=wwan1"]))
        made = Bench(world, router, lan=lan, program=program)
        try:
            for link in ("primary", "secondary"):
                await router.first(
                    lambda line, link=link: line.get("link") == link and line.get("health") == "up"
                )
            yield made
        finally:
            for one in (router, echo, *made.flows.values()):
                await one.end()


# Hard faults


def set_up(world: World, up: bool) -> None:
    """Set the interface up or down in this process: starting `ip` would take longer than the failover."""
    with inside(world.router, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        request = struct.pack("16sH22x", b"wwan0", 0)
        (flags,) = struct.unpack("16xH22x", fcntl.ioctl(sock, 0x8913, request))
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH22x", b"wwan0", flags | 1 if up else flags & ~1))


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
    # The kernel reports at most one lost carrier a second (net/core/link_watch.c).
    await asyncio.sleep(1.1)


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


async def hard_faults() -> None:
    async with bench(**QUICK) as here:
        await here.flow("new", 0.005)
        if here.lan:
            await here.flow("ask", 0.005)
        kinds = itertools.cycle(HARD)
        found = [await hard_fault(here, *next(kinds)) for _ in range(HARD_FAULTS)]
        carrier = [await hard_fault(here, carrier_lost, carrier_back) for _ in range(CARRIER_FAULTS)]
    moved = sorted(moved_s for moved_s, _ in found)
    figure("hard fault to route moved, p50", 1000 * share(moved, 0.5), "ms", budget=10, peer=MWAN3_HARD)
    figure("hard fault to route moved, p99", 1000 * share(moved, 0.99), "ms", budget=30, peer=MWAN3_HARD)
    lost = sorted(moved_s for moved_s, _ in carrier)
    figure("lost carrier to route moved, p50", 1000 * share(lost, 0.5), "ms", budget=10, peer=MWAN3_HARD)
    names = {"new": "first answered new flow", "ask": "established flow answered again"}
    for kind in found[0][1]:
        times = sorted(answers[kind] for _, answers in found)
        peer = MWAN3_HARD if kind == "new" else "mwan3 2.12.2: never (watched for 60 s)"
        figure(f"hard fault to {names[kind]}, p95", 1000 * share(times, 0.95), "ms", budget=100, peer=peer)


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


async def all_black_holes() -> None:
    for traffic, limit, name in ((True, 4.0, "while traffic flows"), (False, 9.0, "on an idle link")):
        each = BLACK_HOLES // AT_ONCE
        rounds = [black_holes(number, each, traffic=traffic) for number in range(AT_ONCE)]
        found = sorted(itertools.chain.from_iterable(await asyncio.gather(*rounds)))
        figure(
            f"black hole {name} to route moved, p95",
            share(found, 0.95),
            "s",
            budget=limit,
            peer=MWAN3_SHIPPED,
        )


async def shell_tracker() -> None:
    """The peer's algorithm in the same world, with its most aggressive settings."""
    if shutil.which("ping") is None:
        return
    found = []
    async with World.create(f"bf{os.getpid()}-t") as world:
        await world.add_lan()
        program = [sys.executable, "-m", "simlab.download"]
        echo = await talker(world.exec_world([*program, "echo", SERVICE_ADDRESS, str(PORT)]))
        trackers = []
        for link in world.links.values():
            settings = [link.name, "3", "1", "1", link.gateway, str(link.metric), *PROBE_ADDRESSES]
            trackers.append(await talker(world.exec(["sh", "-c", TRACKER, "tracker", *settings])))
        flow = await talker(world.exec([*program, "new", SERVICE_ADDRESS, str(PORT), "0.02"]))
        await flow.first(lambda line: True)
        for _ in range(TRACKED):
            await asyncio.sleep(random.uniform(2.0, 4.0))
            fault_s = time.monotonic()
            await world.blackhole("wwan0", True)
            answer = await flow.first(lambda line, fault_s=fault_s: line["sent_s"] > fault_s)
            found.append(answer["at_s"] - fault_s)
            await world.blackhole("wwan0", False)
            await asyncio.sleep(3.0)
        for one in (flow, echo, *trackers):
            await one.end()
    name = "black hole to first answered new flow, shell tracker (interval 1, timeout 1, down 3), median"
    figure(name, share(sorted(found), 0.5), "s", budget=9.3, peer=MWAN3_AGGRESSIVE)


# What it costs


async def measured_rounds() -> dict[str, float]:
    """Bytes on the wire of one probe of each kind, both directions."""
    targets = {
        "ICMP": ProbeTarget(ProbeKind.ICMP, PROBE_ADDRESSES[0]),
        "DNS, refused": ProbeTarget(ProbeKind.DNS, PROBE_ADDRESSES[0], 53),
        "TCP, refused": ProbeTarget(ProbeKind.TCP, PROBE_ADDRESSES[0], 9),
    }
    # More in a row, and the other side's kernel limits the rate of its refusals.
    count, costs = 5, {}
    async with World.create(f"bf{os.getpid()}-m") as world:

        async def many(target: ProbeTarget) -> None:
            for _ in range(count):
                assert await NetworkProber().probe("wwan1", target, 1.0) is not None

        for name, target in targets.items():
            before = sum(world.wire_bytes("wwan1"))
            await asyncio.to_thread(inside, world.router, lambda target=target: asyncio.run(many(target)))
            costs[name] = (sum(world.wire_bytes("wwan1")) - before) / count
            assert costs[name] <= wire_bytes(target, answered=True) + 5, name
    return costs


def probes_of_a_day() -> int:
    """Probes over an idle secondary link in a day of default operation, in simulated time."""
    air = FakeAir()

    async def day() -> None:
        engine: FailoverEngine
        number = 0

        def publish(event: Event) -> None:
            nonlocal number
            number += 1

        engine = FailoverEngine(
            FailoverConfig(),
            [LinkConfig("primary", "wwan0", 2), LinkConfig("secondary", "wwan1", 1, metered=True)],
            routing=FakeRouting(),
            prober=air,
            netlink=FakeKernel(facts("wwan0", 0), facts("wwan1", 1)),
            publish=publish,
        )
        work = asyncio.create_task(engine.run())
        for _ in range(int(DAY_S / HEARTBEAT_S)):
            await asyncio.sleep(HEARTBEAT_S)
            now = asyncio.get_running_loop().time()
            engine.on_event(Stamped(number, now, now, HeartbeatSent("secondary", 0.3)))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    run_virtual(day())
    asked = zip(air.asked, air.targets, strict=True)
    return sum(len(targets) for (_, device), targets in asked if device == "wwan1")


def heartbeats_of_a_month_mb() -> float | None:
    """What `scripts/bench heartbeat` measures on the wire for a month; None when it measures nothing."""
    argv = [sys.executable, str(Path(__file__).with_name("heartbeat.py"))]
    out = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    figures = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    months = [float(one["value"]) for one in figures if one["name"] == "heartbeat_as_shipped_month"]
    return max(months, default=None)


async def month() -> None:
    costs = await measured_rounds()
    for name, cost in costs.items():
        figure(f"one probe on the wire, {name}", cost, "bytes", budget=400)
    probes = await asyncio.to_thread(probes_of_a_day)
    rounds_mb = probes * MONTH_DAYS * costs["ICMP"] / 1e6
    figure("a month of rounds on an idle secondary link", rounds_mb, "MB", budget=5, peer=MWAN3_MONTH)
    heartbeats_mb = await asyncio.to_thread(heartbeats_of_a_month_mb)
    if heartbeats_mb is None:
        print("scripts/bench heartbeat gives no figure: the month is not whole", file=sys.stderr)
        return
    figure("a month of heartbeats every 600 s over it", heartbeats_mb, "MB", budget=8)
    whole_mb = rounds_mb + heartbeats_mb
    figure("a month of an idle secondary link", whole_mb, "MB", budget=10, peer=MWAN3_MONTH)


def histories() -> None:
    broken = 0
    try:
        play_many(HISTORIES)
    except Violation as error:
        broken = 1
        print(error, file=sys.stderr)
    figure(f"promises broken in {HISTORIES} generated fault histories", broken, "histories", budget=0)


def share(ordered: list[float], part: float) -> float:
    """The value below which this part of the ordered ones lies."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


async def main() -> None:
    wanted = sys.argv[1:] or ["hard", "black", "tracker", "month", "histories"]
    if "hard" in wanted:
        await hard_faults()
    if "black" in wanted:
        await all_black_holes()
    if "tracker" in wanted:
        await shell_tracker()
    if "month" in wanted:
        await month()
    if "histories" in wanted:
        histories()


asyncio.run(main())
