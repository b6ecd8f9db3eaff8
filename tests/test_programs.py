"""Real programs: begun, cut off at every moment, and gone with what they were started for."""

import asyncio
import os
from pathlib import Path

import pytest

from remsimd.programs import running

STEPS = 9
ROUNDS = 30


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def until_it_ends(*argv: str) -> int:
    async with running(*argv) as program:
        return await program.wait()


async def cut_off_after(steps: int, *argv: str) -> asyncio.Task[int]:
    """The task, cancelled after so many turns of the loop and over."""
    task = asyncio.create_task(until_it_ends(*argv))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    return task


async def test_its_exit_status_is_its_own() -> None:
    assert await until_it_ends("sh", "-c", "exit 3") == 3


async def test_one_that_is_cut_off_at_any_moment_is_gone_and_its_end_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = children()
    for _ in range(ROUNDS):
        for steps in range(1, STEPS):
            await cut_off_after(steps, "true")
    assert caplog.messages == [], "asyncio looked for an exit status that somebody else had taken"
    assert children() <= before


async def test_one_that_runs_is_ended_with_the_block() -> None:
    async with running("sleep", "60") as program:
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(program.pid, 0)


async def test_a_group_takes_along_what_it_started() -> None:
    code = "sleep 60 & echo begun; wait"
    async with running("sh", "-c", code, group=True, stdout=asyncio.subprocess.PIPE) as program:
        assert program.stdout is not None
        assert await program.stdout.readline() == b"begun\n"
    async with asyncio.timeout(10):
        assert await program.stdout.read() == b"", "the pipe ends with the last who holds it"


async def test_one_that_is_not_there_is_said() -> None:
    with pytest.raises(FileNotFoundError):
        await until_it_ends("no-such-program")


@pytest.mark.parametrize("steps", range(1, STEPS))
async def test_cut_off_while_it_cannot_be_started(steps: int) -> None:
    task = await cut_off_after(steps, "no-such-program")
    assert task.cancelled() or isinstance(task.exception(), FileNotFoundError)
