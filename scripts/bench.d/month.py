"""What a month of an idle secondary link costs: the rounds of the failover, and the heartbeats over it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure

from remsimd.bus import Stamped
from remsimd.config.model import FailoverConfig, ProbeKind, ProbeTarget
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.probe import NetworkProber, wire_bytes
from remsimd.orchestrator.events import HeartbeatSent
from simlab.links import PROBE_ADDRESSES, World
from simlab.namespaces import inside
from tests.failover.fakes import FakeAir, FakeKernel, FakeRouting, facts
from tests.virtual import run as run_virtual

DAY_S, MONTH_DAYS = 86_400.0, 30
HEARTBEAT_S = 600.0
HEARTBEATS = (str(Path(__file__).with_name("heartbeat.py")), "as_shipped")
"""The bench that measures them, without the variants that nobody ships."""
MWAN3 = "mwan3 2.12.2: 59 MB of tracking (measured)"


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
        engine = FailoverEngine(
            FailoverConfig(),
            [LinkConfig("primary", "wwan0", 2), LinkConfig("secondary", "wwan1", 1, metered=True)],
            routing=FakeRouting(),
            prober=air,
            netlink=FakeKernel(facts("wwan0", 0), facts("wwan1", 1)),
            publish=lambda event: None,
        )
        work = asyncio.create_task(engine.run())
        for number in range(int(DAY_S / HEARTBEAT_S)):
            await asyncio.sleep(HEARTBEAT_S)
            now = asyncio.get_running_loop().time()
            engine.on_event(Stamped(number, now, now, HeartbeatSent("secondary", 0.3)))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    run_virtual(day())
    asked = zip(air.asked, air.targets, strict=True)
    return sum(len(targets) for (_, device), targets in asked if device == "wwan1")


def heartbeats_of_a_month_mb() -> float:
    """What `scripts/bench heartbeat` measures on the wire for a month; ends the bench where it fails."""
    done = subprocess.run([sys.executable, *HEARTBEATS], stdout=subprocess.PIPE, text=True, check=False)
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    months = [float(one["value"]) for one in figures if one["name"] == "heartbeat_as_shipped_month"]
    if done.returncode or not months:
        sys.exit("scripts/bench heartbeat gives no figure: the month is not whole")
    return months[0]


async def main() -> None:
    """Both parts and their sum."""
    costs = await measured_rounds()
    for name, cost in costs.items():
        figure(f"one probe on the wire, {name}", cost, "bytes", budget=400)
    probes = await asyncio.to_thread(probes_of_a_day)
    rounds_mb = probes * MONTH_DAYS * costs["ICMP"] / 1e6
    figure("a month of rounds on an idle secondary link", rounds_mb, "MB", budget=5, peer=MWAN3)
    heartbeats_mb = await asyncio.to_thread(heartbeats_of_a_month_mb)
    figure("a month of heartbeats every 600 s over it", heartbeats_mb, "MB", budget=8)
    whole_mb = rounds_mb + heartbeats_mb
    figure("a month of an idle secondary link", whole_mb, "MB", budget=10, peer=MWAN3)


asyncio.run(main())
