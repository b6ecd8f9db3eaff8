"""Sign-ins: found by their token alone, until they are over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ionmesh.db import Database
from ionmesh.models import Role, User
from ionmesh.services import sessions, tenants, users
from tests.ionmesh.conftest import START, add_tenant


def person(database: Database) -> User:
    tenant_id = add_tenant(database)
    with database.write() as session:
        return users.create(
            session,
            tenant_id,
            email="a@example.com",
            name="",
            role=Role.VIEWER,
            password="p" * 12,
            actor="test",
            now=START,
        )


def begin(database: Database, user: User, *, complete: bool = True) -> str:
    with database.write() as session:
        return sessions.begin(
            session, user, complete=complete, source_ip="192.0.2.1", user_agent="x" * 999, now=START
        )


@pytest.mark.parametrize(
    ("complete", "idle", "age", "good"),
    [
        (True, timedelta(0), timedelta(0), True),
        (True, sessions.IDLE - timedelta(seconds=1), sessions.IDLE, True),
        (True, sessions.IDLE, sessions.IDLE, False),
        (True, timedelta(0), sessions.LIFE - timedelta(seconds=1), True),
        (True, timedelta(0), sessions.LIFE, False),
        (False, timedelta(0), sessions.HALF_WAY - timedelta(seconds=1), True),
        (False, timedelta(0), sessions.HALF_WAY, False),
    ],
)
def test_a_session_is_good_for_its_time(
    database: Database, complete: bool, idle: timedelta, age: timedelta, good: bool
) -> None:
    token = begin(database, person(database), complete=complete)
    with database.write() as session:
        found = sessions.find(session, token, START)
        assert found is not None
        assert found.user.email == "a@example.com"
        sessions.touch(session, found, START + age - idle)
    with database.read() as session:
        assert (sessions.find(session, token, START + age) is not None) is good
    with database.write() as session:
        sessions.drop_old(session, START + age)
    with database.read() as session:
        found = sessions.find(session, token, START + age)
        assert (found is not None) is good


def test_the_database_does_not_have_the_token(database: Database) -> None:
    token = begin(database, person(database))
    with database.read() as session:
        found = sessions.find(session, token, START)
        assert found is not None
        assert token not in (found.token_hash, found.password_mark, found.user_agent)
        assert sessions.find(session, found.token_hash, START) is None
        assert sessions.find(session, "\udcff", START) is None


def test_a_disabled_tenant_has_no_sessions(database: Database) -> None:
    user = person(database)
    token = begin(database, user)
    with database.write() as session:
        tenants.find(session, user.tenant_id).enabled = False
    with database.read() as session:
        assert sessions.find(session, token, START) is None


def test_sessions_are_listed_and_ended(database: Database) -> None:
    user = person(database)
    here, there = begin(database, user), begin(database, user)
    begin(database, user, complete=False)
    with database.write() as session:
        assert len(sessions.listed(session, user.user_id, START)) == 2
        sessions.end_others(session, user.user_id, here)
    with database.write() as session:
        assert sessions.find(session, there, START) is None
        sessions.end(session, here)
        sessions.end(session, here)
    with database.write() as session:
        assert sessions.listed(session, user.user_id, START) == []
        users.delete(session, user.tenant_id, user.user_id, "test", START)
