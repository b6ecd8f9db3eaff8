"""Fibocom FM350-GL (MediaTek) and L850-GL (Intel).

The two speak different dialects; which one is found by asking, and a refused question is not asked again.
"""

from typing import ClassVar

from modems.at import parse
from modems.at.channel import Priority
from modems.at.fields import named
from modems.drivers import fibocom_parse
from modems.drivers.generic import SIM_TIMEOUT_S, VALUE_TIMEOUT_S, GenericDriver
from modems.errors import AtError, Unsupported
from modems.facts import Cell, Fact, Signal, Sim, SimState, Temperature

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

    async def signals(self) -> tuple[Signal, ...]:
        legs = await self._cell_info()
        if legs is not None:
            return tuple(signal for _, signal in legs if signal.measured)
        if line := await self._optional_line("AT+XCESQ?", "+XCESQ"):
            signal = fibocom_parse.extended_signal(line)
            return () if signal is None else (signal,)
        return await super().signals()

    async def cells(self) -> tuple[Cell, ...]:
        legs = await self._cell_info()
        if legs is not None:
            return tuple(cell for cell, _ in legs)
        lines = await self._optional("AT+XMCI=1", "+XMCI")
        if lines is None:
            return await super().cells()
        cell = fibocom_parse.measured_cell(lines, await self._optional_line("AT+XLEC?", "+XLEC"))
        return () if cell is None else (cell,)

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
        # The modem may restart instead of saying OK.
        await self._restart(f"AT+GTDUALSIM={slot - 1}")

    def on_urc(self, line: str) -> Fact | None:
        if line == "+SIM READY":
            return Sim(SimState.UNKNOWN)
        if line == "+SIM DROP":
            return Sim(SimState.ABSENT)
        if (rest := named(line, "+SIM")) is not None:
            return Sim(SimState.ABSENT if rest.lower().startswith("removed") else SimState.UNKNOWN)
        return super().on_urc(line)

    async def _cell_info(self) -> tuple[fibocom_parse.Leg, ...] | None:
        """Ask for the serving legs; None on a modem that does not know the question."""
        lines = await self._optional("AT+GTCCINFO?", None, timeout_s=CELL_INFO_TIMEOUT_S)
        return None if lines is None else fibocom_parse.cell_info(lines)

    async def _optional(
        self, command: str, prefix: str | None, *, timeout_s: float = VALUE_TIMEOUT_S
    ) -> tuple[str, ...] | None:
        if command in self._refused:
            return None
        try:
            return await self.channel.run(command, timeout_s=timeout_s, prefix=prefix, priority=Priority.POLL)
        except AtError:
            self._refused.add(command)
            return None
