"""The second wall: what PostgreSQL itself refuses a role that does not own the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from ionmesh import roles
from ionmesh.db import Database, confined
from ionmesh.errors import InvalidRequest
from ionmesh.legacy_source import read_database
from ionmesh.models import AuditEntry, Bank, Base, Scope, ServiceProfile, Slot, SlotStatus, Tenant
from ionmesh.services import audit
from ionmesh.services.adoption import Adoption
from tests.ionmesh import postgres
from tests.ionmesh.api.test_isolation import (
    ids,
    rows_of,
    test_a_platform_key_reaches_other_tenants_settings_and_nothing_else,
    test_nothing_of_another_tenant_is_shown_or_changed,
)
from tests.ionmesh.conftest import START, Admin, Router, add_key, add_tenant, url_of

__all__ = [
    "ids",
    "test_a_platform_key_reaches_other_tenants_settings_and_nothing_else",
    "test_nothing_of_another_tenant_is_shown_or_changed",
]
ROLE = "ionmesh_app"
UNOWNED = {"server_secrets", "figures", "rollup_progress"}
"""Tables without anything of a tenant's."""


@pytest.fixture(scope="module")
def app_url(migrated_url: str) -> str:
    owner = Database(migrated_url)
    with owner.engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {ROLE} LOGIN"))
    roles.grant(owner, ROLE)
    owner.close()
    return migrated_url.replace("ionmesh@", f"{ROLE}@")


@pytest.fixture
def owner(migrated_url: str) -> Iterator[Database]:
    database = postgres.emptied(migrated_url)
    yield database
    database.close()


@pytest.fixture
def database(app_url: str, owner: Database) -> Iterator[Database]:
    """What the application works with, here as the role without property."""
    database = Database(app_url)
    yield database
    database.close()


def rows_seen(database: Database, table: Any) -> list[Any]:
    with database.read() as session:
        return list(session.execute(select(table)))


def test_every_table_is_behind_the_wall_or_has_nothing_of_a_tenant(owner: Database) -> None:
    with owner.engine.connect() as connection:
        walled = set(
            connection.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relrowsecurity"))
        )
    assert walled == set(Base.metadata.tables) - UNOWNED


def test_a_query_without_conditions_sees_one_tenant(
    database: Database, owner: Database, ids: dict[str, Any]
) -> None:
    other = add_tenant(owner, "other")
    shared = {"sim_banks", "sim_bank_slots"}
    filled = set()
    for table in Base.metadata.sorted_tables:
        with confined(1):
            own = rows_seen(database, table)
        with confined(other):
            foreign = rows_seen(database, table)
        if own:
            filled.add(table.name)
        if table.name in UNOWNED:
            continue
        if table.name in shared:
            assert all(row.tenant_id is None for row in foreign), table.name
        elif table.name in ("tenants", "gl_audit_log"):
            assert [row.tenant_id for row in foreign] == [other]
        else:
            assert foreign == [], table.name
    assert len(filled) > 15, "walls that nothing stands behind prove little"


def test_without_a_tenant_nothing_is_seen(app_url: str, owner: Database, ids: dict[str, Any]) -> None:
    bare = Database(app_url)
    with bare.engine.connect() as connection:
        connection.execute(text("SET ionmesh.tenant = ''"))
        for table in set(Base.metadata.sorted_tables) - {Base.metadata.tables[name] for name in UNOWNED}:
            seen = list(connection.execute(select(table)))
            assert all(row.tenant_id is None for row in seen), table.name
            assert table.name in ("sim_banks", "sim_bank_slots") or seen == []
        connection.rollback()
    bare.close()


def test_what_is_confined_ends_with_its_block(database: Database, owner: Database, stocked: Database) -> None:
    add_tenant(owner, "other")
    with confined(1), database.read() as session:
        assert len(session.scalars(select(Tenant)).all()) == 1
    with database.read() as session:
        assert len(session.scalars(select(Tenant)).all()) == 2


def test_raw_sql_changes_nothing_of_another_tenant(
    database: Database, owner: Database, ids: dict[str, Any]
) -> None:
    other = 2
    before = rows_of(owner, 1)
    for table in Base.metadata.sorted_tables:
        if table.name in UNOWNED:
            continue
        column = next(iter(table.c)).name
        with confined(other):
            for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
                refused = pytest.raises(ProgrammingError, match="permission denied")
                sealed = table.name == "gl_audit_log"
                with refused if sealed else nullcontext(), database.write() as session:
                    touched: Any = session.execute(text(statement))
                    shared = 3 if table.name == "sim_bank_slots" and "UPDATE" in statement else 0
                    assert touched.rowcount == shared, statement
                    session.rollback()
    assert rows_of(owner, 1) == before


def test_nobody_makes_rows_for_another_tenant(database: Database, owner: Database, stocked: Database) -> None:
    other = add_tenant(owner, "other")
    with confined(other):
        for row in (
            Bank(
                bank_id=9,
                tenant_id=1,
                name="x",
                bankd_host="b",
                bankd_port=1,
                server_port=1,
                created_at=START,
            ),
            Slot(bank_id=1, slot_id=9),
        ):
            with pytest.raises(ProgrammingError, match="row-level security"), database.write() as session:
                session.add(row)
        with pytest.raises(ProgrammingError, match="row-level security"), database.write() as session:
            audit.record(session, tenant_id=1, actor="x", action="x", subject="x", now=START)
        with database.write() as session:
            slot = session.get_one(Slot, (1, 1))
            slot.status = SlotStatus.RESERVED
        with pytest.raises(ProgrammingError, match="row-level security"), database.write() as session:
            session.get_one(Slot, (1, 1)).tenant_id = 1


def test_the_api_works_behind_the_wall(
    http: FlaskClient, router: Router, admin: Admin, owner: Database, stocked: Database
) -> None:
    router.register()
    assert admin.post("clients/router-1-slot0/reassign", {"bank_id": 1, "slot_id": 3}).status_code == 200
    assert admin.post("clients/router-1-slot0/commands", {"type": "restart"}).status_code == 201
    assert router.heartbeat().json["commands"]
    add_tenant(owner, "other")
    other = Admin(http, add_key(owner, "other", Scope.ADMIN))
    assert other.get("clients").json["total"] == 0
    assert other.post("simbank/banks", {"bank_id": 7, "bankd": "b"}).status_code == 201
    taken = admin.post("simbank/banks", {"bank_id": 7, "bankd": "b"})
    assert (taken.status_code, taken.json["code"]) == (409, "conflict"), "it cannot be seen"
    assert router.unregister().status_code == 200


def test_what_is_imported_stands_behind_the_wall(
    app_url: str, database: Database, owner: Database, router: Router
) -> None:
    router.register()
    with database.write() as session:
        legacy = read_database(app_url)
        assert (len(legacy.tenants), len(legacy.profiles)) == (1, 1)
        assert Adoption(session, "test", START).adopt(legacy).known["client"] == 1


def test_a_grant_is_for_roles_that_exist(owner: Database, tmp_path: Any) -> None:
    with pytest.raises(InvalidRequest, match="no role"):
        roles.grant(owner, "nobody")
    lite = Database(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(InvalidRequest, match="no roles"):
        roles.grant(lite, ROLE)
    lite.close()


def test_whether_the_wall_stands_is_known(owner: Database, database: Database) -> None:
    for which, walled in ((owner, False), (database, True)):
        with which.engine.connect() as connection:
            assert roles.is_walled(connection) is walled


class TestAuditLog:
    """It only grows, for the owner of the tables too."""

    @pytest.fixture(params=["sqlite", "owner", "application"])
    def kept(self, request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Database]:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path}/x.db"
            postgres.migrated(url)
            database = Database(url)
        else:
            name = "owner" if request.param == "owner" else "database"
            database = Database(url_of(request.getfixturevalue(name)))
        with database.write() as session:
            audit.record(session, tenant_id=None, actor="a", action="b", subject="c", now=START)
        yield database
        database.close()

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE gl_audit_log SET actor = 'nobody'",
            "DELETE FROM gl_audit_log",
            "TRUNCATE gl_audit_log",
        ],
    )
    def test_raw_sql_cannot_change_it(self, kept: Database, statement: str) -> None:
        if statement.startswith("TRUNCATE") and kept.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has no TRUNCATE")
        with pytest.raises(DBAPIError, match=r"only grows|permission denied"), kept.write() as session:
            session.execute(text(statement))
        with kept.read() as session:
            assert session.scalars(select(AuditEntry.actor)).all() == ["a"]

    def test_it_can_be_migrated_down(self, empty_url: str) -> None:
        from ionmesh import schema

        database = Database(empty_url)
        schema.upgrade(database)
        schema.downgrade(database, "0004")
        with database.write() as session:
            session.execute(text("DELETE FROM gl_audit_log"))
            assert session.scalar(select(func.count()).select_from(ServiceProfile)) == 0
        with database.engine.connect() as connection:
            assert "figures" not in inspect(connection).get_table_names()
        schema.upgrade(database)
        database.close()


def test_a_conflict_that_only_the_database_sees_is_no_server_error(app: Flask) -> None:
    def quicker() -> None:
        raise IntegrityError("INSERT", {}, LookupError("unique"))

    app.add_url_rule("/quicker", view_func=quicker)  # type: ignore[arg-type]  # it never returns
    refused: Any = app.test_client().get("/quicker")
    assert (refused.status_code, refused.json["code"]) == (409, "conflict")
