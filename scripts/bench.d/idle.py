"""Memory and CPU of the installed daemon with everything up: two modems, IonMesh over TLS, RSPRO, metrics.

With a number as argument it is watched for so many seconds instead of 120.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from _figure import figure
from _installed import ENVIRONMENT, ROOT, router

sys.path.insert(0, str(ROOT))

from simlab.lab import Lab, namespaces_possible
from simlab.process import Program, run_once
from tests.orchestrator.tls import Authority

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
config ionmesh 'ionmesh'
	option url '{url}'
	option ca_cert '{ca_cert}'
"""


def memory_mb(pid: int) -> dict[str, float]:
    """Resident memory of a process: Rss, and of it Pss_Anon (its own) and Pss_File (shared code)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size) / 1024 for name, size, *_ in (line.replace(":", "").split() for line in lines)}


def cpu_s(pid: int) -> float:
    """CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def scrape(lab: Lab) -> None:
    """One as Prometheus does; the router has paid for its metrics only after the first."""
    url = f"http://127.0.0.1:{lab.metrics_port}/metrics"
    fetch = f"import urllib.request; urllib.request.urlopen({url!r}).read()"
    await run_once(lab.inside([sys.executable, "-c", fetch]))


async def main() -> None:
    """Start a lab with a TLS front before its orchestrator, let it settle, watch."""
    watch_s = float(sys.argv[1]) if sys.argv[1:] else WATCH_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prefix = f"remsim-bench{os.getpid()}"
        async with Lab.create(folder, namespaces=namespaces_possible(), prefix=prefix) as lab:
            authority = Authority(folder)
            issued = authority.issue("ionmesh", lab.host)
            port = lab.ionmesh_url.rpartition(":")[2]
            argv = [sys.executable, str(Path(__file__).with_name("_tls.py")), lab.host, port]
            front = Program("TLS front", lab.outside([*argv, issued.cert, issued.key]), folder / "tls.log")
            url = f"https://{lab.host}:{await front.start()}"
            lab.write_config(lab.config() + DEFAULTS.format(url=url, ca_cert=authority.cert))
            argv = [*router(folder), *(str(folder / name) for name in ("remsim", "gpio.sock", "run"))]
            daemon = Program("remsimd", lab.inside(argv), folder / "remsimd.log", env=ENVIRONMENT)
            try:
                await daemon.start(ready="starts with")
                await lab.remsimd.until(
                    lambda s: (
                        s["modems"]["primary"]["sim_source"] == "remote" and s["ionmesh"]["heartbeats"] > 0
                    ),
                    "everything up",
                )
                await scrape(lab)
                before_s = cpu_s(daemon.pid)
                await asyncio.sleep(watch_s)
                used_s = cpu_s(daemon.pid) - before_s
                memory = memory_mb(daemon.pid)
            finally:
                await daemon.end()
                await front.end()
    peer = "mwan3 2.12.2 alone: 24.3 MB in 10 processes"
    figure("idle RSS", memory["Rss"], "MB", budget=36, peer=peer)
    figure("idle RSS, of it anonymous", memory["Anonymous"], "MB", budget=36)
    figure("idle CPU", 100 * used_s / watch_s, "% of a core", budget=0.5)


asyncio.run(main())
