"""MILENAGE as a USIM computes it (TS 35.206), on the AES of `cryptography`."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK_OCTETS = 16


def xor(*blocks: bytes) -> bytes:
    """Of blocks of one length."""
    result = 0
    for block in blocks:
        result ^= int.from_bytes(block, "big")
    return result.to_bytes(len(blocks[0]), "big")


def _rotate(block: bytes, bits: int) -> bytes:
    """Left, by a multiple of eight, as all constants r1..r5 are."""
    return block[bits // 8 :] + block[: bits // 8]


def _encrypt(key: bytes, block: bytes) -> bytes:
    # One block at a time is what TS 35.206 builds on; no message is encrypted here.
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305
    return encryptor.update(block)


def derive_opc(k: bytes, op: bytes) -> bytes:
    """OPc of a subscriber from the operator's OP (TS 35.206 4.1)."""
    return xor(_encrypt(k, op), op)


@dataclass(frozen=True, slots=True)
class Milenage:
    """The functions of one subscriber; `k` and `opc` are 16 octets, RAND too, SQN 6, AMF 2."""

    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A, 8 octets."""
        return self._out1(rand, sqn, amf)[:8]

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S, 8 octets."""
        return self._out1(rand, sqn, amf)[8:]

    def f2(self, rand: bytes) -> bytes:
        """RES, 8 octets."""
        return self._out(rand, 0, 1)[8:]

    def f3(self, rand: bytes) -> bytes:
        """CK, 16 octets."""
        return self._out(rand, 32, 2)

    def f4(self, rand: bytes) -> bytes:
        """IK, 16 octets."""
        return self._out(rand, 64, 4)

    def f5(self, rand: bytes) -> bytes:
        """AK, 6 octets."""
        return self._out(rand, 0, 1)[:6]

    def f5_star(self, rand: bytes) -> bytes:
        """AK for resynchronisation, 6 octets."""
        return self._out(rand, 96, 8)[:6]

    def _temp(self, rand: bytes) -> bytes:
        return _encrypt(self.k, xor(rand, self.opc))

    def _out1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        rotated = _rotate(xor((sqn + amf) * 2, self.opc), 64)
        return xor(_encrypt(self.k, xor(self._temp(rand), rotated)), self.opc)

    def _out(self, rand: bytes, rotation: int, constant: int) -> bytes:
        rotated = _rotate(xor(self._temp(rand), self.opc), rotation)
        mixed = xor(rotated, constant.to_bytes(BLOCK_OCTETS, "big"))
        return xor(_encrypt(self.k, mixed), self.opc)


def gsm_sres(res: bytes) -> bytes:
    """Conversion c2 for a RES of 8 octets (TS 33.102 6.8.1.2)."""
    return xor(res[:4], res[4:])


def gsm_kc(ck: bytes, ik: bytes) -> bytes:
    """Conversion c3 (TS 33.102 6.8.1.2)."""
    return xor(ck[:8], ck[8:], ik[:8], ik[8:])
