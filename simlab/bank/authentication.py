"""What a USIM does with a challenge (TS 33.102 6.3.3, 6.3.5, annex C)."""

from simlab.bank.milenage import Milenage, gsm_kc, gsm_sres, xor

SUCCESS_TAG, SYNC_FAILURE_TAG = 0xDB, 0xDC
MAC_FAILURE = 0x9862
"""Authentication error, incorrect MAC (TS 31.102 7.3.1.5)."""
IND_BITS = 5
DELTA = 1 << 28
"""The largest step of SEQ that is accepted (TS 33.102 C.2.2)."""
AMF_RESYNC = b"\x00\x00"


class Authenticator:
    """One subscriber's functions and the sequence numbers it has accepted."""

    def __init__(self, k: bytes, opc: bytes) -> None:
        self._functions = Milenage(k, opc)
        self._seq = [0] * (1 << IND_BITS)

    def gsm(self, rand: bytes) -> tuple[bytes, bytes]:
        """SRES (4 octets) and Kc (8 octets) for a 2G challenge (TS 33.102 6.8.1.2)."""
        functions = self._functions
        return gsm_sres(functions.f2(rand)), gsm_kc(functions.f3(rand), functions.f4(rand))

    def umts(self, rand: bytes, autn: bytes) -> bytes | int:
        """The response data of AUTHENTICATE in 3G context, or the status word of a refusal."""
        functions = self._functions
        sqn = xor(autn[:6], functions.f5(rand))
        if functions.f1(rand, sqn, autn[6:8]) != autn[8:]:
            return MAC_FAILURE
        if not self._accept(int.from_bytes(sqn, "big")):
            return bytes((SYNC_FAILURE_TAG, 14)) + self._auts(rand)
        ck, ik = functions.f3(rand), functions.f4(rand)
        values = (functions.f2(rand), ck, ik, gsm_kc(ck, ik))
        return bytes((SUCCESS_TAG,)) + b"".join(bytes((len(value),)) + value for value in values)

    def _accept(self, sqn: int) -> bool:
        seq, ind = sqn >> IND_BITS, sqn & ((1 << IND_BITS) - 1)
        if not self._seq[ind] < seq <= max(self._seq) + DELTA:
            return False
        self._seq[ind] = seq
        return True

    def _auts(self, rand: bytes) -> bytes:
        """SQN_MS concealed, and MAC-S over it; AMF is all zero here (TS 33.102 6.3.3)."""
        highest = max(self._seq)
        sqn = (highest << IND_BITS | self._seq.index(highest)).to_bytes(6, "big")
        mac_s = self._functions.f1_star(rand, sqn, AMF_RESYNC)
        return xor(sqn, self._functions.f5_star(rand)) + mac_s
