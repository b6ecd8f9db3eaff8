"""A pcscd of our own with vpcd in it, and a client that knows as much of PC/SC as a test needs."""

import asyncio
import ctypes
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PCSCD = shutil.which("pcscd", path="/usr/sbin:/usr/bin:/sbin:/bin")
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
LIBRARY = "libpcsclite.so.1"
DEADLINE_S = 15.0
SCOPE_SYSTEM, SHARE_SHARED, PROTOCOL_ANY, RESET_CARD = 2, 2, 3, 1
NO_SUCH_CARD = (0x8010000C, 0x80100066, 0x80100067, 0x80100069, 0x80100009, 0x80100017)
"""No card, unresponsive, unpowered, removed, unknown reader, reader unavailable: not yet there."""
PROTOCOL_T0 = 1


def missing() -> str | None:
    """Which Debian package this host lacks for these tests."""
    if PCSCD is None:
        return "pcscd"
    return None if DRIVER.exists() else "vsmartcard-vpcd"


class PcscError(Exception):
    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call}: {code:#010x}")
        self.code = code


class IoRequest(ctypes.Structure):
    _fields_ = [("protocol", ctypes.c_ulong), ("octets", ctypes.c_ulong)]


class Reader:
    """The first reader of a pcscd, used as a PC/SC application does; calls block."""

    def __init__(self, control: Path) -> None:
        # libpcsclite reads it once in the life of a process, when the first context is established.
        os.environ["PCSCLITE_CSOCK_NAME"] = str(control)
        self._library = ctypes.CDLL(LIBRARY)
        self._context = ctypes.c_long()
        self._call("SCardEstablishContext", SCOPE_SYSTEM, None, None, ctypes.byref(self._context))
        self._card = ctypes.c_long()
        self._protocol = ctypes.c_ulong()

    def close(self) -> None:
        self._call("SCardReleaseContext", self._context)

    def name(self) -> bytes:
        length = ctypes.c_ulong()
        self._call("SCardListReaders", self._context, None, None, ctypes.byref(length))
        names = ctypes.create_string_buffer(length.value)
        self._call("SCardListReaders", self._context, None, names, ctypes.byref(length))
        return names.raw.split(b"\0")[0]

    def connect(self) -> bytes:
        """Power the card and give its ATR."""
        self._call(
            "SCardConnect", self._context, self.name(), SHARE_SHARED, PROTOCOL_ANY,
            ctypes.byref(self._card), ctypes.byref(self._protocol),
        )  # fmt: skip
        state, atr, atr_length = ctypes.c_ulong(), ctypes.create_string_buffer(33), ctypes.c_ulong(33)
        name, name_length = ctypes.create_string_buffer(128), ctypes.c_ulong(128)
        self._call(
            "SCardStatus", self._card, name, ctypes.byref(name_length), ctypes.byref(state),
            ctypes.byref(self._protocol), atr, ctypes.byref(atr_length),
        )  # fmt: skip
        return atr.raw[: atr_length.value]

    def disconnect(self) -> None:
        self._call("SCardDisconnect", self._card, RESET_CARD)

    def transmit(self, apdu: bytes) -> bytes:
        send = IoRequest(self._protocol.value, ctypes.sizeof(IoRequest))
        answer, length = ctypes.create_string_buffer(258), ctypes.c_ulong(258)
        self._call(
            "SCardTransmit", self._card, ctypes.byref(send), apdu, ctypes.c_ulong(len(apdu)),
            None, answer, ctypes.byref(length),
        )  # fmt: skip
        return answer.raw[: length.value]

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._library, function)(*arguments) & 0xFFFFFFFF
        if code:
            raise PcscError(function, code)


@asynccontextmanager
async def pcscd(folder: Path, port: int) -> AsyncIterator[Path]:
    """A pcscd whose only reader is vpcd on `port`; gives its control socket.

    It is handed that socket as a service manager would, so that it shares nothing with the
    host's own pcscd.
    """
    readers = folder / "readers"
    readers.mkdir(exist_ok=True)
    (readers / "vpcd").write_text(
        f'FRIENDLYNAME "Test"\nDEVICENAME /dev/null:{port}\nLIBPATH {DRIVER}\nCHANNELID {port}\n'
    )
    control = folder / "pcscd.sock"
    control.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, (folder / "pcscd.log").open("wb") as output:
        listener.bind(str(control))
        listener.listen()
        # The shell puts the socket where the protocol of LISTEN_FDS wants it.
        start = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --foreground --info --config "$1" 3<&0 </dev/null'
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", start, str(PCSCD), str(readers), stdin=listener, stdout=output, stderr=output
        )
        try:
            yield control
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def reader(control: Path) -> AsyncIterator[Reader]:
    opened = await asyncio.to_thread(Reader, control)
    try:
        yield opened
    finally:
        await asyncio.to_thread(opened.close)


async def card_in(found: Reader) -> bytes:
    """Wait for a card in the reader and connect to it; the ATR."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await asyncio.to_thread(found.connect)
            except PcscError as error:
                if error.code not in NO_SUCH_CARD:
                    raise
                await asyncio.sleep(0.05)


def two_free_ports() -> int:
    """A port that is free, and so is the next one: vpcd listens on one for each of its two slots."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
