"""RSPRO PDUs to and from BER (ITU-T X.690), driven by one description of the types.

Field names and their order come from the dataclasses of `pdu`; the description adds the
ASN.1 type, the tag and whether a field may be missing. Module RSPRO has IMPLICIT TAGS; the
CHOICE `msg [2]` is therefore an explicit wrapper, and IpAddress has no tag of its own.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from typing import Any

from remsimd.errors import RsproError
from remsimd.rspro import ber, pdu
from remsimd.rspro.pdu import Message, RsproPdu

PDU_MAX_OCTETS = 65534
"""What an IPA frame can carry beside its extension byte."""
DATA_MAX_OCTETS = 1024
"""No T=0 TPDU comes near; the deployed programs' message buffers are of this size."""
REPEATED = 512
"""How many different slots and flags are remembered: those of a session repeat in every TPDU."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An ASN.1 type under a tag; `decode` and `encode` deal with the content octets only."""

    tags: tuple[int, ...]
    decode: Callable[[int, bytes], Any]
    encode: Callable[[Any], tuple[int, bytes]]
    optional: bool = False


# Elementary types


def _integer(low: int, high: int, tag: int = 0x02) -> Kind:
    def decode(_: int, content: bytes) -> int:
        value = ber.decode_integer(content)
        if not low <= value <= high:
            raise RsproError(f"integer {value} is outside {low}..{high}")
        return value

    def encode(value: int) -> tuple[int, bytes]:
        if not low <= value <= high:
            raise RsproError(f"integer {value} is outside {low}..{high}")
        return tag, ber.encode_integer(value)

    return Kind((tag,), decode, encode)


def _enumerated(members: type[IntEnum], tag: int = 0x0A) -> Kind:
    known: dict[int, int] = {member.value: member for member in members}
    numbers = _integer(-(2**31), 2**31 - 1, tag)

    def decode(_: int, content: bytes) -> int:
        value: int = numbers.decode(tag, content)
        return known.get(value, value)

    return Kind((tag,), decode, numbers.encode)


def _boolean(tag: int = 0x01) -> Kind:
    return Kind(
        (tag,),
        lambda _, content: ber.decode_boolean(content),
        lambda value: (tag, b"\xff" if value else b"\x00"),
    )


def _octets(low: int, high: int, tag: int = 0x04) -> Kind:
    def check(value: bytes) -> bytes:
        if not low <= len(value) <= high:
            raise RsproError(f"octet string of {len(value)} octets, allowed are {low}..{high}")
        return value

    return Kind((tag,), lambda _, content: check(content), lambda value: (tag, check(value)))


def _text(low: int, high: int, tag: int = 0x16) -> Kind:
    octets = _octets(low, high, tag)

    def decode(_: int, content: bytes) -> str:
        try:
            return str(octets.decode(tag, content), "ascii")
        except UnicodeDecodeError as error:
            raise RsproError("IA5String with an octet above 7F") from error

    def encode(value: str) -> tuple[int, bytes]:
        try:
            return octets.encode(value.encode("ascii"))
        except UnicodeEncodeError as error:
            raise RsproError("IA5String with a character outside ASCII") from error

    return Kind((tag,), decode, encode)


def _ip_address() -> Kind:
    ipv4, ipv6 = _octets(4, 4, 0x80), _octets(16, 16, 0x81)

    def decode(tag: int, content: bytes) -> IPv4Address | IPv6Address:
        if tag == 0x80:
            return IPv4Address(ipv4.decode(tag, content))
        return IPv6Address(ipv6.decode(tag, content))

    def encode(value: IPv4Address | IPv6Address) -> tuple[int, bytes]:
        return (ipv4 if value.version == 4 else ipv6).encode(value.packed)

    return Kind((0x80, 0x81), decode, encode)


def _optional(kind: Kind) -> Kind:
    return replace(kind, optional=True)


# Sequences


def _sequence(cls: type[Any], *kinds: Kind, tag: int = 0x30, extensible: bool = True) -> Kind:
    names = [field.name for field in dataclasses.fields(cls)]
    fields = tuple(zip(names, kinds, strict=True))
    get = attrgetter(*names) if names else None
    single = len(names) == 1

    def decode(_: int, content: bytes) -> Any:
        position = 0
        values = []
        end = len(content)
        for name, kind in fields:
            if position < end and content[position] in kind.tags:
                found, inner, position = ber.read(content, position)
                values.append(kind.decode(found, inner))
            elif kind.optional:
                values.append(None)
            else:
                raise RsproError(f"{cls.__name__}: {name} is missing")
        if position < end:
            _skip_extensions(cls, content, position, extensible)
        return cls(*values)

    def encode(value: Any) -> tuple[int, bytes]:
        values = () if get is None else (get(value),) if single else get(value)
        parts = []
        for item, kind in zip(values, kinds, strict=True):
            if item is not None:
                parts.append(ber.tlv(*kind.encode(item)))
            elif not kind.optional:
                raise RsproError(f"{cls.__name__}: a mandatory field is None")
        return tag, b"".join(parts)

    return Kind((tag,), decode, encode)


def _skip_extensions(cls: type[Any], content: bytes, position: int, extensible: bool) -> None:
    if not extensible:
        raise RsproError(f"{cls.__name__}: something follows the last field")
    while position < len(content):
        _, _, position = ber.read(content, position)


def _remembered(kind: Kind) -> Kind:
    """The same type, decoded and encoded once for each different value."""
    return replace(
        kind,
        decode=lru_cache(maxsize=REPEATED)(kind.decode),
        encode=lru_cache(maxsize=REPEATED)(kind.encode),
    )


def _client_slot(tag: int = 0x30) -> Kind:
    return _remembered(_sequence(pdu.ClientSlot, ID, ID, tag=tag))


def _bank_slot(tag: int = 0x30) -> Kind:
    return _remembered(_sequence(pdu.BankSlot, ID, ID, tag=tag))


# The description


def _context(number: int, kind: Callable[..., Kind], *arguments: Any) -> Kind:
    """`kind` under the context tag [number], which replaces its own (IMPLICIT)."""
    return kind(*arguments, tag=0x80 | number)


ID = _integer(0, 1023)
NAME = (1, 32)
COMPONENT_TYPE = _enumerated(pdu.ComponentType)
RESULT = _enumerated(pdu.ResultCode)
CLIENT_SLOT = _client_slot()
BANK_SLOT = _bank_slot()
DATA = _octets(0, DATA_MAX_OCTETS)
FLAGS = _remembered(_sequence(pdu.TpduFlags, _boolean(), _boolean(), _boolean(), _boolean()))
IP_PORT = _sequence(pdu.IpPort, _ip_address(), _integer(0, 65535), extensible=False)
IDENTITY = _sequence(
    pdu.ComponentIdentity,
    COMPONENT_TYPE,
    _text(*NAME),
    _context(0, _text, *NAME),
    _context(1, _text, *NAME),
    *(_optional(_context(number, _text, *NAME)) for number in range(2, 7)),
)
PHYS_STATUS = _sequence(
    pdu.SlotPhysStatus,
    _context(0, _boolean),
    *(_optional(_context(number, _boolean)) for number in (1, 2, 3)),
)

ALTERNATIVES: tuple[tuple[type[Message], tuple[Kind, ...]], ...] = (
    (pdu.ConnectBankReq, (IDENTITY, ID, ID)),
    (pdu.ConnectBankRes, (IDENTITY, RESULT)),
    (pdu.ConnectClientReq, (IDENTITY, _optional(CLIENT_SLOT))),
    (pdu.ConnectClientRes, (IDENTITY, RESULT)),
    (pdu.CreateMappingReq, (CLIENT_SLOT, BANK_SLOT)),
    (pdu.CreateMappingRes, (RESULT,)),
    (pdu.RemoveMappingReq, (CLIENT_SLOT, BANK_SLOT)),
    (pdu.RemoveMappingRes, (RESULT,)),
    (pdu.ConfigClientIdReq, (CLIENT_SLOT,)),
    (pdu.ConfigClientIdRes, (RESULT,)),
    (pdu.SetAtrReq, (CLIENT_SLOT, _octets(1, 55))),
    (pdu.SetAtrRes, (RESULT,)),
    (pdu.TpduModemToCard, (CLIENT_SLOT, BANK_SLOT, FLAGS, DATA)),
    (pdu.TpduCardToModem, (BANK_SLOT, CLIENT_SLOT, FLAGS, DATA)),
    (pdu.ClientSlotStatusInd, (CLIENT_SLOT, BANK_SLOT, PHYS_STATUS)),
    (pdu.BankSlotStatusInd, (BANK_SLOT, CLIENT_SLOT, PHYS_STATUS)),
    (
        pdu.ErrorInd,
        (
            COMPONENT_TYPE,
            _enumerated(pdu.ErrorSeverity),
            _enumerated(pdu.ErrorCode),
            _optional(_bank_slot(0xA0)),
            _optional(_client_slot(0xA1)),
            _optional(_context(2, _text, 1, 255)),
        ),
    ),
    (pdu.ConfigClientBankReq, (BANK_SLOT, IP_PORT)),
    (pdu.ConfigClientBankRes, (RESULT,)),
    (pdu.ResetStateReq, ()),
    (pdu.ResetStateRes, (RESULT,)),
)
"""The CHOICE `msg`; an alternative's place is its context tag."""


def _choice() -> Kind:
    """The alternatives behind their wrapper [2]."""
    by_tag: dict[int, Kind] = {}
    by_class: dict[type[Message], Kind] = {}
    for number, (cls, kinds) in enumerate(ALTERNATIVES):
        kind = _sequence(cls, *kinds, tag=0xA0 | number)
        by_tag[0xA0 | number] = by_class[cls] = kind

    def decode(_: int, content: bytes) -> Message:
        tag, inner, end = ber.read(content, 0)
        if end != len(content):
            raise RsproError("RsproPDU: something follows the message")
        kind = by_tag.get(tag)
        if kind is None:
            raise RsproError(f"RsproPDU: unknown message {tag:02X}")
        message: Message = kind.decode(tag, inner)
        return message

    def encode(message: Message) -> tuple[int, bytes]:
        return 0xA2, ber.tlv(*by_class[type(message)].encode(message))

    return Kind((0xA2,), decode, encode)


VERSION = _integer(0, 32, 0x80)
TAG = _integer(0, 2**31 - 1, 0x81)
MSG = _choice()


def decode(data: bytes) -> RsproPdu:
    """The PDU that `data` is, whole and nothing else.

    Unknown trailing elements of extensible types are skipped. Raises RsproError, and nothing
    else, for whatever is not an RSPRO PDU.
    """
    if len(data) > PDU_MAX_OCTETS:
        raise RsproError(f"RsproPDU of {len(data)} octets")
    tag, content, end = ber.read(data, 0)
    if tag != 0x30 or end != len(data):
        raise RsproError("not one RsproPDU")
    values = []
    position = 0
    for kind in (VERSION, TAG, MSG):
        tag, inner, position = ber.read(content, position)
        if tag != kind.tags[0]:
            raise RsproError(f"RsproPDU: tag {tag:02X} where {kind.tags[0]:02X} must stand")
        values.append(kind.decode(tag, inner))
    if position != len(content):
        raise RsproError("RsproPDU: something follows the message")
    version, operation_tag, message = values
    return RsproPdu(message, operation_tag, version)


def encode(value: RsproPdu) -> bytes:
    """The DER of a PDU; raises RsproError for a value out of its range."""
    return ber.tlv(
        0x30,
        ber.tlv(*VERSION.encode(value.version))
        + ber.tlv(*TAG.encode(value.tag))
        + ber.tlv(*MSG.encode(value.msg)),
    )
