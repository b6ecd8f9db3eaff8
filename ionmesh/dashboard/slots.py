"""Slots as they are drawn: one letter each, and what the letters add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ionmesh.dashboard.i18n import mark, translate
from ionmesh.models import Bank, SlotStatus
from ionmesh.services.health import Health
from ionmesh.services.occupancy import Place

OK, PROBLEM, CRITICAL, HELD, FREE, RESERVED, OUT = "o", "p", "c", "u", "f", "r", "d"
_OF_HEALTH = {Health.OK: OK, Health.PROBLEM: PROBLEM, Health.CRITICAL: CRITICAL}
_OF_STATUS = {
    SlotStatus.AVAILABLE: FREE,
    SlotStatus.ASSIGNED: HELD,
    SlotStatus.RESERVED: RESERVED,
    SlotStatus.FAULTY: OUT,
    SlotStatus.DISABLED: OUT,
}
# The letter, the sign in the square (colour alone says nothing), the name.
_LEGEND = (
    (OK, "●", mark("Client online")),
    (PROBLEM, "▲", mark("Client has a problem")),
    (CRITICAL, "◆", mark("Client offline")),
    (HELD, "○", mark("In use, no telemetry")),
    (FREE, "", mark("Free")),
    (RESERVED, "R", mark("Reserved")),
    (OUT, "✕", mark("Out of service")),
)
SIGNS = {letter: sign for letter, sign, _ in _LEGEND}


@dataclass(frozen=True, slots=True)
class BankSummary:
    """A bank on a card: its slots as a line of letters, and counted."""

    bank: Bank
    letters: str
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """How many slots it has."""
        return len(self.letters)

    @property
    def in_use(self) -> int:
        """How many of them have a client."""
        return sum(self.counts.get(letter, 0) for letter in (OK, PROBLEM, CRITICAL, HELD))

    @property
    def free(self) -> int:
        """How many can be given."""
        return self.counts.get(FREE, 0)


def letter(place: Place) -> str:
    """Return the letter of a slot."""
    if place.health is not None and place.status is SlotStatus.ASSIGNED:
        return _OF_HEALTH.get(place.health, HELD)
    return _OF_STATUS[place.status]


def legend() -> list[tuple[str, str, str]]:
    """Return letter, sign and name of everything a slot can be."""
    return [(letter, sign, translate(name)) for letter, sign, name in _LEGEND]


def names() -> dict[str, str]:
    """Return the name of each letter."""
    return {letter: name for letter, _, name in legend()}


def summaries(banks: Sequence[Bank], places: Sequence[Place]) -> list[BankSummary]:
    """Return the banks with their slots."""
    letters: dict[int, list[str]] = {bank.bank_id: [] for bank in banks}
    for place in places:
        if place.bank_id in letters:
            letters[place.bank_id].append(letter(place))
    return [
        BankSummary(bank, "".join(letters[bank.bank_id]), dict(Counter(letters[bank.bank_id])))
        for bank in banks
    ]
