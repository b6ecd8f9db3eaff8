"""The contract of a modem driver: what a modem can be asked, whatever its make."""

from abc import ABC, abstractmethod
from typing import ClassVar

from modems.at.channel import Channel
from modems.at.parse import URC_NAMES
from modems.errors import Unsupported
from modems.facts import Cell, Fact, Identity, Registration, Signal, Sim, Temperature


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
    async def signals(self) -> tuple[Signal, ...]:
        """Ask for every serving leg's measurements, the anchor's first; () when nothing is measured."""

    @abstractmethod
    async def cells(self) -> tuple[Cell, ...]:
        """Ask for every serving cell, the anchor first; () when the modem is not camped on one."""

    async def signal(self) -> Signal:
        """Ask for the anchor's measurements; all None when nothing is measured."""
        return next(iter(await self.signals()), Signal())

    async def cell(self) -> Cell | None:
        """Ask for the anchor cell."""
        return next(iter(await self.cells()), None)

    async def temperature(self) -> tuple[Temperature, ...]:
        """Ask for every sensor that gives a believable value."""
        raise Unsupported(self.name, "temperature")

    @abstractmethod
    async def set_radio(self, on: bool) -> None:
        """Switch the radio on or off; the card stays powered."""

    @abstractmethod
    async def reset(self) -> None:
        """Restart the modem: the port vanishes and comes back, perhaps under another number."""

    async def sim_slot(self) -> int:
        """Ask for the active SIM slot, counted from 1."""
        raise Unsupported(self.name, "SIM slot selection")

    async def set_sim_slot(self, slot: int) -> None:
        """Select SIM slot `slot`, counted from 1; the card is read anew, and some modems restart."""
        raise Unsupported(self.name, "SIM slot selection")

    @abstractmethod
    def on_urc(self, line: str) -> Fact | None:
        """Return what an unsolicited line says, or None; pure.

        A URC tells part of the story: Sim(UNKNOWN) means the card changed, and a lost LTE registration may
        be a change to 5G. Ask sim() or registration() before doing anything that cannot be undone.
        """
