"""The messages between ubusd and its clients (ubus: ubusmsg.h, libubus-io.c)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from remsimd.control.blobmsg import HEAD, attribute, attributes
from remsimd.errors import ControlError

BODY_MAX_BYTES = 1 << 20
"""UBUS_MAX_MSGLEN; ubusd ends the connection of a client that sends more."""
SYSTEM_OBJECT_EVENT = 1
"""The object in ubusd that spreads events."""

_FIXED = struct.Struct(">BBHI")
HEAD_BYTES = _FIXED.size + HEAD.size


class Kind(IntEnum):
    """What a message is."""

    HELLO = 0
    STATUS = 1
    DATA = 2
    PING = 3
    LOOKUP = 4
    INVOKE = 5
    ADD_OBJECT = 6
    REMOVE_OBJECT = 7


class Attribute(IntEnum):
    """What an attribute of a message holds."""

    STATUS = 1
    OBJPATH = 2
    OBJID = 3
    METHOD = 4
    OBJTYPE = 5
    SIGNATURE = 6
    DATA = 7
    NO_REPLY = 10


class Status(IntEnum):
    """How a call ended."""

    OK = 0
    INVALID_COMMAND = 1
    INVALID_ARGUMENT = 2
    METHOD_NOT_FOUND = 3
    NOT_FOUND = 4
    NO_DATA = 5
    PERMISSION_DENIED = 6
    TIMEOUT = 7
    NOT_SUPPORTED = 8
    UNKNOWN_ERROR = 9
    CONNECTION_FAILED = 10


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `peer` is the other client, `seq` what matches an answer to its request.

    `attributes` holds payloads by `Attribute`; ubusd never sends one twice.
    """

    kind: int
    seq: int
    peer: int
    attributes: dict[int, bytes] = field(default_factory=dict)

    def number(self, wanted: Attribute) -> int | None:
        """An attribute that is a 32-bit number, None where there is none."""
        payload = self.attributes.get(wanted)
        return None if payload is None or len(payload) != HEAD.size else int(HEAD.unpack(payload)[0])

    def text(self, wanted: Attribute) -> str:
        """An attribute that is a C string, empty where there is none."""
        return self.attributes.get(wanted, b"").partition(b"\0")[0].decode("utf-8", "replace")


def number(value: int) -> bytes:
    """The payload of a 32-bit attribute."""
    return HEAD.pack(value)


def text(value: str) -> bytes:
    """The payload of an attribute that is a C string."""
    return value.encode() + b"\0"


def encode(kind: Kind, seq: int, peer: int, parts: Iterable[tuple[Attribute, bytes]]) -> bytes:
    """The bytes of a message, its attributes in this order; raises `ControlError` when it is too large."""
    body = attribute(0, b"".join(attribute(part, payload) for part, payload in parts))
    if len(body) > BODY_MAX_BYTES:
        raise ControlError(
            f"the answer is larger than ubus carries ({BODY_MAX_BYTES >> 10} KiB): ask for less"
        )
    return _FIXED.pack(0, kind, seq, peer) + body


def body_bytes(head: bytes) -> int:
    """How many bytes follow the HEAD_BYTES of a message; raises `ControlError` where this is not ubus."""
    length = int(HEAD.unpack_from(head, _FIXED.size)[0]) & 0xFFFFFF
    if head[0] != 0 or not HEAD.size <= length <= BODY_MAX_BYTES:
        raise ControlError("what ubusd says is not ubus")
    return length - HEAD.size


def decode(head: bytes, body: bytes) -> Message:
    """The message; raises `ControlError` when its attributes cannot be told apart."""
    _, kind, seq, peer = _FIXED.unpack_from(head)
    return Message(kind, seq, peer, dict(attributes(body)))
