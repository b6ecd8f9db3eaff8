"""From exec of the installed daemon to the first AT command answered."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _figure import figure
from _installed import ENVIRONMENT, ROOT, router

sys.path.insert(0, str(ROOT))

from simlab.config import router_config
from simlab.lab import free_port
from simlab.modems.emulator import EmulatedModem, load_script

ROUNDS = 10


async def first_answer(program: Sequence[str], folder: Path) -> float:
    """Seconds until the primary modem has been asked something and has answered."""
    config = router_config(
        folder, ionmesh_url="http://127.0.0.1:9", metrics_port=free_port(), probes=("192.0.2.1",), data=False
    )
    (folder / "remsim").write_text(config)
    async with EmulatedModem(load_script("quectel-rm500q"), folder / "ttyRM500Q") as modem:
        started_s = time.monotonic()
        daemon = await asyncio.create_subprocess_exec(
            *program, *(str(folder / name) for name in ("remsim", "gpio.sock", "run")),
            stderr=asyncio.subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT},
        )  # fmt: skip
        while not modem.commands:
            await asyncio.sleep(0.002)
        took_s = time.monotonic() - started_s
        daemon.kill()
        await daemon.wait()
    return took_s


async def main() -> None:
    """Several starts, the median counts."""
    times_s = []
    with tempfile.TemporaryDirectory() as installed:
        program = router(Path(installed))
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                times_s.append(await first_answer(program, Path(folder)))
    figure("start to first AT answer, median", sorted(times_s)[ROUNDS // 2], "s", budget=0.5)


asyncio.run(main())
