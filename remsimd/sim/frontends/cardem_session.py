"""What the host says to a SIMtrace2 board: T=0 from the card's side, as a pure state machine.

The board has received a TPDU header and waits. Data that the command brings is asked for
with its procedure byte, the whole TPDU goes to the card, and the card's answer goes back:
procedure byte and data, then SW1 SW2 (ISO 7816-3 10.3). Meanwhile the board keeps the modem
waiting with NULL octets. A command ends early when the modem resets the card, takes its
supply away or begins another command; what the card answers after that is for nobody.

Changes of the contacts come on an endpoint of their own. A TPDU header that arrives while the
last Status said "in reset" is either older than the reset or newer than a Status still to
come. The board is asked then: its answer comes on the header's endpoint, and in order.
"""

from dataclasses import dataclass, replace
from enum import Enum

from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends import apdu_case
from remsimd.sim.frontends.apdu_case import Case
from remsimd.sim.frontends.cardem_protocol import (
    BoardError,
    DataFlag,
    Message,
    Pts,
    RxData,
    Status,
    StatusFlag,
    StatusRequest,
    TxData,
)

HEADER_OCTETS = 5
GET_RIGHT_LENGTH = 0x6C
"""SW1 of "the same command again, with SW2 as P3" (ISO 7816-3 10.3.3)."""
UNKNOWN_INSTRUCTION = b"\x6d\x00"
TECHNICAL_PROBLEM = b"\x6f\x00"
"""No precise diagnosis (TS 102 221 10.2.1.5)."""


class Phase(Enum):
    """Where the present command stands."""

    IDLE = "idle"
    """No command, or its answer is on the way to the board."""
    CHECKING = "checking"
    """A header came while the contacts said that the card does not run; the board is asked."""
    COLLECTING = "collecting"
    """The modem still sends the command's data."""
    AT_CARD = "at the card"


@dataclass(frozen=True, slots=True)
class Tell:
    """Send the board these messages, as long as command `number` is the session's last."""

    number: int
    messages: tuple[TxData | StatusRequest, ...]


@dataclass(frozen=True, slots=True)
class Forward:
    """Let the card answer command `number`."""

    number: int
    tpdu: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody waits for the answer to command `number` any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Report:
    """The modem changed a contact."""

    status: SlotStatus


@dataclass(frozen=True, slots=True)
class Complain:
    """Have a text told that people should read; the same may come many times."""

    text: str


Action = Tell | Forward | Drop | Report | Complain
Step = tuple["Session", tuple[Action, ...]]


@dataclass(frozen=True, slots=True)
class Session:
    """`number` counts the commands and their interruptions; `command` is the last one's TPDU as
    far as it came, `case` how it was understood, `again` that it was answered with 6Cxx.
    `behind` is set while a Status older than the last header may still come on the interrupt
    endpoint.
    """

    phase: Phase = Phase.IDLE
    number: int = 0
    command: bytes = b""
    case: Case | None = None
    again: bool = False
    contacts: SlotStatus | None = None
    behind: bool = False


def received(session: Session, message: Message, *, interrupt: bool = False) -> Step:
    """What to do about a message of the board, from its bulk or its interrupt endpoint."""
    match message:
        case RxData(flags, data) if flags & DataFlag.TPDU_HEADER:
            return _begin(session, data)
        case RxData(_, data):
            return _collect(session, data)
        case Status(flags):
            status = _contacts(flags)
            if session.phase is not Phase.CHECKING:
                return _change(session, status)
            return _lag(session, status) if interrupt else _checked(session, status)
        case Pts():
            # The board has answered it; it comes only after a reset.
            return _interrupt(session)
        case BoardError(severity, subsystem, code, text):
            complaint = f"the board reports error {subsystem}.{code}, severity {severity}: {text}"
            return session, (Complain(complaint),)
    return session, ()


def answered(session: Session, number: int, answer: bytes) -> Step:
    """What to do about the card's answer (data, SW1, SW2) to command `number`."""
    if session.phase is not Phase.AT_CARD or number != session.number:
        return session, ()
    complaints: tuple[Action, ...] = ()
    if not _fits(session.command, session.case, answer):
        text = f"the card answered {len(answer)} octets to {session.command[:HEADER_OCTETS].hex(' ')}"
        complaints, answer = (Complain(text),), TECHNICAL_PROBLEM
    data, word = answer[:-2], answer[-2:]
    ended = replace(session, phase=Phase.IDLE, again=word[0] == GET_RIGHT_LENGTH)
    procedure = session.command[1:2]
    body = (TxData(DataFlag.PB_AND_TX, procedure + data),) if data else ()
    end = TxData(DataFlag.PB_AND_TX | DataFlag.FINAL, word)
    return ended, (*complaints, Tell(number, (*body, end)))


def _begin(session: Session, data: bytes) -> Step:
    before, header = session, data[:HEADER_OCTETS]
    session, dropped = _interrupt(session)
    if len(header) < HEADER_OCTETS:
        return session, (*dropped, Complain(f"a TPDU header of {len(header)} octets"))
    session = replace(session, command=header, case=_case(before, header))
    if session.contacts is None or _runs(session.contacts):
        session, actions = _proceed(session)
        return session, (*dropped, *actions)
    return replace(session, phase=Phase.CHECKING), (*dropped, Tell(session.number, (StatusRequest(),)))


def _checked(session: Session, status: SlotStatus) -> Step:
    """The board says how the contacts are after the header was sent."""
    before = session.contacts
    if not _runs(status):
        return _change(replace(session, phase=Phase.IDLE), status)
    behind = before is not None and not _runs(before)
    session, actions = _proceed(replace(session, contacts=status, behind=behind))
    reports = () if status == before else (Report(status),)
    return session, (*reports, *actions)


def _proceed(session: Session) -> Step:
    """The header is valid: ask for the data it announces, or let the card answer it."""
    header, case = session.command, session.case
    if case is None and header[4] > 0:
        # Waiting for data that does not come, or giving data that is not read, would hang the
        # modem; a card that does not know the instruction says this.
        refusal = TxData(DataFlag.PB_AND_TX | DataFlag.FINAL, UNKNOWN_INSTRUCTION)
        text = f"instruction {header[:2].hex(' ')} is not known, the modem was told 6D00"
        return replace(session, phase=Phase.IDLE), (Complain(text), Tell(session.number, (refusal,)))
    if case is not None and apdu_case.modem_sends_data(header, case):
        ask = TxData(DataFlag.PB_AND_RX, header[1:2])
        return replace(session, phase=Phase.COLLECTING), (Tell(session.number, (ask,)),)
    return replace(session, phase=Phase.AT_CARD), (Forward(session.number, header),)


def _case(session: Session, header: bytes) -> Case | None:
    """The case of a command; one repeated after 6Cxx asks for data, whatever its table says.

    A command of case 4 with P3 = 0 brings no data and may be answered with 6Cxx; P3 of the
    repetition then counts octets from the card.
    """
    if session.again and header[:4] == session.command[:4]:
        sent = len(session.command) > HEADER_OCTETS
        return session.case if sent else Case.FROM_CARD
    return apdu_case.determine(header)


def _collect(session: Session, data: bytes) -> Step:
    if session.phase is not Phase.COLLECTING:
        return session, (Complain(f"{len(data)} octets of data came without a command"),)
    whole = HEADER_OCTETS + session.command[4]
    command = session.command + data
    session = replace(session, command=command[:whole])
    if len(command) < whole:
        return session, ()
    return replace(session, phase=Phase.AT_CARD), (Forward(session.number, session.command),)


def _contacts(flags: StatusFlag) -> SlotStatus:
    # Whether a card is inserted is the host's own doing, and boards do not report it reliably.
    return SlotStatus(
        reset_active=bool(flags & StatusFlag.RESET),
        vcc_present=bool(flags & StatusFlag.VCC),
        clk_active=bool(flags & StatusFlag.CLK),
    )


def _runs(status: SlotStatus) -> bool:
    # The clock alone may stop between commands and in them (TS 102 221 6.6).
    return bool(status.vcc_present) and not status.reset_active


def _change(session: Session, status: SlotStatus) -> Step:
    if session.behind and not _runs(status):
        return session, ()
    session, reports = _lag(replace(session, behind=False), status)
    if not reports or _runs(status):
        return session, reports
    session, dropped = _interrupt(session)
    return session, (*dropped, *reports)


def _lag(session: Session, status: SlotStatus) -> Step:
    """Take note of a change that ends no command."""
    if status == session.contacts:
        return session, ()
    return replace(session, contacts=status), (Report(status),)


def _interrupt(session: Session) -> Step:
    """The modem has given up what went on; a new number, and nothing of the old is valid."""
    dropped = () if session.phase is Phase.IDLE else (Drop(session.number),)
    return replace(session, phase=Phase.IDLE, number=session.number + 1, again=False), dropped


def _fits(command: bytes, case: Case | None, answer: bytes) -> bool:
    """Whether a modem that counts P3 octets can take this answer (ISO 7816-3 10.3.3)."""
    if len(answer) < 2:
        return False
    count = len(answer) - 2
    if count == 0:
        return True
    return len(command) == HEADER_OCTETS and case is not Case.NEITHER and count == (command[4] or 256)
