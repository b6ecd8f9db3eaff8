"""Memory and CPU of the daemon with everything up: two modems, IonMesh, RSPRO, metrics."""

import asyncio
import os
import tempfile
from pathlib import Path

from _figure import figure

from simlab.lab import Lab, namespaces_possible

WATCH_S = 120.0
DEFAULTS = """
config modem 'primary'
	option poll_interval '10'
config modem 'secondary'
	option poll_interval '10'
config failover 'failover'
	option interval '5'
	option fast_interval '1'
	option timeout '1.5'
"""


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu_s(pid: int) -> float:
    """CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    """Start a lab, let it settle, watch."""
    with tempfile.TemporaryDirectory() as folder:
        async with Lab.create(
            Path(folder), namespaces=namespaces_possible(), prefix="remsim-bench", settings=DEFAULTS
        ) as lab:
            await lab.start_router()
            await lab.remsimd.until(
                lambda s: s["modems"]["primary"]["sim_source"] == "remote" and s["ionmesh"]["heartbeats"] > 0,
                "everything up",
            )
            pid = lab.router.pid
            before_s = cpu_s(pid)
            await asyncio.sleep(WATCH_S)
            used_s = cpu_s(pid) - before_s
            figure(
                "idle RSS", rss_mb(pid), "MB", budget=36, peer="mwan3 2.12.2 alone: 24.3 MB in 10 processes"
            )
            figure("idle CPU", 100 * used_s / WATCH_S, "% of a core", budget=0.5)


asyncio.run(main())
