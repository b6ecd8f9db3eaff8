"""The kernel's device events: read, told apart from others', and what they make the finder do."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.detect.usb import Candidate
from modems.errors import Unsupported
from remsimd.config.model import Match, MatchBy, ModemConfig
from remsimd.finder import Finder, Place
from remsimd.uevent import Uevent, open_socket, parse, uevents

DEADLINE_S = 5.0
PLUG = (
    b"add@/devices/pci0000:00/usb1/1-1/1-1:1.2/ttyUSB2/tty/ttyUSB2\0ACTION=add\0"
    b"DEVPATH=/devices/pci0000:00/usb1/1-1/1-1:1.2/ttyUSB2/tty/ttyUSB2\0SUBSYSTEM=tty\0"
    b"MAJOR=188\0MINOR=2\0DEVNAME=ttyUSB2\0SEQNUM=4242\0"
)
TUNNEL = b"add@/devices/virtual/net/tun0\0ACTION=add\0DEVPATH=/devices/virtual/net/tun0\0SUBSYSTEM=net\0"
BATTERY = b"change@/devices/battery\0ACTION=change\0DEVPATH=/devices/battery\0SUBSYSTEM=power_supply\0"
CONFIG = ModemConfig(name="primary", match=(Match(MatchBy.USB, "1-1"),))


def modem(port: str | None) -> Candidate:
    ports = (port,) if port else ()
    return Candidate("usb:1-1", "2c7c", "0800", "Quectel RM500Q", "quectel", port, ports, None)


def test_an_event_of_the_kernel() -> None:
    path = "/devices/pci0000:00/usb1/1-1/1-1:1.2/ttyUSB2/tty/ttyUSB2"
    assert parse(PLUG) == Uevent("add", path, "tty")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        b"libudev\0\xfe\xed\xca\xfe\0\0\0\x28ACTION=add\0DEVPATH=/devices/x\0",
        b"add@/devices/x\0",
        b"add@/devices/x\0ACTION=remove\0DEVPATH=/devices/x\0",
        b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/y\0",
    ],
)
def test_what_is_no_event_of_the_kernel(datagram: bytes) -> None:
    assert parse(datagram) is None


@given(st.binary(max_size=400))
def test_any_datagram_is_an_event_or_none(datagram: bytes) -> None:
    found = parse(datagram)
    assert found is None or datagram.startswith(f"{found.action}@".encode())


def test_the_kernels_socket_can_be_opened_and_closed() -> None:
    try:
        opened = open_socket()
    except OSError as error:
        pytest.skip(f"no uevent socket here: {error}")
    opened.close()


class Bus:
    """The bus as a scan finds it, and the kernel's end of the socket."""

    def __init__(self) -> None:
        self.there: list[Candidate] = []
        self.scans = 0
        self.kernel, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)

    def scan(self) -> list[Candidate]:
        self.scans += 1
        return list(self.there)

    def source(self) -> socket.socket:
        return self._ours


@asynccontextmanager
async def following() -> AsyncIterator[tuple[Finder, Bus]]:
    bus = Bus()
    finder = Finder(scan=bus.scan, open_source=bus.source)
    task = asyncio.create_task(finder.run())
    await asyncio.sleep(0)
    try:
        yield finder, bus
    finally:
        task.cancel()
        await asyncio.wait((task,))
        bus.kernel.close()


async def test_a_plugged_modem_is_looked_for_at_once_and_only_then() -> None:
    async with following() as (finder, bus):
        assert await finder.places(CONFIG) == ()
        assert await finder.places(CONFIG) == ()
        assert bus.scans == 1
        waiting = asyncio.create_task(finder.changed(CONFIG))
        bus.kernel.send(BATTERY)
        bus.there = [modem("/dev/ttyUSB2")]
        bus.kernel.send(PLUG)
        await asyncio.wait_for(waiting, DEADLINE_S)
        assert await finder.places(CONFIG) == (Place("/dev/ttyUSB2", "Quectel RM500Q 2c7c:0800 at usb:1-1"),)
        assert bus.scans == 2


async def test_the_kernel_itself_is_heard() -> None:
    trigger = Path("/sys/class/net/lo/uevent")
    if not os.access(trigger, os.W_OK):
        pytest.skip("only root can make the kernel send an event here")
    heard: asyncio.Queue[Uevent] = asyncio.Queue()
    try:
        async with uevents(heard.put_nowait, on_loss=lambda: None):
            trigger.write_text("change")
            async with asyncio.timeout(DEADLINE_S):
                while await heard.get() != Uevent("change", "/devices/virtual/net/lo", "net"):
                    pass
    except OSError as error:
        pytest.skip(f"no kernel events here: {error}")


class Kernel:
    """A source whose datagrams are made up: from another sender, or lost because they were too many."""

    family = socket.AF_NETLINK

    def __init__(self, *answers: tuple[bytes, tuple[int, int]] | OSError) -> None:
        self._answers = list(answers)
        self._reader, self._writer = os.pipe()
        os.write(self._writer, b"x" * len(answers))

    def fileno(self) -> int:
        return self._reader

    def recvfrom(self, _: int) -> tuple[bytes, tuple[int, int]]:
        os.read(self._reader, 1)
        answer = self._answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


async def test_only_the_kernel_is_believed_and_lost_events_are_told() -> None:
    heard: list[str] = []
    lost = asyncio.Event()
    source = Kernel((PLUG, (4711, 1)), BlockingIOError(), OSError(105, "No buffer space"), (PLUG, (0, 1)))
    done = asyncio.Event()

    def hear(event: Uevent) -> None:
        heard.append(event.subsystem)
        done.set()

    async with uevents(hear, on_loss=lost.set, open_source=lambda: source):  # type: ignore[arg-type,return-value] # as much of a socket as is used
        await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert heard == ["tty"]
    assert lost.is_set()


async def test_an_event_between_looking_and_waiting_is_not_lost() -> None:
    async with following() as (finder, bus):
        await finder.places(CONFIG)
        bus.kernel.send(PLUG)
        async with asyncio.timeout(DEADLINE_S):
            while bus.scans == 1:
                await asyncio.sleep(0)
                await finder.places(ModemConfig(name="other"))
        await asyncio.wait_for(finder.changed(CONFIG), DEADLINE_S)


async def test_other_devices_wake_nobody() -> None:
    async with following() as (finder, bus):
        await finder.places(CONFIG)
        bus.kernel.send(BATTERY)
        bus.kernel.send(TUNNEL)
        before_s = asyncio.get_running_loop().time()
        await finder.changed(CONFIG, within_s=0.05)
        assert asyncio.get_running_loop().time() - before_s >= 0.04
        await finder.places(CONFIG)
        assert bus.scans == 1


async def test_without_the_kernels_events_every_look_is_a_scan(caplog: pytest.LogCaptureFixture) -> None:
    def refused() -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    scans: list[str] = []

    def scan() -> list[Candidate]:
        scans.append("scan")
        return []

    finder = Finder(scan=scan, open_source=refused)
    task = asyncio.create_task(finder.run())
    await asyncio.sleep(0)
    await finder.places(CONFIG)
    await finder.places(CONFIG)
    assert len(scans) == 2
    assert "no device events from the kernel" in caplog.text
    task.cancel()
    await asyncio.wait((task,))


async def test_a_system_without_libudev_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def blind() -> list[Candidate]:
        raise Unsupported("this system", "looking for modems")

    finder = Finder(scan=blind)
    assert await finder.places(CONFIG) == await finder.places(CONFIG) == ()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_claimed_port_is_nobody_elses_place() -> None:
    finder = Finder(scan=lambda: [modem("/dev/ttyUSB2")])
    other = ModemConfig(name="other")
    with finder.claimed("/dev/ttyUSB2", "primary"):
        assert await finder.places(other) == ()
        assert len(await finder.places(CONFIG)) == 1
    assert len(await finder.places(other)) == 1


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(MatchBy.USB, "1-1"), True),
        (Match(MatchBy.USB, "1-2"), False),
        (Match(MatchBy.PCI, "1-1"), False),
        (Match(MatchBy.ID, "2C7C:0800"), True),
        (Match(MatchBy.IMEI, "490154203237518"), True),
        (Match(MatchBy.TTY, "/dev/ttyUSB2"), False),
    ],
)
async def test_who_fits(match: Match, fits: bool) -> None:
    finder = Finder(scan=lambda: [modem("/dev/ttyUSB9")])
    config = ModemConfig(name="primary", match=(match,))
    assert bool(await finder.places(config)) is fits
