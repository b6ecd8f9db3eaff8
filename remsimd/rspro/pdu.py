"""The messages of RSPRO, the Remote SIM protocol of osmo-remsim, as frozen values.

Identifiers (client, bank, slot) are 0..1023. Enumerations are open, as in the ASN.1: a
number no member stands for is kept as a plain int, hence the `int` in the annotations.
"""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

VERSION = 2
"""What every deployed program writes; none checks it."""


class ComponentType(IntEnum):
    """The kinds of programs that speak RSPRO."""

    CLIENT = 0
    SERVER = 1
    BANKD = 2


class ResultCode(IntEnum):
    """How a request ended."""

    OK = 0
    ILLEGAL_CLIENT_ID = 1
    ILLEGAL_BANK_ID = 2
    ILLEGAL_SLOT_ID = 3
    UNSUPPORTED_PROTOCOL_VERSION = 4
    UNKNOWN_SLOTMAP = 5
    IDENTITY_IN_USE = 6
    CARD_NOT_PRESENT = 100
    CARD_UNRESPONSIVE = 101
    CARD_TRANSMISSION_ERROR = 102


class ErrorCode(IntEnum):
    """What an ErrorInd is about."""

    UNKNOWN_CLIENT_CONNECTED = 1
    UNEXPECTED_DISCONNECT = 2
    UNEXPECTED_PROTOCOL_VERSION = 3


class ErrorSeverity(IntEnum):
    """How grave an ErrorInd is."""

    MINOR = 1
    MAJOR = 2
    FATAL = 3


@dataclass(frozen=True, slots=True)
class ComponentIdentity:
    """Who a peer says it is; every text is IA5 of 1..32 characters."""

    type: int
    name: str
    software: str
    sw_version: str
    hw_manufacturer: str | None = None
    hw_model: str | None = None
    hw_serial_nr: str | None = None
    hw_version: str | None = None
    fw_version: str | None = None


@dataclass(frozen=True, slots=True)
class ClientSlot:
    """A slot of a client, into which a card is shown."""

    client_id: int
    slot_nr: int

    def __str__(self) -> str:
        return f"{self.client_id}:{self.slot_nr}"


@dataclass(frozen=True, slots=True)
class BankSlot:
    """A slot of a bank, in which a card is."""

    bank_id: int
    slot_nr: int

    def __str__(self) -> str:
        return f"{self.bank_id}:{self.slot_nr}"


@dataclass(frozen=True, slots=True)
class IpPort:
    """Port 0 says that there is no bankd (any more)."""

    ip: IPv4Address | IPv6Address
    port: int


@dataclass(frozen=True, slots=True)
class TpduFlags:
    """How a message relates to a TPDU; every deployed program sends whole TPDUs only."""

    tpdu_header_present: bool
    final_part: bool
    proc_byte_continue_tx: bool
    proc_byte_continue_rx: bool


WHOLE_TPDU = TpduFlags(
    tpdu_header_present=True, final_part=True, proc_byte_continue_tx=False, proc_byte_continue_rx=False
)


@dataclass(frozen=True, slots=True)
class SlotPhysStatus:
    """The contacts of a card slot; None = not known to the sender."""

    reset_active: bool
    vcc_present: bool | None = None
    clk_active: bool | None = None
    card_present: bool | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Root of the alternatives of a PDU."""


@dataclass(frozen=True, slots=True)
class ConnectBankReq(Message):
    """Bankd to server: a bank registers with its slots."""

    identity: ComponentIdentity
    bank_id: int
    number_of_slots: int


@dataclass(frozen=True, slots=True)
class ConnectBankRes(Message):
    """The server's answer to ConnectBankReq."""

    identity: ComponentIdentity
    result: int


@dataclass(frozen=True, slots=True)
class ConnectClientReq(Message):
    """Client to server or bankd: a client registers; without `client_slot` the server is to name it."""

    identity: ComponentIdentity
    client_slot: ClientSlot | None = None


@dataclass(frozen=True, slots=True)
class ConnectClientRes(Message):
    """The answer to ConnectClientReq."""

    identity: ComponentIdentity
    result: int


@dataclass(frozen=True, slots=True)
class CreateMappingReq(Message):
    """Server to bankd: this client may have that card."""

    client: ClientSlot
    bank: BankSlot


@dataclass(frozen=True, slots=True)
class CreateMappingRes(Message):
    """The bankd's answer to CreateMappingReq."""

    result: int


@dataclass(frozen=True, slots=True)
class RemoveMappingReq(Message):
    """Server to bankd: this client may not have that card any more."""

    client: ClientSlot
    bank: BankSlot


@dataclass(frozen=True, slots=True)
class RemoveMappingRes(Message):
    """The bankd's answer to RemoveMappingReq."""

    result: int


@dataclass(frozen=True, slots=True)
class ConfigClientIdReq(Message):
    """Server to client: the identity to use from now on."""

    client_slot: ClientSlot


@dataclass(frozen=True, slots=True)
class ConfigClientIdRes(Message):
    """The client's answer to ConfigClientIdReq."""

    result: int


@dataclass(frozen=True, slots=True)
class SetAtrReq(Message):
    """`atr` is 1..55 octets on the wire, whatever ISO 7816-3 allows."""

    slot: ClientSlot
    atr: bytes


@dataclass(frozen=True, slots=True)
class SetAtrRes(Message):
    """The client's answer to SetAtrReq."""

    result: int


@dataclass(frozen=True, slots=True)
class TpduModemToCard(Message):
    """A T=0 command: header (CLA INS P1 P2 P3) and data, 5..260 octets."""

    from_client_slot: ClientSlot
    to_bank_slot: BankSlot
    flags: TpduFlags
    data: bytes


@dataclass(frozen=True, slots=True)
class TpduCardToModem(Message):
    """The card's answer: data, SW1, SW2."""

    from_bank_slot: BankSlot
    to_client_slot: ClientSlot
    flags: TpduFlags
    data: bytes


@dataclass(frozen=True, slots=True)
class ClientSlotStatusInd(Message):
    """Client to bankd: the modem changed the contacts of its slot."""

    from_client_slot: ClientSlot
    to_bank_slot: BankSlot
    slot_phys_status: SlotPhysStatus


@dataclass(frozen=True, slots=True)
class BankSlotStatusInd(Message):
    """Bankd to client: the contacts of the card in the bank."""

    from_bank_slot: BankSlot
    to_client_slot: ClientSlot
    slot_phys_status: SlotPhysStatus


@dataclass(frozen=True, slots=True)
class ErrorInd(Message):
    """`error_string` is IA5 of 1..255 characters."""

    sender: int
    severity: int
    code: int
    bank_slot: BankSlot | None = None
    client_slot: ClientSlot | None = None
    error_string: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigClientBankReq(Message):
    """Server to client: the bankd and slot where its card is."""

    bank_slot: BankSlot
    bankd: IpPort


@dataclass(frozen=True, slots=True)
class ConfigClientBankRes(Message):
    """The client's answer to ConfigClientBankReq."""

    result: int


@dataclass(frozen=True, slots=True)
class ResetStateReq(Message):
    """Server to client: forget every mapping."""


@dataclass(frozen=True, slots=True)
class ResetStateRes(Message):
    """The client's answer to ResetStateReq."""

    result: int


@dataclass(frozen=True, slots=True)
class RsproPdu:
    """`tag` (0..2147483647) is meant to be echoed by the answer; deployed programs do not."""

    msg: Message
    tag: int = 0
    version: int = VERSION


def result_name(code: int) -> str:
    """A result code for people: its name where it has one."""
    return code.name.lower().replace("_", "-") if isinstance(code, ResultCode) else f"result {code}"
