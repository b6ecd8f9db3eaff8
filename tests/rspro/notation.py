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
results = st.sampled_from(pdu.ResultCode) | st.integers(-(2**31), 2**31 - 1)
components = st.sampled_from(pdu.ComponentType) | st.integers(3, 2**31 - 1)
flags = st.none() | st.booleans()
BY_FIELD: dict[str, st.SearchStrategy[Any]] = {
    "identity": st.builds(
        pdu.ComponentIdentity,
        components,
        names,
        names,
        names,
        optional_names,
        optional_names,
        optional_names,
        optional_names,
        optional_names,
    ),
    "bank_id": ids,
    "number_of_slots": ids,
    "result": results,
    "client": st.builds(pdu.ClientSlot, ids, ids),
    "bank": st.builds(pdu.BankSlot, ids, ids),
    "atr": st.binary(min_size=1, max_size=55),
    "data": st.binary(max_size=1024),
    "flags": st.builds(pdu.TpduFlags, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    "slot_phys_status": st.builds(pdu.SlotPhysStatus, st.booleans(), flags, flags, flags),
    "sender": components,
    "severity": st.sampled_from(pdu.ErrorSeverity) | st.integers(4, 99),
    "code": st.sampled_from(pdu.ErrorCode) | st.integers(4, 99),
    "error_string": st.none() | st.text(st.characters(max_codepoint=127), min_size=1, max_size=255),
    "bankd": st.builds(pdu.IpPort, st.ip_addresses(), st.integers(0, 65535)),
}
for _name, _same in (
    ("client_slot", "client"),
    ("from_client_slot", "client"),
    ("to_client_slot", "client"),
    ("slot", "client"),
    ("bank_slot", "bank"),
    ("from_bank_slot", "bank"),
    ("to_bank_slot", "bank"),
):
    BY_FIELD[_name] = BY_FIELD[_same]


def _message(cls: type[Any]) -> st.SearchStrategy[Any]:
    arguments = {}
    for field in dataclasses.fields(cls):
        strategy = BY_FIELD[field.name]
        arguments[field.name] = st.none() | strategy if field.default is None else strategy
    return st.builds(cls, **arguments)


messages = st.one_of([_message(cls) for cls, _ in ALTERNATIVES])
pdus = st.builds(RsproPdu, messages, st.integers(0, 2**31 - 1), st.integers(0, 32))
