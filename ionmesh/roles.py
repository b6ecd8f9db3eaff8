"""What the role that serves may do in PostgreSQL: use the tables, which another role owns.

Row-level security and the audit log's seal stand for such a role only; an owner can take them away.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from ionmesh.db import Database
from ionmesh.errors import InvalidRequest
from ionmesh.models import AuditEntry, Base

_VERSIONS = "alembic_version"
_OWN = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
_WALLED = text(
    "SELECT count(*) FROM pg_class WHERE relname = 'service_profiles' AND relrowsecurity"
    " AND NOT pg_has_role(current_user, relowner, 'USAGE')"
)


def grant(database: Database, role: str) -> None:
    """Let an existing role serve; it gets what the tables of this version need and nothing else.

    Raises InvalidRequest on SQLite, which has no roles, and for a role that does not exist.
    """
    if database.engine.dialect.name != "postgresql":
        raise InvalidRequest("no_roles", "SQLite has no roles")
    with database.write_connection() as connection:
        known = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
        if known is None:
            raise InvalidRequest("no_role", f"PostgreSQL has no role {role!r}: CREATE ROLE it first")
        quote = connection.dialect.identifier_preparer.quote_identifier
        for privileges, table in _privileges():
            connection.exec_driver_sql(f"GRANT {privileges} ON {quote(table)} TO {quote(role)}")
        for sequence in inspect(connection).get_sequence_names():
            connection.exec_driver_sql(f"GRANT USAGE, UPDATE ON SEQUENCE {quote(sequence)} TO {quote(role)}")


def is_walled(connection: Connection) -> bool:
    """Whether row-level security stands for the role of this connection."""
    return not connection.scalar(_OWN) and bool(connection.scalar(_WALLED))


def _privileges() -> list[tuple[str, str]]:
    rows = [("SELECT", _VERSIONS)]
    for table in Base.metadata.sorted_tables:
        only_grows = table.name == AuditEntry.__tablename__
        rows.append(("SELECT, INSERT" if only_grows else "SELECT, INSERT, UPDATE, DELETE", table.name))
    return rows
