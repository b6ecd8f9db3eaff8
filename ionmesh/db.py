"""Engine and sessions. The only module that knows which database it talks to.

SQLite: WAL, so that readers never wait; a write session begins IMMEDIATE, because a deferred transaction that
upgrades to a write fails at once with "database is locked" whatever the busy timeout. Read sessions begin
deferred and never take the writer lock.

PostgreSQL: read committed; nobody waits for a lock longer than the timeout, which ends a request with 503.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session

_WRITES = "ionmesh_writes"
_SQLITE_BUSY_TIMEOUT_MS = 5000
_WAL_RETRY_MS = 10
_POSTGRESQL = {
    "connect_timeout": 5,
    "application_name": "ionmesh",
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}
_POOL_SIZE = 32
_MIGRATION_LOCK = 0x696F6E6D


class Database:
    """One database: read sessions, write sessions, and the end of them. Connects at first use."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        if address.drivername == "postgresql":
            # Which driver that means by itself differs between SQLAlchemy's versions.
            address = address.set(drivername="postgresql+psycopg")
        self.engine: Engine = create_engine(
            address,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            json_serializer=_compact_json,
            connect_args=_POSTGRESQL if address.get_backend_name() == "postgresql" else {},
        )
        self._writing_engine = self.engine.execution_options(**{_WRITES: True})
        self._telemetry_engine: Engine = self._writing_engine
        if self.engine.dialect.name == "postgresql":
            # Connections of its own: how a connection commits is set once, not with every statement.
            options = f"{_POSTGRESQL['options']} -c synchronous_commit=off"
            self._telemetry_engine = create_engine(
                address,
                pool_size=_POOL_SIZE,
                json_serializer=_compact_json,
                connect_args=_POSTGRESQL | {"options": options},
                isolation_level="AUTOCOMMIT",
            )
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
    def telemetry(self) -> Iterator[Connection]:
        """Give a connection for one statement that writes what a crash may take the last second of."""
        with self._telemetry_engine.begin() as connection:
            yield connection

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """Give a bare connection in a write transaction that no other one overlaps, for migrations."""
        with self._writing_engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            yield connection

    @contextmanager
    def exclusive(self, name: str) -> Iterator[bool]:
        """Tell whether this process alone does what `name` says while the block runs; it does not wait.

        SQLite is for one process, which always is alone.
        """
        if self.engine.dialect.name != "postgresql":
            yield True
            return
        lock = {"lock": _lock_number("exclusive", name)}
        # Outside of a transaction, which would be idle for as long as the block runs.
        autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            taken = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), lock))
            try:
                yield taken
            finally:
                if taken:
                    connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)

    def close(self) -> None:
        """Close pooled connections; may be called more than once."""
        self.engine.dispose()
        self._telemetry_engine.dispose()


def serialise(session: Session, *names: object) -> None:
    """Let this write transaction wait until no other one that named the same is under way.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        lock = {"lock": _lock_number(*names)}
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), lock)


def _lock_number(*names: object) -> int:
    digest = hashlib.blake2b(repr(names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling is off, so that _begin_sqlite alone decides how one begins.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_SQLITE_BUSY_TIMEOUT_MS}",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    _enter_wal(cursor)
    cursor.close()


def _enter_wal(cursor: Any) -> None:
    """Switch the file to WAL, which sticks; while others use it SQLite refuses without the busy timeout."""
    attempts = _SQLITE_BUSY_TIMEOUT_MS // _WAL_RETRY_MS
    for attempt in range(attempts):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if attempt == attempts - 1:
                raise
            time.sleep(_WAL_RETRY_MS / 1000)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
