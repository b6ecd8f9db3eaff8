"""The application on SQLite and on PostgreSQL, a clock moved by hand, and an osmo-remsim-server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.models import Base, Scope, SlotKind
from ionmesh.services import inventory, keys, tenants, users
from tests.ionmesh import postgres
from tests.ionmesh.postgres import Cluster
from tests.ionmesh.remsim import FakeRemsimServer

START = datetime(2026, 1, 1, tzinfo=UTC)
API = "/api/backend/v1"


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Passwords hashed as ever, at the least cost argon2 allows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ionmesh") / "template.db"
    postgres.migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip(postgres.ABSENT)
    with Cluster(binaries) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated_url(cluster: Cluster) -> str:
    url = cluster.create("ionmesh")
    postgres.migrated(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        path = tmp_path / "ionmesh.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        database = Database(f"sqlite:///{path}")
    else:
        database = postgres.emptied(request.getfixturevalue("migrated_url"))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.create(f"empty-{tmp_path.name}")


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def rows_count(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    with database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def config() -> Config:
    return Config(public_url="http://ionmesh.example.com:5000")


@pytest.fixture
def app(config: Config, database: Database, clock: ManualClock) -> Flask:
    return create_app(config, database=database, clock=clock)


@pytest.fixture
def http(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def remsim() -> Iterator[FakeRemsimServer]:
    with FakeRemsimServer() as server:
        yield server


def add_tenant(database: Database, slug: str = "acme", **options: Any) -> int:
    with database.write() as session:
        return tenants.create(session, slug=slug, name=slug, now=START, **options).tenant_id


def add_key(database: Database, slug: str = "acme", scope: Scope = Scope.REMSIM, **options: Any) -> str:
    with database.write() as session:
        tenant = tenants.by_slug(session, slug)
        return keys.issue(session, tenant, name="test", scopes=[scope], now=START, **options)[1]


def add_bank(
    database: Database, bank_id: int = 1, tenant_id: int | None = None, url: str | None = None
) -> None:
    new = inventory.NewBank(bank_id, "bankd1.example.com", "remsim1.example.com", url)
    with database.write() as session:
        inventory.add_bank(session, tenant_id, new, "test", START)


def add_slots(
    database: Database, slots: str, bank_id: int = 1, kind: SlotKind = SlotKind.PHYSICAL, **options: Any
) -> None:
    new = inventory.NewSlots(bank_id, inventory.parse_slot_range(slots), kind, **options)
    with database.write() as session:
        inventory.add_slots(session, None, new, "test", START)


class Router:
    """A router's side of the contract, over the test client."""

    def __init__(self, http: FlaskClient, key: str | None, client_id: str = "router-1-slot0") -> None:
        self._http = http
        self._headers = {"X-API-Key": key} if key else {}
        self.client_id = client_id

    def register(self, **fields: Any) -> Any:
        return self._post("register-client", fields)

    def heartbeat(self, **fields: Any) -> Any:
        return self._post("heartbeat", fields)

    def unregister(self) -> Any:
        return self._http.delete(f"{API}/remsim/unregister/{self.client_id}", headers=self._headers)

    def _post(self, call: str, fields: dict[str, Any]) -> Any:
        body = {"client_id": self.client_id} | fields
        return self._http.post(f"{API}/remsim/{call}", json=body, headers=self._headers)


@pytest.fixture
def stocked(database: Database) -> Database:
    """A database with tenant acme (id 1) and the shared bank 1 with slots 1 to 3."""
    add_tenant(database)
    add_bank(database)
    add_slots(database, "1-3")
    return database


@pytest.fixture
def router(http: FlaskClient, stocked: Database) -> Router:
    return Router(http, add_key(stocked))


@pytest.fixture
def admin(http: FlaskClient, stocked: Database) -> Admin:
    return Admin(http, add_key(stocked, scope=Scope.ADMIN))


class Admin:
    """An operator's program."""

    def __init__(self, http: FlaskClient, key: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:
        return self._http.get(f"{API}/{path}", headers=self._headers)

    def post(self, path: str, body: Any) -> Any:
        return self._http.post(f"{API}/{path}", json=body, headers=self._headers)

    def patch(self, path: str, body: Any) -> Any:
        return self._http.patch(f"{API}/{path}", json=body, headers=self._headers)

    def delete(self, path: str) -> Any:
        return self._http.delete(f"{API}/{path}", headers=self._headers)


@pytest.fixture
def served(cluster: Cluster, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A stocked PostgreSQL database's URL and a key of its tenant, which lets loopback in without one."""
    url = cluster.create(f"served-{request.node.name}")
    postgres.migrated(url)
    database = Database(url)
    add_tenant(database, legacy_cidrs=["127.0.0.0/8", "192.0.2.0/24"])
    add_bank(database)
    add_slots(database, "1-9")
    key = add_key(database)
    database.close()
    return url, key
