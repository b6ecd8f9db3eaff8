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

from simlab.namespaces import NETNS_FOLDER

_PREFIXES = tuple(f"remsim-demo{number}" for number in range(1, 17))
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_FOLDER_BYTES = 80
"""A socket's path has 107 bytes at most (unix(7)), and the router's are 24 below this folder."""


class StageError(Exception):
    """The demo cannot begin; the text says why and what to do."""


@contextlib.contextmanager
def claimed() -> Iterator[str]:
    """A prefix for names that no other demo of this machine has meanwhile. Raises StageError.

    It is held by an abstract socket, which the kernel gives back however the holder ends. What killed demos
    left under theirs is taken away first.
    """
    for prefix in _PREFIXES:
        if _left_by(prefix):
            with _held(prefix) as free:
                if free:
                    _delete_namespaces(prefix)
    for prefix in _PREFIXES:
        with _held(prefix) as free:
            if free:
                yield prefix
                return
    raise StageError(f"{len(_PREFIXES)} demos run on this machine already: end one with Ctrl-C")


@contextlib.contextmanager
def _held(prefix: str) -> Iterator[bool]:
    """Whether the prefix is the caller's for the block; else it is another demo's."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as holder:
        try:
            holder.bind(f"\0{prefix}")
        except OSError:
            yield False
        else:
            yield True


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
    _delete_namespaces(prefix)


def _left_by(prefix: str) -> list[str]:
    return [path.name for path in NETNS_FOLDER.glob(f"{prefix}-*")]


def _delete_namespaces(prefix: str) -> None:
    """As far as they can be: who is not root has made none."""
    ip = shutil.which("ip")
    for name in _left_by(prefix) if ip else ():
        subprocess.run([str(ip), "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


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
