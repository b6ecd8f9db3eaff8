"""The deployed C client's reading of a register answer, rule by rule, as an oracle.

It searches the text: `strstr` for a key with its colon (and, for strings, the opening quote) and nothing in
between; `sscanf("%d")` for numbers, which skips blanks and stops at the first non-digit; strings end at the
next quote and are dropped when they do not fit their buffer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_BUFFER = 32
ENDPOINT_BUFFER = 256
DEFAULT_BANKD_PORT = 9999


class Rejected(Exception):  # noqa: N818  reads as what happened
    """The client gives up on the answer and stays with its static configuration."""


@dataclass(frozen=True, slots=True)
class CAssignment:
    """The fields the client takes over."""

    bank_id: int
    slot_id: int
    iccid: str
    imsi: str
    bankd_host: str
    bankd_port: int
    mapping_mode: str


def parse(status: int, body: bytes) -> CAssignment:
    """Return what the client takes from an answer. Raises Rejected."""
    if status != 200:
        raise Rejected(f"HTTP {status}")
    text = body.decode("latin-1").partition("\0")[0]
    if '"status":"error"' in text:
        raise Rejected("error status")
    endpoint = _string(text, "bankd_endpoint", ENDPOINT_BUFFER)
    _, scheme, rest = endpoint.partition("://")
    host, colon, port = (rest if scheme else endpoint).partition(":")
    found = CAssignment(
        bank_id=_number(text, "bank_id"),
        slot_id=_number(text, "slot_id"),
        iccid=_string(text, "iccid", TEXT_BUFFER),
        imsi=_string(text, "imsi", TEXT_BUFFER),
        bankd_host=host,
        bankd_port=_digits(port) if colon else DEFAULT_BANKD_PORT,
        mapping_mode=_string(text, "mapping_mode", TEXT_BUFFER),
    )
    if 0 in (found.bank_id, found.slot_id, found.bankd_port) or not found.bankd_host:
        raise Rejected("incomplete")
    return found


def _number(text: str, key: str) -> int:
    _, found, rest = text.partition(f'"{key}":')
    return _digits(rest) if found else 0


def _digits(text: str) -> int:
    match = re.match(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", text)
    return int(match[1]) if match else 0


def _string(text: str, key: str, buffer: int) -> str:
    _, found, rest = text.partition(f'"{key}":"')
    value, quote, _ = rest.partition('"')
    return value if found and quote and len(value) < buffer else ""
