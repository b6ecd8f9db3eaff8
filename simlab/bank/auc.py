"""The home network's authentication centre, computing on its own.

It shares nothing with the software USIM: plain integers over another library's AES. What
comes through the relay and agrees with it was therefore computed right on both sides.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from Crypto.Cipher import AES

from simlab.bank.cards import CardData

MASK = (1 << 128) - 1
IND_BITS = 5
AMF = 0x8000
"""The separation bit set, as for an E-UTRAN vector (TS 33.102 annex H)."""
AMF_RESYNC = 0x0000


@dataclass(frozen=True, slots=True)
class Challenge:
    """An authentication vector (TS 33.102 6.3.2); `xres` is 8 octets, the others 16."""

    rand: bytes
    autn: bytes
    xres: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@dataclass(slots=True)
class _Subscriber:
    k: bytes
    opc: int
    seq: int = 0
    ind: int = 0


class Auc:
    """Challenges the subscribers whose cards it knows; `random` makes the RANDs."""

    def __init__(
        self, cards: Iterable[CardData], *, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._subscribers = {
            card.imsi: _Subscriber(card.k, int.from_bytes(card.opc, "big")) for card in cards
        }
        self._random = random

    def challenge(self, imsi: str) -> Challenge:
        """A fresh vector for the subscriber; KeyError for one it does not know."""
        subscriber = self._subscribers[imsi]
        subscriber.seq += 1
        subscriber.ind = (subscriber.ind + 1) % (1 << IND_BITS)
        sqn = (subscriber.seq << IND_BITS) | subscriber.ind
        rand = self._random(16)
        values = _compute(subscriber, rand, sqn, AMF)
        autn = ((sqn ^ values.ak) << 80) | (AMF << 64) | values.mac_a
        return Challenge(
            rand, _octets(autn, 16), _octets(values.res, 8), _octets(values.ck, 16), _octets(values.ik, 16)
        )

    def resynchronise(self, imsi: str, rand: bytes, auts: bytes) -> bool:
        """Take the card's sequence number over where AUTS proves it (TS 33.102 6.3.5)."""
        subscriber = self._subscribers[imsi]
        concealed, mac_s = int.from_bytes(auts[:6], "big"), int.from_bytes(auts[6:], "big")
        sqn = concealed ^ _compute(subscriber, rand, 0, AMF_RESYNC).ak_star
        if _compute(subscriber, rand, sqn, AMF_RESYNC).mac_s != mac_s:
            return False
        subscriber.seq = sqn >> IND_BITS
        return True


@dataclass(frozen=True, slots=True)
class _Values:
    mac_a: int
    mac_s: int
    res: int
    ck: int
    ik: int
    ak: int
    ak_star: int


def _compute(subscriber: _Subscriber, rand: bytes, sqn: int, amf: int) -> _Values:
    """TS 35.206 4.1 with 128-bit integers."""
    cipher = AES.new(subscriber.k, AES.MODE_ECB)
    opc = subscriber.opc

    def e(value: int) -> int:
        return int.from_bytes(cipher.encrypt(_octets(value & MASK, 16)), "big")

    def rot(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (128 - bits))) & MASK

    temp = e(int.from_bytes(rand, "big") ^ opc)
    half = (sqn << 16) | amf
    out1 = e(temp ^ rot(((half << 64) | half) ^ opc, 64)) ^ opc
    out2 = e((temp ^ opc) ^ 1) ^ opc
    out3 = e(rot(temp ^ opc, 32) ^ 2) ^ opc
    out4 = e(rot(temp ^ opc, 64) ^ 4) ^ opc
    out5 = e(rot(temp ^ opc, 96) ^ 8) ^ opc
    low64 = (1 << 64) - 1
    return _Values(out1 >> 64, out1 & low64, out2 & low64, out3, out4, out2 >> 80, out5 >> 80)


def _octets(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")
