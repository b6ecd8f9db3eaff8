"""The part of ITU-T X.690 that RSPRO needs: one-byte tags, definite lengths."""

from remsimd.errors import RsproError

INTEGER_MAX_OCTETS = 8
"""More than any RSPRO integer needs; bounds the work spent on hostile input."""


def tlv(tag: int, content: bytes) -> bytes:
    """One element with the shortest definite length, as DER wants it (X.690 10.1)."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def read(data: bytes, position: int) -> tuple[int, bytes, int]:
    """The element at `position`: its tag, its content and the position behind it.

    Lengths may be longer than needed, as BER allows. Raises RsproError for a truncated
    element, an indefinite length and a tag of several octets.
    """
    try:
        tag = data[position]
        length = data[position + 1]
    except IndexError:
        raise RsproError("BER: an element is cut off in its header") from None
    start = position + 2
    if length > 0x7F:
        octets = length & 0x7F
        if octets == 0:
            raise RsproError("BER: indefinite length")
        start += octets
        if start > len(data):
            raise RsproError("BER: an element is cut off in its length")
        length = int.from_bytes(data[position + 2 : start], "big")
    if tag & 0x1F == 0x1F:
        raise RsproError("BER: a tag of several octets")
    end = start + length
    if end > len(data):
        raise RsproError(f"BER: tag {tag:02X} announces {length} octets, {len(data) - start} are left")
    return tag, data[start:end], end


def encode_integer(value: int) -> bytes:
    """The shortest two's complement content of an INTEGER (X.690 8.3)."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def decode_integer(content: bytes) -> int:
    """The value of an INTEGER or ENUMERATED content of 1..8 octets; else RsproError."""
    if not 1 <= len(content) <= INTEGER_MAX_OCTETS:
        raise RsproError(f"BER: an integer of {len(content)} octets")
    return int.from_bytes(content, "big", signed=True)


def decode_boolean(content: bytes) -> bool:
    """False for zero, True for anything else (X.690 8.2); RsproError unless one octet."""
    if len(content) != 1:
        raise RsproError(f"BER: a boolean of {len(content)} octets")
    return content != b"\x00"
