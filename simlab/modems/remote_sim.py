"""The SIM stack of a modem whose card is reached over the shell frontend's socket."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from simlab.modems.sim import Authentication, SimFailure, SynchronisationFailure

USIM_AID = bytes.fromhex("a0000000871002")
EF_ICCID, EF_IMSI = bytes.fromhex("2fe2"), bytes.fromhex("6f07")
MF = bytes.fromhex("3f00")
MORE_SW1 = (0x61, 0x9F)
"""There is more to fetch with GET RESPONSE, in classes 00 and A0."""
ANSWER_TIMEOUT_S = 30.0
"""A card behind a network; the waiting time of a real slot is kept up by its NULL octets."""


class RemoteSim:
    """A card behind the Unix socket of `remsimd`'s shell frontend.

    `async with` connects and waits until a card is there. Commands are T=0 TPDUs; the
    GET RESPONSE after 61xx and the right length after 6Cxx are this side's business.
    """

    def __init__(self, socket_path: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._path = socket_path
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.atr = b""

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        except (OSError, TimeoutError) as error:
            raise SimFailure(f"{self._path}: no card: {error}") from error
        inserted = False
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._card()
            inserted = True
        except (OSError, TimeoutError) as error:
            raise SimFailure(f"{self._path}: no card: {error}") from error
        finally:
            if not inserted:
                self._writer.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    @property
    def gone(self) -> bool:
        """Whether the frontend closed the socket, or this side after an answer that never came."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def read_iccid(self) -> str:
        """EF.ICCID: 18 to 20 digits; raises SimFailure."""
        async with self._turn:
            await self._select(MF)
            await self._select(EF_ICCID)
            return _digits(await self._command(b"\x00\xb0\x00\x00\x0a"))

    async def read_imsi(self) -> str:
        """EF.IMSI of the USIM: 6 to 15 digits; raises SimFailure."""
        async with self._turn:
            await self._select_usim()
            await self._select(EF_IMSI)
            content = await self._command(b"\x00\xb0\x00\x00\x09")
            # The first digit shares its octet with the parity (TS 31.102 4.2.2).
            return _digits(content[1 : 1 + content[0]])[1:]

    async def authenticate(self, rand: bytes, autn: bytes) -> Authentication | SynchronisationFailure:
        """AUTHENTICATE in 3G context (TS 31.102 7.1.2.1); SimFailure where the card refuses."""
        async with self._turn:
            await self._select_usim()
            data = bytes((len(rand),)) + rand + bytes((len(autn),)) + autn
            answer = await self._command(bytes((0x00, 0x88, 0x00, 0x81, len(data))) + data)
            if answer[:1] == b"\xdc":
                return SynchronisationFailure(_values(answer)[0])
            if answer[:1] != b"\xdb":
                raise SimFailure("the answer to AUTHENTICATE is neither success nor resynchronisation")
            res, ck, ik = _values(answer)[:3]
            return Authentication(res, ck, ik)

    async def _select(self, fid: bytes) -> None:
        await self._command(b"\x00\xa4\x00\x04\x02" + fid)

    async def _select_usim(self) -> None:
        await self._command(b"\x00\xa4\x04\x04" + bytes((len(USIM_AID),)) + USIM_AID)

    async def _command(self, tpdu: bytes) -> bytes:
        """One command to its end: the data it gave; SimFailure for any other ending than 9000."""
        answer = await self._transmit(tpdu)
        if answer[-2] == 0x6C:
            answer = await self._transmit(tpdu[:4] + answer[-1:])
        data = answer[:-2]
        while answer[-2] in MORE_SW1:
            answer = await self._transmit(tpdu[:1] + b"\xc0\x00\x00" + answer[-1:])
            data += answer[:-2]
        if answer[-2:] != b"\x90\x00":
            raise SimFailure(f"{tpdu[:5].hex(' ')} was answered with {answer[-2:].hex()}")
        return data

    async def _transmit(self, tpdu: bytes) -> bytes:
        answered = False
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(tpdu.hex().encode() + b"\n")
                answer = await self._answer()
            answered = True
        except (OSError, TimeoutError, ValueError) as error:
            raise SimFailure(f"no answer from the card: {error}") from error
        finally:
            # A late answer would be taken for that of the next command.
            if not answered:
                self._writer.close()
        if isinstance(answer, str):
            raise SimFailure(answer)
        return answer

    async def _answer(self) -> bytes | str:
        """What the frontend says to a command: the card's answer, or why there is none."""
        while True:
            kind, _, rest = (await self._line()).partition(": ")
            match kind:
                case "R-APDU":
                    return bytes.fromhex(rest)
                case "ERROR":
                    return rest
                case "SET_ATR":
                    self.atr = bytes.fromhex(rest)

    async def _card(self) -> None:
        while True:
            kind, _, rest = (await self._line()).partition(": ")
            if kind == "SET_ATR":
                self.atr = bytes.fromhex(rest)
                return

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the frontend closed the socket")
        return line.decode("ascii").strip()


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
