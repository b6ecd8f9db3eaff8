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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    String,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session

_WRITES = "ionmesh_writes"
_SQLITE_BUSY_TIMEOUT_MS = 5000
_WAL_RETRY_MS = 10
_POSTGRESQL = {
    "connect_timeout": 5,
    "application_name": "ionmesh",
    # Row-level security lets a session see what it says it needs, see `confined`.
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s -c ionmesh.tenant=all",
}
# A process has more threads than that: they wait for a connection, as more of them would not be quicker, and
# PostgreSQL lets in a hundred in all unless it is told otherwise.
_POOL_SIZE = 8
_MIGRATION_LOCK = 0x696F6E6D
_TRY_LOCKS = text("SELECT pg_try_advisory_xact_lock(lock) FROM unnest(CAST(:locks AS bigint[])) AS lock")

_SET_TENANT = text("SELECT set_config('ionmesh.tenant', :tenant, true)")
_CONFINED: ContextVar[int | None] = ContextVar("confined", default=None)

Addition = tuple[type[DeclarativeBase], Sequence[Mapping[str, Any]]]
"""A model and the rows to add to its table."""


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
            event.listen(self.engine, "begin", _confine)
            # Connections of its own: how a connection commits is set once, not with every statement.
            options = f"{_POSTGRESQL['options']} -c synchronous_commit=off"
            self._telemetry_engine = create_engine(
                address,
                pool_size=_POOL_SIZE,
                max_overflow=0,
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
    def glance(self) -> Iterator[Connection]:
        """Give a connection for one statement that reads: a transaction around it would be two more trips."""
        engine = self.engine if self._telemetry_engine is self._writing_engine else self._telemetry_engine
        with engine.connect() as connection:
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

    @property
    def connections_max(self) -> int:
        """How many connections this process can have at once."""
        usual = 2 * _POOL_SIZE
        return usual if self._telemetry_engine is self._writing_engine else usual + _POOL_SIZE

    def watch_connections(self, taken: Callable[[], object], given_back: Callable[[], object]) -> None:
        """Have these called whenever a connection is taken from and given back to a pool."""
        engines = [self.engine]
        if self._telemetry_engine is not self._writing_engine:
            engines.append(self._telemetry_engine)
        for engine in engines:
            event.listen(engine, "checkout", lambda *_: taken())
            event.listen(engine, "checkin", lambda *_: given_back())

    def close(self) -> None:
        """Close pooled connections; may be called more than once."""
        self.engine.dispose()
        self._telemetry_engine.dispose()


@contextmanager
def confined(tenant_id: int) -> Iterator[None]:
    """Let transactions that begin in this block, in this thread, see this tenant's rows and shared ones only.

    PostgreSQL's row-level security does it, for a role that does not own the tables; it stands behind the
    conditions of the queries, which are the same everywhere.
    """
    token = _CONFINED.set(tenant_id)
    try:
        yield
    finally:
        _CONFINED.reset(token)


def serialise(session: Session, *names: object) -> None:
    """Let this write transaction wait until no other one that named the same is under way.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        lock = {"lock": _lock_number(*names)}
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), lock)


def held_alone(session: Session, names: Sequence[tuple[object, ...]]) -> list[bool]:
    """Do as `serialise` with each of the names, but without waiting: say which ones nobody else had named."""
    if session.get_bind().dialect.name != "postgresql":
        return [True] * len(names)
    locks = {"locks": [_lock_number(*name) for name in names]}
    return list(session.scalars(_TRY_LOCKS, locks))


def add_rows(session: Session, additions: Sequence[Addition]) -> None:
    """Insert rows into several tables, on PostgreSQL in one statement; their models are not loaded.

    All rows of a table name the same columns, and its own key if that is not a number the database counts.
    """
    additions = [addition for addition in additions if addition[1]]
    if session.get_bind().dialect.name != "postgresql":
        for model, rows in additions:
            session.execute(insert(model), rows)
        return
    if not additions:
        return
    statement = _insertion(tuple((model, tuple(rows[0])) for model, rows in additions))
    documents = {
        model.__tablename__: json.dumps(rows, default=datetime.isoformat) for model, rows in additions
    }
    session.execute(statement, documents)


@cache
def _insertion(wanted: tuple[tuple[type[DeclarativeBase], tuple[str, ...]], ...]) -> Insert:
    """Return the statement that takes, for each table, a JSON array under the table's name."""
    inserts = []
    for model, names in wanted:
        table = model.metadata.tables[model.__tablename__]
        document = cast(bindparam(table.name, type_=String()), JSONB)
        columns = [column(name, table.c[name].type) for name in names]
        given = func.jsonb_to_recordset(document).table_valued(*columns).render_derived(with_types=True)
        inserts.append(insert(table).from_select(names, select(*given.c), include_defaults=False))
    last = inserts.pop()
    return last.add_cte(*(statement.cte() for statement in inserts))


def insert_or(session: Session, model: type[DeclarativeBase]) -> Any:
    """Return an INSERT that can say what to do on a conflict; each dialect has its own of the same shape."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)


def continue_numbers(session: Session, model: type[DeclarativeBase]) -> None:
    """Let new rows be numbered behind those that were given their number; SQLite does so anyway."""
    if session.get_bind().dialect.name == "postgresql":
        key = model.metadata.tables[model.__tablename__].primary_key.columns[0]
        sequence = func.pg_get_serial_sequence(model.__tablename__, key.name)
        session.execute(select(func.setval(sequence, func.greatest(func.max(key), 1))))


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


def _confine(connection: Connection) -> None:
    tenant_id = _CONFINED.get()
    if tenant_id is not None:
        connection.execute(_SET_TENANT, {"tenant": str(tenant_id)})


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
