"""ICMP echo messages of both families (RFC 792, RFC 4443); no I/O here."""

import struct

_HEADER = struct.Struct("!BBHHH")
_REQUEST = {False: 8, True: 128}
_REPLY = {False: 0, True: 129}


def request(*, ipv6: bool, ident: int, sequence: int, payload: bytes) -> bytes:
    """An echo request; the kernel fills in the ICMPv6 checksum, which covers addresses too."""
    message = _HEADER.pack(_REQUEST[ipv6], 0, 0, ident, sequence) + payload
    if ipv6:
        return message
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def answers(datagram: bytes, *, ipv6: bool, raw: bool, sequence: int, payload: bytes) -> bool:
    """Whether this is the reply to that request.

    A raw IPv4 socket hands out the IP header too. The random payload identifies the request: the
    kernel replaces the identifier on an unprivileged socket.
    """
    if raw and not ipv6:
        if not datagram:
            return False
        datagram = datagram[(datagram[0] & 0x0F) * 4 :]
    if len(datagram) < _HEADER.size:
        return False
    kind, code, _, _, found = _HEADER.unpack_from(datagram)
    return (
        kind == _REPLY[ipv6]
        and code == 0
        and found == sequence
        and datagram[_HEADER.size :][: len(payload)] == payload
    )


def checksum(message: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(message) % 2:
        message += b"\0"
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
