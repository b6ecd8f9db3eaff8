"""The package as it is installed on a router: its own files, the router's Python."""

import signal
from collections.abc import Callable
from pathlib import Path

from remsimd.config.model import GpioLine
from remsimd.sim.gpio import GpiodLines
from simlab.process import run_once
from tests.hwlab.guest.chain import chain, on_remote_card
from tests.hwlab.guest.compositions import EC25
from tests.hwlab.guest.pins import Pins
from tests.hwlab.guest.router import installed_router, modem_section
from tests.hwlab.guest.usb_modem import UsbModem
from tests.hwlab.guest.waiting import WITHIN_S

SECONDS = 40
Record = Callable[[str, object], None]
REMSIMCTL = "/usr/bin/remsimctl"
SIM_LINE = GpioLine(name="sim1")


async def test_the_installed_daemon_serves_a_modem(tmp_path: Path, record_property: Record) -> None:
    section = modem_section("first", "usb:1-1")
    async with UsbModem(EC25, 1), installed_router(tmp_path, section) as remsimd:
        status = await remsimd.control.until(
            lambda status: status["modems"]["first"]["facts"].get("model"), "the modem is served"
        )
        assert status["modems"]["first"]["facts"]["model"] == "EC25"
        told = await run_once([REMSIMCTL, "--socket", str(remsimd.socket), "status"])
        assert "EC25" in told
        record_property(
            "the installed daemon answers (emulated aarch64)", f"{remsimd.took_s:.1f} s after its start"
        )
        record_property("it occupies with one modem", f"{remsimd.resident_mb():.1f} MB (VmRSS)")
        assert await remsimd.program.end() == 0


async def test_a_line_is_held_without_a_pulse_when_the_daemon_is_killed_and_started_again(
    tmp_path: Path,
) -> None:
    pins = Pins()
    async with (
        chain("sim_select_line sim1") as built,
        installed_router(tmp_path, *built.sections) as remsimd,
    ):
        await remsimd.control.until(on_remote_card, "the modem reads the bank's card", within_s=WITHIN_S)
        await remsimd.program.end(signal.SIGKILL)
        assert await GpiodLines().get(SIM_LINE) is True
        await remsimd.start()
        await remsimd.control.until(on_remote_card, "it does so again", within_s=WITHIN_S)
        assert pins.changes(0) == [True]
        assert await remsimd.program.end() == 0
    assert pins.changes(0) == [True, False]
