"""IPA framing as osmo-remsim uses it: a length of two octets, a protocol octet, the body."""

from dataclasses import dataclass
from enum import IntEnum

from remsimd.errors import RsproError

HEADER_OCTETS = 3
RSPRO_EXTENSION = 0x07
BODY_MAX_OCTETS = 65535


class Proto(IntEnum):
    """The protocol octet of a frame (libosmocore, ipaccess.h)."""

    OSMO = 0xEE
    CCM = 0xFE


class Ccm(IntEnum):
    """IPA connection management; the first octet of a CCM body."""

    PING = 0x00
    PONG = 0x01
    ID_GET = 0x04
    ID_RESP = 0x05
    ID_ACK = 0x06


PROTOS = frozenset(Proto)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; of an RSPRO frame the `body` is the PDU, without the extension octet."""

    proto: Proto
    body: bytes


def ccm(kind: Ccm, rest: bytes = b"") -> bytes:
    """A connection management frame."""
    return _frame(Proto.CCM, bytes((kind,)) + rest)


def rspro(pdu: bytes) -> bytes:
    """The frame that carries an encoded PDU; RsproError where it is too long."""
    return _frame(Proto.OSMO, bytes((RSPRO_EXTENSION,)) + pdu)


def _frame(proto: Proto, body: bytes) -> bytes:
    if len(body) > BODY_MAX_OCTETS:
        raise RsproError(f"IPA: a body of {len(body)} octets does not fit a frame")
    return len(body).to_bytes(2, "big") + bytes((proto,)) + body


PING = ccm(Ccm.PING)
PONG = ccm(Ccm.PONG)


class Deframer:
    """Cuts a byte stream, in whatever chunks it comes, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completes, in order.

        Raises RsproError for a protocol that is neither RSPRO nor CCM; nothing that follows
        in the stream can be trusted then, and the connection is to be closed.
        """
        buffer = self._buffer
        buffer += chunk
        frames = []
        position = 0
        while len(buffer) - position >= HEADER_OCTETS:
            proto = buffer[position + 2]
            if proto not in PROTOS:
                # Not waiting for the body that the length announces: it may never come.
                raise RsproError(f"IPA: protocol {proto:02X} is neither RSPRO nor CCM")
            end = position + HEADER_OCTETS + int.from_bytes(buffer[position : position + 2], "big")
            if len(buffer) < end:
                break
            frames.append(_parse(proto, bytes(buffer[position + HEADER_OCTETS : end])))
            position = end
        del buffer[:position]
        return frames


def _parse(proto: int, body: bytes) -> Frame:
    if not body:
        raise RsproError(f"IPA: an empty frame of protocol {proto:02X}")
    if proto == Proto.CCM:
        return Frame(Proto.CCM, body)
    if body[0] != RSPRO_EXTENSION:
        raise RsproError(f"IPA: extension {body[0]:02X} is not RSPRO")
    return Frame(Proto.OSMO, body[1:])
