"""What happens reaches those who look, by stream and by asking, and is read once for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import OperationalError

from ionmesh.api.feed import EventFeed
from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.models import Event, EventType, Role, Severity
from tests.ionmesh.conftest import START, ManualClock, Router
from tests.ionmesh.dashboard.conftest import BOTH, Person
from tests.ionmesh.dashboard.fleet import Fleet


def add_event(database: Database, fleet: Fleet, client_id: str, **more: Any) -> int:
    values: dict[str, Any] = {"at": START, "type": EventType.CLIENT_RECOVERED, "severity": Severity.INFO}
    with database.write() as session:
        made = Event(tenant_id=fleet.tenant_id, client_id=client_id, details={}, **values | more)
        session.add(made)
        session.flush()
        return made.event_id


def messages(body: bytes) -> list[tuple[str, Any]]:
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_stream_has_the_counters_and_then_what_happens(app: Flask, viewer: Person, fleet: Fleet) -> None:
    stream = viewer.http.get("/live/stream", buffered=False)
    assert stream.mimetype == "text/event-stream"
    blocks = stream.iter_encoded()
    assert next(blocks) == b": connected\n\n"
    kind, counts = messages(next(blocks))[0]
    assert kind == "counts"
    assert sum(counts[grade] for grade in ("ok", "problem", "critical", "unknown", "deactivated")) == 30
    Router(app.test_client(), fleet.key, "newcomer").register()
    seen: list[tuple[str, Any]] = []
    while not any(kind == "client_registered" for kind, _ in seen):
        seen += messages(next(blocks))
    assert next(
        (data["client_id"], data["severity"]) for kind, data in seen if kind == "client_registered"
    ) == ("newcomer", "info")
    stream.close()


def test_streams_are_limited_and_asking_goes_on(database: Database, fleet: Fleet, clock: ManualClock) -> None:
    app = create_app(Config(event_streams=0), database=database, clock=clock)
    someone = Person(app.test_client())
    someone.sign_in("viewer@example.com")
    refused = someone.get("/live/stream", Accept="text/event-stream")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "16")
    first = someone.get("/live/events.json").json
    assert first["events"] == []
    number = add_event(database, fleet, "late")
    app.extensions["ionmesh"].feed._tails.clear()
    news = someone.get(f"/live/events.json?after={first['after']}").json
    assert [(event["id"], event["client_id"]) for event in news["events"]] == [(number, "late")]
    assert news["after"] == number


@BOTH
def test_the_feed_gives_everything_behind_a_number_and_late_ones(
    database: Database, fleet: Fleet, clock: ManualClock
) -> None:
    first = add_event(database, fleet, "first")
    for number in range(130):
        add_event(database, fleet, f"c{number}", at=START - timedelta(seconds=10))
    feed = EventFeed(database, clock)
    behind = [event.client_id for event in feed.fresh(fleet.tenant_id, first)]
    assert behind[-130:] == [f"c{number}" for number in range(130)], "also more than are kept"
    last = feed.newest(fleet.tenant_id)
    assert last == first + 130
    assert [event.client_id for event in feed.fresh(fleet.tenant_id, last)] in ([], ["first"])
    late = add_event(database, fleet, "late")
    clock.advance(1)
    feed._tails.clear()
    assert [event.event_id for event in feed.fresh(fleet.tenant_id, late)] == [late], "again, for two seconds"
    clock.advance(2)
    assert feed.fresh(fleet.tenant_id, late) == []
    assert feed.fresh(fleet.tenant_id + 1, 0) == []
    assert feed.newest(fleet.tenant_id + 1) == 0


def test_while_the_database_is_away_the_feed_has_nothing_and_goes_on(
    database: Database, fleet: Fleet, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = EventFeed(database, clock)

    def away(_database: Database) -> None:
        raise OperationalError("SELECT 1", None, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", away)
        assert feed.fresh(fleet.tenant_id, 0) == []
        version = feed.wait(fleet.tenant_id, 0, 0.01)
        assert version == 0
    number = add_event(database, fleet, "back")
    assert feed.wait(fleet.tenant_id, version, 60) == 1
    assert feed.newest(fleet.tenant_id) == number


def test_more_events_than_are_read_at_once_are_read_anew(
    database: Database, fleet: Fleet, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = EventFeed(database, clock)
    first = feed.newest(fleet.tenant_id)
    monkeypatch.setattr("ionmesh.api.feed._BATCH", 5)
    monkeypatch.setattr("ionmesh.api.feed._KEPT_S", 0)
    clock.advance(60)
    for number in range(7):
        add_event(database, fleet, f"c{number}", at=clock())
    assert [event.client_id for event in feed.fresh(fleet.tenant_id, first)] == [f"c{n}" for n in range(7)]


def test_many_who_ask_cost_one_query(
    person: Callable[[Role], Person], database: Database, app: Flask, fleet: Fleet
) -> None:
    feed = app.extensions["ionmesh"].feed
    counts = app.extensions["ionmesh.dashboard"].counts
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sqlalchemy_event.listen(database.engine, "before_cursor_execute", note)
    for _ in range(200):
        feed.fresh(fleet.tenant_id, 10_000)
        counts.of(fleet.tenant_id, 7)
    sqlalchemy_event.remove(database.engine, "before_cursor_execute", note)
    assert len([text for text in statements if "FROM events" in text]) < 20
    assert len([text for text in statements if "GROUP BY" in text]) < 20


@pytest.mark.parametrize("after", ["-1", "x", "99999999999", ""])
def test_a_number_that_is_none_is_not_given(viewer: Person, after: str) -> None:
    assert viewer.get(f"/live/events.json?after={after}").json["events"] == []
