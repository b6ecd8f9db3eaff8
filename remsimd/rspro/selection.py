"""What a card remembers of the commands it was given, and how to bring a fresh one there.

A card that was reset has its MF selected and everything else forgotten. When the bank's card
was reset behind the modem's back, the modem's next command would be answered from another
place than the modem believes to be in. This module keeps the SELECTs (TS 102 221 11.1.1) that
lead to that place, so that they can be repeated; where a card remembers more than a selection
it says so, and the modem has to start anew with the card.
"""

from dataclasses import dataclass, replace

from remsimd.rspro.tpdu import AUTHENTICATE, GET_RESPONSE, GSM_CLASS

MF, ADF, EF_ICCID = b"\x3f\x00", b"\x7f\xff", b"\x2f\xe2"
SELECT, READ_BINARY, UPDATE_BINARY, STATUS = 0xA4, 0xB0, 0xD6, 0xF2
READ_RECORD, UPDATE_RECORD = 0xB2, 0xDC
BY_IDENTIFIER, BY_AID, BY_PATH_FROM_MF = 0x00, 0x04, 0x08
EF_FIRST_OCTETS = (b"\x2f", b"\x4f", b"\x6f")
"""The first octet of an EF's identifier at each level (TS 102 221 8.3)."""
NO_ANSWER = b"\x0c"
"""P2 of a SELECT that asks for none (TS 102 221 11.1.1.2)."""
STATELESS = frozenset((GET_RESPONSE, STATUS, AUTHENTICATE))
MORE_SW1 = (0x61, 0x9F)
DONE_SW1 = (0x90, *MORE_SW1)
EFFECTIVE_SW1 = (*DONE_SW1, 0x62, 0x63, 0x91)
"""With any other status word a command had no effect."""
WRONG_LE_SW1 = 0x6C
STEPS_MAX = 16
"""A longer way is not taken: each step is a round trip that the modem waits for."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command to repeat; it must be answered with `expected`, or with any success if that is None."""

    tpdu: bytes
    expected: bytes | None = None

    def fits(self, answer: bytes) -> bool:
        """Whether a card in the same state could have answered so."""
        return answer[-2] in DONE_SW1 if self.expected is None else answer == self.expected


@dataclass(frozen=True, slots=True)
class Selection:
    """The state of the card as the modem's commands made it, since it was offered or reset.

    `path` leads from the MF to what is selected; `witness` is EF.ICCID as the modem read it,
    which tells one card from another with the same ATR; `lost` says why the state cannot be
    repeated. `fetchable` is set while the card has the answer to the last SELECT for a GET
    RESPONSE, `pending` while it has one that a repetition would not bring back.
    """

    path: tuple[Step, ...] = ()
    witness: Step | None = None
    asked: bool = False
    lost: str = ""
    fetchable: bool = False
    pending: bool = False

    def reset(self) -> "Selection":
        """After a reset by the modem: the same card at its beginning."""
        return Selection(witness=self.witness)

    def seen(self, tpdu: bytes, answer: bytes) -> "Selection":
        """After a command of at least 5 octets was answered with at least SW1 SW2."""
        if tpdu[1] == GET_RESPONSE and answer[-2] == WRONG_LE_SW1:
            return replace(self, asked=True)
        more, select = answer[-2] in MORE_SW1, tpdu[1] == SELECT
        now = replace(self, asked=True, fetchable=more and select, pending=more and not select)
        by_sfi = tpdu[1] in (READ_BINARY, READ_RECORD) and _short_identifier(tpdu)
        if by_sfi and answer[-2] == WRONG_LE_SW1:
            return now._selected(Step(tpdu, answer))  # the file was found, only the length was not
        if answer[-2] not in EFFECTIVE_SW1 or self.lost:
            return now
        reason = _unrepeatable(tpdu, answer)
        if reason:
            return replace(now, lost=reason)
        if tpdu[1] == SELECT:
            return now._selected(Step(tpdu, answer))
        if by_sfi:
            return now._selected(Step(tpdu))
        if tpdu[1] == READ_BINARY and self._on_iccid and answer[-2:] == b"\x90\x00":
            return replace(now, witness=Step(tpdu, answer))
        return now

    def steps(self) -> tuple[Step, ...] | None:
        """What brings a fresh card here, () where nothing has to be done, None where nothing can."""
        if not self.asked:
            return ()
        if self.obstacle or self.witness is None:
            return None
        to_mf, to_iccid = (_select(self.witness.tpdu[0], fid) for fid in (MF, EF_ICCID))
        path = self.path if self.fetchable else _without_answer(self.path)
        return (to_mf, to_iccid, self.witness, to_mf, *path)

    @property
    def obstacle(self) -> str:
        """Why a fresh card cannot be brought here, for people; empty where it can."""
        if not self.asked:
            return ""
        if self.lost:
            return self.lost
        if self.pending:
            return "the modem was about to fetch an answer"
        return "" if self.witness is not None else "the modem has not read its ICCID yet"

    @property
    def _on_iccid(self) -> bool:
        return bool(self.path) and self.path[-1].tpdu[1] == SELECT and self.path[-1].tpdu[-2:] == EF_ICCID

    def _selected(self, step: Step) -> "Selection":
        """The shortest way to what `step` selected: what it makes irrelevant is left out."""
        applications = tuple(s for s in self.path if s.tpdu[1] == SELECT and s.tpdu[2] == BY_AID)[-1:]
        if step.tpdu[1] == SELECT and step.tpdu[2] == BY_AID:
            path: tuple[Step, ...] = (step,)
        elif step.tpdu[1] == SELECT and (step.tpdu[2] == BY_PATH_FROM_MF or step.tpdu[5:] in (MF, ADF)):
            path = (*applications, step)
        elif self.path and _is_ef(self.path[-1]):
            path = (*self.path[:-1], step)
        else:
            path = (*self.path, step)
        if len(path) > STEPS_MAX:
            return replace(self, lost=f"the way to the selected file has more than {STEPS_MAX} steps")
        return replace(self, path=path)


GSM_STATUS = Step(b"\xa0\xf2\x00\x00\x16")
"""Changes nothing, and forgets the answer to the SELECT before it."""
FRESH = Selection()
"""A card that was asked nothing."""


def _unrepeatable(tpdu: bytes, answer: bytes) -> str:
    """Why a card cannot be brought to where this command, which had an effect, took it."""
    cla, ins, p2 = tpdu[0], tpdu[1], tpdu[3]
    if cla != GSM_CLASS and cla & 0x7F:
        return "logical channels or secure messaging are in use"
    if ins == SELECT and answer[-2] not in DONE_SW1:
        return f"a SELECT ended with {answer[-2:].hex()}"
    if ins == SELECT:
        return "an application session was ended or another one searched" if p2 & 0x63 else ""
    if ins in (UPDATE_BINARY, UPDATE_RECORD) and _short_identifier(tpdu):
        return "a file was selected by writing to it"
    if ins in (READ_RECORD, UPDATE_RECORD) and p2 & 0x07 != 0x04:
        return "the record pointer was moved"
    if ins in (READ_BINARY, READ_RECORD, UPDATE_BINARY, UPDATE_RECORD) or ins in STATELESS:
        return ""
    return f"the card keeps what command {ins:02X} did"


def _without_answer(path: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same way, with nothing left at its end that a GET RESPONSE could fetch."""
    if not path or path[-1].tpdu[1] != SELECT or path[-1].expected is None:
        return path
    if path[-1].expected[-2] not in MORE_SW1:
        return path
    last = path[-1].tpdu
    if last[0] == GSM_CLASS:
        return (*path, GSM_STATUS)
    return (*path[:-1], Step(last[:3] + NO_ANSWER + last[4:]))


def _short_identifier(tpdu: bytes) -> bool:
    """Whether a read or update names its file by SFI, which selects it (TS 102 221 8.4.2)."""
    if tpdu[0] & 0x7F:  # class A0 has none, other channels are not followed
        return False
    if tpdu[1] in (READ_BINARY, UPDATE_BINARY):
        return bool(tpdu[2] & 0x80)
    return tpdu[3] >> 3 != 0


def _is_ef(step: Step) -> bool:
    """Whether a step selected an EF in the present directory, so that the next one replaces it."""
    if step.tpdu[1] != SELECT:
        return True
    return step.tpdu[2] == BY_IDENTIFIER and step.tpdu[5:6] in EF_FIRST_OCTETS


def _select(cla: int, fid: bytes) -> Step:
    """SELECT by identifier, without asking for an answer where the class allows that."""
    return Step(bytes((cla, SELECT, 0x00, 0x00 if cla == GSM_CLASS else 0x0C, 0x02)) + fid)
