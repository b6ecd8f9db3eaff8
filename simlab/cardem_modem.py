"""The modem on the other side of an emulated board's SIM contacts: T=0 as the reader runs it."""

import asyncio
from dataclasses import dataclass

from simlab.cardem import NULL, CardemBoard
from simlab.modems.sim import SimFailure
from simlab.modems.sim_stack import SimStack

ATR_DELAY_S = 0.01
"""400 to 40000 clock cycles pass before the ATR (ISO 7816-3 6.2.1), at 4 MHz."""
OFF_S = 0.05
OCTET_TIMEOUT_S = 5.0
"""A modem without octets, NULL or other, for so long declares the card dead."""


class CardReset(SimFailure):
    """The card was reset while a command ran: there is no answer to it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a card answered to a TPDU."""

    data: bytes
    status_word: int

    @property
    def raw(self) -> bytes:
        """Data, SW1, SW2."""
        return self.data + self.status_word.to_bytes(2, "big")


class ModemSlot(SimStack):
    """Drives the contacts of `board` and talks to whatever card it emulates.

    A command that runs during a reset ends with CardReset; one that gets no octet in time, or
    octets that are not T=0, with SimFailure.
    """

    def __init__(self, board: CardemBoard, *, timeout_s: float = OCTET_TIMEOUT_S) -> None:
        super().__init__()
        self._board = board
        self._timeout_s = timeout_s
        self._line: asyncio.Queue[int | None] = asyncio.Queue()
        self._reading = False
        self.nulls = 0
        board.to_modem = self._heard

    async def power_on(self) -> bytes:
        """Cold reset (ISO 7816-3 6.2.2); the ATR."""
        self._board.contacts(vcc=True, rst_low=True)
        self._board.contacts(clk=True)
        return await self._release()

    async def reset(self) -> bytes:
        """Warm reset (ISO 7816-3 6.2.3); the ATR."""
        self._give_up()
        self._board.contacts(rst_low=True)
        return await self._release()

    async def power_off(self) -> None:
        """RST first, then clock and supply (ISO 7816-3 6.4); modems leave it off for a while."""
        self._give_up()
        self._board.contacts(rst_low=True)
        self._board.contacts(clk=False)
        self._board.contacts(vcc=False)
        await asyncio.sleep(OFF_S)

    async def select_protocol(self, ta1: int) -> None:
        """Agree on T=0 with the card's F and D (ISO 7816-3 9)."""
        request = bytes((0xFF, 0x10, ta1))
        request += bytes((request[0] ^ request[1] ^ request[2],))
        self._board.hear(request)
        if await self._octets(len(request)) != request:
            raise SimFailure("the card refused the protocol selection")

    async def transmit(self, tpdu: bytes) -> Answer:
        """One command TPDU: 5 octets, or as many more as P3 says (ISO 7816-3 10.3)."""
        self._board.hear(tpdu[:5])
        instruction, unsent, data = tpdu[1], tpdu[5:], b""
        while True:
            procedure = (await self._octets(1))[0]
            if procedure == NULL[0]:
                self.nulls += 1
            elif procedure in (instruction, instruction ^ 0xFF):
                whole = procedure == instruction
                if unsent:
                    count = len(unsent) if whole else 1
                    self._board.hear(unsent[:count])
                    unsent = unsent[count:]
                else:
                    data += await self._octets((tpdu[4] or 256) - len(data) if whole else 1)
            elif procedure >> 4 in (6, 9):
                return Answer(data, procedure << 8 | (await self._octets(1))[0])
            else:
                raise SimFailure(f"{procedure:02x} is no procedure byte of instruction {instruction:02x}")

    async def _exchange(self, tpdu: bytes) -> bytes:
        return (await self.transmit(tpdu)).raw

    # The I/O line

    def _heard(self, octets: bytes) -> None:
        for octet in octets:
            self._line.put_nowait(octet)

    def _give_up(self) -> None:
        """End the command that runs, and forget what the card has said so far."""
        self._line = asyncio.Queue() if not self._reading else self._line
        if self._reading:
            self._line.put_nowait(None)

    async def _release(self) -> bytes:
        await asyncio.sleep(ATR_DELAY_S)
        self._line = asyncio.Queue()
        self._board.contacts(rst_low=False)
        return await self._atr()

    async def _atr(self) -> bytes:
        """ISO 7816-3 8.2: each indicator says which interface octets follow it."""
        atr = await self._octets(2)
        indicator, historical, check = atr[1], atr[1] & 0x0F, False
        while indicator >> 4:
            interface = await self._octets((indicator >> 4).bit_count())
            atr += interface
            if not indicator & 0x80:
                break
            indicator = interface[-1]
            check = check or indicator & 0x0F != 0
        return atr + await self._octets(historical + check)

    async def _octets(self, count: int) -> bytes:
        line, octets = self._line, b""
        self._reading = True
        try:
            while len(octets) < count:
                async with asyncio.timeout(self._timeout_s):
                    octet = await line.get()
                if octet is None:
                    raise CardReset("the card was reset")
                octets += bytes((octet,))
        except TimeoutError as error:
            raise SimFailure("the card is silent") from error
        finally:
            self._reading = False
        return octets
