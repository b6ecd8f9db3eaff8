"""Short APDUs as a PC/SC application sends them, carried out as T=0 TPDUs (ISO 7816-3 12.2.1).

An application that gives Le expects the whole answer: GET RESPONSE after 61xx, and the right
length after 6Cxx, happen here. One that gives no Le runs T=0 itself and hears what the card
said. Pure but for the card's transmissions.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from remsimd.sim.frontends.apdu_case import GSM_CLASS

Transmit = Callable[[bytes], Awaitable[bytes]]

WRONG_LENGTH = b"\x67\x00"
LE_MAX = 256
GET_RESPONSE = b"\xc0\x00\x00"
MORE_SW1 = (0x61, 0x9F)
WARNING_SW1 = (0x62, 0x63)
RIGHT_LENGTH_SW1 = 0x6C


@dataclass(frozen=True, slots=True)
class ShortApdu:
    """A command APDU taken apart; `le` is 1..256, None where no answer is expected."""

    header: bytes
    data: bytes
    le: int | None

    @property
    def tpdu(self) -> bytes:
        """Its first TPDU: P3 is the number of octets to the card, else those wanted from it."""
        p3 = len(self.data) if self.data else (self.le or 0) % LE_MAX
        return self.header + bytes((p3,)) + self.data


def parse(apdu: bytes) -> ShortApdu | None:
    """The APDU of any case of ISO 7816-3 12.1.3, None for an extended or malformed one."""
    header, body = apdu[:4], apdu[4:]
    if len(header) < 4:
        return None
    if len(body) <= 1:
        return ShortApdu(header, b"", (body[0] or LE_MAX) if body else None)
    data, le = body[1 : 1 + body[0]], body[1 + body[0] :]
    if not data or len(data) < body[0] or len(le) > 1:
        return None
    return ShortApdu(header, data, (le[0] or LE_MAX) if le else None)


async def execute(apdu: bytes, transmit: Transmit) -> bytes:
    """The response APDU: at most Le octets of data, then SW1 SW2; raises what `transmit` raises."""
    command = parse(apdu)
    if command is None:
        return WRONG_LENGTH
    if command.le is None:
        return await transmit(command.tpdu)
    if not command.data:
        answer = await _outgoing(command.tpdu, command.le, transmit)
    else:
        answer = await transmit(command.tpdu)
        if answer[-2] in WARNING_SW1 and len(answer) == 2:
            return await _behind_warning(command, answer, transmit)
    data = answer[:-2]
    while answer[-2] in MORE_SW1 and len(data) < command.le:
        there = answer[-1] or LE_MAX
        wanted = min(there, command.le - len(data))
        answer = await _outgoing(_get_response(command, wanted), wanted, transmit)
        if len(answer) == 2:
            return data + answer
        data += answer[:-2]
    return data + answer[-2:]


async def _behind_warning(command: ShortApdu, warning: bytes, transmit: Transmit) -> bytes:
    """A warning takes the place of 61xx: the data is still there (TS 102 221 7.3.1.1.4)."""
    wanted = command.le or LE_MAX
    answer = await _outgoing(_get_response(command, wanted), wanted, transmit)
    return answer[:-2] + warning


async def _outgoing(tpdu: bytes, le: int, transmit: Transmit) -> bytes:
    """A TPDU that wants data; repeated when the card has fewer octets, never when it has more."""
    answer = await transmit(tpdu)
    right = answer[-1] or LE_MAX
    if answer[-2] == RIGHT_LENGTH_SW1 and right <= le:
        return await transmit(tpdu[:4] + answer[-1:])
    return answer


def _get_response(command: ShortApdu, wanted: int) -> bytes:
    """On the command's own logical channel; the proprietary classes fetch in the interindustry ones."""
    cla = command.header[0]
    fetching = cla if cla == GSM_CLASS else cla & 0x7F
    return bytes((fetching,)) + GET_RESPONSE + bytes((wanted % LE_MAX,))
