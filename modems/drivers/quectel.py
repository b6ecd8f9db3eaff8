"""Quectel RM500Q, RM502Q, EC25, EG25, BG96."""

from dataclasses import replace
from typing import ClassVar

from modems.at import parse
from modems.at.channel import Priority
from modems.at.fields import fields, named
from modems.drivers import quectel_parse
from modems.drivers.generic import SIM_TIMEOUT_S, VALUE_TIMEOUT_S, GenericDriver
from modems.errors import AtError, Unsupported
from modems.facts import Fact, Serving, Signal, Sim, SimState, Temperature

SLOT_TIMEOUT_S = 5.0  # 300 ms in the manual; the card is read after the OK


class QuectelDriver(GenericDriver):
    """TS 27.007 plus Quectel's own queries for serving cell, temperature, ICCID and SIM slot."""

    name: ClassVar[str] = "quectel"

    urc_names: ClassVar[frozenset[str]] = parse.URC_NAMES | {"+QUSIM", "+QSIMSTAT", "+QIND"}

    setup_commands: ClassVar[tuple[str, ...]] = (
        *GenericDriver.setup_commands,
        "AT+QSIMSTAT=1",  # tells of a card that is pulled or put in, where the board detects it
    )

    iccid_commands: ClassVar[tuple[str, ...]] = ("AT+QCCID", "AT+ICCID", "AT+CCID")

    async def serving(self) -> Serving:
        found = await self._serving_cell()
        if found is None:
            return Serving(await self._registered_cells(), await self._coarse_signals())
        if found.signals or not found.cells:
            return found
        # Some firmware leaves the measurements of its cell empty while it is idle.
        return Serving(found.cells, await self._coarse_signals())

    async def temperature(self) -> tuple[Temperature, ...]:
        try:
            lines = await self.channel.run(
                "AT+QTEMP", timeout_s=VALUE_TIMEOUT_S, prefix="+QTEMP", priority=Priority.POLL
            )
        except AtError as error:
            raise Unsupported(self.name, "temperature") from error
        return quectel_parse.temperatures(lines)

    async def sim_slot(self) -> int:
        # No expected name: it differs between firmwares. AT+QDSIM is the word of EC2x with two slots.
        for command in ("AT+QUIMSLOT?", "AT+QDSIM?"):
            lines = await self._optional(command, None, timeout_s=SIM_TIMEOUT_S)
            if lines is not None:
                return quectel_parse.sim_slot(lines[-1] if lines else "")
        raise Unsupported(self.name, "SIM slot selection")

    async def set_sim_slot(self, slot: int) -> None:
        if slot not in (1, 2):
            raise ValueError("a Quectel SIM slot is 1 or 2")
        await self.sim_slot()
        older = "AT+QUIMSLOT?" in self._refused
        command = f"AT+QDSIM={slot - 1}" if older else f"AT+QUIMSLOT={slot}"
        await self.channel.run(command, timeout_s=SLOT_TIMEOUT_S)
        await self._read_slot_back(slot)

    async def usb_mode(self) -> str:
        try:
            line = await self._line('AT+QCFG="usbnet"', "+QCFG")
        except AtError as error:
            raise Unsupported(self.name, "USB mode") from error
        return quectel_parse.usb_mode(line)

    def on_urc(self, line: str) -> Fact | None:
        if named(line, "+QUSIM") is not None:
            return Sim(SimState.UNKNOWN)
        if (rest := named(line, "+QSIMSTAT")) is not None:
            # <enable>,<inserted>: 0 removed, 1 inserted, 2 not known yet.
            return Sim(SimState.ABSENT if fields(rest)[1:2] == ("0",) else SimState.UNKNOWN)
        return super().on_urc(line)

    async def _serving_cell(self) -> Serving | None:
        """Ask for the serving cell; None on a modem that refuses to tell."""
        lines = await self._optional('AT+QENG="servingcell"', "+QENG")
        return None if lines is None else quectel_parse.serving_cell(lines)

    async def _coarse_signals(self) -> tuple[Signal, ...]:
        """Ask for the level without a cell, in the maker's form and then in the standard's."""
        if line := await self._optional_line("AT+QCSQ", "+QCSQ"):
            signal = quectel_parse.signal_quality(line)
            if signal is not None and signal.measured:
                return (signal,)
        return await self._measured()

    async def _cell_registration(self) -> parse.CellRegistration:
        report = await super()._cell_registration()
        # BG96 writes LTE-M as 8, which TS 27.007 gives to EC-GSM-IoT; QENG has the word for it.
        if report.state.registered and report.technology is None:
            serving = await self._serving_cell()
            if serving is not None and serving.cells:
                return replace(report, technology=serving.cells[0].technology)
        return report
