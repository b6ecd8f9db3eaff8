"""Engine and sessions. The only module that knows which database it talks to.

SQLite: WAL, so that readers never wait; a write session begins IMMEDIATE, because a deferred transaction that
upgrades to a write fails at once with "database is locked" whatever the busy timeout. Read sessions begin
deferred and never take the writer lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session

_WRITES = "ionmesh_writes"
_SQLITE_BUSY_TIMEOUT_MS = 5000
_POOL_SIZE = 32


class Database:
    """One database: read sessions, write sessions, and the end of them. Connects at first use."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(
            url, pool_size=_POOL_SIZE, max_overflow=_POOL_SIZE, json_serializer=_compact_json
        )
        self._writing_engine = self.engine.execution_options(**{_WRITES: True})
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session whose changes are never kept."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session that commits when the block ends and rolls back when it raises."""
        with Session(self._writing_engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """Give a bare connection in a write transaction, for migrations."""
        with self._writing_engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close pooled connections; may be called more than once."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling is off, so that _begin_sqlite alone decides how one begins.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_SQLITE_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
