"""The modem's own slot command as the switch between local and remote card.

For modems with two SIM interfaces, one wired to the router's own SIM holder and one to the
frontend: Quectel AT+QUIMSLOT, Fibocom AT+GTDUALSIM, Sierra AT!UIMS.
"""

from typing import Protocol

from modems.errors import ModemError
from remsimd.config.model import SimSource
from remsimd.errors import SwitchError

SLOTS = (1, 2)
"""The slots that such modems have; the card that is not in the one is in the other."""


class SlotControl(Protocol):
    """What is needed of a modem; the call raises `ModemError`."""

    async def select_slot(self, slot: int) -> None:
        """Use SIM slot `slot`, 1 or 2; a modem that is on it already is left alone."""


class AtSlotMux:
    """Sees to it that the modem uses `remote_slot` for the remote card and the other for the local one."""

    needs_modem = True

    def __init__(self, modem: SlotControl, remote_slot: int) -> None:
        self._modem = modem
        self._remote_slot = remote_slot

    async def select(self, source: SimSource) -> None:
        """See `remsimd.sim.mux.Mux.select`; the slot is read back by the driver."""
        other = next(slot for slot in SLOTS if slot != self._remote_slot)
        slot = self._remote_slot if source is SimSource.REMOTE else other
        try:
            await self._modem.select_slot(slot)
        except ModemError as error:
            raise SwitchError(f"the modem does not use its SIM slot {slot}: {error}") from error
