"""The AT line of an emulated modem: characters in, commands executed one after another, answers out."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from modems.transcript import Transcript
from simlab.modems.interpreter import Interpreter
from simlab.modems.pty import ModemTty
from simlab.modems.state import Timing

COMMANDS_KEPT = 1000


class CommandLine(ABC):
    """What a modem's AT interpreter does whatever the modem is at.

    `muted` makes the modem swallow commands, as a hung firmware does; `commands` are the last ones it
    executed.
    """

    def __init__(
        self, script: Transcript, link_path: Path, *, timing: Timing, values: Mapping[str, str]
    ) -> None:
        self.muted = False
        self.commands: deque[str] = deque(maxlen=COMMANDS_KEPT)
        self._timing = timing
        self._interpreter = Interpreter(script, values)
        self._tty = ModemTty(
            link_path, self._on_bytes, piece_bytes=timing.piece_bytes, piece_s=timing.piece_s
        )
        self._partial = ""
        self._interrupting: list[str] = []
        self._todo: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, line: str) -> None:
        """Send an unsolicited line, if the modes that commands set allow it."""
        shaped = self._interpreter.urc(line)
        if shaped is not None:
            self._tty.say(f"\r\n{shaped}\r\n")

    def interrupt_next_answer(self, line: str) -> None:
        """Send `line` in the middle of the next answer: after its first line."""
        self._interrupting.append(line)

    def babble(self, data: bytes) -> None:
        """Send bytes that are no AT text, or too many lines that are."""
        self._tty.say(data.decode("latin-1"))

    @abstractmethod
    def _execute(self, command: str) -> None:
        """Do what `command` asks for and reply."""

    def _on_bytes(self, data: bytes) -> None:
        for character in data.decode("latin-1"):
            if self._interpreter.echo and not self.muted:
                self._tty.say(character)
            if character != "\r":
                self._partial += character
                continue
            command, self._partial = self._partial.strip(), ""
            if command and not self.muted:
                self._todo.put_nowait(command)

    async def _execute_all(self) -> None:
        while True:
            command = await self._todo.get()
            await asyncio.sleep(self._timing.answer_s)
            self.commands.append(command)
            self._execute(command)

    def _reply(self, lines: list[str]) -> None:
        urcs, self._interrupting = self._interrupting, []
        for line in [*lines[:1], *urcs, *lines[1:]]:
            self._tty.say(f"\r\n{line}\r\n")
