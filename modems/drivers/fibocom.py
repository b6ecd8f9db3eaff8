"""Fibocom FM350-GL (MediaTek) and L850-GL (Intel).

The two speak different dialects; which one is found by asking, and a refused question is not asked again.
"""

import logging
from typing import ClassVar

from modems.at import parse
from modems.at.channel import Priority
from modems.at.fields import named
from modems.drivers import fibocom_parse
from modems.drivers.generic import RESET_TIMEOUT_S, SIM_TIMEOUT_S, GenericDriver
from modems.errors import AtError, AtTimeout, PortGone, Unsupported
from modems.facts import Fact, Serving, Sim, SimState, Temperature

log = logging.getLogger(__name__)

# AT+GTCCINFO? is slow on FM350: it waits for measurements, several seconds while searching.
CELL_INFO_TIMEOUT_S = 10.0


class FibocomDriver(GenericDriver):
    """TS 27.007 plus what the two platforms say in their own commands."""

    name: ClassVar[str] = "fibocom"

    urc_names: ClassVar[frozenset[str]] = parse.URC_NAMES | {
        *("+SIM", "+SIM DROP", "+SIM READY", "+MSMPD", "+GTDUALSIM"),
    }

    reset_commands: ClassVar[tuple[str, ...]] = ("AT+CFUN=15", "AT+CFUN=16", "AT+CFUN=1,1")

    iccid_commands: ClassVar[tuple[str, ...]] = ("AT+ICCID", "AT+CCID")

    async def serving(self) -> Serving:
        legs = await self._cell_info()
        if legs is not None:
            return Serving(
                cells=tuple(cell for cell, _ in legs),
                signals=tuple(signal for _, signal in legs if signal.measured),
            )
        return await self._intel_serving() or await super().serving()

    async def temperature(self) -> tuple[Temperature, ...]:
        for command, prefix in (("AT+GTSENRDTEMP=1", "+GTSENRDTEMP"), ("AT+MTSM=1", "+MTSM")):
            if line := await self._optional_line(command, prefix):
                return fibocom_parse.temperature(line)
        raise Unsupported(self.name, "temperature")

    async def sim_slot(self) -> int:
        try:
            lines = await self.channel.run(
                "AT+GTDUALSIM?", timeout_s=SIM_TIMEOUT_S, prefix="+GTDUALSIM", priority=Priority.POLL
            )
        except AtError as error:
            raise Unsupported(self.name, "SIM slot selection") from error
        return fibocom_parse.sim_slot(lines[0] if lines else "")

    async def set_sim_slot(self, slot: int) -> None:
        if slot not in (1, 2):
            raise ValueError("a Fibocom SIM slot is 1 or 2")
        await self.sim_slot()
        try:
            await self.channel.run(f"AT+GTDUALSIM={slot - 1}", timeout_s=RESET_TIMEOUT_S)
            await self._read_slot_back(slot)
        except (AtTimeout, PortGone) as error:
            # Restarting, with or without an OK before it, is how FM350 changes the slot.
            log.debug("%s: %s", self.channel.port.name, error)

    async def usb_mode(self) -> str:
        try:
            line = await self._line("AT+GTUSBMODE?", "+GTUSBMODE")
        except AtError as error:
            raise Unsupported(self.name, "USB mode") from error
        return fibocom_parse.usb_mode(line)

    def on_urc(self, line: str) -> Fact | None:
        if line == "+SIM DROP":
            return Sim(SimState.ABSENT)
        if (rest := named(line, "+SIM")) is not None:
            return Sim(SimState.ABSENT if rest.lower().startswith("removed") else SimState.UNKNOWN)
        if line == "+SIM READY" or named(line, "+MSMPD", "+GTDUALSIM") is not None:
            return Sim(SimState.UNKNOWN)
        return super().on_urc(line)

    async def _cell_info(self) -> tuple[fibocom_parse.Leg, ...] | None:
        """Ask for the serving legs; None on a modem that does not know the question."""
        lines = await self._optional("AT+GTCCINFO?", None, timeout_s=CELL_INFO_TIMEOUT_S)
        return None if lines is None else fibocom_parse.cell_info(lines)

    async def _intel_serving(self) -> Serving | None:
        """Ask as L850-GL has it; None on a modem that knows none of it."""
        lines = await self._optional("AT+XMCI=1", "+XMCI")
        level = await self._optional_line("AT+XCESQ?", "+XCESQ")
        if lines is None and level is None:
            return None
        signal = fibocom_parse.extended_signal(level) if level is not None else None
        if lines is None:
            return Serving(await self._registered_cells(), () if signal is None else (signal,))
        cell = fibocom_parse.measured_cell(lines, await self._optional_line("AT+XLEC?", "+XLEC"))
        if signal is None:
            signal = fibocom_parse.measured_signal(lines)
        return Serving(() if cell is None else (cell,), () if signal is None else (signal,))
