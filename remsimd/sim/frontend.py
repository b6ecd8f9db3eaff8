"""What stands between a remote card and a modem's SIM pins."""

from dataclasses import dataclass
from typing import Protocol

TPDU_OCTETS = range(5, 261)
"""A T=0 command: its header, and 255 octets of data at most; deployed bankds end a connection that
carries another length."""


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """The electrical state of a card slot as the modem drives it; None = unknown.

    Mirrors RSPRO SlotPhysStatus, where only `reset_active` is mandatory.
    """

    reset_active: bool
    vcc_present: bool | None = None
    clk_active: bool | None = None
    card_present: bool | None = None


class Card(Protocol):
    """The remote card as a frontend sees it."""

    async def transmit(self, tpdu: bytes) -> bytes:
        """Give the card's answer (data, SW1, SW2) to one T=0 command TPDU of 5..260 bytes.

        Raises `CardError` where no answer came; at most one TPDU may be in flight.
        """

    def status(self, status: SlotStatus) -> None:
        """Take note of a change of reset, supply or clock made by the modem; never blocks."""


class Frontend(Protocol):
    """Presents one card to one modem.

    `run` serves the modem until cancelled and may be run again afterwards. The other calls
    raise `FrontendError` when the device is not there; inserting twice or removing an absent
    card does nothing.
    """

    name: str

    async def run(self, card: Card) -> None: ...

    async def insert(self, atr: bytes) -> None:
        """Show the modem a card with this ATR (ISO 7816-3, 2..33 bytes)."""

    async def remove(self) -> None:
        """Take the card away."""

    async def reset_modem(self) -> None:
        """Pulse the modem's reset where the board can; otherwise do nothing."""
