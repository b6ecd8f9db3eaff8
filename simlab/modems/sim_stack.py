"""The SIM stack of a modem: what it asks a card, over whatever carries its command TPDUs."""

import asyncio
from abc import ABC, abstractmethod

from simlab.modems.sim import Authentication, SimFailure, SynchronisationFailure

USIM_AID = bytes.fromhex("a0000000871002")
MF, EF_ICCID, EF_IMSI = bytes.fromhex("3f00"), bytes.fromhex("2fe2"), bytes.fromhex("6f07")
MORE_SW1 = (0x61, 0x9F)
"""There is more to fetch with GET RESPONSE, in classes 00 and A0."""
SUCCESS, SYNC_FAILURE = b"\xdb", b"\xdc"
"""The tags of what AUTHENTICATE gives (TS 31.102 7.1.2.1)."""


class SimStack(ABC):
    """A card as `ModemSim`; one question at a time, the others wait.

    The GET RESPONSE after 61xx and the right length after 6Cxx are this side's business.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @abstractmethod
    async def _exchange(self, tpdu: bytes) -> bytes:
        """The answer (data, SW1, SW2) to one command TPDU; raises SimFailure where none comes."""

    async def read_iccid(self) -> str:
        """EF.ICCID: 18 to 20 digits; raises SimFailure."""
        async with self._turn:
            await self._select(MF)
            await self._select(EF_ICCID)
            return _digits(await self.command(b"\x00\xb0\x00\x00\x0a"))

    async def read_imsi(self) -> str:
        """EF.IMSI of the USIM: 6 to 15 digits; raises SimFailure."""
        async with self._turn:
            await self._select_usim()
            await self._select(EF_IMSI)
            content = await self.command(b"\x00\xb0\x00\x00\x09")
            # The first digit shares its octet with the parity (TS 31.102 4.2.2).
            return _digits(content[1 : 1 + content[0]])[1:]

    async def authenticate(self, rand: bytes, autn: bytes) -> Authentication | SynchronisationFailure:
        """AUTHENTICATE in 3G context (TS 31.102 7.1.2.1); SimFailure where the card refuses."""
        async with self._turn:
            await self._select_usim()
            data = bytes((len(rand),)) + rand + bytes((len(autn),)) + autn
            answer = await self.command(bytes((0x00, 0x88, 0x00, 0x81, len(data))) + data)
        if answer[:1] == SYNC_FAILURE:
            return SynchronisationFailure(_values(answer)[0])
        if answer[:1] == SUCCESS:
            return Authentication(*_values(answer)[:3])
        raise SimFailure("the answer to AUTHENTICATE is neither success nor resynchronisation")

    async def command(self, tpdu: bytes) -> bytes:
        """One command to its end: the data it gave; SimFailure for any other ending than 9000."""
        answer = await self._exchange(tpdu)
        if answer[-2] == 0x6C:
            answer = await self._exchange(tpdu[:4] + answer[-1:])
        data = answer[:-2]
        while answer[-2] in MORE_SW1:
            answer = await self._exchange(tpdu[:1] + b"\xc0\x00\x00" + answer[-1:])
            data += answer[:-2]
        if answer[-2:] != b"\x90\x00":
            raise SimFailure(f"{tpdu[:5].hex(' ')} was answered with {answer[-2:].hex()}")
        return data

    async def _select(self, fid: bytes) -> None:
        await self.command(b"\x00\xa4\x00\x04\x02" + fid)

    async def _select_usim(self) -> None:
        await self.command(b"\x00\xa4\x04\x04" + bytes((len(USIM_AID),)) + USIM_AID)


def _digits(content: bytes) -> str:
    """BCD with the first digit in the low nibble, up to the filling F (TS 102 221 13.2)."""
    return "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in content).partition("f")[0]


def _values(answer: bytes) -> list[bytes]:
    """The values behind a tag, each with its length in front."""
    values = []
    position = 1
    while position < len(answer):
        end = position + 1 + answer[position]
        values.append(answer[position + 1 : end])
        position = end
    return values
