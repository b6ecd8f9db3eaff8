"""What a demo stands on: a name of its own, an end whenever it is asked for, and nothing left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "remsim-demo"
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AT_ONCE = 16
_LONGEST_FOLDER_BYTES = 80
"""A socket's path has 107 bytes at most (unix(7)), and the router's are 24 below this folder."""
_NAMESPACES = Path("/run/netns")


class StageError(Exception):
    """The demo cannot begin; the text says why and what to do."""


@contextlib.contextmanager
def claimed() -> Iterator[str]:
    """A prefix for names that no other demo of this machine has meanwhile. Raises StageError.

    It is held by an abstract socket, which the kernel gives back however the holder ends: what a
    killed demo left under its prefix falls to the next one.
    """
    for number in range(1, _AT_ONCE + 1):
        prefix = f"{PREFIX}{number}"
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as holder:
            try:
                holder.bind(f"\0{prefix}")
            except OSError:
                continue
            yield prefix
            return
    raise StageError(f"{_AT_ONCE} demos run on this machine already: end one with Ctrl-C")


def new_folder() -> Path:
    """A folder for everything the demo writes. Raises StageError where sockets could not stand in it."""
    folder = Path(tempfile.mkdtemp(prefix="remsim-demo-"))
    if len(os.fsencode(folder)) > _LONGEST_FOLDER_BYTES:
        folder.rmdir()
        raise StageError(f"the name of {folder.parent} is too long for sockets in it: set TMPDIR=/tmp")
    return folder


class Interrupt:
    """The wish that the demo end, from a signal or from a reader that went away; only the first counts.

    It cancels the task that made it, unless that is in `awaiting` and looks at `asked` itself.
    `status` is the exit status the shell expects: 128 and the number of the signal.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.status = 0
        self._task = asyncio.current_task()
        self._awaited = False

    def listen(self) -> None:
        """From now on signals of `ENDINGS` are such a wish."""
        loop = asyncio.get_running_loop()
        for number in ENDINGS:
            loop.add_signal_handler(number, self, number)

    def __call__(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            return
        self.asked.set()
        self.status = 128 + number
        if not self._awaited and self._task is not None:
            self._task.cancel()

    @contextlib.contextmanager
    def awaiting(self) -> Iterator[None]:
        """The caller ends by itself soon after `asked` is set."""
        self._awaited = True
        try:
            yield
        finally:
            self._awaited = False


def sweep(prefix: str) -> None:
    """Take away what a start cut off in the middle leaves: programs not waited for, their namespaces.

    For the end of a process: every child is killed.
    """
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    for pid in children.read_text().split() if children.exists() else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    ip = shutil.which("ip")
    for namespace in _NAMESPACES.glob(f"{prefix}-*") if ip else ():
        subprocess.run([str(ip), "netns", "del", namespace.name], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def single_keys() -> Iterator[int | None]:
    """The terminal's descriptor with keys delivered at once; None without one, or in its background."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor) or os.tcgetpgrp(descriptor) != os.getpgrp():
        yield None
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(termios.error):  # a closed terminal has nothing to put back
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
