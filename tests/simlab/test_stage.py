"""One name for each demo, one end, and a sweep after it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simlab.namespaces import NETNS_FOLDER, obstacle
from simlab.stage import Interrupt, StageError, claimed, new_folder


def test_two_at_once_have_names_of_their_own() -> None:
    with claimed() as first:
        with claimed() as second:
            assert first != second
        with claimed() as third:
            assert third == second, "a name is free again once its holder is gone"


@pytest.mark.skipif(obstacle() is not None, reason="network namespaces cannot be made here")
def test_what_killed_demos_left_is_taken_away_and_what_running_ones_have_is_not() -> None:
    with claimed(), claimed() as second:
        pass
    with claimed() as first:
        kept, left = f"{first}-test", f"{second}-test"
        try:
            for name in (kept, left):
                subprocess.run(["ip", "netns", "add", name], check=True)
            with claimed() as next_one:
                assert next_one != first
                assert (NETNS_FOLDER / kept).exists()
                assert not (NETNS_FOLDER / left).exists()
        finally:
            for name in (kept, left):
                subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def test_a_folder_in_which_no_socket_can_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("d" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(StageError, match="TMPDIR=/tmp"):
        new_folder()
    assert list(long.iterdir()) == []


async def interrupted(number: signal.Signals, *, awaiting: bool) -> tuple[Interrupt, bool]:
    """An interrupt in a task of its own, and whether it cancelled that."""
    ready = asyncio.Event()
    made: list[Interrupt] = []

    async def work() -> None:
        interrupt = Interrupt()
        made.append(interrupt)
        ready.set()
        if awaiting:
            with interrupt.awaiting():
                await interrupt.asked.wait()
        await asyncio.sleep(0 if awaiting else 3600)

    task = asyncio.create_task(work())
    await ready.wait()
    made[0](number)
    made[0](signal.SIGINT)
    await asyncio.wait([task])
    return made[0], task.cancelled()


async def test_the_first_signal_counts_and_cancels() -> None:
    interrupt, cancelled = await interrupted(signal.SIGTERM, awaiting=False)
    assert cancelled
    assert interrupt.status == 143


async def test_who_waits_for_it_ends_by_itself() -> None:
    interrupt, cancelled = await interrupted(signal.SIGHUP, awaiting=True)
    assert not cancelled
    assert interrupt.status == 129


def test_the_sweep_ends_children_that_nobody_waits_for() -> None:
    program = """
import subprocess
from simlab.stage import sweep
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
sweep("remsim-demo-none")
print(child.pid)
child.returncode = 0
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.stdout), 0)
