"""Modems that go while something is under way, and come back, or hang."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from modems.at.channel import Channel
from modems.at.port import open_port
from modems.errors import AtTimeout
from simlab.links import LabError
from tests.hwlab.guest.bus import at_port
from tests.hwlab.guest.compositions import EC25, FM350, RM500Q
from tests.hwlab.guest.router import modem_section, router
from tests.hwlab.guest.usb_modem import UsbModem, at_endpoint, usb_device

SECONDS = 60
LOCKS = Path("/var/lock")
RESCUE_S = 4.0


def served(status: dict[str, Any], name: str = "first") -> bool:
    return status["modems"][name]["port"] is not None


async def test_a_modem_that_is_unplugged_in_the_middle_of_an_at_command(tmp_path: Path) -> None:
    async with UsbModem(EC25, 1) as modem, router(tmp_path, modem_section("first", "usb:1-1")) as remsimd:
        await remsimd.until(served, "the modem is served")
        heard, loop, answering = asyncio.Event(), asyncio.get_running_loop(), modem.usb.on_data
        modem.usb.on_data = lambda *_: loop.call_soon_threadsafe(heard.set)
        asked = asyncio.create_task(remsimd.call("modem.at", modem="first", command="ATI", timeout_s=60))
        await asyncio.wait_for(heard.wait(), 20)
        modem.usb.say(at_endpoint(EC25), b"\r\nQuec")
        modem.usb.pull()
        with pytest.raises(LabError, match=r"/dev/ttyUSB\d is gone"):
            await asyncio.wait_for(asked, 10)
        status = await remsimd.until(lambda status: not served(status), "the modem is gone")
        assert "is gone" in status["modems"]["first"]["reason"]
        assert not list(LOCKS.glob("LCK..*"))
        modem.usb.on_data = answering
        modem.usb.plug()
        await remsimd.until(served, "the modem is back")


async def test_a_reset_that_takes_the_modem_off_the_bus_for_20_s(tmp_path: Path) -> None:
    async with (
        UsbModem(FM350, 1, absence_s=20.0) as modem,
        router(tmp_path, modem_section("first", "id:0e8d:7127")) as remsimd,
    ):
        await remsimd.until(served, "the modem is served")
        await remsimd.call("modem.reset", modem="first")
        await remsimd.until(lambda status: not served(status), "the modem is gone")
        assert not modem.usb.plugged
        await remsimd.until(served, "the modem is back", within_s=40)


async def test_a_port_that_stays_silent_is_told_and_the_other_modem_served(tmp_path: Path) -> None:
    sections = modem_section("first", "usb:1-1"), modem_section("silent", "usb:3-1", "role secondary")
    async with UsbModem(EC25, 1), UsbModem(RM500Q, 2) as silent:
        silent.muted = True
        async with router(tmp_path, *sections) as remsimd:
            status = await remsimd.until(
                lambda status: "does not answer" in status["modems"]["silent"]["reason"] and served(status),
                "the silence is told, the other one served",
            )
            assert "RM500Q 2c7c:0800 at usb:3-1" in status["modems"]["silent"]["reason"]
            silent.muted = False
            await remsimd.until(lambda status: served(status, "silent"), "it is served once it answers")


async def test_a_port_whose_modem_takes_nothing_is_closed_at_once() -> None:
    hung, rescued = usb_device(EC25, 1), threading.Event()

    def rescue() -> None:
        rescued.set()
        hung.pull()

    hung.plug()
    device = await at_port(EC25)
    rescuer = threading.Timer(RESCUE_S, rescue)
    rescuer.start()
    try:
        async with open_port(device) as port, Channel(port) as channel:
            with pytest.raises(AtTimeout):
                await channel.run("AT", timeout_s=0.5)
        assert not rescued.is_set(), "closing waited until the modem was unplugged"
    finally:
        rescuer.cancel()
        rescuer.join()
        hung.pull()
