"""A pseudo-terminal that looks like a modem's tty: a name that stays, and can be unplugged."""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable
from pathlib import Path

READ_BYTES = 4096


class ModemTty:
    """The modem's end of a tty; `link` points to the other end as long as it is plugged in.

    What the modem says leaves in pieces of `piece_bytes` (0: whole), `piece_s` apart, while run() runs.
    """

    def __init__(
        self, link: Path, on_bytes: Callable[[bytes], None], *, piece_bytes: int, piece_s: float
    ) -> None:
        self.link = link
        self.lost_bytes = 0
        self._on_bytes = on_bytes
        self._piece_bytes = piece_bytes
        self._piece_s = piece_s
        self._output: asyncio.Queue[bytes] = asyncio.Queue()
        self._master: int | None = None
        self._slave: int | None = None

    @property
    def plugged(self) -> bool:
        """True while there is a tty to open."""
        return self._master is not None

    def plug_in(self) -> None:
        """Make a new tty and point the link to it; nothing happens when it is there already."""
        if self._master is not None:
            return
        self._master, self._slave = os.openpty()
        # The other end's opener sets its own modes; until then nothing may be echoed back into the modem.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._receive)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(self.link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.link)

    def unplug(self) -> None:
        """Hang up and remove the link; whoever has the tty open is told by the kernel."""
        if self._master is None or self._slave is None:
            return
        while not self._output.empty():
            self._output.get_nowait()
        self.link.unlink(missing_ok=True)
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = None

    def say(self, text: str) -> None:
        """Queue `text` for sending."""
        if self._master is not None:
            self._output.put_nowait(text.encode("latin-1"))

    async def run(self) -> None:
        """Send what is queued, for ever."""
        while True:
            data = await self._output.get()
            size = self._piece_bytes or len(data)
            for start in range(0, len(data), size):
                self._write(data[start : start + size])
                if self._piece_s > 0:
                    await asyncio.sleep(self._piece_s)

    def _write(self, data: bytes) -> None:
        if self._master is None:
            return
        sent = 0
        # What does not fit because nobody reads is lost, as on a USB modem.
        with contextlib.suppress(BlockingIOError):
            sent = os.write(self._master, data)
        self.lost_bytes += len(data) - sent

    def _receive(self) -> None:
        if self._master is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._on_bytes(os.read(self._master, READ_BYTES))
