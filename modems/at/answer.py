"""Which line belongs to an answer, and which the modem sent by itself. Pure.

With the command's expected name (`prefix`), a line of that name is the answer's, a line with a URC's name
is news, and anything else is dropped unless it continues a line that the modem broke in two. Without it,
everything that is not a URC is the answer's.
"""

from enum import Enum, auto

from modems.at.command import dials
from modems.at.fields import split_name
from modems.at.parse import FinalResult, final_result

LINE_LIMIT = 512  # lines of one answer; the longest recorded, AT+COPS=? and AT+CLAC, stay below


class LineKind(Enum):
    """What a line turned out to be."""

    ECHO = auto()
    INFORMATION = auto()
    FINAL = auto()
    URC = auto()
    DISCARDED = auto()


def is_urc(line: str, urc_names: frozenset[str]) -> bool:
    """True when `line` is one that modems send by themselves."""
    split = split_name(line)
    return line in urc_names or (split is not None and split[0] in urc_names)


class Answer:
    """Collects one command's answer, line by line.

    `echo_expected`: the modem is known to echo, so nothing counts before the echo: it is late output of an
    earlier command. An echo is honoured whether it was expected or not.
    """

    def __init__(
        self, command: str, prefix: str | None, urc_names: frozenset[str], *, echo_expected: bool
    ) -> None:
        self.echoed = False
        self.final: FinalResult | None = None
        self.final_line = ""
        self._command = command.strip().upper()
        self._dialling = dials(command)
        self._prefix = None if prefix is None else prefix.rstrip(": ")
        self._urc_names = urc_names
        self._echo_expected = echo_expected
        self._lines: list[str] = []

    @property
    def lines(self) -> tuple[str, ...]:
        """The information lines so far."""
        return tuple(self._lines)

    def feed(self, line: str) -> LineKind:
        """Take one line and say what it is; after FINAL the answer is complete and `final` is set."""
        if line.strip().upper() == self._command:
            self._lines.clear()
            self.echoed = True
            return LineKind.ECHO
        if self._echo_expected and not self.echoed:
            return LineKind.URC if is_urc(line, self._urc_names) else LineKind.DISCARDED
        if self._is_expected(line):
            return self._keep(line)
        if is_urc(line, self._urc_names):
            return LineKind.URC
        if (final := final_result(line, dialling=self._dialling)) is not None:
            self.final, self.final_line = final, line
            return LineKind.FINAL
        if self._prefix is None:
            return self._keep(line)
        if self._lines and _continues(self._lines[-1], line):
            self._lines[-1] += line
            return LineKind.INFORMATION
        return LineKind.DISCARDED

    def _is_expected(self, line: str) -> bool:
        if self._prefix is None:
            return False
        split = split_name(line)
        return split is not None and split[0] == self._prefix

    def _keep(self, line: str) -> LineKind:
        if len(self._lines) >= LINE_LIMIT:
            return LineKind.DISCARDED
        self._lines.append(line)
        return LineKind.INFORMATION


def _continues(previous: str, line: str) -> bool:
    """True when `line` is the second half of `previous`: Intel modems break long lines with a bare LF."""
    if previous.count('"') % 2 == 1:
        return True
    return previous.endswith(",") or line[0] in ',"-.0123456789'
