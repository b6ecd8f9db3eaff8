"""A card on a modem's own SIM contacts, emulated by a SIMtrace2 board.

The board runs the electrical side: ATR, protocol selection, NULL octets while the card
thinks. This side decides what a TPDU needs and carries it to the card.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from remsimd.complaints import Complaints
from remsimd.errors import CardError, FrontendError
from remsimd.sim.frontend import Card
from remsimd.sim.frontends.cardem_protocol import (
    CardInsert,
    Config,
    Feature,
    Message,
    ModemReset,
    ResetAction,
    SetAtr,
    SimSelect,
    StatusRequest,
    decode,
    encode,
)
from remsimd.sim.frontends.cardem_session import (
    TECHNICAL_PROBLEM,
    Action,
    Complain,
    Drop,
    Forward,
    Report,
    Session,
    Step,
    Tell,
    answered,
    received,
)

RESET_PULSE_MS = 300
"""The length that osmo-remsim's client uses."""
BOARD_WAIT_S = 5.0
"""A card wanted before the board was opened waits so long for it."""

log = logging.getLogger(__name__)


class Transport(Protocol):
    """The three endpoints of one card slot; a message is one USB transfer.

    Every call raises `FrontendError` when the board is gone.
    """

    async def write(self, transfer: bytes) -> None: ...

    async def read(self) -> bytes: ...

    async def read_interrupt(self) -> bytes: ...


Opener = Callable[[], AbstractAsyncContextManager[Transport]]


class CardemFrontend:
    """Serves one slot of one board. `open_board` finds and opens it, raising FrontendError.

    `run` ends with FrontendError when the board fails or is unplugged. Run again, it shows a
    board that came back the card that the last one had.
    """

    def __init__(self, open_board: Opener, *, name: str = "cardem") -> None:
        self.name = name
        self._open_board = open_board
        self._board: Transport | None = None
        self._there = asyncio.Event()
        self._writing = asyncio.Lock()
        self._atr: bytes | None = None
        self._told_remote = False
        self._session = Session()
        self._outbox: asyncio.Queue[Tell] = asyncio.Queue()
        self._exchange: asyncio.Task[None] | None = None
        self._complaints = Complaints(log)

    async def run(self, card: Card) -> None:
        """Serve until cancelled; raises FrontendError where there is no board or it fails."""
        async with self._open_board() as board:
            # Command numbers go on counting: an answer of the life before fits none of this one.
            self._session = Session(number=self._session.number + 1)
            self._outbox = asyncio.Queue()
            self._board = board
            try:
                await self._begin()
                self._there.set()
                await self._serve(card, board)
            finally:
                self._there.clear()
                self._board = None

    async def insert(self, atr: bytes) -> None:
        """See `Frontend.insert`; the board's mux is moved to the emulated card first."""
        if atr == self._atr:
            return
        try:
            async with asyncio.timeout(BOARD_WAIT_S):
                await self._there.wait()
        except TimeoutError as error:
            raise FrontendError(f"{self.name}: no board to show the card with") from error
        await self._show(atr)
        self._atr = atr

    async def remove(self) -> None:
        """See `Frontend.remove`; a board that is not there is told when it comes back."""
        self._atr = None
        if self._told_remote and self._board is not None:
            await self._take_away()

    async def reset_modem(self) -> None:
        """See `Frontend.reset_modem`: a pulse of 300 ms."""
        await self._send(ModemReset(ResetAction.PULSE, RESET_PULSE_MS))

    # Telling the board

    async def _begin(self) -> None:
        await self._send(Config(Feature.STATUS_ON_INTERRUPT), StatusRequest())
        if self._atr is not None:
            await self._show(self._atr)
        elif self._told_remote:
            await self._take_away()

    async def _show(self, atr: bytes) -> None:
        self._told_remote = True
        await self._send(SimSelect(remote=True), SetAtr(atr), CardInsert(inserted=True))
        log.info("%s: card inserted", self.name)

    async def _take_away(self) -> None:
        await self._send(CardInsert(inserted=False), SimSelect(remote=False))
        self._told_remote = False
        log.info("%s: card removed", self.name)

    async def _send(self, *messages: Message) -> None:
        board = self._board
        if board is None:
            raise FrontendError(f"{self.name}: the board is not there")
        async with self._writing:
            for message in messages:
                await board.write(encode(message))

    # Serving the modem

    async def _serve(self, card: Card, board: Transport) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(group, card, board.read, interrupt=False))
                group.create_task(self._listen(group, card, board.read_interrupt, interrupt=True))
                group.create_task(self._answer(board))
        except* FrontendError as failures:
            failed = failures
        else:
            return
        raise FrontendError(f"{self.name}: {failed.exceptions[0]}") from failed

    async def _listen(
        self,
        group: asyncio.TaskGroup,
        card: Card,
        read: Callable[[], Awaitable[bytes]],
        *,
        interrupt: bool,
    ) -> None:
        while True:
            transfer = await read()
            try:
                message = decode(transfer)
            except FrontendError as error:
                self._complaints.tell(f"{self.name}: {error}")
                continue
            self._take(group, card, received(self._session, message, interrupt=interrupt))

    async def _answer(self, board: Transport) -> None:
        while True:
            tell = await self._outbox.get()
            async with self._writing:
                for message in tell.messages:
                    # Looked at before every write: the modem may have reset the card meanwhile.
                    if tell.number == self._session.number:
                        await board.write(encode(message))

    async def _relay(self, group: asyncio.TaskGroup, card: Card, command: Forward) -> None:
        try:
            answer = await card.transmit(command.tpdu)
        except CardError as error:
            # Without an answer the board would keep the modem waiting for ever.
            log.debug("%s: the modem is told of a technical problem: %s", self.name, error)
            answer = TECHNICAL_PROBLEM
        self._take(group, card, answered(self._session, command.number, answer))

    def _take(self, group: asyncio.TaskGroup, card: Card, step: Step) -> None:
        self._session, actions = step
        for action in actions:
            self._do(group, card, action)

    def _do(self, group: asyncio.TaskGroup, card: Card, action: Action) -> None:
        match action:
            case Tell():
                self._outbox.put_nowait(action)
            case Forward():
                self._exchange = group.create_task(self._relay(group, card, action))
            case Drop():
                if self._exchange is not None:
                    self._exchange.cancel()
            case Report(status):
                log.debug("%s: %s", self.name, status)
                card.status(status)
            case Complain(text):
                self._complaints.tell(f"{self.name}: {text}")
