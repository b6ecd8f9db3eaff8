"""An RNDIS network interface's control channel, as far as Linux's driver talks to it (MS-RNDIS 2.2). Pure."""

import struct

SEND_COMMAND, GET_RESPONSE = 0, 1
"""bRequest of CDC's encapsulated commands, in which RNDIS packs its messages."""
INITIALIZE, QUERY, SET, DONE = 2, 4, 5, 0x80000000
PERMANENT_ADDRESS = 0x01010101
ADDRESS = bytes.fromhex("020000000350")
OFFSET_BASE = 8
"""Offsets count from the request's number on."""
FAILED = 0xC0000001


class Rndis:
    """Answers the host's commands; what it does not know it refuses."""

    def __init__(self) -> None:
        self._answer = b""

    def control(self, request_type: int, request: int, data: bytes) -> bytes | None:
        """See `tests.hwlab.guest.usbip.OnControl`."""
        if request == GET_RESPONSE and request_type & 0x80:
            answer, self._answer = self._answer, b""
            return answer or b"\0"
        if request == SEND_COMMAND and len(data) >= 12:
            self._answer = answer_to(data)
        return None if request_type & 0x80 else b""


def answer_to(message: bytes) -> bytes:
    """What the device says to one message of the host."""
    kind, _, number = struct.unpack_from("<3I", message)
    if kind == INITIALIZE:
        # Version 1.0, connectionless, 802.3, one packet of at most 2 KiB a transfer.
        return _message(kind, number, 0, struct.pack("<8I", 1, 0, 1, 0, 1, 2048, 0, 0) + bytes(4))
    if kind == QUERY:
        (oid,) = struct.unpack_from("<I", message, 12)
        if oid == PERMANENT_ADDRESS:
            head = struct.pack("<2I", len(ADDRESS), 24 - OFFSET_BASE)
            return _message(kind, number, 0, head + ADDRESS)
        return _message(kind, number, FAILED, bytes(8))
    return _message(kind, number, 0 if kind == SET else FAILED, b"")


def _message(kind: int, number: int, status: int, rest: bytes) -> bytes:
    return struct.pack("<4I", kind | DONE, 16 + len(rest), number, status) + rest
