"""The demo ends whenever it is asked to, and leaves nothing on the machine."""

import asyncio
import contextlib
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

Begin = Callable[..., Awaitable["Demo"]]
NAMESPACES = Path("/run/netns")
DEADLINE_S = 50.0
ENDS_WITHIN_S = 15.0
"""Two on a quiet machine; tests share theirs."""


@dataclass
class Demo:
    """A demo in a session of its own; its folder is the only entry of `temporary`."""

    process: asyncio.subprocess.Process
    temporary: Path

    @property
    def folder(self) -> Path | None:
        """Where it keeps everything, once it has that."""
        return next(self.temporary.iterdir(), None)

    async def line(self, words: str) -> str:
        """The first line from here on with these words."""
        assert self.process.stdout is not None
        seen = ""
        async for line in self.process.stdout:
            seen += line.decode()
            if words in seen:
                return line.decode()
        raise AssertionError(f"the demo ended without {words!r}: {seen}")

    async def file(self, name: str) -> None:
        """Wait until the demo has come as far as this file."""
        async with asyncio.timeout(DEADLINE_S):
            while not ((folder := self.folder) and (folder / name).exists()):
                assert self.process.returncode is None, (
                    f"it ended with {self.process.returncode} before {name}"
                )
                await asyncio.sleep(0.01)

    async def ended(self) -> int:
        """Its exit status."""
        async with asyncio.timeout(ENDS_WITHIN_S):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    def left(self) -> list[str]:
        """What is still there of it."""
        found = [str(path) for path in self.temporary.iterdir()]
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, _, fields = path.read_text().rpartition(")")
                state, _, _, session = fields.split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(name)
        return found


@pytest.fixture
async def begin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Begin]:
    """Start demos; what a failed test leaves of them is ended."""
    demos: list[Demo] = []

    async def start(*words: str, stdin: int = asyncio.subprocess.DEVNULL, stdout: int | None = None) -> Demo:
        temporary = tmp_path_factory.mktemp("demo")
        program = [sys.executable, "-m", "simlab.demo", *words]
        in_terminal = os.isatty(stdin) if stdin >= 0 else False
        process = await asyncio.create_subprocess_exec(
            *(["setsid", "--ctty", *program] if in_terminal else program),
            env={**os.environ, "TMPDIR": str(temporary), "TERM": "xterm", "COLUMNS": "80"},
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=not in_terminal,
        )
        demos.append(Demo(process, temporary))
        return demos[-1]

    yield start
    for demo in demos:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.process.pid, signal.SIGKILL)
        await demo.process.wait()


def namespaces() -> set[str]:
    return {path.name for path in NAMESPACES.glob("remsim-demo*")}


@pytest.mark.parametrize(
    ("moment", "number", "everyone"),
    [
        ("", signal.SIGINT, True),
        ("cards.json", signal.SIGTERM, False),
        ("ionmesh.db", signal.SIGINT, True),
        ("api-key", signal.SIGHUP, True),
        ("gpio.sock", signal.SIGTERM, False),
        ("run/control.sock", signal.SIGINT, True),
    ],
)
async def test_cut_off_at_any_moment_nothing_is_left(
    begin: Begin, moment: str, number: signal.Signals, everyone: bool
) -> None:
    before = namespaces()
    demo = await begin("--once")
    await demo.file(moment)
    # Ctrl-C and a closed terminal reach every program, kill the demo alone.
    (os.killpg if everyone else os.kill)(demo.process.pid, number)
    assert await demo.ended() in (128 + number, 128 + signal.SIGINT)
    assert demo.left() == []
    assert namespaces() <= before


async def test_ctrl_c_twice_is_no_more_than_once(begin: Begin) -> None:
    demo = await begin("--once", "--loopback")
    await demo.file("api-key")
    for _ in range(2):
        os.killpg(demo.process.pid, signal.SIGINT)
    assert await demo.ended() == 128 + signal.SIGINT
    assert demo.left() == []


async def test_killed_it_takes_its_programs_along_and_the_next_one_its_namespaces(begin: Begin) -> None:
    before = namespaces()
    killed = await begin("--once")
    await killed.file("run/control.sock")
    killed.process.kill()
    assert await killed.ended() == -signal.SIGKILL
    async with asyncio.timeout(ENDS_WITHIN_S):
        while killed.left() != [str(killed.folder)]:
            await asyncio.sleep(0.01)
    following = await begin("--once", "--loopback")
    await following.line("everything on loopback")
    assert namespaces() <= before


async def test_two_at_once_and_each_goes_its_own_way(begin: Begin) -> None:
    before = namespaces()
    first = await begin()
    await first.line("orchestrator at")
    second = await begin()
    await second.line("orchestrator at")
    second.process.terminate()
    assert await second.ended() == 128 + signal.SIGTERM
    await first.line("the home network computed the same")
    await first.line("Ctrl-C ends the demo")
    os.killpg(first.process.pid, signal.SIGINT)
    await first.line("SIM back on local, card given back")
    assert await first.ended() == 0
    assert first.left() == second.left() == []
    assert namespaces() <= before


async def test_a_reader_that_goes_away_ends_it(begin: Begin) -> None:
    read, write = os.pipe()
    demo = await begin("--once", "--loopback", stdout=write)
    os.close(write)
    await demo.file("run/control.sock")
    os.close(read)
    assert await demo.ended() == 128 + signal.SIGPIPE
    assert demo.left() == []


async def test_a_terminal_that_is_closed_ends_it(begin: Begin) -> None:
    keyboard, terminal = pty.openpty()
    demo = await begin("--once", "--loopback", stdin=terminal, stdout=terminal)
    os.close(terminal)
    await demo.file("bank.log")
    os.close(keyboard)
    assert await demo.ended() in (128 + signal.SIGHUP, 128 + signal.SIGPIPE)
    assert demo.left() == []
