"""What an emulated modem can be at, and how long it takes."""

from dataclasses import dataclass
from enum import StrEnum


class ModemState(StrEnum):
    """What the modem is at, the most basic obstacle first."""

    GONE = "gone"  # no tty
    RADIO_OFF = "radio-off"  # AT+CFUN=4 or 0
    NO_SIM = "no-sim"  # nothing in the active slot
    SIM_BUSY = "sim-busy"  # the card is being read
    SIM_FAILURE = "sim-failure"  # the card does not answer
    SIM_PIN = "sim-pin"  # the card waits for its PIN
    NO_SIGNAL = "no-signal"  # no network within reach
    LIMITED = "limited"  # camped on a cell that gives no service
    SEARCHING = "searching"  # attaching
    DENIED = "denied"  # the network refused the card
    REGISTERED = "registered"


SETTABLE = frozenset(
    {
        ModemState.REGISTERED,
        ModemState.NO_SIGNAL,
        ModemState.LIMITED,
        ModemState.SEARCHING,
        ModemState.NO_SIM,
        ModemState.GONE,
    }
)
"""The states that somebody can bring about; the modem gets into the others by itself."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the modem takes.

    `answer_s` before an answer, whose text leaves in pieces of `piece_bytes` (0: whole) `piece_s` apart;
    `card_s` to read a card, `attach_s` to register, `retry_s` to the next attempt when the card failed
    during authentication (timer T3411 of TS 24.301, 10 s), `restart_s` from AT+CFUN=1,1 to the port's end,
    and as long again until it is back.
    """

    answer_s: float = 0.0
    piece_bytes: int = 24
    piece_s: float = 0.0
    card_s: float = 0.02
    attach_s: float = 0.05
    retry_s: float = 10.0
    restart_s: float = 0.1
