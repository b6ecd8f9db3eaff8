"""Heartbeats and the commands that travel in their answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ionmesh.db import Database
from ionmesh.models import CommandState, Connectivity, MappingMode, SlotKind
from ionmesh.services import clients, commands, heartbeat, registration
from ionmesh.services.commands import next_state
from ionmesh.services.heartbeat import Heartbeat
from ionmesh.services.registration import Registration
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_key, add_slots

REPORTS = st.sampled_from([CommandState.ACKED, CommandState.DONE, CommandState.FAILED])


def queue(admin: Admin, kind: str = "restart", **fields: Any) -> str:
    answer = admin.post("clients/router-1-slot0/commands", {"type": kind} | fields)
    assert answer.status_code == 201, answer.json
    command_id = answer.json["command"]["id"]
    assert isinstance(command_id, str)
    return command_id


def delivered(router: Router, **fields: Any) -> list[str]:
    return [command["id"] for command in router.heartbeat(**fields).json["commands"]]


def shown(admin: Admin) -> dict[str, dict[str, Any]]:
    client = admin.get("clients/router-1-slot0").json["client"]
    return {command["id"]: command for command in client["commands"]}


def test_last_word_stands_until_there_is_a_newer(router: Router, admin: Admin) -> None:
    router.register()
    stats = {"uptime_seconds": 5, "signal_rsrp": -98.5}
    router.heartbeat(status="warning", stats=stats, modem_info={"imei": "1"}, links=[{"name": "wan"}])
    router.heartbeat()
    client = admin.get("clients/router-1-slot0").json["client"]
    assert client["stats"] == stats
    assert client["modem_info"] == {"imei": "1"}
    assert client["links"] == [{"name": "wan"}]
    assert (client["reported_status"], client["connectivity"]) == ("active", "online")


def test_commands_come_again_until_acknowledged(router: Router, admin: Admin, clock: ManualClock) -> None:
    router.register()
    first = queue(admin, params={"delay_s": 3})
    clock.advance(1)
    second = queue(admin, "log-tail")
    assert delivered(router) == [first, second]
    assert delivered(router) == [first, second]
    assert delivered(router, command_results=[{"id": first, "state": "acked"}]) == [second]
    assert delivered(router, command_results=[{"id": second, "status": "failed", "detail": "no"}]) == []
    assert delivered(router, command_results=[{"id": first, "state": "done"}]) == []
    commands = shown(admin)
    assert (commands[first]["state"], commands[second]["state"]) == ("done", "failed")
    assert commands[second]["detail"] == "no"
    assert commands[first]["finished_at"] == "2026-01-01T00:00:01Z"


def test_a_command_expires(router: Router, admin: Admin, clock: ManualClock) -> None:
    router.register()
    command = queue(admin, expires_in_s=60)
    clock.advance(59)
    assert delivered(router) == [command]
    clock.advance(1)
    assert delivered(router) == []
    assert shown(admin)[command]["state"] == "expired"
    router.heartbeat(command_results=[{"id": command, "state": "done"}])
    assert shown(admin)[command]["state"] == "done", "it ran all the same"


def test_results_for_somebody_elses_command_are_ignored(
    http: FlaskClient, router: Router, admin: Admin, stocked: Database
) -> None:
    router.register()
    command = queue(admin)
    other = Router(http, add_key(stocked), "other")
    other.register()
    other.heartbeat(command_results=[{"id": command, "state": "done"}, {"id": "none", "state": "acked"}])
    assert delivered(router) == [command]


def test_assignment_is_told_when_the_known_one_is_older(router: Router, stocked: Database) -> None:
    add_slots(stocked, "900", kind=SlotKind.VIRTUAL)
    first = router.register().json
    assert "assignment" not in router.heartbeat(assignment_version=first["assignment_version"]).json
    moved = router.register(mapping_mode="ONE_TO_ONE_VSIM").json
    told = router.heartbeat(assignment_version=first["assignment_version"]).json["assignment"]
    assert told == {name: value for name, value in moved.items() if name != "status"}
    assert "assignment" not in router.heartbeat().json, "the C client says no version and reads no answer"


def test_a_reassigned_client_learns_it_with_its_next_heartbeat(router: Router, admin: Admin) -> None:
    first = router.register().json
    answer = admin.post("clients/router-1-slot0/reassign", {"bank_id": 1, "slot_id": 3})
    assert (answer.json["new_bank_id"], answer.json["new_slot_id"]) == (1, 3)
    told = router.heartbeat(assignment_version=first["assignment_version"]).json["assignment"]
    assert (told["slot_id"], told["rspro_client_slot"], told["assignment_version"]) == (3, 3, 2)
    assert admin.get("simbank/slots?status=available").json["total"] == 2
    again = router.register().json
    assert (again["slot_id"], again["profile_id"]) == (3, first["profile_id"])


@pytest.mark.parametrize(
    ("client_id", "slot_id", "status", "code"),
    [
        ("router-1-slot0", 1, 400, "slot_not_available"),
        ("router-1-slot0", 9, 404, "no_slot_there"),
        ("nobody", 2, 404, "client_not_found"),
    ],
)
def test_reassigning_to_what_cannot_be_had(
    router: Router, admin: Admin, client_id: str, slot_id: int, status: int, code: str
) -> None:
    router.register()
    refused = admin.post(f"clients/{client_id}/reassign", {"bank_id": 1, "slot_id": slot_id})
    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert router.register().json["slot_id"] == 1


def test_a_heartbeat_without_content_type_is_read(
    http: FlaskClient, router: Router, stocked: Database
) -> None:
    router.register()
    response = http.post(
        "/api/backend/v1/remsim/heartbeat",
        data='{"client_id":"router-1-slot0","status":"active"}',
        headers={"X-API-Key": add_key(stocked)},
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "field",
    [
        {"status": "fine"},
        {"stats": [1]},
        {"assignment_version": -1},
        {"command_results": [{"id": "x", "state": "queued"}]},
        {"modem_info": {"vendor": "a\0b"}},
    ],
)
def test_wrong_fields_are_named(router: Router, field: dict[str, Any]) -> None:
    router.register()
    refused = router.heartbeat(**field)
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_request")
    assert refused.json["message"].startswith(next(iter(field)))


@given(st.sampled_from(CommandState), st.lists(REPORTS))
def test_command_states_never_go_back(state: CommandState, reports: list[CommandState]) -> None:
    for reported in reports:
        before, state = state, next_state(state, reported)
        if before in (CommandState.DONE, CommandState.FAILED):
            assert state is before
        if before is CommandState.ACKED:
            assert state is not CommandState.QUEUED
        if before is CommandState.EXPIRED:
            assert state is not CommandState.ACKED


def test_the_quick_way_leaves_to_the_other_what_it_does_not_do(stocked: Database) -> None:
    def note(**fields: Any) -> heartbeat.Noted | None:
        beat = Heartbeat("router-1", "active", "192.0.2.1", **fields)
        with stocked.telemetry() as connection:
            return heartbeat.note(connection, 1, beat, START)

    assert note() is None, "unknown"
    with stocked.write() as session:
        for name in ("router-0", "router-1"):
            request = Registration(name, MappingMode.ONE_TO_ONE_SWSIM)
            registration.register(session, 1, request, START, timedelta(seconds=300))
    assert note(stats={"errors": 3}, assignment_version=1) == heartbeat.Noted(None)
    assert note() == heartbeat.Noted(None)
    with stocked.read() as session:
        profile = clients.find_active(session, 1, "router-1")
        assert profile.state.stats == {"errors": 3}, "what is not said stands"
        assert (profile.state.last_heartbeat, profile.state.first_heartbeat) == (START, START)
        assert clients.find_active(session, 1, "router-0").state.last_heartbeat is None
    assert note(assignment_version=0) is None, "outdated"
    with stocked.write() as session:
        profile = clients.find_active(session, 1, "router-0")
        profile.state.connectivity = Connectivity.OFFLINE
        commands.queue(
            session,
            profile,
            commands.CommandType.RESTART,
            {},
            actor="test",
            now=START,
            life=timedelta(hours=1),
        )
    assert note() == heartbeat.Noted(None), "another client's command"
    with stocked.write() as session:
        clients.find_active(session, 1, "router-1").state.connectivity = Connectivity.OFFLINE
    assert note() is None, "it was offline, which is an event"
