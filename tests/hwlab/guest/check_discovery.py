"""Modems on a real bus: which they are, where their AT port is, and which of two is which."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from modems.at.channel import Channel
from modems.at.port import open_port
from modems.errors import AtError
from tests.hwlab.guest.bus import on_bus, whole_modem
from tests.hwlab.guest.compositions import COMPOSITIONS, RM500Q, Composition, Kind
from tests.hwlab.guest.router import modem_section, router
from tests.hwlab.guest.usb_modem import UsbModem

SECONDS = 30


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=lambda composition: composition.identity)
async def test_a_modem_is_found_with_its_at_port_by_interface_number(composition: Composition) -> None:
    async with UsbModem(composition, 1) as modem:
        found = await whole_modem(composition)
        assert (found.path, f"{found.vid}:{found.pid}") == (f"usb:{modem.usb.usb_path}", composition.identity)
        assert found.model == composition.name
        assert found.at_port == found.ports[composition.ports.index(composition.at)]
        network = {Kind.RNDIS, Kind.QMI} & set(composition.interfaces.values())
        assert (found.netdev is not None) == bool(network)
        # Whatever it answers: nobody is behind its other ports. What it said before the tty was opened may
        # have been echoed to it, and stand in front of the command.
        async with open_port(str(found.at_port)) as port, Channel(port) as channel:
            with contextlib.suppress(AtError):
                await channel.run("AT", timeout_s=5)
    assert await on_bus(lambda seen: not seen) == ()


def seen(status: dict[str, Any]) -> dict[str, str | None]:
    """The IMEI behind each modem section that is served."""
    modems = status["modems"].values()
    return {each["name"]: each["facts"].get("imei") for each in modems if each["port"] is not None}


IMEIS = {"first": "867698041234567", "second": "867698047654321"}


@contextlib.asynccontextmanager
async def two_identical() -> AsyncIterator[tuple[UsbModem, UsbModem]]:
    """Plugged in one after the other: at the same time the kernel mixes their ttys."""
    async with UsbModem(RM500Q, 1, values={"imei": IMEIS["first"]}) as first:
        await whole_modem(RM500Q)
        async with UsbModem(RM500Q, 2, values={"imei": IMEIS["second"]}) as second:
            yield first, second


async def test_two_identical_modems_stay_who_they_are_when_their_ttys_are_swapped(tmp_path: Path) -> None:
    async with (
        two_identical() as modems,
        router(
            tmp_path, modem_section("first", "usb:1-1"), modem_section("second", "usb:3-1", "role secondary")
        ) as remsimd,
    ):
        before = await remsimd.until(lambda status: seen(status) == IMEIS, "both are served")
        for modem in modems:
            modem.usb.pull()
        await remsimd.until(lambda status: not seen(status), "both are gone")
        first, second = modems
        second.usb.plug()
        await remsimd.until(lambda status: "second" in seen(status), "the second is back first")
        first.usb.plug()
        after = await remsimd.until(lambda status: seen(status) == IMEIS, "both are who they were")
        ports = [
            {each["name"]: each["port"] for each in status["modems"].values()} for status in (before, after)
        ]
        assert ports[1] == {"first": ports[0]["second"], "second": ports[0]["first"]}
