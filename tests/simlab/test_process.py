"""Real children: one that gets ready, ones that do not, and one that will not end."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from simlab import process
from simlab.process import Program, ProgramError, run_once

STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
sys.stdin.read() if sys.argv[1:] else signal.pause()
"""
HEARING = """
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
print("up", flush=True)
signal.pause()
"""


def program(code: str, folder: Path, **env: str) -> Program:
    return Program("the child", [sys.executable, "-c", code], folder / "child.log", env=env)


async def test_it_is_ready_with_the_line_that_was_waited_for_and_its_log_has_every_line(
    tmp_path: Path,
) -> None:
    code = (
        "import os, signal; print('first'); print('port', os.environ['PORT']); print('more'); signal.pause()"
    )
    child = program(code, tmp_path, PORT="4711")
    assert not child.running
    assert await child.start(ready="port") == "port 4711"
    assert child.running
    assert child.pid > 0
    assert await child.end() == -signal.SIGTERM
    assert not child.running
    assert (tmp_path / "child.log").read_text().splitlines()[:2] == ["first", "port 4711"]


async def test_one_that_was_not_started_has_no_number_and_ends_at_once(tmp_path: Path) -> None:
    child = program("", tmp_path)
    with pytest.raises(ProgramError, match="the child was not started"):
        _ = child.pid
    child.signal(signal.SIGUSR1)
    assert await child.end() == 0


async def test_one_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = program("import sys; sys.exit('no such bank')", tmp_path)
    with pytest.raises(ProgramError, match=r"the child ended before it was ready\n  no such bank"):
        await child.start(ready="up")
    assert await child.end() == 1


async def test_one_that_is_never_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "READY_WITHIN_S", 0.5)
    child = program("import signal; signal.pause()", tmp_path)
    with pytest.raises(ProgramError, match="the child is not ready after 0 s"):
        await child.start()
    assert await child.end() == -signal.SIGTERM


async def test_one_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "END_WITHIN_S", 0.2)
    child = program(STUBBORN, tmp_path)
    await child.start(ready="up")
    assert await child.end() == -signal.SIGKILL
    assert await child.end() == -signal.SIGKILL, "ending twice is fine"


async def test_a_signal_reaches_it(tmp_path: Path) -> None:
    child = program(HEARING, tmp_path)
    await child.start(ready="up")
    child.signal(signal.SIGUSR1)
    assert await child.end(signal.SIGUSR1) == 7


@pytest.mark.skipif(not process.with_parent(), reason="setpriv of util-linux is not installed")
async def test_it_ends_with_the_process_that_started_it_though_that_is_killed(tmp_path: Path) -> None:
    inner = "import os, signal; print('up', os.getpid(), flush=True); signal.pause()"
    outer = f"""
import asyncio, os, signal
from pathlib import Path
from simlab.process import Program
async def main():
    child = Program("the child", {[sys.executable, "-c", inner]!r}, Path({str(tmp_path / "child.log")!r}))
    await child.start()
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    lab = await asyncio.create_subprocess_exec(sys.executable, "-c", outer)
    assert await lab.wait() == -signal.SIGKILL
    pid = int((tmp_path / "child.log").read_text().split()[1])
    async with asyncio.timeout(10):
        while running(pid):
            await asyncio.sleep(0.01)


def running(pid: int) -> bool:
    """Whether there is such a process and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("there", [True, False])
async def test_a_setpriv_that_cannot_do_it_is_done_without(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there:
        (tmp_path / "busybox").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "busybox").chmod(0o755)
        (tmp_path / "setpriv").symlink_to("busybox")
    monkeypatch.setenv("PATH", str(tmp_path))
    child = program(STUBBORN, tmp_path)
    assert await child.start(ready="up") == "up"
    await child.end(signal.SIGKILL)


async def test_a_command_s_output_or_its_complaint() -> None:
    code = "import os, sys; print(os.environ['WORD']); sys.exit(os.environ.get('WHY'))"
    argv = [sys.executable, "-c", code]
    assert await run_once(argv, env={"WORD": "done"}) == "done"
    with pytest.raises(ProgramError, match="not today"):
        await run_once(argv, env={"WORD": "done", "WHY": "not today"})
