"""Running a program."""

import asyncio
import os
from pathlib import Path

import pytest

from remsimd.errors import RouteError
from remsimd.failover import command


async def test_what_it_says_and_how_it_ends() -> None:
    assert await command.run("sh", "-c", "cat; echo bad >&2; exit 3", stdin="in") == (3, "in", "bad")


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(RouteError, match="no-such-program: No such file"):
        await command.run("no-such-program")


async def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="no end within"):
        await command.run("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60", limit_s=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_cancelled_caller_leaves_no_program_behind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "started")
    script = f"echo $$ > {tmp_path}/pid; echo > {tmp_path}/started; exec sleep 60"
    task = asyncio.create_task(command.run("sh", "-c", script))
    await asyncio.to_thread((tmp_path / "started").read_text)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
