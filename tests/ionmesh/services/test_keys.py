"""Keys: made, recognised, refused, never kept in clear."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionmesh.db import Database
from ionmesh.errors import Forbidden, Unauthorized
from ionmesh.models import ApiKey, Base, Scope, Tenant
from ionmesh.services import keys
from tests.ionmesh.conftest import START, add_key, add_tenant


@pytest.fixture
def key(database: Database) -> str:
    add_tenant(database)
    return add_key(database)


def test_a_key_stands_for_its_tenant(database: Database, key: str) -> None:
    with database.read() as session:
        caller = keys.authenticate(session, key, START)
    assert caller.tenant_ids == (1,)
    assert caller.name == key[:17]
    caller.require(Scope.REMSIM)
    with pytest.raises(Forbidden):
        caller.require(Scope.ADMIN)


def test_an_admin_key_may_do_both(database: Database, key: str) -> None:
    with database.read() as session:
        caller = keys.authenticate(session, add_key(database, scope=Scope.ADMIN), START)
    caller.require(Scope.REMSIM)
    caller.require(Scope.ADMIN)


def test_the_text_is_not_in_the_database(database: Database, key: str) -> None:
    with database.engine.connect() as connection:
        kept = repr([list(connection.execute(table.select())) for table in Base.metadata.sorted_tables])
    assert key[:17] in kept
    assert key[17:] not in kept


@given(st.data())
def test_any_change_of_a_key_is_refused(data: st.DataObject) -> None:
    text = "imk_live_contract0123456789abcdefghijABCDEFGHIJ011LDJJr"
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(exclude_characters=text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    # Refused by shape or checksum, so that no database is asked.
    with pytest.raises(Unauthorized):
        keys.authenticate(None, changed, START)  # type: ignore[arg-type]  # proves that it is not used


@pytest.mark.parametrize("text", ["", "imk_live_", "imk_live_" + "0" * 46, "x" * 5000, "imk_live_é"])
def test_other_texts_are_refused(database: Database, key: str, text: str) -> None:
    with database.read() as session, pytest.raises(Unauthorized):
        keys.authenticate(session, text, START)


def test_another_secret_behind_a_known_prefix_is_refused(database: Database, key: str) -> None:
    add_tenant(database, "other")
    with database.write() as session:
        stranger = session.get_one(
            ApiKey,
            keys.issue(session, session.get_one(Tenant, 2), name="", scopes=[Scope.ADMIN], now=START)[
                0
            ].key_id,
        )
        stranger.key_hash = "0" * 64
        prefix = stranger.prefix
    body = prefix.removeprefix("imk_live_") + "0" * 32
    with database.read() as session, pytest.raises(Unauthorized):
        keys.authenticate(session, f"imk_live_{body}{keys._checksum(body)}", START)


def test_revoked_expired_and_disabled(database: Database, key: str) -> None:
    short = add_key(database, expires_at=START + timedelta(hours=1))
    with database.read() as session:
        keys.authenticate(session, short, START + timedelta(minutes=59))
        with pytest.raises(Unauthorized):
            keys.authenticate(session, short, START + timedelta(hours=1))
    with database.write() as session:
        session.get_one(ApiKey, 1).revoked_at = START
    with database.read() as session, pytest.raises(Unauthorized):
        keys.authenticate(session, key, START)
    with database.write() as session:
        session.get_one(Tenant, 1).enabled = False
    with database.read() as session, pytest.raises(Forbidden):
        keys.authenticate(session, short, START)


def test_legacy_callers_come_from_a_tenants_networks(database: Database) -> None:
    add_tenant(database, "none")
    add_tenant(database, "ten", legacy_cidrs=["10.0.0.0/8", "2001:db8::/32"])
    add_tenant(database, "net", legacy_cidrs=["10.1.0.0/16"])
    with database.read() as session:
        networks = keys.legacy_networks(session)
        assert keys.legacy_caller(networks, "10.9.0.1").tenant(None) == 2
        both = keys.legacy_caller(networks, "10.1.2.3")
        assert both.tenant_ids == (2, 3)
        assert both.tenant(3) == 3
        assert both.scopes == {Scope.REMSIM}
        assert keys.legacy_caller(networks, "2001:db8::1").tenant_ids == (2,)
        for stranger in ("192.0.2.1", "", None, "unknown"):
            with pytest.raises(Unauthorized):
                keys.legacy_caller(networks, stranger)
