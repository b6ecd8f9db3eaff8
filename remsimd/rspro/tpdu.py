"""What the relay understands of the commands it carries (TS 102 221 10.1, T=0)."""

HEADER_OCTETS = 5
GSM_CLASS = 0xA0
"""The class of a 2G SIM's commands (TS 51.011 9.2)."""
AUTHENTICATE = 0x88
"""RUN GSM ALGORITHM in class A0 (TS 51.011 9.2.16), AUTHENTICATE elsewhere (TS 31.102 7.1)."""
GET_RESPONSE = 0xC0
SECRET_INSTRUCTIONS = frozenset((AUTHENTICATE, 0x20, 0x24, 0x26, 0x28, 0x2C))
"""Challenges, and the PINs of VERIFY, CHANGE, DISABLE, ENABLE and UNBLOCK."""


def redact(tpdu: bytes, *, payload: bool) -> str:
    """A command for the log: its header, and its data where `payload` is wanted and harmless.

    The data of an authentication or PIN command is never part of it.
    """
    header = tpdu[:HEADER_OCTETS].hex(" ")
    secret = len(tpdu) > 1 and tpdu[1] in SECRET_INSTRUCTIONS
    if len(tpdu) <= HEADER_OCTETS:
        return header
    if payload and not secret:
        return f"{header} {tpdu[HEADER_OCTETS:].hex()}"
    return f"{header} ({len(tpdu) - HEADER_OCTETS} octets)"


def status_word(answer: bytes) -> int:
    """SW1 SW2 as one number; `answer` has at least two octets."""
    return int.from_bytes(answer[-2:], "big")
