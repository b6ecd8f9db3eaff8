"""Migrations: they make what the models say, and unmake it; and what the queries are on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Dialect, inspect, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError, ProgrammingError, StatementError
from sqlalchemy.schema import CreateIndex, CreateTable

from ionmesh import schema
from ionmesh.db import Database
from ionmesh.errors import SchemaNewer
from ionmesh.models import Base, DeliveryState, MappingMode, Tenant, Webhook, WebhookDelivery
from ionmesh.sealing import unseal
from ionmesh.services import webhooks
from ionmesh.services.allocation import Demand, best_free
from tests.ionmesh.conftest import START, add_tenant


def test_up_makes_what_the_models_say_and_down_unmakes_it(empty_url: str) -> None:
    database = Database(empty_url)
    assert schema.current(database) is None
    for _ in range(2):
        assert schema.upgrade(database)
        assert not schema.upgrade(database)
        assert schema.current(database) == schema.head()
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"target_metadata": Base.metadata})
            assert compare_metadata(context, Base.metadata) == []
            checks = {
                (table, check["name"])
                for table in Base.metadata.tables
                for check in inspect(connection).get_check_constraints(table)
            }
        assert checks == model_checks(database.engine.dialect)
        schema.downgrade(database, "base")
        with database.engine.connect() as connection:
            assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


def test_a_failing_migration_leaves_nothing_behind(empty_url: str) -> None:
    database = Database(empty_url)
    with database.write_connection() as connection:
        connection.exec_driver_sql("CREATE TABLE service_profiles (x int)")
    with pytest.raises((OperationalError, ProgrammingError), match="service_profiles"):
        schema.upgrade(database)
    with database.engine.connect() as connection:
        assert "tenants" not in inspect(connection).get_table_names()
    assert schema.current(database) is None
    database.close()


def test_what_a_newer_version_made_is_left_alone(empty_url: str) -> None:
    database = Database(empty_url)
    schema.upgrade(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaNewer) as refused:
        schema.upgrade(database)
    assert (refused.value.found, refused.value.head) == ("9999", schema.head())
    assert schema.current(database) == "9999"
    database.close()


def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    def upgrade(database: Database) -> str | None:
        schema.upgrade(database)
        return schema.current(database)

    databases = [Database(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as pool:
        assert set(pool.map(upgrade, databases)) == {schema.head()}
    for database in databases:
        database.close()


def test_on_postgresql_a_claim_skips_locked_rows_and_uniqueness_is_partial() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it unannotated
    claim = str(best_free(Demand(1, MappingMode.ONE_TO_ONE_SWSIM)).compile(dialect=dialect))
    assert claim.endswith("FOR UPDATE OF sim_bank_slots SKIP LOCKED")
    indexes = {
        str(index.name): str(CreateIndex(index).compile(dialect=dialect))
        for index in Base.metadata.tables["service_profiles"].indexes
    }
    for name in ("uq_service_profiles_active_client", "uq_service_profiles_active_slot"):
        assert indexes[name].startswith("CREATE UNIQUE INDEX")
        assert indexes[name].endswith("WHERE status = 'active'")
    state = str(CreateTable(Base.metadata.tables["client_state"]).compile(dialect=dialect))
    assert "last_heartbeat TIMESTAMP WITH TIME ZONE" in state
    assert "stats JSONB" in state


def model_checks(dialect: Dialect) -> set[tuple[str, str | None]]:
    return {
        (table.name, dialect.identifier_preparer.format_constraint(constraint))
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if type(constraint).__name__ == "CheckConstraint"
    }


def test_a_moment_without_a_zone_has_no_place_in_the_database(stocked: Database) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  what is refused
    with stocked.write() as session, pytest.raises(StatementError, match="a naive datetime has no place"):
        session.execute(update(Tenant).values(created_at=naive))


PEPPER = "p" * 32
OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def add_webhook(database: Database, pepper: str = "") -> None:
    with database.write() as session:
        webhook, _ = webhooks.create(session, 1, "https://example.com/", [], "test", START, pepper)
        webhooks.test(session, 1, webhook.webhook_id, START)


class TestSecretsOfWebhooks:
    """Migration 0006, with rows there."""

    @pytest.fixture
    def migrated(self, empty_url: str) -> Iterator[Database]:
        database = Database(empty_url)
        schema.upgrade(database)
        add_tenant(database)
        yield database
        database.close()

    def test_what_lay_in_clear_is_taken_over_with_its_deliveries(self, migrated: Database) -> None:
        add_webhook(migrated)
        schema.downgrade(migrated, "0005")
        with migrated.write() as session:
            session.execute(text("UPDATE webhook_config SET secret = :secret"), {"secret": OLD_SECRET})
        assert schema.upgrade(migrated)
        with migrated.read() as session:
            webhook = session.scalars(select(Webhook)).one()
            assert (unseal(webhook.sealed, PEPPER), webhook.enabled) == (OLD_SECRET, True)
            delivery = session.scalars(select(WebhookDelivery)).one()
            assert (delivery.webhook_id, delivery.state) == (webhook.webhook_id, DeliveryState.PENDING)

    def test_what_is_readable_is_given_back_and_what_is_sealed_signs_nothing(
        self, migrated: Database
    ) -> None:
        add_webhook(migrated)
        add_webhook(migrated, PEPPER)
        with migrated.read() as session:
            readable, sealed = session.scalars(select(Webhook.sealed).order_by(Webhook.webhook_id))
        schema.downgrade(migrated, "0005")
        with migrated.read() as session:
            rows = session.execute(text("SELECT secret, enabled FROM webhook_config ORDER BY webhook_id"))
            (first, first_enabled), (second, second_enabled) = rows
            assert session.scalar(text("SELECT count(*) FROM webhook_deliveries")) == 2
        assert (first, bool(first_enabled)) == (unseal(readable, ""), True)
        assert second != unseal(sealed, PEPPER)
        assert (len(second), bool(second_enabled)) == (len(first), False)
