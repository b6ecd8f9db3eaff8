"""remsimd in this process, with the guest's own devices; its log is the test's."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from remsimd.config.load import load
from remsimd.daemon import SOCKET_NAME, Daemon
from remsimd.sim.gpio import GpiodLines
from simlab.control import RemsimdControl
from simlab.process import Program

REMSIMD = "/usr/bin/remsimd"
"""Where the package installs it."""
MAIN = """\
config remsim 'main'
	option enabled '1'
	option log_level 'debug'
	option state_dir '{folder}/state'

config failover 'failover'
	option enabled '0'

config history 'history'
	option enabled '0'

config metrics 'metrics'
	option enabled '0'

"""
"""Nothing but modems and cards."""


def modem_section(name: str, match: str, *options: str) -> str:
    """A modem's section; each option is a name and a value."""
    lines = "".join(f"\toption {option.replace(' ', ' ' + chr(39), 1)}'\n" for option in options)
    return f"config modem '{name}'\n\tlist match '{match}'\n\toption poll_interval '2'\n{lines}\n"


def write_config(folder: Path, *sections: str) -> Path:
    """The configuration file of a router with these sections."""
    path = folder / "remsim"
    path.write_text(MAIN.format(folder=folder) + "".join(sections))
    return path


@asynccontextmanager
async def router(folder: Path, *sections: str) -> AsyncIterator[RemsimdControl]:
    """A running daemon; it is told to stop at the end, as procd tells it, and must."""
    path, run_dir = write_config(folder, *sections), folder / "run"
    running = asyncio.create_task(Daemon(path, load(str(path)), run_dir=run_dir, lines=GpiodLines()).run())
    control = RemsimdControl(run_dir / SOCKET_NAME, folder / "none: see the test's log")
    try:
        await control.until(lambda status: True, "the control socket answers")
        yield control
    finally:
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await running


@asynccontextmanager
async def installed_router(folder: Path, *sections: str) -> AsyncIterator["InstalledRouter"]:
    """The daemon of the installed package, a process of its own; killed at the end if it still runs."""
    made = InstalledRouter(write_config(folder, *sections), folder / "run", folder / "remsimd.log")
    try:
        await made.start()
        yield made
    finally:
        await made.program.end(signal.SIGKILL)
        sys.stdout.write(f"--- remsimd\n{made.log.read_text()}\n")


class InstalledRouter:
    """`start` starts it, again after it was ended; `took_s` is how long it was until it answered."""

    def __init__(self, config: Path, run_dir: Path, log: Path) -> None:
        argv = [REMSIMD, "--foreground", "--config", str(config), "--run-dir", str(run_dir)]
        self.log = log
        self.socket = run_dir / SOCKET_NAME
        self.program = Program("remsimd", argv, log)
        self.control = RemsimdControl(self.socket, log)
        self.took_s = 0.0

    async def start(self) -> None:
        """Returns when it answers."""
        started = time.monotonic()
        await self.program.start(ready="starts with")
        await self.control.until(lambda status: True, "the control socket answers")
        self.took_s = time.monotonic() - started

    def resident_mb(self) -> float:
        """The memory it occupies (VmRSS)."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor_s(self) -> float:
        """The processor time it has used, its own and the kernel's for it (proc(5), stat)."""
        fields = Path(f"/proc/{self.program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
