"""Reading what another orchestrator's database or a bankd's card list knows, as plain rows.

Table names are those of the deployed IonMesh (`resellers`, `sim_banks`, `service_profiles`, ...). Columns
that a version lacks are simply not in its rows. A bankd's `bankd_pcsc_slots.csv` names bank, slot and a
pattern of the reader's name on each line, and has no heading.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table, create_engine, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ionmesh.errors import InvalidRequest

Rows = list[dict[str, Any]]

_TABLES = {
    "tenants": ("resellers", "tenants"),
    "bankds": ("bankd_instances",),
    "banks": ("sim_banks",),
    "slots": ("sim_bank_slots",),
    "cards": ("sim_card_metadata",),
    "pools": ("ki_proxy_pools",),
    "profiles": ("service_profiles", "service_profile"),
}
_CARD_LIST_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Legacy:
    """Rows of each kind, by column name."""

    tenants: Rows = field(default_factory=list)
    bankds: Rows = field(default_factory=list)
    banks: Rows = field(default_factory=list)
    slots: Rows = field(default_factory=list)
    cards: Rows = field(default_factory=list)
    pools: Rows = field(default_factory=list)
    profiles: Rows = field(default_factory=list)


def read_database(url: str) -> Legacy:
    """Read a database, which is only looked at. Raises InvalidRequest when it cannot be read."""
    try:
        address = make_url(url)
        if address.drivername == "postgresql":
            address = address.set(drivername="postgresql+psycopg")
        if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
            raise InvalidRequest("bad_source", f"there is no file {address.database}")
        # Where that is this program's own, all of its tenants.
        options = {"options": "-c ionmesh.tenant=all"} if address.get_backend_name() == "postgresql" else {}
        engine = create_engine(address, connect_args=options)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise InvalidRequest("bad_source", "the source is no sqlite:/// or postgresql:// URL") from error
    found: dict[str, Rows] = {}
    try:
        with engine.connect() as connection:
            there = set(inspect(connection).get_table_names())
            for kind, names in _TABLES.items():
                name = next((name for name in names if name in there), None)
                if name is not None:
                    table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
                    found[kind] = [dict(row) for row in connection.execute(select(table)).mappings()]
    except SQLAlchemyError as error:
        raise InvalidRequest("bad_source", f"the source cannot be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    if not found:
        raise InvalidRequest("bad_source", "the source has no table of an orchestrator's")
    return Legacy(**found)


def read_card_list(path: Path) -> Legacy:
    """Read a `bankd_pcsc_slots.csv`. Raises InvalidRequest naming the line."""
    slots: Rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        for number, row in enumerate(csv.reader(lines, strict=True, skipinitialspace=True), 1):
            if not row or row[0].startswith("#"):
                continue
            if len(row) != _CARD_LIST_COLUMNS or not (row[0].isdecimal() and row[1].isdecimal()):
                raise InvalidRequest("bad_source", f"{path}, line {number}: not bank, slot and reader")
            slots.append({"bank_id": int(row[0]), "slot_id": int(row[1])})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest("bad_source", f"{path}: {error}") from error
    return Legacy(slots=slots)
