"""The newest log lines in memory, for the command log-tail."""

import logging
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from modems.facts import mask

LINES = 200
LINE_CHARS = 300
_LONG_NUMBER = re.compile(r"(?<![0-9A-Fa-f])[0-9]{14,20}(?![0-9A-Fa-f])", re.ASCII)
"""An IMSI, ICCID or IMEI that some line forgot to mask."""
_KEY = re.compile(r"imk_[A-Za-z0-9_]+", re.ASCII)
_LONG_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){16,}(?![0-9A-Za-z])", re.ASCII)
"""A payload of a card, from 16 bytes on."""


class LogTail(logging.Handler):
    """Keeps the newest lines, masked, at most `LINES` of at most `LINE_CHARS`."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=LINES)

    @contextmanager
    def attached(self) -> Iterator["LogTail"]:
        """Hear every logger while the context lasts."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield self
        finally:
            root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        line = self.format(record).replace("\n", " | ")
        self._lines.append(masked(line)[:LINE_CHARS])

    def newest(self, count: int, chars: int) -> str:
        """The newest `count` lines that fit into `chars`, oldest first."""
        kept: list[str] = []
        for line in reversed(self._lines):
            chars -= len(line) + 1
            if chars < 0 or len(kept) == count:
                break
            kept.append(line)
        return "\n".join(reversed(kept))


def masked(line: str) -> str:
    """A line without what identifies a subscriber or opens a door."""
    line = _KEY.sub("imk_***", line)
    line = _LONG_NUMBER.sub(lambda found: mask(found[0]), line)
    return _LONG_HEX.sub(lambda found: f"({len(found[0]) // 2} bytes)", line)
