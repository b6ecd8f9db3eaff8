"""Transfers on a kernel that is played: order, cancelling, unplugging, stalls, and nothing left behind."""

import asyncio
import ctypes
import errno
import logging
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.sim.frontends import usbfs
from remsimd.sim.frontends.usb_interfaces import Endpoint, UrbType, interfaces
from simlab.cardem import CardemBoard
from tests.sim.usb_bus import Bus, Device, cardem

OUT, IN = Endpoint(4, UrbType.BULK), Endpoint(0x85, UrbType.BULK)
OCTETS = 64
DEADLINE_S = 10.0
LONG_S = 60.0


class Lab:
    """One claimed interface, what its device was told, and what the reader got."""

    def __init__(self, bus: Bus, device: Device, board: CardemBoard, usb: usbfs.Device) -> None:
        self.bus, self.device, self.board, self.usb = bus, device, board, usb
        self.inlet = usbfs.Inlet(usb, IN, OCTETS)
        self.read: list[bytes] = []
        self.said: list[bytes] = []

    def say(self) -> None:
        self.said.append(len(self.said).to_bytes(2, "big"))
        self.board.bulk_in.append(self.said[-1])
        self.bus.deliver()

    async def keep_reading(self, count: int) -> None:
        while len(self.read) < count:
            self.read.append(await self.inlet.read())


@asynccontextmanager
async def lab(folder: Path, *, unplug_status: int = errno.ESHUTDOWN) -> AsyncIterator[Lab]:
    """At its end the kernel has nothing of ours, whatever happened."""
    board = CardemBoard()
    board.bulk_in = deque()
    device = Device("1-1.4", 0x1D50, [cardem(0, board)])
    bus = Bus(folder, device, unplug_status=unplug_status)
    (found,) = interfaces(folder)
    async with asyncio.timeout(DEADLINE_S), usbfs.claimed(found, bus) as usb:
        built = Lab(bus, device, board, usb)
        built.inlet.start()
        yield built
    assert (bus.files, bus.left_to_close, device.claimed) == ({}, 0, set())


async def test_what_arrives_is_read_in_order_and_more_of_it_than_stands_ready(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        for _ in range(3 * usbfs.STANDING):
            built.say()
        await built.keep_reading(len(built.said))
        assert built.read == built.said


async def test_a_message_is_taken_while_nobody_reads(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        for _ in range(usbfs.STANDING):
            built.say()
        assert not built.board.bulk_in


async def test_empty_transfers_are_no_messages(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        built.board.bulk_in.extend((b"", b""))
        built.bus.deliver()
        built.say()
        await built.keep_reading(1)
        assert built.read == built.said


async def test_a_transfer_is_done_when_the_device_has_taken_it(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        await built.usb.write(OUT, b"no message", timeout_s=LONG_S)
        assert built.board.dropped == 1


async def test_a_device_that_takes_nothing_is_not_waited_for_and_gets_it_no_more(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        before = built.bus.waiting
        built.device.deaf = True
        with pytest.raises(OSError, match="timed out") as raised:
            await built.usb.write(OUT, b"no message", timeout_s=0)
        assert raised.value.errno == errno.ETIMEDOUT
        assert built.bus.waiting == before
        built.device.deaf = False
        await built.usb.write(OUT, b"no message", timeout_s=LONG_S)
        assert built.board.dropped == 1


async def test_a_write_that_is_cancelled_leaves_nothing_in_the_kernel(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        before = built.bus.waiting
        built.device.deaf = True
        writing = asyncio.create_task(built.usb.write(OUT, b"no message", timeout_s=LONG_S))
        while built.bus.waiting == before:
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait((writing,))
        while built.bus.waiting != before:
            await asyncio.sleep(0)


@pytest.mark.parametrize("status", [errno.ESHUTDOWN, errno.EPROTO, errno.ENOENT])
async def test_everything_that_waits_ends_when_the_device_goes(tmp_path: Path, status: int) -> None:
    async with lab(tmp_path, unplug_status=status) as built:
        built.device.deaf = True
        waiting = [
            asyncio.create_task(built.usb.write(OUT, b"no message", timeout_s=LONG_S)),
            asyncio.create_task(built.inlet.read()),
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        built.bus.unplug(built.device)
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [each.errno for each in ended if isinstance(each, OSError)] == [status] * 2
        for attempt in (built.usb.write(OUT, b"no message", timeout_s=LONG_S), built.inlet.read()):
            with pytest.raises(OSError, match=os.strerror(errno.ENODEV) + "|" + os.strerror(status)):
                await attempt


async def test_a_file_that_hung_up_is_not_looked_at_again_and_again(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        built.bus.unplug(built.device)
        # One for each URB, and one to hear that there are no more.
        for _ in range(usbfs.STANDING + 10):
            await asyncio.sleep(0)
        assert built.bus.reaps == usbfs.STANDING + 1


async def test_what_was_sent_before_the_device_went_is_read(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        for _ in range(usbfs.STANDING):
            built.say()
        built.bus.unplug(built.device)
        with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
            await built.keep_reading(10)
        assert built.read == built.said


async def test_what_waits_ends_when_the_device_is_closed(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        built.device.deaf = True
        waiting = [
            asyncio.create_task(built.usb.write(OUT, b"no message", timeout_s=LONG_S)),
            asyncio.create_task(built.inlet.read()),
        ]
        await asyncio.sleep(0)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [each.errno for each in ended if isinstance(each, OSError)] == [errno.ECANCELED] * 2
    with pytest.raises(OSError, match=os.strerror(errno.ECANCELED)):
        await built.usb.write(OUT, b"no message", timeout_s=LONG_S)


async def test_a_stalled_endpoint_is_cleared_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with lab(tmp_path) as built:
        for _ in range(2):
            built.bus.stall(built.device, IN.address, 1)
            built.say()
            await built.keep_reading(len(built.said))
            built.device.stalls[OUT.address] = 1
            await built.usb.write(OUT, b"no message", timeout_s=LONG_S)
        assert built.read == built.said
        assert built.device.cleared == [IN.address, OUT.address] * 2
        assert built.board.dropped == 2
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        f"USB 1-1.4 interface 0: endpoint {endpoint} stalled and is cleared" for endpoint in ("85", "04")
    ]


async def test_an_endpoint_that_stalls_again_at_once_has_failed(tmp_path: Path) -> None:
    async with lab(tmp_path) as built:
        built.bus.stall(built.device, IN.address, 2)
        with pytest.raises(BrokenPipeError):
            await built.inlet.read()
        built.device.stalls[OUT.address] = 2
        with pytest.raises(BrokenPipeError):
            await built.usb.write(OUT, b"no message", timeout_s=LONG_S)
        assert built.device.cleared == [IN.address, OUT.address]


async def test_an_opening_that_nobody_waits_for_any_more_is_undone(tmp_path: Path) -> None:
    device = Device("1-1.4", 0x1D50, [cardem(0, CardemBoard())])
    bus = Bus(tmp_path, device)
    (found,) = interfaces(tmp_path)
    entering = asyncio.create_task(usbfs.claimed(found, bus).__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    async with asyncio.timeout(DEADLINE_S):
        while not bus.opened or bus.files:
            await asyncio.sleep(0)
    assert device.claimed == set()


async def test_an_interface_that_cannot_be_claimed_leaves_no_file_open(tmp_path: Path) -> None:
    device = Device("1-1.4", 0x1D50, [cardem(0, CardemBoard())])
    bus = Bus(tmp_path, device)
    device.claimed.add(0)
    (found,) = interfaces(tmp_path)
    with pytest.raises(OSError, match="busy"):
        async with usbfs.claimed(found, bus):
            pass
    assert (bus.opened, bus.files) == (1, {})


STEPS = st.lists(
    st.sampled_from(["say", "say", "read", "stop reading", "write", "stop writing", "turn", "stall", "deaf"]),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, unplugged=st.booleans())
def test_whatever_happens_nothing_is_lost_nor_left_behind(steps: list[str], unplugged: bool) -> None:
    """What is read is what was said, in order; without unplugging, all of it."""

    async def story(folder: Path) -> None:
        reading: asyncio.Task[None] | None = None
        writing: asyncio.Task[None] | None = None
        stalled = False
        async with lab(folder) as built:
            for step in steps:
                match step:
                    case "say":
                        built.say()
                    case "read" if reading is None:
                        reading = asyncio.create_task(built.keep_reading(1000))
                    case "write" if writing is None:
                        writing = asyncio.create_task(built.usb.write(OUT, b"x", timeout_s=LONG_S))
                    case "stop reading" if reading is not None:
                        await stopped(reading)
                        reading = None
                    case "stop writing" if writing is not None:
                        await stopped(writing)
                        writing = None
                    case "stall" if not stalled:
                        stalled = True
                        built.bus.stall(built.device, IN.address, 1)
                    case "deaf":
                        built.device.deaf = not built.device.deaf
                    case _:
                        await asyncio.sleep(0)
            if unplugged:
                built.bus.unplug(built.device)
            await stopped(reading)
            await stopped(writing)
            with suppress(OSError):
                await built.keep_reading(len(built.said))
            assert built.read == built.said[: len(built.read)]
            assert unplugged or built.read == built.said

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))


async def stopped(task: asyncio.Task[None] | None) -> None:
    """Cancel it; a device that is gone may have ended it before."""
    if task is not None:
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled() and (failure := task.exception()) is not None:
            assert isinstance(failure, OSError)


# What linux/usbdevice_fs.h and asm/ioctl.h come to, as compilers have it


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="offsets of a 64-bit system")
def test_the_urb_is_the_kernel_s() -> None:
    offsets = [getattr(usbfs.Urb, name).offset for name, _ in usbfs.Urb._fields_]
    assert offsets == [0, 1, 4, 8, 16, 24, 28, 32, 36, 40, 44, 48]
    assert ctypes.sizeof(usbfs.Urb) == 56


@pytest.mark.parametrize(
    ("machine", "octets", "numbers"),
    [
        ("aarch64", (56, 8), (0x8038550A, 0x0000550B, 0x4008550D, 0x8004550F, 0x80045510, 0x80045515)),
        ("armv7l", (44, 4), (0x802C550A, 0x0000550B, 0x4004550D, 0x8004550F, 0x80045510, 0x80045515)),
        ("mips", (44, 4), (0x402C550A, 0x2000550B, 0x8004550D, 0x4004550F, 0x40045510, 0x40045515)),
        ("mips64", (56, 8), (0x4038550A, 0x2000550B, 0x8008550D, 0x4004550F, 0x40045510, 0x40045515)),
        ("ppc", (44, 4), (0x402C550A, 0x2000550B, 0x8004550D, 0x4004550F, 0x40045510, 0x40045515)),
    ],
)
def test_requests_have_the_machine_s_numbers(
    machine: str, octets: tuple[int, int], numbers: tuple[int, ...]
) -> None:
    urb, pointer = octets
    made = (("r", 10, urb), ("", 11, 0), ("w", 13, pointer), ("r", 15, 4), ("r", 16, 4), ("r", 21, 4))
    assert tuple(usbfs.request_number(*each, machine) for each in made) == numbers


def test_the_system_s_refusals_are_raised(tmp_path: Path) -> None:
    kernel = usbfs.Kernel()
    with pytest.raises(FileNotFoundError):
        kernel.open(tmp_path / "missing")
    file = kernel.open(Path(os.devnull))
    try:
        address = ctypes.c_void_p()
        with pytest.raises(OSError, match=os.strerror(errno.ENOTTY)):
            kernel.ioctl(file, usbfs.REAP_WITHOUT_WAITING, ctypes.addressof(address))
    finally:
        kernel.close(file)
