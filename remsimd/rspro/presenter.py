"""Tells the card's host what to show, one call at a time."""

import asyncio
import logging
from typing import Protocol

from remsimd.errors import RemsimError

log = logging.getLogger(__name__)


class CardHost(Protocol):
    """Whoever shows the card to the modem. Both calls may take as long as a SIM switch does
    (minutes), and the modem already talks to the card while `offer` runs."""

    async def offer(self, atr: bytes) -> None:
        """The remote card answered: show it; called again when another ATR came."""

    async def withdraw(self, reason: str) -> None:
        """The remote card is gone: take it away from the modem."""


class Presenter:
    """Passes the latest wish on when the call before has ended; `run` makes the calls.

    Wishes that were overtaken are dropped, except that a card is always withdrawn before
    another one is offered in its place, even when both have the same ATR.
    """

    def __init__(self, host: CardHost) -> None:
        self._host = host
        self._offered: bytes | None = None
        self._withdrawal: str | None = None
        self._wish: bytes | None = None
        self._changed = asyncio.Event()

    def offer(self, atr: bytes) -> None:
        self._wish = atr
        self._changed.set()

    def withdraw(self, reason: str) -> None:
        self._wish = None
        self._withdrawal = reason
        self._changed.set()

    async def run(self) -> None:
        """Make the wishes come true until cancelled; a host that fails is told the next one."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._settle()

    async def _settle(self) -> None:
        reason, self._withdrawal = self._withdrawal, None
        try:
            if reason is not None and self._offered is not None:
                self._offered = None
                await self._host.withdraw(reason)
            if self._withdrawal is None and self._wish is not None and self._wish != self._offered:
                self._offered = self._wish
                await self._host.offer(self._wish)
        except RemsimError as error:
            log.warning("the card could not be presented: %s", error)
