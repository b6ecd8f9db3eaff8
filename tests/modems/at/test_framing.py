"""Bytes to lines: whole, byte by byte, many at once, and garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.at.framing import LINE_LIMIT_BYTES, LineFramer

STREAMS = [
    (b"\r\nOK\r\n", ["OK"]),
    (b"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n", ["AT+CSQ", "+CSQ: 20,99", "OK"]),
    (b"AT!PCTEMP?\r\r\nTemp state: Normal\r\n", ["AT!PCTEMP?", "Temp state: Normal"]),
    (b'\r\n+XMCI: 4,510,11,"0x7D08",\n"0x04E23C06"\r\n', ['+XMCI: 4,510,11,"0x7D08",', '"0x04E23C06"']),
    (b"\x00\x00+CREG: 1\x00\r\n", ["+CREG: 1"]),
    (b'+COPS: 0,0,"T\xe9l"\r\n', ['+COPS: 0,0,"T�l"']),
    (b"LTE band:      B2     \t\tLTE bw:      20 MHz\r\n", ["LTE band:      B2     \t\tLTE bw:      20 MHz"]),
    (b"  \r\n\t\r\n", []),
]


@pytest.mark.parametrize(("stream", "lines"), STREAMS)
def test_whole_and_byte_by_byte_and_five_in_one(stream: bytes, lines: list[str]) -> None:
    assert LineFramer().feed(stream) == lines
    framer = LineFramer()
    assert [line for byte in stream for line in framer.feed(bytes([byte]))] == lines
    assert LineFramer().feed(stream * 5) == lines * 5


def test_an_unfinished_line_waits_for_its_end() -> None:
    framer = LineFramer()
    assert framer.feed(b"+CSQ: 2") == []
    assert framer.feed(b"0,99\r") == ["+CSQ: 20,99"]


def test_a_line_of_the_limit_passes_and_a_longer_one_is_dropped_and_counted() -> None:
    framer = LineFramer()
    assert framer.feed(b"x" * LINE_LIMIT_BYTES + b"\r\n") == ["x" * LINE_LIMIT_BYTES]
    assert framer.overlong == 0
    assert framer.feed(b"y" * (LINE_LIMIT_BYTES + 1) + b"y\r\nOK\r\n") == ["OK"]
    assert framer.overlong == 1


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_how_the_bytes_are_cut_does_not_matter(pieces: list[bytes]) -> None:
    framer = LineFramer(limit=64)
    cut = [line for piece in pieces for line in framer.feed(piece)]
    whole = LineFramer(limit=64)
    assert whole.feed(b"".join(pieces)) == cut
    assert framer.overlong == whole.overlong
    assert all(line and len(line) <= 64 and "\r" not in line and "\n" not in line for line in cut)
