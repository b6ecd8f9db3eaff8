"""What a modem's SIM interface is connected to: its local card, or the frontend that shows the remote one."""

from typing import Protocol

from remsimd.config.model import GpioLine, ModemConfig, SimSource
from remsimd.sim.at_slot import AtSlotMux, SlotControl
from remsimd.sim.gpio import Lines


class Mux(Protocol):
    """Chooses between the two cards of one modem."""

    needs_modem: bool
    """Whether it can only be moved while the modem is there."""

    async def select(self, source: SimSource) -> None:
        """Connect this card. Raises `GpioError` or `SwitchError` when that is not what is there now."""


class LineMux:
    """An analogue switch on the board, driven by one GPIO line."""

    needs_modem = False

    def __init__(self, lines: Lines, line: GpioLine, *, remote_high: bool) -> None:
        self._lines = lines
        self._line = line
        self._remote_high = remote_high

    async def select(self, source: SimSource) -> None:
        """See `Mux.select`."""
        await self._lines.set(self._line, self._remote_high is (source is SimSource.REMOTE))


def make_mux(config: ModemConfig, lines: Lines, modem: SlotControl) -> Mux | None:
    """The mux of a modem: its line, else its own slot command, None where only the frontend decides."""
    if config.sim_select_line is not None:
        return LineMux(lines, config.sim_select_line, remote_high=config.sim_select_remote)
    if config.sim_slot is not None and config.sim is SimSource.REMOTE:
        return AtSlotMux(modem, config.sim_slot)
    return None
