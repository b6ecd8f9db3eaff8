"""Bytes from a modem, in any pieces, to lines of text. Pure: no I/O, no clock."""

LINE_LIMIT_BYTES = 4096  # longer than any answer recorded (AT+CLAC, AT+CGLA excepted: both fit)


class LineFramer:
    """Cuts a byte stream into lines.

    CR, LF and any mixture of them end a line (V.250 5.7.1 sends CR LF around a result, CR after an echo);
    empty lines are dropped. NUL and DEL are dropped, bytes outside ASCII become U+FFFD.
    A line over `limit` bytes is dropped whole and counted in `overlong`; nothing ever raises.
    """

    def __init__(self, limit: int = LINE_LIMIT_BYTES) -> None:
        self.limit = limit
        self.overlong = 0
        self._partial = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes, oldest first."""
        lines: list[str] = []
        pieces = data.replace(b"\n", b"\r").split(b"\r")
        for position, piece in enumerate(pieces):
            if position > 0:
                self._end_line(lines)
            self._append(piece)
        return lines

    def _append(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._partial += piece
        if len(self._partial) > self.limit:
            self.overlong += 1
            self._skipping = True
            self._partial.clear()

    def _end_line(self, lines: list[str]) -> None:
        self._skipping = False
        if not self._partial:
            return
        raw = bytes(self._partial).translate(None, delete=b"\x00\x7f")
        self._partial.clear()
        text = raw.decode("ascii", errors="replace").strip(" \t")
        if text:
            lines.append(text)
