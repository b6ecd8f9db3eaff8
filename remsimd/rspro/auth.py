"""Watches the commands passing by for the network's challenges and the card's verdict.

Pure; sees status words and the first octet of a result, keeps nothing else.
"""

from dataclasses import dataclass

from remsimd.rspro.tpdu import AUTHENTICATE, GET_RESPONSE, GSM_CLASS, status_word

SYNC_FAILURE_TAG = 0xDC
"""The card answers with AUTS: the sequence number was not acceptable (TS 31.102 7.1.2.1)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The card accepted (`ok`) or refused a challenge, with the challenge's status word."""

    ok: bool
    status_word: int


@dataclass(frozen=True, slots=True)
class AuthWatch:
    """`awaiting` is the status word of a challenge whose result is still to be fetched."""

    awaiting: int | None = None

    def seen(self, tpdu: bytes, answer: bytes) -> tuple["AuthWatch", Verdict | None]:
        """Take note of one command and its answer; a verdict where this pair shows one.

        A USIM answers 61xx and shows only in the GET RESPONSE that follows whether it
        accepted the challenge or asks for resynchronisation.
        """
        word = status_word(answer)
        if tpdu[1] == AUTHENTICATE:
            return self._challenged(tpdu[0], answer, word)
        if self.awaiting is None:
            return self, None
        if tpdu[1] == GET_RESPONSE and word >> 8 == 0x6C:
            return self, None
        fetched = tpdu[1] == GET_RESPONSE and len(answer) > 2
        ok = not (fetched and answer[0] == SYNC_FAILURE_TAG)
        return AuthWatch(), Verdict(ok, self.awaiting)

    def _challenged(self, cla: int, answer: bytes, word: int) -> tuple["AuthWatch", Verdict | None]:
        sw1 = word >> 8
        if sw1 == 0x61 and cla != GSM_CLASS:
            return AuthWatch(word), None
        refused = len(answer) > 2 and answer[0] == SYNC_FAILURE_TAG
        ok = (word == 0x9000 or sw1 in (0x61, 0x9F)) and not refused
        return AuthWatch(), Verdict(ok, word)
