"""Slot maps: the plan, the repair, and the whole against a server that forgets and refuses."""

from __future__ import annotations

import logging
import socket

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from ionmesh.db import Database
from ionmesh.errors import (
    RemsimServerError,
    RemsimServerGarbled,
    RemsimServerRefused,
    RemsimServerUnreachable,
)
from ionmesh.models import Bank
from ionmesh.reconcile import Reconciler, reconciler
from ionmesh.remsim_server import RemsimServer
from ionmesh.services.slotmaps import ServerPlan, SlotMap, repair, wanted
from tests.ionmesh.conftest import Router, add_bank, add_key, add_slots, add_tenant
from tests.ionmesh.remsim import FakeRemsimServer

slot_maps = st.builds(SlotMap, *[st.integers(0, 3)] * 4)


@st.composite
def plans(draw: st.DrawFn) -> ServerPlan:
    banks = draw(st.frozensets(st.integers(0, 3)))
    slots = draw(st.frozensets(st.tuples(st.sampled_from(sorted(banks)), st.integers(0, 3)))) if banks else []
    return ServerPlan("http://s", banks, frozenset(SlotMap(*slot, *slot) for slot in slots))


def deployed(maps: frozenset[SlotMap]) -> frozenset[SlotMap]:
    """Return a subset that a real server could hold: no bank slot and no client slot twice."""
    held: list[SlotMap] = []
    for new in sorted(maps):
        if not any(
            (old.bank_id, old.slot_nr) == (new.bank_id, new.slot_nr)
            or (old.client_id, old.client_slot_nr) == (new.client_id, new.client_slot_nr)
            for old in held
        ):
            held.append(new)
    return frozenset(held)


@given(plans(), st.frozensets(slot_maps, max_size=12).map(deployed))
def test_repair_reaches_the_plan_and_leaves_foreign_banks_alone(
    plan: ServerPlan, actual: frozenset[SlotMap]
) -> None:
    steps = repair(plan, actual)
    after = (actual - set(steps.delete)) | set(steps.create)
    assert {held for held in after if held.bank_id in plan.bank_ids} == plan.maps
    foreign = {held for held in actual if held.bank_id not in plan.bank_ids}
    assert foreign <= after
    assert not repair(plan, after)


@pytest.fixture
def mapped(database: Database, remsim: FakeRemsimServer) -> Database:
    add_tenant(database)
    add_bank(database, 1, url=remsim.url)
    add_slots(database, "1-3")
    return database


def reconcile(database: Database) -> Reconciler:
    return reconciler(database, timeout_s=2)


def test_maps_follow_assignments(mapped: Database, remsim: FakeRemsimServer, http: FlaskClient) -> None:
    router = Router(http, add_key(mapped))
    assert reconcile(mapped).run()
    assert remsim.maps == set()
    router.register()
    assert reconcile(mapped).run()
    assert remsim.maps == {SlotMap(1, 1, 1, 1)}
    router.unregister()
    assert reconcile(mapped).run()
    assert remsim.maps == set()


def test_drift_is_repaired(mapped: Database, remsim: FakeRemsimServer, http: FlaskClient) -> None:
    Router(http, add_key(mapped)).register()
    foreign = SlotMap(7, 3, 7, 3)
    for drifted in (set(), {SlotMap(1, 1, 1, 2)}, {SlotMap(1, 2, 1, 1)}, {SlotMap(1, 3, 5, 5)}):
        remsim.maps = drifted | {foreign}
        assert reconcile(mapped).run()
        assert remsim.maps == {SlotMap(1, 1, 1, 1), foreign}


def test_nothing_is_written_when_all_is_well(
    mapped: Database, remsim: FakeRemsimServer, http: FlaskClient
) -> None:
    Router(http, add_key(mapped)).register()
    subject = reconcile(mapped)
    subject.run()
    remsim.requests.clear()
    with mapped.write():
        assert subject.run(), "does not ask for the writer lock"
    assert remsim.requests == ["GET slotmaps", "GET banks"]


def test_one_refused_map_does_not_keep_the_others_away(
    mapped: Database, remsim: FakeRemsimServer, http: FlaskClient
) -> None:
    key = add_key(mapped)
    for client_id in ("a", "b"):
        Router(http, key, client_id).register()
    # Somebody else's bank holds the client slot that our first map needs.
    squatter = SlotMap(9, 9, 1, 1)
    remsim.maps = {squatter}
    assert not reconcile(mapped).run()
    assert remsim.maps == {squatter, SlotMap(1, 2, 1, 2)}


def test_bankd_presence_is_noted(mapped: Database, remsim: FakeRemsimServer) -> None:
    def noted() -> bool | None:
        with mapped.read() as session:
            return session.get_one(Bank, 1).bankd_connected

    assert noted() is None
    subject = reconcile(mapped)
    subject.run()
    assert noted() is False
    remsim.banks = [1, 5]
    subject.run()
    assert noted() is True


def test_a_server_that_is_down_is_warned_about_once_and_repaired_when_back(
    database: Database, http: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as placeholder:
        port = placeholder.getsockname()[1]
    add_tenant(database)
    add_bank(database, 1, url=f"http://127.0.0.1:{port}")
    add_slots(database, "1")
    Router(http, add_key(database)).register()
    caplog.set_level(logging.DEBUG, "ionmesh.reconcile")
    subject = reconcile(database)
    for _ in range(3):
        assert not subject.run()
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.DEBUG, logging.DEBUG]
    with FakeRemsimServer(port) as server:
        assert subject.run()
        assert server.maps == {SlotMap(1, 1, 1, 1)}
    assert caplog.records[-1].levelno == logging.INFO


def test_a_dead_server_does_not_keep_the_next_from_its_maps(
    mapped: Database, remsim: FakeRemsimServer, http: FlaskClient
) -> None:
    add_bank(mapped, 2, url="http://127.0.0.1:1")
    add_slots(mapped, "1", bank_id=2)
    router = Router(http, add_key(mapped))
    router.register(preferred_bank_id=1)
    assert not reconcile(mapped).run()
    assert remsim.maps == {SlotMap(1, 1, 1, 1)}
    with mapped.read() as session:
        assert [plan.url for plan in wanted(session)] == sorted(["http://127.0.0.1:1", remsim.url])


GARBLED = [
    b"",
    b"[]",
    b"{",
    b"\xff",
    b'{"slotmaps":{}}',
    b'{"slotmaps":[1]}',
    b'{"slotmaps":[{"bank":1}]}',
] + [
    b'{"slotmaps":[{"bank":{"bankId":%s,"slotNr":1},"client":{"clientId":1,"slotNr":1}}]}' % value
    for value in (b"null", b"1024", b"-1", b'"1"', b"true", b"1.5")
]


@pytest.mark.parametrize("body", GARBLED)
def test_garbled_answers_are_said_to_be(remsim: FakeRemsimServer, body: bytes) -> None:
    remsim.raw_answer = (200, body)
    with pytest.raises(RemsimServerGarbled):
        RemsimServer(remsim.url, 2).slotmaps()


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_typed_error(body: bytes) -> None:
    with FakeRemsimServer() as server:
        server.raw_answer = (200, body)
        with pytest.raises(RemsimServerError):
            RemsimServer(server.url, 2).slotmaps()


def test_statuses(remsim: FakeRemsimServer) -> None:
    server = RemsimServer(remsim.url, 2)
    server.create(SlotMap(1, 2, 3, 4))
    assert server.slotmaps() == {SlotMap(1, 2, 3, 4)}
    for clash in (SlotMap(1, 2, 5, 5), SlotMap(6, 6, 3, 4)):
        with pytest.raises(RemsimServerRefused) as refused:
            server.create(clash)
        assert refused.value.status == 400
    server.delete(1, 2)
    server.delete(1, 2)
    assert server.slotmaps() == frozenset()
    remsim.raw_answer = (500, b"")
    with pytest.raises(RemsimServerRefused):
        server.delete(1, 2)


@pytest.mark.parametrize("call", ["read", "write"])
def test_while_the_database_is_away_maps_wait_for_it(
    stocked: Database,
    remsim: FakeRemsimServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
) -> None:
    def away(_database: Database) -> None:
        raise OperationalError("SELECT 1", None, Exception("server closed the connection"))

    add_bank(stocked, 2, url=remsim.url)
    reconciler = reconcile(stocked)
    with caplog.at_level(logging.DEBUG, "ionmesh.reconcile"):
        with monkeypatch.context() as patch:
            patch.setattr(Database, call, away)
            assert [reconciler.run(), reconciler.run()] == [False, False]
        assert {record.levelname for record in caplog.records[:1]} == {"WARNING"}
        caplog.clear()
        assert reconciler.run()
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RemsimServerUnreachable):
            RemsimServer(url, 0.05).slotmaps()


# The last two are 169.254.169.254, in notations that the system's resolver takes.
@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "2852039166", "0xa9fea9fe"])
def test_a_server_is_not_called_where_no_bank_can_be(host: str) -> None:
    with pytest.raises(RemsimServerUnreachable, match="which this server does not call"):
        RemsimServer(f"http://{host}:9997", 2).slotmaps()


def test_a_server_on_this_machine_is_called_unless_a_setting_forbids_it(remsim: FakeRemsimServer) -> None:
    url = remsim.url.replace("127.0.0.1", "localhost")
    assert RemsimServer(url, 2).slotmaps() == frozenset()
    asked = list(remsim.requests)
    with pytest.raises(RemsimServerUnreachable, match="localhost leads to"):
        RemsimServer(url, 2, loopback_allowed=False).slotmaps()
    assert remsim.requests == asked


def test_a_bank_with_an_impossible_name_keeps_no_other_from_being_reconciled(
    stocked: Database, remsim: FakeRemsimServer
) -> None:
    add_bank(stocked, 2, url="http://" + "a" * 64)
    add_bank(stocked, 3, url=remsim.url)
    assert not reconcile(stocked).run()
    assert remsim.requests != []
