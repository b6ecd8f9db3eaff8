"""Programs of the lab: started with a log file, awaited until ready, ended for sure.

They get SIGTERM when the thread that started them ends, so that a lab that is killed leaves none. The kernel
does that (PR_SET_PDEATHSIG of prctl(2)); setpriv(1) of util-linux asks it to, and what runs through
`ip netns exec` is still the same process.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

Told = Callable[[], Awaitable[str]]
"""Gives what a program is to read from its stdin."""

READY_WITHIN_S = 20.0
END_WITHIN_S = 5.0
LOG_TAIL_LINES = 15


class ProgramError(Exception):
    """A program of the lab did not start, or ended on its own; the text has the end of its log."""


class Program:
    """One child process; its output goes to a log file, its first output line is what `start` returns."""

    def __init__(
        self, name: str, argv: Sequence[str], log_path: Path, *, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._log_path = log_path
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its process number."""
        if self._process is None:
            raise ProgramError(f"{self.name} was not started")
        return self._process.pid

    async def start(self, *, ready: str = "", told: Told | None = None) -> str:
        """Start it and return its first output line that contains `ready`.

        `told` is asked, once the program runs, for what it is to read from stdin.
        """
        self._process = await asyncio.create_subprocess_exec(
            *with_parent(),
            *self._argv,
            env=self._env,
            stdin=None if told is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        stdin = self._process.stdin
        if told is not None and stdin is not None:
            stdin.write((await told()).encode())
            stdin.close()
        seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._copy(self._process, ready, seen))
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                return await seen
        except TimeoutError as error:
            raise ProgramError(
                f"{self.name} is not ready after {READY_WITHIN_S:.0f} s{self._tail()}"
            ) from error

    async def _copy(
        self, process: asyncio.subprocess.Process, ready: str, seen: "asyncio.Future[str]"
    ) -> None:
        output = process.stdout
        if output is None:
            raise ProgramError(f"{self.name} has no output to read")
        with self._log_path.open("ab", buffering=0) as log:
            while line := await output.readline():
                log.write(line)
                text = line.decode(errors="replace").rstrip()
                if ready in text and not seen.done():
                    seen.set_result(text)
        if not seen.done():
            seen.set_exception(ProgramError(f"{self.name} ended before it was ready{self._tail()}"))

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, kill it when it does not, and return its exit status."""
        if self._process is None:
            return 0
        self.signal(number)
        try:
            async with asyncio.timeout(END_WITHIN_S):
                status = await self._process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            status = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs, and do not wait."""
        if self._process is not None and self.running:
            # Process.send_signal would take the exit status of one that has just ended away from the loop.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _tail(self) -> str:
        if not self._log_path.exists():
            return ""
        lines = self._log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n  " + "\n  ".join(lines)


def with_parent() -> tuple[str, ...]:
    """What a command line begins with to end with its parent; nothing where only busybox has a setpriv."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or Path(setpriv).resolve().name != "setpriv":
        return ()
    return setpriv, "--pdeathsig", "TERM", "--"


async def run_once(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> str:
    """The output of a program that ends by itself; raises ProgramError with its words when it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    if process.returncode != 0:
        raise ProgramError(f"{' '.join(argv)}: {stderr.decode(errors='replace').strip()}")
    return stdout.decode(errors="replace").strip()
