"""What makes one subscriber's card, and where cards come from."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEST_MCC, TEST_MNC = "001", "01"
"""The PLMN of test networks (TS 23.122 annex A): no real subscriber has these numbers."""
ISSUER = "8988211"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardData:
    """One card: 18..20 digits ICCID, 6..15 digits IMSI, K and OPc of 16 octets, its slot."""

    iccid: str
    imsi: str
    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)
    slot: int
    mnc_digits: int = 2
    service_provider: str = "simlab"


def load(path: Path) -> tuple[CardData, ...]:
    """The cards of a JSON file: a list of objects with iccid, imsi, k, opc (hex) and slot.

    Raises ValueError naming the card that cannot be used.
    """
    return tuple(_card(number, entry) for number, entry in enumerate(json.loads(path.read_text("utf-8"))))


def _card(number: int, entry: dict[str, Any]) -> CardData:
    try:
        card = CardData(
            iccid=str(entry["iccid"]),
            imsi=str(entry["imsi"]),
            k=bytes.fromhex(entry["k"]),
            opc=bytes.fromhex(entry["opc"]),
            slot=int(entry["slot"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"card {number}: {type(error).__name__} {error}") from error
    if len(card.k) != 16 or len(card.opc) != 16:
        raise ValueError(f"card {number}: k and opc are 16 octets each")
    if not (card.iccid.isdecimal() and 18 <= len(card.iccid) <= 20):
        raise ValueError(f"card {number}: an ICCID has 18 to 20 digits")
    if not (card.imsi.isdecimal() and 6 <= len(card.imsi) <= 15):
        raise ValueError(f"card {number}: an IMSI has 6 to 15 digits")
    return card


def as_json(card: CardData) -> dict[str, object]:
    """The entry of the file for this card, with its keys: for the lab only."""
    return {
        "iccid": card.iccid,
        "imsi": card.imsi,
        "k": card.k.hex(),
        "opc": card.opc.hex(),
        "slot": card.slot,
    }


def generate(count: int, seed: int) -> tuple[CardData, ...]:
    """`count` cards in slots 0.. with numbers and keys that follow from `seed`."""
    source = random.Random(seed)
    cards = []
    for slot in range(count):
        serial = source.randrange(10**7) * 1000 + slot
        cards.append(
            CardData(
                iccid=_with_luhn(f"{ISSUER}{serial:011d}"),
                imsi=f"{TEST_MCC}{TEST_MNC}{serial:010d}",
                k=source.randbytes(16),
                opc=source.randbytes(16),
                slot=slot,
            )
        )
    return tuple(cards)


def _with_luhn(digits: str) -> str:
    """`digits` and their check digit (ITU-T E.118, ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return digits + str(-total % 10)
