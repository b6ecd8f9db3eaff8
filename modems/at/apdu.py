"""Commands to the card in the modem's own slot (TS 27.007 8.17, 8.18, 8.43 to 8.45).

They reach the card that the modem uses; a card elsewhere cannot be given to the modem this way. Payloads are
secrets (keys derive from them): errors carry redacted commands, and nothing here logs one.
"""

import asyncio
import contextlib
import logging
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from modems.at.channel import Channel, Priority
from modems.at.fields import field, fields, integer, named
from modems.errors import ModemError, ParseError

log = logging.getLogger(__name__)

APDU_TIMEOUT_S = 30.0
"""A card may ask for more time again and again; manuals of these modems give 5 to 60 s."""

APDU_SHORTEST, APDU_LONGEST = 4, 5 + 255 + 1
READ_BINARY = 176
EF_ICCID, EF_IMSI = 0x2FE2, 0x6F07

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_BARE_NUMBER = re.compile(r"\d{1,3}")


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """What the card answered: `data`, and the status word `sw` (ISO 7816-4 5.6), 0x9000 for success."""

    data: bytes
    sw: int

    @property
    def ok(self) -> bool:
        """True for success, also with data to fetch or a proactive command waiting (TS 102 221 10.2.1)."""
        return self.sw == 0x9000 or self.sw >> 8 in {0x61, 0x91, 0x92, 0x9F}

    def __repr__(self) -> str:
        return f"Response({len(self.data)} bytes, sw={self.sw:04X})"


async def transmit(channel: Channel, apdu: bytes) -> Response:
    """Send a command APDU on the basic channel with AT+CSIM; raises what `Channel.run` and parsing raise.

    ValueError for an APDU that is not 4 to 261 bytes.
    """
    text = _hex(apdu)
    lines = await _run(channel, f'AT+CSIM={len(text)},"{text}"', "+CSIM")
    return _generic_access("+CSIM", lines)


async def read_file(channel: Channel, file_id: int, length: int) -> Response:
    """Read `length` (1..255) bytes of a transparent elementary file with AT+CRSM."""
    if not (0 <= file_id <= 0xFFFF and 1 <= length <= 255):
        raise ValueError("a file id has 16 bits, and 1 to 255 bytes can be read at once")
    lines = await _run(channel, f"AT+CRSM={READ_BINARY},{file_id},0,0,{length}", "+CRSM")
    for line in lines:
        values = fields(named(line, "+CRSM") or "")
        sw1, sw2 = integer(values, 0, low=0, high=255), integer(values, 1, low=0, high=255)
        if sw1 is not None and sw2 is not None:
            return Response(_bytes(field(values, 2) or ""), sw1 << 8 | sw2)
    raise ParseError("+CRSM answer", f"{len(lines)} lines")


def bcd_digits(content: bytes) -> str:
    """Return the digits of a file, each octet's low nibble first, up to the filling F (TS 102 221 13.2)."""
    return "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in content).partition("f")[0]


def imsi_digits(content: bytes) -> str:
    """Return the digits of EF.IMSI: a length, then digits after a nibble of parity (TS 31.102 4.2.2)."""
    return bcd_digits(content[1 : 1 + content[0]])[1:] if content else ""


class LogicalChannel:
    """An application of the card on a channel of its own, from `async with` to its end.

    Opened with AT+CCHO and always closed with AT+CCHC: a channel left open makes the next AT+CCHO fail until
    the card is reset. `aid` is 5 to 16 bytes. Raises what `Channel.run`
    raises. When the modem gives no answer to AT+CCHO in time, the channel it may have opened is unknown and
    stays open: that is logged.
    """

    def __init__(self, channel: Channel, aid: bytes) -> None:
        if not 5 <= len(aid) <= 16:
            raise ValueError("an application identifier is 5 to 16 bytes")
        self._channel = channel
        self._aid = aid
        self._session = 0

    async def __aenter__(self) -> Self:
        # Somebody who is cancelled in between must still learn the session, to close it.
        opening = asyncio.ensure_future(self._open())
        try:
            self._session = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with contextlib.suppress(ModemError):
                self._session = await opening
                await self._close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        closing = asyncio.ensure_future(self._close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise

    async def transmit(self, apdu: bytes) -> Response:
        """Send a command APDU to the application; the modem puts the channel's number into the class byte."""
        text = _hex(apdu)
        command = f'AT+CGLA={self._session},{len(text)},"{text}"'
        return _generic_access("+CGLA", await _run(self._channel, command, "+CGLA"))

    async def _open(self) -> int:
        # No expected name: MediaTek modems answer with the bare number.
        lines = await _run(self._channel, f'AT+CCHO="{self._aid.hex().upper()}"', None)
        for line in lines:
            text = (named(line, "+CCHO") or line).strip()
            if _BARE_NUMBER.fullmatch(text):
                return int(text)
        log.warning("%s: AT+CCHO named no channel; it may stay open", self._channel.port.name)
        raise ParseError("logical channel", f"{len(lines)} lines without a number")

    async def _close(self) -> None:
        try:
            await _run(self._channel, f"AT+CCHC={self._session}", None)
        except ModemError as error:
            log.warning(
                "%s: channel %d of the card stays open: %s", self._channel.port.name, self._session, error
            )


async def _run(channel: Channel, command: str, prefix: str | None) -> tuple[str, ...]:
    return await channel.run(command, timeout_s=APDU_TIMEOUT_S, prefix=prefix, priority=Priority.APDU)


def _hex(apdu: bytes) -> str:
    if not APDU_SHORTEST <= len(apdu) <= APDU_LONGEST:
        raise ValueError(f"a short command APDU is {APDU_SHORTEST} to {APDU_LONGEST} bytes")
    return apdu.hex().upper()


def _generic_access(name: str, lines: tuple[str, ...]) -> Response:
    """Parse `<length>,<hex>`, of which the last two bytes are the status word."""
    for line in lines:
        values = fields(named(line, name) or "")
        answer = _bytes(field(values, 1) or "")
        if len(answer) >= 2:
            return Response(answer[:-2], int.from_bytes(answer[-2:]))
    raise ParseError(f"{name} answer", f"{len(lines)} lines without a status word")


def _bytes(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise ParseError("hex string", f"{len(text)} characters")
    return bytes.fromhex(text)
