"""A card on a Unix socket, in the line protocol of osmo-remsim-client-shell.

For people, scripts and emulated modems. The card's side says `SET_ATR: <hex>` when a card is
there (also at connect), `R-APDU: <hex>` for each command, `CARD_REMOVED`, `ERROR: <text>`.
The modem's side says `<hex of a command TPDU>` or `RESET`.
"""

import asyncio
import logging
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from remsimd.errors import CardError, FrontendError
from remsimd.sim.frontend import TPDU_OCTETS, Card, SlotStatus

SOCKET_MODE = 0o600
LINE_OCTETS = 2048
"""Room for the 260 octets of the longest TPDU with blanks between them."""
RESET_PULSE = (
    SlotStatus(reset_active=True, vcc_present=True, clk_active=True),
    SlotStatus(reset_active=False, vcc_present=True, clk_active=True),
)
"""A warm reset: RST alone goes down and up again (ISO 7816-3 6.2.3)."""

log = logging.getLogger(__name__)


class ShellFrontend:
    """Serves a Unix socket at `path` (mode 0600); any number of peers, one TPDU at a time."""

    def __init__(self, path: Path, *, name: str = "shell") -> None:
        self.name = name
        self._path = path
        self._atr: bytes | None = None
        self._peers: set[asyncio.StreamWriter] = set()
        self._turn = asyncio.Lock()

    async def run(self, card: Card) -> None:
        """Serve until cancelled; raises FrontendError where the socket cannot be made."""

        listener = _listen(self._path)
        try:
            async with asyncio.TaskGroup() as group:

                def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    if not server.is_serving():
                        writer.close()
                        return
                    serving = group.create_task(self._serve(card, reader, writer))
                    # A callback and not the task's own end: it may be cancelled before it begins.
                    serving.add_done_callback(lambda _: writer.close())

                server = await asyncio.start_unix_server(
                    connected, sock=listener, limit=LINE_OCTETS, start_serving=False
                )
                await server.start_serving()
                log.info("%s listens on %s", self.name, self._path)
                try:
                    # Not serve_forever(): its end waits for the peers, which end after it.
                    await asyncio.get_running_loop().create_future()
                finally:
                    server.close()
        finally:
            listener.close()
            self._path.unlink(missing_ok=True)

    async def insert(self, atr: bytes) -> None:
        """See `Frontend.insert`; another ATR is shown, the same one is not shown again."""
        if atr != self._atr:
            self._atr = atr
            self._tell(_set_atr(atr))

    async def remove(self) -> None:
        """See `Frontend.remove`."""
        if self._atr is not None:
            self._atr = None
            self._tell("CARD_REMOVED")

    async def reset_modem(self) -> None:
        """A socket has no modem to reset."""

    def _tell(self, line: str) -> None:
        for writer in self._peers:
            _say(writer, line)

    async def _serve(self, card: Card, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peers.add(writer)
        try:
            if self._atr is not None:
                _say(writer, _set_atr(self._atr))
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    _say(writer, f"ERROR: a line of more than {LINE_OCTETS} octets")
                    return
                if not line.endswith(b"\n"):
                    return
                _say(writer, await self._answer(card, line.decode("ascii", "replace").strip()))
                await writer.drain()
        except ConnectionError:
            log.debug("%s: a peer vanished", self.name)
        finally:
            self._peers.discard(writer)

    async def _answer(self, card: Card, line: str) -> str:
        if self._atr is None:
            return "ERROR: no card"
        if line == "RESET":
            for status in RESET_PULSE:
                card.status(status)
            return _set_atr(self._atr)
        try:
            tpdu = bytes.fromhex(line)
        except ValueError:
            return "ERROR: neither hex nor RESET"
        if len(tpdu) not in TPDU_OCTETS:
            return f"ERROR: a TPDU has 5 to 260 octets, not {len(tpdu)}"
        try:
            async with self._turn:
                answer = await card.transmit(tpdu)
        except CardError as error:
            return f"ERROR: {error}"
        return f"R-APDU: {answer.hex()}"


def _set_atr(atr: bytes) -> str:
    return f"SET_ATR: {atr.hex()}"


def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(line.encode("ascii", "replace") + b"\n")


def _listen(path: Path) -> socket.socket:
    """A bound socket that only its owner may connect to, from its first moment on."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        # Linux gives the file the mode of the socket at bind; a chmod later would be too late.
        os.fchmod(listener.fileno(), SOCKET_MODE)
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise FrontendError(f"{path}: {error}") from error
    return listener
