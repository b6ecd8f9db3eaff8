"""A SIMtrace2 board behind the guest's USB, and the card interface of the modem that it is wired to."""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from simlab.cardem import CardemBoard
from simlab.cardem_modem import ModemSlot
from simlab.modems.sim import SimFailure
from tests.hwlab.guest.descriptors import IN, VENDOR_CLASS, Description, Endpoint, Interface, Transfer
from tests.hwlab.guest.usbip import UsbDevice

CARD_EMULATION = 2
BULK_OUT, BULK_IN, INTERRUPT_IN = 4, 5, 6
"""As the firmware numbers the endpoints of its first slot."""
SIMTRACE2 = Description(
    0x1D50,
    0x60E3,
    (
        Interface(
            0,
            (VENDOR_CLASS, CARD_EMULATION, 0),
            (Endpoint(BULK_OUT), Endpoint(IN | BULK_IN), Endpoint(IN | INTERRUPT_IN, Transfer.INTERRUPT)),
        ),
    ),
)
HALF_WAITING_TIME_S = 0.2
"""Half of 9600 clock cycles times WI at a modem's usual clock is 0.1 to 0.5 s."""
SPEED = 0x96
"""TA1 of usual USIMs: F = 512, D = 32."""


class UsbBoard:
    """A board on the virtual USB host number `host` during `async with`; it begins anew when plugged in.

    `on_card` is told of the card that the modem finds in its contacts, None when it is taken out.
    """

    def __init__(self, host: int, *, on_card: Callable[[ModemSlot | None], None] = lambda card: None) -> None:
        self.usb = UsbDevice(SIMTRACE2, host)
        self.atr = b""
        self._on_card = on_card
        self._board = CardemBoard()
        self._finding: asyncio.Task[None] | None = None
        self._clock: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.plug()
        self._clock = asyncio.create_task(self._keep_waiting())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pull()
        for task in (self._clock, self._finding):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))

    def plug(self) -> None:
        """Power the board, without a card."""
        loop = asyncio.get_running_loop()
        self._board = board = CardemBoard()
        board.on_message = self._send
        self.usb.on_data = lambda _, data: loop.call_soon_threadsafe(self._receive, board, data)
        self.usb.plug()

    def pull(self) -> None:
        """Pull the cable; the modem sees a card that says nothing more."""
        self.usb.pull()

    def _receive(self, board: CardemBoard, data: bytes) -> None:
        inserted = board.inserted
        board.receive(data)
        if board.inserted != inserted:
            if self._finding is not None:
                self._finding.cancel()
            self._finding = asyncio.create_task(self._find(board))

    async def _find(self, board: CardemBoard) -> None:
        """What a modem does when its card detect contact changes."""
        if not board.inserted:
            self._on_card(None)
            return
        card = ModemSlot(board)
        with contextlib.suppress(SimFailure):
            self.atr = await card.power_on()
            await card.select_protocol(SPEED)
            self._on_card(card)

    def _send(self) -> None:
        for endpoint, queue in ((BULK_IN, self._board.bulk_in), (INTERRUPT_IN, self._board.interrupt_in)):
            while queue:
                self.usb.say(endpoint, queue.popleft())

    async def _keep_waiting(self) -> None:
        while True:
            await asyncio.sleep(HALF_WAITING_TIME_S)
            if self.usb.plugged:
                self._board.half_waiting_time()
