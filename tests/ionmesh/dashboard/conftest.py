"""People of every role with a fleet to look at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from ionmesh import roles
from ionmesh.db import Database
from ionmesh.models import Role
from tests.ionmesh import postgres
from tests.ionmesh.conftest import START
from tests.ionmesh.dashboard.fleet import PASSWORD, Fleet, stock

CLIENTS = 30
ROLE = "ionmesh_pages"
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Person:
    """Somebody with a browser of their own, without scripts."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http
        self.token = ""

    def see_sign_in(self) -> str:
        """Open the sign-in page; its token is good for the next form."""
        page = str(self.http.get("/sign-in").text)
        self.token = token_of(page)
        return page

    def sign_in(self, email: str, password: str = PASSWORD, **fields: str) -> Any:
        """Sign in and keep the token of the session's forms."""
        self.see_sign_in()
        answer = self.http.post(
            "/sign-in", data={"csrf": self.token, "email": email, "password": password, **fields}
        )
        if answer.status_code == 303 and "code" not in answer.location:
            self.token = token_of(self.http.get("/account").text)
        return answer

    def get(self, path: str, **headers: str) -> Any:
        return self.http.get(path, headers=headers, buffered=True)

    def post(self, path: str, data: Mapping[str, Any] | None = None, **headers: str) -> Any:
        """Send a form with the token in it."""
        return self.http.post(path, data={"csrf": self.token, **(data or {})}, headers=headers)


def token_of(page: str) -> str:
    match = _TOKEN.search(page)
    assert match, page
    return match[1]


@pytest.fixture(scope="session")
def stocked_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fleet]:
    path = tmp_path_factory.mktemp("dashboard") / "template.db"
    shutil.copy(migrated_file, path)
    database = Database(f"sqlite:///{path}")
    fleet = stock(database, CLIENTS, now=START, charted=1)
    database.close()
    return path, fleet


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """With a fleet, on SQLite; tests whose queries differ are parametrised with both."""
    kind = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        path = tmp_path / "ionmesh.db"
        shutil.copy(request.getfixturevalue("stocked_file")[0], path)
        database = Database(f"sqlite:///{path}")
    else:
        database = postgres.emptied(request.getfixturevalue("migrated_url"))
    if kind == "walled":
        database.close()
        database = Database(request.getfixturevalue("walled_url"))
    yield database
    database.close()


@pytest.fixture(scope="session")
def walled_url(migrated_url: str) -> str:
    """PostgreSQL as a role that does not own the tables, so that row-level security holds for it."""
    owner = Database(migrated_url)
    with owner.engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {ROLE} LOGIN"))
    roles.grant(owner, ROLE)
    owner.close()
    return migrated_url.replace("ionmesh@", f"{ROLE}@")


BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)

EVERYWHERE = pytest.mark.parametrize("database", ["sqlite", "postgresql", "walled"], indirect=True)


@pytest.fixture
def fleet(database: Database, stocked_file: tuple[Path, Fleet]) -> Fleet:
    if database.engine.dialect.name == "sqlite":
        return stocked_file[1]
    return stock(database, CLIENTS, now=START, charted=1)


@pytest.fixture
def person(app: Flask, fleet: Fleet) -> Callable[[Role], Person]:
    def signed_in(role: Role) -> Person:
        made = Person(app.test_client())
        assert made.sign_in(fleet.email(role)).status_code == 303
        return made

    return signed_in


@pytest.fixture
def owner(person: Callable[[Role], Person]) -> Person:
    return person(Role.OWNER)


@pytest.fixture
def viewer(person: Callable[[Role], Person]) -> Person:
    return person(Role.VIEWER)
