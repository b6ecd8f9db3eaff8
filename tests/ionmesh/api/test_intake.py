"""Registrations that arrive at once, and what operators hear of refusals."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from ionmesh.db import Database
from ionmesh.models import Event, Scope, ServiceProfile
from ionmesh.services import enrolment
from ionmesh.services.enrolment import Wanted
from ionmesh.services.keys import _checksum
from tests.ionmesh.conftest import API, ManualClock, Router, add_key, add_slots, url_of

THREADS = 24


def at_once(app: Flask, key: str, names: Sequence[str]) -> list[Any]:
    """Register from one thread each, starting together."""
    barrier = threading.Barrier(len(names))

    def register(name: str) -> Any:
        barrier.wait(10)
        return Router(app.test_client(), key, name).register()

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(register, names))


def test_threads_get_a_slot_each(app: Flask, stocked: Database) -> None:
    add_slots(stocked, "4-24")
    answers = at_once(app, add_key(stocked), [f"r{number}" for number in range(THREADS)])
    assert [answer.status_code for answer in answers] == [200] * THREADS
    assert sorted(answer.json["slot_id"] for answer in answers) == list(range(1, THREADS + 1))


def test_one_client_from_many_threads_gets_one_slot(app: Flask, stocked: Database) -> None:
    answers = at_once(app, add_key(stocked), ["router"] * THREADS)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["profile_id"] for answer in answers}) == 1
    assert sum("note" not in answer.json for answer in answers) == 1
    with stocked.read() as session:
        assert len(session.scalars(select(ServiceProfile)).all()) == 1


def test_a_round_that_fails_is_repeated_one_by_one(
    app: Flask, stocked: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    def broken(_session: Any, wanted: Sequence[Wanted], _now: Any) -> Any:
        rounds.append(len(wanted))
        raise OperationalError("INSERT", {}, LookupError("gone"))

    monkeypatch.setattr(enrolment, "enrol", broken)
    answers = at_once(app, add_key(stocked), ["a", "b", "c"])
    assert sorted(answer.json["slot_id"] for answer in answers) == [1, 2, 3]
    assert sum(rounds) == 3


def test_a_client_that_has_a_slot_never_waits_for_one_that_writes(app: Flask, stocked: Database) -> None:
    key = add_key(stocked)
    known, new = (Router(app.test_client(), key, name) for name in ("known", "new"))
    assert known.register().status_code == 200
    intake = app.extensions["ionmesh"].intake
    other = Database(url_of(stocked))
    sqlite = stocked.engine.dialect.name == "sqlite"
    with ThreadPoolExecutor(1) as pool:
        with other.write() as session:
            # Whoever registers anew writes an entry.
            session.execute(text("SELECT 1" if sqlite else "LOCK TABLE gl_audit_log"))
            waiting = pool.submit(new.register)
            moment = threading.Event()
            while not intake._enrolments._busy:
                moment.wait(0.001)
            assert known.register().status_code == 200
            assert not waiting.done()
        assert waiting.result(10).status_code == 200
    other.close()


def exhausted(database: Database) -> Any:
    with database.read() as session:
        events = session.scalars(select(Event).order_by(Event.event_id)).all()
    return [event.details | {"of": event.client_id} for event in events if event.type == "pool_exhausted"]


def test_slots_that_ran_out_are_told_once_in_ten_minutes(
    app: Flask, stocked: Database, clock: ManualClock
) -> None:
    key = add_key(stocked)
    answers = at_once(app, key, [f"r{number}" for number in range(10)])
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 7
    assert {answer.json["code"] for answer in refused} == {"no_slot"}
    assert exhausted(stocked) == [
        {
            "of": "slots ONE_TO_ONE_SWSIM",
            "mapping_mode": "ONE_TO_ONE_SWSIM",
            "mcc_mnc": None,
            "carrier": None,
        }
    ]
    router = Router(app.test_client(), key, "late")
    router.register(mcc_mnc="310410")
    assert exhausted(stocked)[-1]["of"] == "slots ONE_TO_ONE_SWSIM 310410"
    clock.advance(601)
    router.register()
    router.register()
    assert len(exhausted(stocked)) == 3


def test_keys_that_are_tried_are_told_once_an_hour(
    http: FlaskClient, stocked: Database, clock: ManualClock
) -> None:
    key = add_key(stocked, scope=Scope.REMSIM)
    other = add_key(stocked)
    # Well-formed, with the prefix of one key and the secret of another.
    body = key[9:17] + other[17:49]
    wrong = {"X-API-Key": f"imk_live_{body}{_checksum(body)}"}

    def failures() -> list[Any]:
        with stocked.read() as session:
            events = session.scalars(select(Event)).all()
        return [event.client_id for event in events if event.type == "auth_failures"]

    def attempt(times: int) -> None:
        for _ in range(times):
            refused: Any = http.post(f"{API}/remsim/register-client", json={"client_id": "a"}, headers=wrong)
            assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")

    attempt(20)
    assert failures() == []
    attempt(20)
    assert failures() == [f"key {key[:17]}"]
    clock.advance(3601)
    attempt(22)
    assert len(failures()) == 2
