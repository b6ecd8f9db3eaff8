"""Taking over a deployed orchestrator's database and a bankd's card list."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from ionmesh.cli import main
from ionmesh.db import Database
from ionmesh.models import Bank, ClientState, KiPool, ProfileStatus, ServiceProfile, SimCard, Slot, Tenant
from ionmesh.services import registration
from tests.ionmesh.conftest import START, add_bank, add_tenant, rows_count, url_of

# As the documents of the deployed orchestrator name tables and columns, with what it is known to get wrong.
LEGACY = """
CREATE TABLE resellers (tenant_id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO resellers VALUES (3, 'Acme GmbH'), (4, 'Other');
CREATE TABLE bankd_instances (id INTEGER PRIMARY KEY, endpoint TEXT, status TEXT);
INSERT INTO bankd_instances VALUES (1, 'http://bankd1.example.com:9990', 'ONLINE'),
    (2, '[::1]:9999', 'ONLINE');
CREATE TABLE sim_banks (bank_id INTEGER, tenant_id INTEGER, bankd_instance_id INTEGER, name TEXT,
    status TEXT);
INSERT INTO sim_banks VALUES (1, 3, 1, 'attic', 'ONLINE'), (2, 3, 2, 'v6', 'ONLINE'), (2000, 3, 1, 'x', ''),
    (5, NULL, 1, 'shared', 'ONLINE');
CREATE TABLE sim_bank_slots (bank_id INTEGER, slot_id INTEGER, status TEXT, iccid TEXT, imsi TEXT,
    mcc_mnc TEXT, carrier TEXT, health_status TEXT);
INSERT INTO sim_bank_slots VALUES (1, 0, 'AVAILABLE', NULL, NULL, NULL, NULL, ''),
    (1, 1, 'ASSIGNED', '8901260000000000001', '310410000000001', '310410', 'Example', ''),
    (1, 2, 'ASSIGNED', NULL, NULL, '', NULL, ''), (1, 3, 'FAULTY', NULL, NULL, NULL, NULL, ''),
    (1, 4, 'AVAILABLE', '89', NULL, NULL, NULL, ''), (9, 1, 'AVAILABLE', NULL, NULL, NULL, NULL, ''),
    (5, 1, 'ASSIGNED', NULL, NULL, NULL, NULL, '');
CREATE TABLE ki_proxy_pools (pool_name TEXT, tenant_id INTEGER, carrier TEXT, mcc_mnc TEXT, bank_id INTEGER,
    slot_range_start INTEGER, slot_range_end INTEGER, virtual_slot_start INTEGER, virtual_slot_end INTEGER,
    max_virtual_sims INTEGER, routing_mode TEXT);
INSERT INTO ki_proxy_pools VALUES ('p', 3, 'Example', '310410', 1, 1, 3, 100, 109, 6000, 'round-robin'),
    ('old', 3, 'Example', '310410', 1, 4, 5, NULL, NULL, 6000, 'round-robin');
CREATE TABLE sim_card_metadata (bank_id INTEGER, slot_id INTEGER, tenant_id INTEGER, physical_iccid TEXT,
    card_type TEXT, ki_pool_name TEXT, card_metadata TEXT);
INSERT INTO sim_card_metadata VALUES (1, 3, 3, '8901260000000000003', 'KI_PROXY_MASTER', 'p', '{"shelf": 1}'),
    (1, 2, 3, NULL, 'REGULAR', NULL, '{"ki": "00"}');
CREATE TABLE service_profile (profile_id TEXT, tenant_id INTEGER, client_id TEXT, mapping_mode TEXT,
    status TEXT, bank_id INTEGER, physical_slot_id INTEGER, created_at TEXT);
INSERT INTO service_profile VALUES
    ('p1', 3, 'router-1-slot0', 'ONE_TO_ONE_SWSIM', 'ACTIVE', 1, 1, '2025-01-01 00:00:00'),
    ('p2', 3, 'router-2-slot0', 'ONE_TO_ONE_SWSIM', 'ACTIVE', 1, 1, '2025-02-01 00:00:00'),
    ('p3', 3, 'ki-slot0', 'KI_PROXY_SWSIM', 'ACTIVE', 1, 101, '2025-01-01 00:00:00'),
    ('p4', 4, 'theirs', 'ONE_TO_ONE_SWSIM', 'ACTIVE', 1, 2, '2025-01-01 00:00:00'),
    ('p5', 4, 'other-slot0', 'ONE_TO_ONE_SWSIM', 'ACTIVE', 5, 1, '2025-01-01 00:00:00'),
    ('p6', 3, 'bad name', 'ONE_TO_ONE_SWSIM', 'ACTIVE', 1, 2, '2025-01-01 00:00:00'),
    ('p7', 3, 'gone', 'ONE_TO_ONE_SWSIM', 'INACTIVE', 1, 2, '2025-01-01 00:00:00');
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "legacy.db"
    connection = sqlite3.connect(path)
    connection.executescript(LEGACY)
    connection.close()
    return f"sqlite:///{path}"


def imported(database: Database, *arguments: str, exit_code: int = 0) -> list[str]:
    result = CliRunner().invoke(main, ["db", "import", "--database", url_of(database), *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output.splitlines()


def test_what_makes_sense_is_taken_over_and_the_rest_is_named(database: Database, source: str) -> None:
    add_tenant(database, "first")
    lines = imported(database, source)
    assert lines[:6] == [
        "tenants: 2 added, 0 there already",
        "banks:   2 added, 0 there already",
        "slots:   4 added, 0 there already",
        "pools:   1 added, 0 there already",
        "cards:   1 added, 0 there already",
        "clients: 3 added, 0 there already",
    ]
    assert [line.removeprefix("left out: ") for line in lines[6:]] == [
        "bank bank_id=2 name=v6: bankd '[::1]:9999' is not HOSTNAME[:PORT] or IPV4[:PORT]",
        "bank bank_id=2000 name=x: bank_id 2000 is not 1..1023",
        "slot bank_id=1 slot_id=0: slot_id 0 is not 1..1023",
        "slot bank_id=1 slot_id=4: an iccid is not digits of the right length",
        "slot bank_id=9 slot_id=1: no bank 9",
        "pool bank_id=1 pool_name=old: it has no range of virtual slots: create it anew",
        "card bank_id=1 slot_id=2: card_metadata must not contain the card's keys",
        "client client_id=router-1-slot0 bank_id=1: the client or the slot has another assignment",
        "client client_id=theirs bank_id=1: the slot is not there or not free for this tenant",
        "client client_id=bad name bank_id=1: no client can have this name here",
    ]
    with database.read() as session:
        tenants = {tenant.slug: tenant.tenant_id for tenant in session.scalars(select(Tenant))}
        assert tenants == {"first": 1, "acme-gmbh": 3, "other": 4}, "clients name their tenant by number"
        bank = session.get_one(Bank, 1)
        assert (bank.bankd_host, bank.bankd_port, bank.tenant_id) == ("bankd1.example.com", 9990, 3)
        slot = session.get_one(Slot, (1, 1))
        assert (slot.iccid, slot.mcc_mnc, slot.status) == ("8901260000000000001", "310410", "assigned")
        assert session.get_one(Slot, (1, 2)).status == "available"
        assert session.get_one(Slot, (1, 3)).status == "faulty"
        assert session.get_one(SimCard, (1, 3)).card_metadata == {"shelf": 1}
        assert session.scalars(select(KiPool.virtual_slot_end)).all() == [109]
        active = session.execute(
            select(ServiceProfile.client_id, ServiceProfile.slot_id, ServiceProfile.profile_id)
            .where(ServiceProfile.status == ProfileStatus.ACTIVE)
            .order_by(ServiceProfile.client_id)
        ).all()
        assert [tuple(row) for row in active] == [
            ("ki-slot0", 101, "p3"),
            ("other-slot0", 1, "p5"),
            ("router-2-slot0", 1, "p2"),
        ]
        assert len(session.scalars(select(ClientState)).all()) == 3
    assert add_tenant(database, "new") == 5, "numbers go on behind those that were taken over"


def test_again_changes_nothing_and_a_dry_run_neither(database: Database, source: str) -> None:
    empty = rows_count(database)
    dry = imported(database, "--dry-run", source)
    assert "clients: 3 would be added, 0 there already" in dry
    assert rows_count(database) == empty
    first = imported(database, source)
    before = rows_count(database)
    again = imported(database, source)
    assert rows_count(database) == before
    assert again[:6] == [
        line.replace(f"{n} added, 0", f"0 added, {n}")
        for line, n in zip(first[:6], (2, 2, 4, 1, 1, 3), strict=True)
    ]
    assert again[6:] == first[6:], "what was left out is named again"


def test_again_does_not_give_back_what_was_released_since(database: Database, source: str) -> None:
    imported(database, source)
    with database.write() as session:
        registration.unregister(session, 4, "other-slot0", "test", START)
    before = rows_count(database)
    again = imported(database, source)
    assert "clients: 0 added, 3 there already" in again
    assert rows_count(database) == before
    with database.read() as session:
        assert session.get_one(Slot, (5, 1)).status == "available"


def test_what_the_database_refuses_is_left_out_by_itself(database: Database, source: str) -> None:
    connection = sqlite3.connect(source.removeprefix("sqlite:///"))
    connection.execute("UPDATE service_profile SET profile_id = 'p2' WHERE profile_id = 'p5'")
    connection.execute("UPDATE sim_bank_slots SET carrier = ? WHERE slot_id = 3", ("c" * 65,))
    connection.commit()
    connection.close()
    lines = imported(database, source)
    assert "clients: 2 added, 0 there already" in lines
    assert "left out: client client_id=other-slot0 bank_id=5: profile p2 is another client's" in lines
    if database.engine.dialect.name == "postgresql":
        refused = "value too long for type character varying(64)"
        assert f"left out: slot bank_id=1 slot_id=3: {refused}" in lines


def test_everything_can_become_one_tenants(database: Database, source: str) -> None:
    mine = add_tenant(database, "mine")
    imported(database, "--tenant", "mine", source)
    with database.read() as session:
        assert set(session.scalars(select(Bank.tenant_id))) == {mine}
        assert set(session.scalars(select(ServiceProfile.tenant_id))) == {mine}


def test_a_bankds_card_list_names_slots(database: Database, tmp_path: Path) -> None:
    add_bank(database)
    listed = tmp_path / "bankd_pcsc_slots.csv"
    listed.write_text('# bank, slot, reader\n"1","0","ACS ACR33.*00 00"\n"1","1","ACS ACR33.*00 01"\n1,2,x\n')
    lines = imported(database, str(listed))
    assert "slots:   2 added, 0 there already" in lines
    assert lines[-1] == "left out: slot bank_id=1 slot_id=0: slot_id 0 is not 1..1023"
    with database.read() as session:
        assert session.scalars(select(Slot.slot_id).order_by(Slot.slot_id)).all() == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n", "line 1: not bank, slot and reader"),
        ("1,1,a\nx,1,b\n", "line 2: not bank, slot and reader"),
        ('1,1,"a\n', "unexpected end of data"),
    ],
)
def test_card_lists_that_are_refused(database: Database, tmp_path: Path, content: str, message: str) -> None:
    listed = tmp_path / "x.csv"
    listed.write_text(content)
    assert message in imported(database, str(listed), exit_code=1)[-1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sqlite:////nowhere/x.db", "there is no file"),
        ("mysql://x/y", "no sqlite:/// or postgresql:// URL"),
        ("postgresql://nobody@127.0.0.1:1/x", "cannot be read"),
        ("nowhere.csv", "No such file"),
    ],
)
def test_sources_that_are_none(database: Database, source: str, message: str) -> None:
    assert message in imported(database, source, exit_code=1)[-1]


def test_a_database_of_something_else_is_none(database: Database, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    assert "no table" in imported(database, f"sqlite:///{tmp_path}/other.db", exit_code=1)[-1]


def test_this_programs_own_database_can_be_taken_over_too(
    database: Database, stocked: Any, router: Any, tmp_path: Path
) -> None:
    router.register()
    target = Database(f"sqlite:///{tmp_path}/target.db")
    lines = imported(target, url_of(database))
    assert lines == [
        "tenants: 1 added, 0 there already",
        "banks:   1 added, 0 there already",
        "slots:   3 added, 0 there already",
        "pools:   0 added, 0 there already",
        "cards:   0 added, 0 there already",
        "clients: 1 added, 0 there already",
    ]
    target.close()
