"""A real tty: a pseudo-terminal whose other end the test holds."""

import asyncio
import fcntl
import os
import signal
import struct
import sys
import termios
import tty
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

from modems.at.channel import Channel
from modems.at.lock import lock_path
from modems.at.port import open_port
from modems.errors import PortBusy, PortGone

DEADLINE_S = 5.0
TIOCGEXCL = 0x80045440  # on Linux; the termios module has no name for it


class Terminal:
    """Both ends of a pseudo-terminal."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.open = True

    def hang_up(self) -> None:
        if self.open:
            os.close(self.slave)
            os.close(self.master)
            self.open = False


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.hang_up()


async def test_bytes_go_both_ways(terminal: Terminal) -> None:
    async with open_port(terminal.path) as port:
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        port.on_bytes = arrived.put_nowait
        port.write(b"AT\r")
        assert os.read(terminal.master, 100) == b"AT\r"
        os.write(terminal.master, b"\r\nOK\r\n\x00\xff")
        assert await asyncio.wait_for(arrived.get(), DEADLINE_S) == b"\r\nOK\r\n\x00\xff"


async def test_what_does_not_fit_is_sent_when_there_is_room(terminal: Terminal) -> None:
    sent = bytes(range(256)) * 400
    async with open_port(terminal.path) as port:
        port.write(sent[:50_000])
        port.write(sent[50_000:])
        received = b""
        while len(received) < len(sent):
            received += await asyncio.wait_for(asyncio.to_thread(os.read, terminal.master, 65536), DEADLINE_S)
        assert received == sent


async def test_a_second_reader_is_refused(terminal: Terminal) -> None:
    async with open_port(terminal.path):
        with pytest.raises(PortBusy) as refused:
            async with open_port(terminal.path):
                pass
        assert refused.value.port == terminal.path
    async with open_port(terminal.path):
        pass


async def test_while_it_is_open_other_programs_are_kept_out_by_every_means(
    terminal: Terminal, tmp_path: Path
) -> None:
    lock = lock_path(terminal.path, tmp_path)
    async with open_port(terminal.path, lock_directory=tmp_path):
        assert int(lock.read_text()) == os.getpid()
        assert exclusive(terminal.slave)
        other = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY) if os.getuid() == 0 else None
        if other is not None:
            # TIOCEXCL does not stop root; the lock on the file does, where it is asked for.
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(other)
    assert not lock.exists()
    assert not exclusive(terminal.slave)


async def test_a_port_that_another_program_has_locked_is_not_even_opened(
    terminal: Terminal, tmp_path: Path
) -> None:
    lock_path(terminal.path, tmp_path).write_text(f"{os.getppid():10d}\n")
    with pytest.raises(PortBusy):
        async with open_port(terminal.path, lock_directory=tmp_path):
            pytest.fail("the port was opened")
    assert not exclusive(terminal.slave)


def exclusive(fd: int) -> bool:
    """Return whether TIOCEXCL is set (ioctl_tty(2))."""
    return fcntl.ioctl(fd, TIOCGEXCL, struct.pack("i", 0)) != struct.pack("i", 0)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from modems.at.port import open_port
async def main():
    async with open_port(sys.argv[1], lock_directory=Path(sys.argv[2])):
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_what_a_killed_process_left_locked_is_taken_over(terminal: Terminal, tmp_path: Path) -> None:
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, terminal.path, str(tmp_path))
    assert await killed.wait() == -signal.SIGKILL
    lock = lock_path(terminal.path, tmp_path)
    assert lock.read_text() == f"{killed.pid:10d}\n"
    # A tty forgets this at its last close, a pseudo-terminal does not; it keeps out who is not root.
    fcntl.ioctl(terminal.slave, termios.TIOCNXCL)
    async with open_port(terminal.path, lock_directory=tmp_path):
        assert lock.read_text() == f"{os.getpid():10d}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "opens_it", [False, True], ids=["another program", "the owner, and the clock was set"]
)
async def test_a_lock_from_before_its_owner_started_is_taken_over_unless_the_port_is_open(
    terminal: Terminal, tmp_path: Path, opens_it: bool
) -> None:
    other = await asyncio.create_subprocess_exec("cat", terminal.path if opens_it else "-", stdin=PIPE)
    lock = lock_path(terminal.path, tmp_path)
    lock.write_text(f"{other.pid:10d}\n")
    long_ago = lock.stat().st_mtime - 3600
    os.utime(lock, (long_ago, long_ago))
    try:
        async with asyncio.timeout(10):
            while opens_it and not has_open(other.pid, terminal.path):
                await asyncio.sleep(0.01)
        if opens_it:
            with pytest.raises(PortBusy):
                async with open_port(terminal.path, lock_directory=tmp_path):
                    pytest.fail("the port was opened")
            return
        async with open_port(terminal.path, lock_directory=tmp_path):
            assert lock.read_text() == f"{os.getpid():10d}\n"
    finally:
        other.kill()
        await other.communicate()


def has_open(pid: int, path: str) -> bool:
    return any(os.path.realpath(each) == path for each in Path(f"/proc/{pid}/fd").glob("*"))


async def test_a_port_that_is_not_there_or_no_tty_is_gone(tmp_path: Path) -> None:
    for path in (tmp_path / "ttyUSB7", tmp_path):
        with pytest.raises(PortGone) as refused:
            async with open_port(path):
                pass
        assert refused.value.reason
    plain = tmp_path / "plain"
    plain.touch()
    with pytest.raises(PortGone):
        async with open_port(plain):
            pass


async def test_a_hang_up_is_told_at_once_and_once(terminal: Terminal) -> None:
    async with open_port(terminal.path) as port:
        told: list[PortGone] = []
        port.on_gone = told.append
        waiting = asyncio.create_task(port.wait_gone())
        terminal.hang_up()
        gone = await asyncio.wait_for(waiting, DEADLINE_S)
        assert gone.port == terminal.path
        with pytest.raises(PortGone):
            port.write(b"AT\r")
    assert told == [gone]


async def test_a_hang_up_fails_the_command_in_flight(terminal: Terminal) -> None:
    async with open_port(terminal.path) as port, Channel(port) as channel:
        command = asyncio.create_task(channel.run("AT+COPS=?", timeout_s=180))
        await asyncio.wait_for(asyncio.to_thread(os.read, terminal.master, 100), DEADLINE_S)
        terminal.hang_up()
        with pytest.raises(PortGone):
            await asyncio.wait_for(command, DEADLINE_S)


async def test_closing_tells_those_who_wait(terminal: Terminal) -> None:
    async with open_port(terminal.path) as port:
        waiting = asyncio.create_task(port.wait_gone())
        await asyncio.sleep(0)
    assert (await waiting).reason == "closed"
