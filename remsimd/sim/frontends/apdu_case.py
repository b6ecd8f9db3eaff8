"""Which way the data of a T=0 command goes, from its header alone.

On T=0 a header does not say whether P3 counts octets from the modem or octets from the card
(ISO 7816-3 12.2); whoever stands in the middle has to know the instruction. The tables hold
those of TS 51.011, TS 102 221, TS 31.102, ISO 7816-4 and GlobalPlatform as libosmosim, the
library behind the deployed programs, sorts them; where it differs, a comment says why.
"""

from collections.abc import Mapping
from enum import IntEnum

GSM_CLASS = 0xA0
FIRST_BLOCK = 0x80
"""P2 of RETRIEVE DATA: the command names the object wanted (TS 102 221 11.3.1)."""


class Case(IntEnum):
    """The cases of ISO 7816-3 12.1.2."""

    NEITHER = 1
    FROM_CARD = 2
    TO_CARD = 3
    BOTH = 4


def _table(
    *, neither: str = "", from_card: str = "", to_card: str = "", both: str = ""
) -> Mapping[int, Case]:
    sorts = (Case.NEITHER, neither), (Case.FROM_CARD, from_card), (Case.TO_CARD, to_card), (Case.BOTH, both)
    return {instruction: case for case, text in sorts for instruction in bytes.fromhex(text)}


GSM = _table(
    neither="04 44 FA",
    from_card="12 B0 B2 C0 F2",
    to_card="10 14 20 24 26 28 2C D6 DC",
    both="32 88 A2 A4 C2",
)
"""TS 51.011 9.2, class A0."""

INTERINDUSTRY = _table(
    neither="04 44",
    from_card="70 84 B0 B2 C0 CA",
    to_card="0E 20 22 24 26 28 2C 82 D0 D2 D6 DA DC E0 E2",
    both="2A 46 86 88 89 A2 A4",
)
"""TS 102 221 10.1.2 and ISO 7816-4 5.1.2, classes 0X, 4X and 6X."""

PROPRIETARY = _table(
    from_card="12 C0",
    to_card="10 14 AA DB F0",
    both="32 76 78 7A C2 CA D8 E4 E6 E8",
)
"""TS 102 221 10.1.2 and GlobalPlatform Card Specification 11, classes 8X, CX and EX."""

# TS 102 221 11.1.20, MANAGE SECURE CHANNEL: what the upper bits of P2 say of the data.
SECURE_CHANNEL_TO_CARD, SECURE_CHANNEL_FROM_CARD = (0x00, 0x80), (0x20, 0xA0)


def determine(header: bytes) -> Case | None:
    """The case of the command with this header (CLA INS P1 P2 P3), None where it is unknown."""
    cla, ins, p1, p2 = header[:4]
    if cla == GSM_CLASS:
        return GSM.get(ins)
    if cla & 0x80:
        return _proprietary(ins, p1, p2)
    if ins == 0x73:
        return _secure_channel(p1, p2)
    if ins == 0x75:  # TRANSACT DATA (TS 102 221 11.1.21)
        return Case.TO_CARD if p1 & 0x04 else Case.FROM_CARD
    return INTERINDUSTRY.get(ins)


def modem_sends_data(header: bytes, case: Case) -> bool:
    """Whether P3 octets from the modem follow; P3 = 0 announces none in any case (ISO 7816-3 10.3.2)."""
    return header[4] > 0 and case in (Case.TO_CARD, Case.BOTH)


def _proprietary(ins: int, p1: int, p2: int) -> Case | None:
    match ins:
        case 0xCB:
            # RETRIEVE DATA gives the next block without asking again; libosmosim waits for data
            # that no modem sends.
            return Case.BOTH if p2 & FIRST_BLOCK else Case.FROM_CARD
        case 0xE2:  # STORE DATA: P1 says whether an answer is expected
            return Case.BOTH if p1 & 0x01 else Case.TO_CARD
        case 0xF2:  # STATUS of TS 102 221 has no upper bits in P1, GET STATUS always has one
            return Case.BOTH if p1 & 0xF0 else Case.FROM_CARD
    return PROPRIETARY.get(ins)


def _secure_channel(p1: int, p2: int) -> Case | None:
    operation = p1 & 0x07
    if p1 == 0x00:
        return Case.FROM_CARD
    if operation == 4 or (operation in (1, 2, 3) and p2 & 0xE0 in SECURE_CHANNEL_TO_CARD):
        return Case.TO_CARD
    if operation in (1, 2, 3) and p2 & 0xE0 in SECURE_CHANNEL_FROM_CARD:
        return Case.FROM_CARD
    return None
