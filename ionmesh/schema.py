"""Bringing a database's schema to the revision this code needs, with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ionmesh.db import Database
from ionmesh.errors import SchemaNewer

_MIGRATIONS = Path(__file__).with_name("migrations")


def alembic_config() -> AlembicConfig:
    """Return Alembic's configuration; there is no alembic.ini."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def head() -> str:
    """Return the revision this code needs."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise LookupError(f"no migrations in {_MIGRATIONS}")
    return revision


def current(database: Database) -> str | None:
    """Return the revision a database is at; None: it is empty."""
    with database.engine.connect() as connection:
        return _revision(connection)


def refuse_newer(found: str | None) -> None:
    """Raise SchemaNewer for a revision that this code does not know."""
    if found is not None and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaNewer(found, head())


def upgrade(database: Database) -> bool:
    """Bring the schema to head in one transaction. Returns whether there was anything to do.

    Raises SchemaNewer, and leaves the database as it is, when a newer version upgraded it.
    """
    if current(database) == head():
        return False
    config = alembic_config()
    # Two processes that start together: the second waits for the writer lock, then finds nothing to do.
    with database.write_connection() as connection:
        refuse_newer(_revision(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to a revision; `base` empties the database."""
    config = alembic_config()
    with database.write_connection() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
