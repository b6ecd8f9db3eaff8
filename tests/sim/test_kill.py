"""kill -9 before every step of a SIM switch: real processes, the lab's chip and modem."""

import asyncio
import json
import multiprocessing
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from remsimd.config.model import SimSource
from remsimd.sim.journal import Journal, JournalEntry
from simlab.gpio import MemoryChip, served
from simlab.modems.emulator import EmulatedModem, ModemState, Timing, load_script
from simlab.modems.remote_sim import RemoteSim
from simlab.modems.sim import LocalSim, SimFailure
from tests.sim.slot_process import CARD, MUX, Story, main

LOCAL = LocalSim("8949020000000000101", "001010000000101")
TIMING = Timing(answer_s=0.001, piece_bytes=64, piece_s=0.0, card_s=0.01, attach_s=0.01, restart_s=0.05)
DEADLINE_S = 20.0
RESTORE = ("remove", "set", "journal")
TO_REMOTE = ("journal", "set_radio", "remove", "set", "insert", "set_radio", "fresh_sim", "journal")
TO_LOCAL = ("journal", "set_radio", "remove", "set", "set_radio", "fresh_sim", "journal")
STEPS = (*RESTORE, *TO_REMOTE, *TO_LOCAL)

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.sim.slot_process"])


class Bench:
    """The board around the process: its chip, its modem, and what the process told."""

    def __init__(self, folder: Path, chip: MemoryChip, modem: EmulatedModem) -> None:
        self.folder = folder
        self.chip = chip
        self.modem = modem

    def told(self) -> list[dict[str, Any]]:
        path = self.folder / "told"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def steps(self) -> list[str]:
        return [entry["step"] for entry in self.told() if "step" in entry]

    def on(self, source: SimSource, iccid: str) -> bool:
        """Whether the process says this source, and the modem has read this card since."""
        found = self.told()
        said = [number for number, entry in enumerate(found) if "source" in entry]
        read = [entry["iccid"] for entry in found if entry.get("iccid")]
        return (
            bool(said and read)
            and found[said[-1]] == {"source": source, "ok": True}
            and read[-1] == iccid
            and Journal(self.folder, "primary").read() == JournalEntry(source)
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not holds():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"{self.folder.name}: not reached; told: {self.told()[-8:]}")

    @asynccontextmanager
    async def process(self, story: Story) -> AsyncIterator[ForkServerProcess]:
        (self.folder / "told").unlink(missing_ok=True)
        process = processes.Process(target=main, args=(story,))
        process.start()
        try:
            yield process
        finally:
            process.kill()
            await ended(process)

    async def has(self, source: SimSource) -> None:
        """The modem works on this card, and the line is as the process says."""
        await self.until(lambda: self.on(source, CARD.iccid if source is SimSource.REMOTE else LOCAL.iccid))
        assert await self.chip.get(MUX) is (source is SimSource.REMOTE)
        async with asyncio.timeout(DEADLINE_S):
            await self.modem.wait_for(ModemState.REGISTERED)


async def ended(process: ForkServerProcess) -> None:
    """Wait for its end, without join(): that looks at it from a thread, as starting another one does from
    here, and of two that look at once one takes it for lost."""
    await asyncio.to_thread(wait, [process.sentinel], DEADLINE_S)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    chip = MemoryChip()
    pins: list[asyncio.Task[None]] = []
    async with (
        served(chip, folder / "gpio.sock"),
        EmulatedModem(load_script("quectel-rm500q"), folder / "tty", sim=LOCAL, timing=TIMING) as modem,
    ):

        async def remote_pins() -> None:
            while True:
                with suppress(SimFailure):
                    async with RemoteSim(folder / "shell.sock") as sim:
                        modem.set_sim(sim)
                        while not sim.gone:
                            await asyncio.sleep(0.01)
                modem.set_sim(None)
                await asyncio.sleep(0.01)

        def moved(remote: bool) -> None:
            while pins:
                pins.pop().cancel()
            modem.set_sim(None if remote else LOCAL)
            if remote:
                pins.append(asyncio.create_task(remote_pins()))

        chip.watch("sim1", moved)
        try:
            yield Bench(folder, chip, modem)
        finally:
            moved(False)


async def test_these_are_the_steps(tmp_path: Path) -> None:
    async with bench(tmp_path) as board, board.process(Story(tmp_path, offered=True, withdrawn=True)):
        await board.until(lambda: len(board.steps()) >= len(STEPS))
        await board.has(SimSource.LOCAL)
        assert tuple(board.steps()) == STEPS


PHASES = {
    "at the start": range(1, len(RESTORE) + 1),
    "on the way to the remote card": range(len(RESTORE) + 1, len(RESTORE + TO_REMOTE) + 1),
    "on the way to the local card": range(len(RESTORE + TO_REMOTE) + 1, len(STEPS) + 1),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("bank_has_it", [True, False], ids=["and the bank has the card", "and has not"])
async def test_a_kill_before_any_step_leaves_a_modem_that_works_after_the_restart(
    tmp_path: Path, phase: str, bank_has_it: bool
) -> None:
    async with asyncio.TaskGroup() as group:
        for kill_at in PHASES[phase]:
            folder = tmp_path / f"{kill_at}-{STEPS[kill_at - 1]}"
            folder.mkdir()
            group.create_task(kill_and_restart(folder, kill_at, bank_has_it))


async def kill_and_restart(folder: Path, kill_at: int, bank_has_it: bool) -> None:
    async with bench(folder) as board:
        async with board.process(Story(folder, offered=True, withdrawn=True, kill_at=kill_at)) as process:
            await ended(process)
            assert process.exitcode == -signal.SIGKILL
            assert tuple(board.steps()) == STEPS[: kill_at - 1]
        async with board.process(Story(folder, offered=bank_has_it)):
            await board.has(SimSource.REMOTE if bank_has_it else SimSource.LOCAL)
