"""The messages between a host and a SIMtrace2 board that emulates a card.

Every USB transfer carries one message: a header of 8 octets (class, type, sequence number,
slot, two reserved octets, length of the whole message) and a payload, all little-endian
(simtrace_prot.h of the SIMtrace2 firmware). Pure.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from remsimd.errors import FrontendError

HEADER = struct.Struct("<BBBBHH")
DATA_HEAD = struct.Struct("<IH")
STATUS = struct.Struct("<IHBBBI")
ERROR_HEAD = struct.Struct("<BBHB")
ATR_OCTETS_MAX = 33
PTS_OCTETS = 6


class MessageType(IntEnum):
    """Class and type of a message in one number, the class in the upper octet."""

    ERROR = 0x0000
    TX_DATA = 0x0101
    SET_ATR = 0x0102
    STATUS = 0x0104
    CARD_INSERT = 0x0105
    RX_DATA = 0x0106
    PTS = 0x0107
    CONFIG = 0x0108
    MODEM_RESET = 0x0201
    SIM_SELECT = 0x0202


class DataFlag(IntFlag):
    """What the octets of TxData and RxData are."""

    TPDU_HEADER = 0x01
    """The data begins with CLA INS P1 P2 P3."""
    FINAL = 0x02
    """The end of the modem's data, or of the card's answer."""
    PB_AND_TX = 0x04
    """The first octet is a procedure byte (or SW1), the card goes on sending."""
    PB_AND_RX = 0x08
    """The only octet is a procedure byte, the modem goes on sending."""


class StatusFlag(IntFlag):
    """The contacts in a Status."""

    VCC = 0x01
    CLK = 0x02
    REMOTE = 0x04
    CARD_INSERT = 0x08
    RESET = 0x10


class Feature(IntFlag):
    """What a Config switches on."""

    STATUS_ON_INTERRUPT = 0x01
    """STATUS comes by itself, on the interrupt endpoint, at every change of a contact."""


class ResetAction(IntEnum):
    """What a ModemReset does with the line."""

    RELEASE = 0
    ASSERT = 1
    PULSE = 2


@dataclass(frozen=True, slots=True)
class BoardError:
    """The board could not do something; `code` is its own number for it."""

    severity: int
    subsystem: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class TxData:
    """Octets for the modem (host to board)."""

    flags: DataFlag
    data: bytes


@dataclass(frozen=True, slots=True)
class RxData:
    """Octets of the modem (board to host): a TPDU header, or data asked for with PB_AND_RX."""

    flags: DataFlag
    data: bytes


@dataclass(frozen=True, slots=True)
class SetAtr:
    """The ATR of the next card reset, 1..33 octets."""

    atr: bytes


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Asks for a Status."""


@dataclass(frozen=True, slots=True)
class Status:
    """The contacts as the modem drives them, and the transmission parameters in force.

    `waiting_time` is in clock cycles, `voltage_mv` 0 where the board cannot measure it.
    """

    flags: StatusFlag
    voltage_mv: int = 0
    f_index: int = 1
    d_index: int = 1
    wi: int = 10
    waiting_time: int = 9600


@dataclass(frozen=True, slots=True)
class CardInsert:
    """Drives the card presence contact where the board has one."""

    inserted: bool


@dataclass(frozen=True, slots=True)
class Pts:
    """A protocol selection that the board has answered by itself, without padding."""

    request: bytes
    response: bytes


@dataclass(frozen=True, slots=True)
class Config:
    """What the board shall do; it confirms with the same message.

    `slot_mux_nr` and `presence_polarity` (bit 1 valid, bit 0 active high) are left out, as older
    boards want it, when None; the second needs the first.
    """

    features: Feature
    slot_mux_nr: int | None = None
    presence_polarity: int | None = None


@dataclass(frozen=True, slots=True)
class ModemReset:
    """Drives the modem's reset line; `duration_ms` counts for a pulse."""

    action: ResetAction
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class SimSelect:
    """Connects the modem's SIM pins to the emulated card (`remote`) or to its own socket."""

    remote: bool


@dataclass(frozen=True, slots=True)
class Other:
    """A message that remsimd has no use for."""

    number: int
    payload: bytes


Message = (
    BoardError
    | TxData
    | RxData
    | SetAtr
    | StatusRequest
    | Status
    | CardInsert
    | Pts
    | Config
    | ModemReset
    | SimSelect
    | Other
)


def encode(message: Message, *, slot_nr: int = 0) -> bytes:
    """The octets of one USB transfer."""
    number, payload = _payload(message)
    return HEADER.pack(number >> 8, number & 0xFF, 0, slot_nr, 0, HEADER.size + len(payload)) + payload


def decode(transfer: bytes) -> Message:
    """The message of one USB transfer; raises FrontendError for octets that are none."""
    if len(transfer) < HEADER.size:
        raise FrontendError(f"a message of {len(transfer)} octets is shorter than its header")
    message_class, message_type, _, _, _, length = HEADER.unpack_from(transfer)
    if length != len(transfer):
        raise FrontendError(f"a message says it has {length} octets and has {len(transfer)}")
    number, payload = message_class << 8 | message_type, transfer[HEADER.size :]
    read = _READERS.get(number)
    if read is None:
        return Other(number, payload)
    try:
        return read(payload)
    except (struct.error, IndexError, ValueError) as error:
        raise FrontendError(f"message {MessageType(number).name} cannot be read: {error}") from error


def _payload(message: Message) -> tuple[int, bytes]:
    match message:
        case TxData(flags, data):
            return MessageType.TX_DATA, DATA_HEAD.pack(flags, len(data)) + data
        case RxData(flags, data):
            return MessageType.RX_DATA, DATA_HEAD.pack(flags, len(data)) + data
        case SetAtr(atr):
            return MessageType.SET_ATR, bytes((len(atr),)) + atr
        case StatusRequest():
            return MessageType.STATUS, b""
        case Status(flags, voltage_mv, f_index, d_index, wi, waiting_time):
            return MessageType.STATUS, STATUS.pack(flags, voltage_mv, f_index, d_index, wi, waiting_time)
        case CardInsert(inserted):
            return MessageType.CARD_INSERT, bytes((inserted,))
        case Pts(request, response):
            padded = request.ljust(PTS_OCTETS, b"\0") + response.ljust(PTS_OCTETS, b"\0")
            return MessageType.PTS, bytes((len(request),)) + padded
        case Config(features, slot_mux_nr, presence_polarity):
            given = [option for option in (slot_mux_nr, presence_polarity) if option is not None]
            return MessageType.CONFIG, struct.pack("<I", features) + bytes(given)
        case ModemReset(action, duration_ms):
            return MessageType.MODEM_RESET, struct.pack("<BH", action, duration_ms)
        case SimSelect(remote):
            return MessageType.SIM_SELECT, bytes((remote,))
        case BoardError(severity, subsystem, code, text):
            raw = text.encode("ascii", "replace")
            return MessageType.ERROR, ERROR_HEAD.pack(severity, subsystem, code, len(raw)) + raw
        case Other(number, payload):
            return number, payload


def _data(payload: bytes) -> tuple[DataFlag, bytes]:
    flags, length = DATA_HEAD.unpack_from(payload)
    data = payload[DATA_HEAD.size :]
    if length != len(data):
        raise ValueError(f"{length} octets of data announced, {len(data)} there")
    return DataFlag(flags), data


def _read_atr(payload: bytes) -> SetAtr:
    atr = payload[1:]
    if payload[0] != len(atr) or not 1 <= len(atr) <= ATR_OCTETS_MAX:
        raise ValueError(f"an ATR of {len(atr)} octets where {payload[0]} were announced")
    return SetAtr(atr)


def _read_status(payload: bytes) -> Status | StatusRequest:
    if not payload:
        return StatusRequest()
    flags, *rest = STATUS.unpack_from(payload)
    return Status(StatusFlag(flags), *rest)


def _read_pts(payload: bytes) -> Pts:
    length = payload[0]
    if length > PTS_OCTETS or len(payload) != 1 + 2 * PTS_OCTETS:
        raise ValueError(f"a protocol selection of {length} octets")
    return Pts(payload[1 : 1 + length], payload[1 + PTS_OCTETS : 1 + PTS_OCTETS + length])


def _read_config(payload: bytes) -> Config:
    (features,) = struct.unpack_from("<I", payload)
    options: list[int | None] = [*payload[4:6], None, None]
    return Config(Feature(features), options[0], options[1])


def _read_reset(payload: bytes) -> ModemReset:
    action, duration_ms = struct.unpack_from("<BH", payload)
    return ModemReset(ResetAction(action), duration_ms)


def _read_error(payload: bytes) -> BoardError:
    severity, subsystem, code, length = ERROR_HEAD.unpack_from(payload)
    text = payload[ERROR_HEAD.size : ERROR_HEAD.size + length].decode("ascii", "backslashreplace")
    return BoardError(severity, subsystem, code, text)


_READERS: dict[int, Callable[[bytes], Message]] = {
    MessageType.ERROR: _read_error,
    MessageType.TX_DATA: lambda payload: TxData(*_data(payload)),
    MessageType.RX_DATA: lambda payload: RxData(*_data(payload)),
    MessageType.SET_ATR: _read_atr,
    MessageType.STATUS: _read_status,
    MessageType.CARD_INSERT: lambda payload: CardInsert(payload[0] != 0),
    MessageType.PTS: _read_pts,
    MessageType.CONFIG: _read_config,
    MessageType.MODEM_RESET: _read_reset,
    MessageType.SIM_SELECT: lambda payload: SimSelect(payload[0] != 0),
}
