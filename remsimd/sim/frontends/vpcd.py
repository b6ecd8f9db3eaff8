"""A remote card in a virtual PC/SC reader: remsimd is the card behind vsmartcard's vpcd.

vpcd, a driver of pcscd, listens; whoever connects is its card, and a closed connection is an
empty reader. Either side sends two octets of length, big-endian, and so many octets.
"""

import asyncio
import logging
import random
from contextlib import suppress
from enum import IntEnum

from remsimd.backoff import Backoff
from remsimd.errors import CardError
from remsimd.sim.frontend import Card, SlotStatus
from remsimd.sim.frontends.short_apdu import execute

LENGTH_OCTETS = 2
CONNECT_TIMEOUT_S = 5.0
RECONNECT_FIRST_S, RECONNECT_CAP_S = 0.5, 8.0
"""vpcd is on the same host or next to it, and a person may wait for the reader."""

OFF = SlotStatus(reset_active=True, vcc_present=False, clk_active=False)
IN_RESET = SlotStatus(reset_active=True, vcc_present=True, clk_active=True)
ON = SlotStatus(reset_active=False, vcc_present=True, clk_active=True)

log = logging.getLogger(__name__)


class Control(IntEnum):
    """Messages of one octet."""

    OFF = 0
    ON = 1
    RESET = 2
    ATR = 4


class VpcdFrontend:
    """Connects to vpcd at `host`:`port` while there is a card to show.

    A vpcd that is not there, or goes away, is no failure: it is tried again, and `insert` and
    `remove` only say what it shall see.
    """

    def __init__(self, host: str, port: int, *, name: str = "vpcd") -> None:
        self.name = name
        self._host = host
        self._port = port
        self._atr: bytes | None = None
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[str] | None = None
        self._missing = ""

    async def run(self, card: Card) -> None:
        """Serve until cancelled."""
        backoff = Backoff(first_s=RECONNECT_FIRST_S, cap_s=RECONNECT_CAP_S)
        while True:
            self._changed.clear()
            if self._atr is None:
                await self._changed.wait()
                continue
            served = await self._be_card(card, self._atr)
            backoff = backoff.succeeded().failed() if served else backoff.failed()
            delay_s = backoff.delay_s(random.random())  # noqa: S311 - jitter, not a secret
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._changed.wait()

    async def insert(self, atr: bytes) -> None:
        """See `Frontend.insert`; the reader sees the card as soon as vpcd is there."""
        self._wish(atr)

    async def remove(self) -> None:
        """See `Frontend.remove`."""
        self._wish(None)

    async def reset_modem(self) -> None:
        """A reader has no modem to reset."""

    def _wish(self, atr: bytes | None) -> None:
        if atr != self._atr:
            self._atr = atr
            self._changed.set()
            if self._serving is not None:
                self._serving.cancel()

    async def _be_card(self, card: Card, atr: bytes) -> bool:
        """Be the card until it is removed, or vpcd or the card fails; whether vpcd was reached."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self._host, self._port)
        except (OSError, TimeoutError) as error:
            self._note_missing(str(error) or "no answer")
            return False
        self._missing = ""
        log.info("%s: card in the reader at %s:%d", self.name, self._host, self._port)
        serving = self._serving = asyncio.create_task(self._serve(card, atr, reader, writer))
        try:
            if self._atr == atr:
                await asyncio.wait((serving,))
        finally:
            # What must happen comes before the wait, which may be cancelled as well.
            self._serving = None
            writer.close()
            card.status(OFF)
            serving.cancel()
            await asyncio.wait((serving,))
        reason = "removed" if serving.cancelled() else serving.result()
        log.info("%s: card out of the reader: %s", self.name, reason)
        return True

    async def _serve(
        self, card: Card, atr: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        """Answer vpcd; gives the reason for the end."""
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_OCTETS), "big")
                request = await reader.readexactly(length)
                answer = await self._answer(card, atr, request)
                if answer is not None:
                    writer.write(len(answer).to_bytes(LENGTH_OCTETS, "big") + answer)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return "vpcd closed the connection"
        except CardError as error:
            # What the application had selected on the card is lost: it has to see another insertion.
            return str(error)

    async def _answer(self, card: Card, atr: bytes, request: bytes) -> bytes | None:
        """The answer to a message; None where vpcd expects none."""
        if len(request) != 1:
            return await execute(request, card.transmit)
        match request[0]:
            case Control.ATR:
                return atr
            case Control.ON:
                card.status(ON)
            case Control.OFF:
                card.status(OFF)
            case Control.RESET:
                card.status(IN_RESET)
                card.status(ON)
        return None

    def _note_missing(self, reason: str) -> None:
        level = logging.DEBUG if reason == self._missing else logging.WARNING
        self._missing = reason
        log.log(level, "%s: no vpcd at %s:%d: %s", self.name, self._host, self._port, reason)
