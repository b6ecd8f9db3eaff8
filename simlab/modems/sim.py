"""The SIM an emulated modem has in its slot, wherever the card really is."""

from dataclasses import dataclass
from typing import Protocol


class SimFailure(Exception):  # noqa: N818 - the modem's own name for it: +CME ERROR: 13, SIM failure
    """The card does not work: no answer, or not the answer of a SIM."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a USIM answers to a challenge it accepts (TS 31.102 7.1.2.1): RES 4..16 bytes, CK and IK 16."""

    res: bytes
    ck: bytes
    ik: bytes


@dataclass(frozen=True, slots=True)
class SynchronisationFailure:
    """What a USIM answers to a challenge out of sequence: AUTS, 14 bytes."""

    auts: bytes


class ModemSim(Protocol):
    """A card as the modem sees it; every method raises SimFailure when the card is not there any more."""

    async def read_iccid(self) -> str:
        """Read EF.ICCID: 18 to 20 digits."""

    async def read_imsi(self) -> str:
        """Read EF.IMSI: 6 to 15 digits."""

    async def authenticate(self, rand: bytes, autn: bytes) -> Authentication | SynchronisationFailure:
        """Run AUTHENTICATE in 3G context; raises SimFailure when the card refuses the challenge."""


@dataclass(frozen=True, slots=True)
class LocalSim:
    """A card in the modem's own slot: it has numbers and no key, so its network must not challenge it."""

    iccid: str
    imsi: str

    async def read_iccid(self) -> str:
        return self.iccid

    async def read_imsi(self) -> str:
        return self.imsi

    async def authenticate(self, rand: bytes, autn: bytes) -> Authentication | SynchronisationFailure:
        raise SimFailure("this card has no key")
