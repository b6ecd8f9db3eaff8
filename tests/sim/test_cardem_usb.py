"""Finding and using boards on a kernel that is played."""

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from remsimd.config.model import FrontendConfig, FrontendType
from remsimd.errors import FrontendError
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.cardem import CardemFrontend
from remsimd.sim.frontends.cardem_protocol import Config, Feature, encode
from remsimd.sim.frontends.cardem_usb import open_board
from remsimd.wiring import make_frontend
from simlab.cardem import CardemBoard
from simlab.cardem_modem import ModemSlot
from tests.sim.usb_bus import BULK, INTERRUPT, Bus, Device, Interface, cardem

OPENMOKO, OTHER_VENDOR = 0x1D50, 0x12D1
ATR = bytes.fromhex("3b9f96801fc78031a073be21136743200718000001a5")
HELLO = encode(Config(Feature.STATUS_ON_INTERRUPT))
DEADLINE_S = 10.0


class OkCard:
    async def transmit(self, tpdu: bytes) -> bytes:
        return tpdu[2:4] + b"\x90\x00"

    def status(self, status: SlotStatus) -> None:
        pass


async def answers(bus: Bus, path: str | None, interface: int | None) -> bool:
    """Whether a board there confirms a Config."""
    async with (
        open_board(path, interface, sysfs=bus.sysfs, kernel=bus) as transport,
        asyncio.timeout(DEADLINE_S),
    ):
        await transport.write(HELLO)
        return await transport.read() == HELLO


async def test_a_slot_is_found_by_class_and_endpoints_whatever_its_numbers(tmp_path: Path) -> None:
    sniffer = Interface(0, (0xFF, 1), ((1, BULK), (0x82, BULK), (0x83, INTERRUPT)))
    crippled = Interface(1, (0xFF, 2), ((0x84, BULK),))
    board = Device("1-1.4", OPENMOKO, [sniffer, crippled, cardem(7, CardemBoard(), base=9)])
    modem = Device("1-2", OTHER_VENDOR, [cardem(0, base=1)])
    bus = Bus(tmp_path, modem, board)
    assert await answers(bus, None, None)
    assert await answers(bus, "1-1.4", 7)
    assert (board.claimed, bus.files, bus.opened) == (set(), {}, 2)


async def test_path_and_interface_select_the_slot(tmp_path: Path) -> None:
    boards = [CardemBoard() for _ in range(3)]
    first = Device("1-1.4", OPENMOKO, [cardem(0, boards[0]), cardem(1, boards[1], base=1)])
    second = Device("1-1.5", OTHER_VENDOR, [cardem(0, boards[2])])
    bus = Bus(tmp_path, first, second)
    for place, wanted in ((("1-1.4", 0), 0), (("1-1.4", 1), 1), (("1-1.5", None), 2), ((None, 1), 1)):
        for board in boards:
            board.dropped = 0
        async with open_board(*place, sysfs=bus.sysfs, kernel=bus) as transport:
            await transport.write(b"no message")
            async with asyncio.timeout(DEADLINE_S):
                while not any(board.dropped for board in boards):
                    await asyncio.sleep(0.001)
        assert [board.dropped for board in boards].index(1) == wanted


@pytest.mark.parametrize(
    ("path", "interface", "message"),
    [
        ("1-1.3", None, r"USB path 1-1\.3"),
        ("1-1.4", 3, r"USB path 1-1\.4, interface 3"),
        (None, 3, "any USB path"),
    ],
)
async def test_what_is_not_there_is_named(
    tmp_path: Path, path: str | None, interface: int | None, message: str
) -> None:
    bus = Bus(tmp_path, Device("1-1.4", OPENMOKO, [cardem(0, CardemBoard())]))
    with pytest.raises(FrontendError, match=message):
        await answers(bus, path, interface)


async def test_another_vendor_s_device_is_never_taken_by_chance(tmp_path: Path) -> None:
    bus = Bus(tmp_path, Device("1-2", OTHER_VENDOR, [cardem(0, CardemBoard())]))
    with pytest.raises(FrontendError, match="no SIMtrace2"):
        await answers(bus, None, None)


@pytest.mark.parametrize(
    ("driver", "holder"),
    [("usbhid", "the kernel's driver usbhid"), ("usbfs", "another program"), (None, "another program")],
)
async def test_an_interface_that_is_held_says_by_whom(
    tmp_path: Path, driver: str | None, holder: str
) -> None:
    slot = cardem(0, CardemBoard())
    slot.driver = driver
    device = Device("1-1.4", OPENMOKO, [slot], claimed={0})
    with pytest.raises(FrontendError, match=rf"USB 1-1\.4 interface 0: held by {holder}"):
        await answers(Bus(tmp_path, device), None, None)


async def test_a_board_that_goes_before_it_is_opened_is_unplugged(tmp_path: Path) -> None:
    device = Device("1-1.4", OPENMOKO, [cardem(0, CardemBoard())])
    without_nodes = Bus(tmp_path)
    Bus(tmp_path, device)
    with pytest.raises(FrontendError, match=r"USB 1-1\.4 interface 0: unplugged"):
        await answers(without_nodes, None, None)


async def test_a_board_that_takes_nothing_and_one_that_stalls_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remsimd.sim.frontends.cardem_usb.WRITE_TIMEOUT_S", 0.0)
    device = Device("1-1.4", OPENMOKO, [cardem(0, CardemBoard())], deaf=True)
    bus = Bus(tmp_path, device)
    with pytest.raises(FrontendError, match="interface 0: the board took nothing for 1 s"):
        await answers(bus, None, None)
    device.stalls[4] = 2
    with pytest.raises(FrontendError, match="interface 0: the board stalls"):
        await answers(bus, None, None)


async def test_a_modem_is_served_over_usb_until_the_board_is_unplugged_and_again_after(
    tmp_path: Path,
) -> None:
    bus = Bus(tmp_path)
    frontend = CardemFrontend(partial(open_board, "1-1.4", 0, sysfs=tmp_path, kernel=bus))
    for _ in range(2):
        with pytest.raises(FrontendError, match="no SIMtrace2"):
            await frontend.run(OkCard())
        board = CardemBoard()
        device = Device("1-1.4", OPENMOKO, [cardem(0, board)])
        bus.plug(device)
        running = asyncio.create_task(frontend.run(OkCard()))
        async with asyncio.timeout(DEADLINE_S):
            await frontend.insert(ATR)
            # The board is told, and told again when it is a new one, after `insert` has returned.
            while not board.inserted:
                await asyncio.sleep(0.001)
            modem = ModemSlot(board)
            assert await modem.power_on() == ATR
            for number in range(20):
                answer = await modem.transmit(b"\x00\xb0\x00" + bytes((number,)) + b"\x02")
                assert answer.raw == bytes((0, number)) + b"\x90\x00"
            bus.unplug(device)
            with pytest.raises(FrontendError, match=r"USB 1-1\.4 interface 0: unplugged"):
                await running
            with pytest.raises(FrontendError, match="not there"):
                await frontend.reset_modem()
        assert (bus.files, bus.left_to_close) == ({}, 0)


async def test_the_configured_frontend_looks_for_its_board_on_the_real_bus() -> None:
    config = FrontendConfig(
        name="sim", modem="wan", type=FrontendType.CARDEM, usb_path="99-1", usb_interface=0
    )
    frontend = make_frontend(config, Path("unused"))
    with pytest.raises(FrontendError, match=r"USB path 99-1, interface 0"):
        await frontend.run(OkCard())


def test_a_router_without_a_board_does_not_load_ctypes() -> None:
    program = "import sys, remsimd.wiring; sys.exit('ctypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
