"""A port whose modem is a function of the test: it gets a command and says what it likes, when it likes."""

import asyncio
from collections.abc import Callable

from modems.errors import PortGone


class FakePort:
    """A `modems.at.channel.BytePort`; `react`, which may be changed, is called with every command written."""

    def __init__(self, react: "Callable[[FakePort, str], None] | None" = None) -> None:
        self.name = "fake"
        self.on_bytes: Callable[[bytes], None] | None = None
        self.on_gone: Callable[[PortGone], None] | None = None
        self.written: list[str] = []
        self.gone = False
        self.react = react

    def write(self, data: bytes) -> None:
        if self.gone:
            raise PortGone(self.name)
        command = data.decode("ascii").rstrip("\r")
        self.written.append(command)
        if self.react is not None:
            self.react(self, command)

    def say(self, text: str, *, after_s: float = 0.0) -> None:
        """Let the modem send `text` later."""
        asyncio.get_running_loop().call_later(after_s, self.say_now, text)

    def say_now(self, text: str) -> None:
        """Let the modem send `text` at once."""
        if self.on_bytes is not None:
            self.on_bytes(text.encode("latin-1"))

    def vanish(self) -> None:
        """Let the modem be unplugged."""
        self.gone = True
        if self.on_gone is not None:
            self.on_gone(PortGone(self.name, "unplugged"))


def answering(answers: dict[str, str], *, echo: bool = False) -> Callable[[FakePort, str], None]:
    """Return a modem that knows `answers` ("|" between lines) and bare AT, and is in a good mood."""

    def react(port: FakePort, command: str) -> None:
        text = answers.get(command, "OK" if command == "AT" else "ERROR")
        lines = "".join(f"\r\n{line}\r\n" for line in text.split("|"))
        port.say((f"{command}\r" if echo else "") + lines)

    return react
