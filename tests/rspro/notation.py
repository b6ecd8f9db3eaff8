"""The JSON notation of the recorded PDUs, and the values it stands for, from our dataclasses."""

import dataclasses
import json
import re
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from remsimd.rspro import pdu
from remsimd.rspro.codec import ALTERNATIVES
from remsimd.rspro.pdu import RsproPdu

DATA = Path(__file__).parent / "data"
ENUM_NAMES = {
    pdu.ComponentType: ("remsimClient", "remsimServer", "remsimBankd"),
}


def recorded_pdus() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((DATA / "pdus.json").read_text())
    return entries


def recorded_session() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((DATA / "session.json").read_text())
    return entries


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def notation(value: RsproPdu) -> dict[str, Any]:
    """A PDU as the recordings write it."""
    name = type(value.msg).__name__
    msg = {"choice": name[0].lower() + name[1:], "value": _fields(value.msg)}
    return {"version": value.version, "tag": value.tag, "msg": msg}


def _fields(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        found = {camel(f.name): _fields(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {name: field for name, field in found.items() if field is not None}
    match value:
        case bytes():
            return {"hex": value.hex()}
        case IPv4Address() | IPv6Address():
            return {"choice": f"ipv{value.version}", "value": {"hex": value.packed.hex()}}
        case pdu.ComponentType():
            return ENUM_NAMES[pdu.ComponentType][value]
        case IntEnum():
            return camel(value.name.lower())
        case _:
            return value


# Generated PDUs

ids = st.integers(0, 1023)
names = st.text(st.characters(min_codepoint=0, max_codepoint=127), min_size=1, max_size=32)
optional_names = st.none() | names
flags = st.none() | st.booleans()


def _identities(components: st.SearchStrategy[int]) -> st.SearchStrategy[pdu.ComponentIdentity]:
    texts = [names] * 3 + [optional_names] * 5
    return st.builds(pdu.ComponentIdentity, components, *texts)


def _by_field(*, named: bool) -> dict[str, st.SearchStrategy[Any]]:
    """What each field may hold; with `named`, only codes that have a name."""

    def codes(members: type[IntEnum]) -> st.SearchStrategy[int]:
        known: st.SearchStrategy[int] = st.sampled_from(members)
        return known if named else known | st.integers(-(2**31), 2**31 - 1)

    client, bank = st.builds(pdu.ClientSlot, ids, ids), st.builds(pdu.BankSlot, ids, ids)
    return {
        "identity": _identities(codes(pdu.ComponentType)),
        "bank_id": ids,
        "number_of_slots": ids,
        "result": codes(pdu.ResultCode),
        "sender": codes(pdu.ComponentType),
        "severity": codes(pdu.ErrorSeverity),
        "code": codes(pdu.ErrorCode),
        "atr": st.binary(min_size=1, max_size=55),
        "data": st.binary(max_size=1024),
        "flags": st.builds(pdu.TpduFlags, *[st.booleans()] * 4),
        "slot_phys_status": st.builds(pdu.SlotPhysStatus, st.booleans(), flags, flags, flags),
        "error_string": st.none() | st.text(st.characters(max_codepoint=127), min_size=1, max_size=255),
        "bankd": st.builds(pdu.IpPort, st.ip_addresses(), st.integers(0, 65535)),
        **dict.fromkeys(("client", "client_slot", "from_client_slot", "to_client_slot", "slot"), client),
        **dict.fromkeys(("bank", "bank_slot", "from_bank_slot", "to_bank_slot"), bank),
    }


def _pdus(*, named: bool) -> st.SearchStrategy[RsproPdu]:
    by_field = _by_field(named=named)

    def message(cls: type[Any]) -> st.SearchStrategy[Any]:
        arguments = {}
        for field in dataclasses.fields(cls):
            strategy = by_field[field.name]
            arguments[field.name] = st.none() | strategy if field.default is None else strategy
        return st.builds(cls, **arguments)

    messages = st.one_of([message(cls) for cls, _ in ALTERNATIVES])
    return st.builds(RsproPdu, messages, st.integers(0, 2**31 - 1), st.integers(0, 32))


pdus = _pdus(named=False)
named_pdus = _pdus(named=True)
