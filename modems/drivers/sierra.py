"""Sierra Wireless EM7565, EM9191, MC7455, EM7411."""

from dataclasses import replace
from typing import ClassVar

from modems.drivers import sierra_parse
from modems.drivers.generic import SIM_TIMEOUT_S, GenericDriver
from modems.errors import AtError, Unsupported
from modems.facts import NR, Cell, Serving, Temperature

SLOT_TIMEOUT_S = 10.0

# The vendor's fixed unlock code for commands that change a setting; printed in every reference manual.
UNLOCK_COMMAND = 'AT!ENTERCND="A710"'


class SierraDriver(GenericDriver):
    """TS 27.007 plus AT!GSTATUS and its family."""

    name: ClassVar[str] = "sierra"

    reset_commands: ClassVar[tuple[str, ...]] = ("AT!RESET", "AT+CFUN=1,1")

    iccid_commands: ClassVar[tuple[str, ...]] = ("AT!ICCID?", "AT+ICCID", "AT+CCID")

    async def serving(self) -> Serving:
        pairs = await self._status()
        cells = sierra_parse.cells(pairs)
        signals = sierra_parse.signals(pairs)
        if cells:
            return Serving(await self._named(cells), signals)
        return Serving(await self._registered_cells(), signals or await self._measured())

    async def temperature(self) -> tuple[Temperature, ...]:
        for command in ("AT!PCTEMP?", "AT!GSTATUS?"):
            try:
                found = sierra_parse.temperature(sierra_parse.status(await self._read(command)))
            except AtError:
                continue
            if found:
                return found
        raise Unsupported(self.name, "temperature")

    async def sim_slot(self) -> int:
        try:
            line = await self._line("AT!UIMS?", "!UIMS", timeout_s=SIM_TIMEOUT_S)
        except AtError as error:
            raise Unsupported(self.name, "SIM slot selection") from error
        return sierra_parse.sim_slot(line)

    async def set_sim_slot(self, slot: int) -> None:
        if slot not in (1, 2):
            raise ValueError("a Sierra SIM slot is 1 or 2")
        await self.sim_slot()
        command = f"AT!UIMS={slot - 1}"
        try:
            await self.channel.run(command, timeout_s=SLOT_TIMEOUT_S)
        except AtError:
            # Some models want to be unlocked first, others refuse the unlocking.
            await self.channel.run(UNLOCK_COMMAND, timeout_s=SLOT_TIMEOUT_S)
            await self.channel.run(command, timeout_s=SLOT_TIMEOUT_S)
        await self._read_slot_back(slot)

    async def usb_mode(self) -> str:
        try:
            return sierra_parse.usb_mode(await self._read("AT!USBCOMP?"))
        except AtError as error:
            raise Unsupported(self.name, "USB mode") from error

    async def _status(self) -> dict[str, str]:
        try:
            return sierra_parse.status(await self._read("AT!GSTATUS?"))
        except AtError:
            return {}

    async def _named(self, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """Add what the status leaves out: the network, and the physical cell identities."""
        plmn = (await self._operator()).plmn
        lte = await self._optional("AT!LTEINFO?", None)
        lte_pci = None if lte is None else sierra_parse.lte_pci(lte)
        nr_pci = None
        if any(cell.technology in NR for cell in cells):
            nr = await self._optional("AT!NRPCI?", None)
            nr_pci = None if nr is None else sierra_parse.nr_pci(nr)
        return tuple(
            replace(cell, plmn=plmn, pci=nr_pci if cell.technology in NR else lte_pci) for cell in cells
        )
