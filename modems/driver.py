"""The contract of a modem driver: what a modem can be asked, whatever its make."""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

from modems.at.channel import Channel
from modems.at.parse import URC_NAMES
from modems.errors import NotApplied, Unsupported
from modems.facts import (
    Cell,
    Fact,
    Identity,
    PdpAddress,
    Registration,
    Serving,
    Signal,
    Sim,
    Temperature,
)

SLOT_READ_BACKS, SLOT_READ_BACK_S = 5, 1.0
"""How often, and how far apart, a modem is asked whether it really changed the SIM slot."""


class Driver(ABC):
    """One modem behind one channel.

    Every asking method raises AtError, AtTimeout, PortGone or ParseError, and Unsupported where the modem
    has no such thing. Asking goes at POLL priority, changing at CONTROL.
    """

    name: ClassVar[str]
    """The driver's name in configuration and catalog."""

    urc_names: ClassVar[frozenset[str]] = URC_NAMES
    """What this modem sends by itself: names before a colon, and whole lines."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    @abstractmethod
    async def setup(self) -> None:
        """Bring a freshly opened port into the modes this driver expects; harmless to repeat."""

    @abstractmethod
    async def identity(self) -> Identity:
        """Ask who the modem is."""

    @abstractmethod
    async def sim(self) -> Sim:
        """Ask for the card in the active slot; a card that is missing or locked is a state, not an error."""

    @abstractmethod
    async def registration(self) -> Registration:
        """Ask whether packet service is available, where and over what."""

    @abstractmethod
    async def serving(self) -> Serving:
        """Ask for every serving leg's cell and measurements in as few commands as the modem allows."""

    async def signals(self) -> tuple[Signal, ...]:
        """Ask for every serving leg's measurements, the anchor's first; () when nothing is measured."""
        return (await self.serving()).signals

    async def cells(self) -> tuple[Cell, ...]:
        """Ask for every serving cell, the anchor first; () when the modem is not camped on one."""
        return (await self.serving()).cells

    async def signal(self) -> Signal:
        """Ask for the anchor's measurements with the NR leg's beside them; all None when there are none."""
        return (await self.serving()).signal

    async def cell(self) -> Cell | None:
        """Ask for the anchor cell with the NR leg's identity beside it."""
        return (await self.serving()).cell

    async def temperature(self) -> tuple[Temperature, ...]:
        """Ask for every sensor that gives a believable value."""
        raise Unsupported(self.name, "temperature")

    @abstractmethod
    async def set_radio(self, on: bool) -> None:
        """Switch the radio on or off; the card stays powered."""

    @abstractmethod
    async def reset(self) -> None:
        """Restart the modem: the port vanishes and comes back, perhaps under another number."""

    async def addresses(self) -> tuple[PdpAddress, ...]:
        """Ask for the addresses of the active packet data contexts."""
        raise Unsupported(self.name, "PDP addresses")

    async def usb_mode(self) -> str:
        """Ask how the modem shows itself on USB: mbim, qmi, ecm, ncm, rndis, or "mode <number>"."""
        raise Unsupported(self.name, "USB mode")

    async def sim_slot(self) -> int:
        """Ask for the active SIM slot, counted from 1."""
        raise Unsupported(self.name, "SIM slot selection")

    async def set_sim_slot(self, slot: int) -> None:
        """Select SIM slot `slot`, counted from 1, and read it back; the card is read anew.

        Some modems restart: then the port is gone on return, and sim_slot() must be asked when it is back.
        Raises NotApplied when the modem accepts and stays where it is, ValueError for a slot no modem has.
        """
        raise Unsupported(self.name, "SIM slot selection")

    async def _read_slot_back(self, slot: int) -> None:
        """Ask until the modem is on `slot`; raises NotApplied when it does not get there."""
        found: int | None = None
        for _ in range(SLOT_READ_BACKS):
            try:
                found = await self.sim_slot()
            except Unsupported:
                # It answered before the change, so it is busy with it.
                found = None
            if found == slot:
                return
            await asyncio.sleep(SLOT_READ_BACK_S)
        raise NotApplied("SIM slot", slot, found)

    @abstractmethod
    def on_urc(self, line: str) -> Fact | None:
        """Return what an unsolicited line says, or None; pure.

        A URC tells part of the story: Sim(UNKNOWN) means the card changed, and a lost LTE registration may
        be a change to 5G. Ask sim() or registration() before doing anything that cannot be undone.
        """
