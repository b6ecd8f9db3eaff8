"""Conversations with a modem as text, written down from what one answered and played back in its place.

    # a comment
    = imei 867698040012345        a value that lines may use as {imei}
    [registered]                  the exchanges that follow hold in this state
    > AT+CSQ                      a command ("*" stands for anything)
    < +CSQ: 20,99                 a line of its answer
    < OK
    ! +CEREG: 0                   a line the modem sends by itself

Lines before the first section belong to the section "". A "<" belongs to the ">" above it.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modems.at.framing import LineFramer
from modems.errors import ParseError, PortGone


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and the lines the modem answered, final result included."""

    command: str
    answer: tuple[str, ...]

    def matches(self, command: str) -> bool:
        """True when this exchange was recorded for `command`; letter case means nothing (V.250 5.4.1)."""
        pattern = ".*".join(re.escape(piece) for piece in self.command.split("*"))
        return re.fullmatch(pattern, command, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Section:
    """What holds in one state: the exchanges, and what the modem says by itself on entering it."""

    exchanges: tuple[Exchange, ...] = ()
    urcs: tuple[str, ...] = ()

    def find(self, command: str) -> tuple[Exchange, ...]:
        """Return the exchanges recorded for `command`, in order."""
        return tuple(each for each in self.exchanges if each.matches(command))


@dataclass(frozen=True, slots=True)
class Transcript:
    """A parsed transcript: values, and sections by name."""

    values: Mapping[str, str]
    sections: Mapping[str, Section]

    def section(self, name: str) -> Section:
        """Return section `name`, empty when there is none."""
        return self.sections.get(name, Section())


def parse(text: str) -> Transcript:
    """Read a transcript; raises ParseError that names the line."""
    values: dict[str, str] = {}
    exchanges: dict[str, list[tuple[str, list[str]]]] = {}
    urcs: dict[str, list[str]] = {}
    section = ""
    answer: list[str] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        mark, rest = line[:1], line[1:].strip()
        if not line or mark == "#":
            continue
        if mark == "[" and line.endswith("]"):
            section, answer = line[1:-1].strip(), None
        elif mark == "=" and " " in rest:
            key, _, value = rest.partition(" ")
            values[key] = value.strip()
        elif mark == ">" and rest:
            answer = []
            exchanges.setdefault(section, []).append((rest, answer))
        elif mark == "<" and answer is not None:
            answer.append(rest)
        elif mark == "!" and rest:
            urcs.setdefault(section, []).append(rest)
        else:
            raise ParseError("transcript", f"line {number}: {line}")
    return Transcript(
        values=values,
        sections={
            name: Section(
                exchanges=tuple(
                    Exchange(command, tuple(lines)) for command, lines in exchanges.get(name, [])
                ),
                urcs=tuple(urcs.get(name, [])),
            )
            for name in [*exchanges, *(each for each in urcs if each not in exchanges)]
        },
    )


class ReplayPort:
    """A port behind which a transcript answers: same command, same answer; unknown command, ERROR.

    A command recorded several times is answered in the recorded order, and then with the last answer.
    `sent` lists the commands written so far.
    """

    def __init__(self, transcript: Transcript, section: str = "", *, echo: bool = True) -> None:
        self.name = "replay"
        self.on_bytes: Callable[[bytes], None] | None = None
        self.on_gone: Callable[[PortGone], None] | None = None
        self.sent: list[str] = []
        self._section = transcript.section(section)
        self._values = transcript.values
        self._echo = echo
        self._framer = LineFramer()

    def write(self, data: bytes) -> None:
        """Take a command and answer it in the next turn of the event loop."""
        for command in self._framer.feed(data):
            self.sent.append(command)
            echo = f"{command}\r" if self._echo else ""
            self.say(echo + "".join(f"\r\n{line}\r\n" for line in self._answer(command)))

    def say(self, text: str) -> None:
        """Send `text` as if the modem had."""
        asyncio.get_running_loop().call_soon(self._deliver, text.encode("ascii"))

    def _deliver(self, data: bytes) -> None:
        if self.on_bytes is not None:
            self.on_bytes(data)

    def _answer(self, command: str) -> tuple[str, ...]:
        found = self._section.find(command)
        if not found:
            return ("OK",) if command.upper() == "AT" else ("ERROR",)
        already = sum(each.upper() == command.upper() for each in self.sent) - 1
        return tuple(fill(line, self._values) for line in found[min(already, len(found) - 1)].answer)


def fill(line: str, values: Mapping[str, str]) -> str:
    """Return `line` with every {name} of `values` replaced; other braces stay as they are."""
    for name, value in values.items():
        line = line.replace("{" + name + "}", value)
    return line
