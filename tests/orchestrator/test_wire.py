"""Answers that are odd, old or hostile."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.assignment import Assignment, Endpoint
from remsimd.errors import OrchestratorError
from remsimd.http import HttpAnswer
from remsimd.orchestrator import wire

OLD = {
    "status": "ok",
    "bank_id": 3,
    "slot_id": 7,
    "iccid": "8949000000000000001F",
    "imsi": None,
    "bankd_endpoint": "http://bankd.example.com",
    "mapping_mode": "ONE_TO_ONE_SWSIM",
}


def test_an_older_server_means_the_identity_map() -> None:
    assert wire.parse_assignment(OLD) == Assignment(
        client_id=3,
        client_slot=7,
        bank_id=3,
        slot_id=7,
        bankd=Endpoint("bankd.example.com", 9999),
        iccid="8949000000000000001F",
        mapping_mode="ONE_TO_ONE_SWSIM",
    )
    assert wire.parse_register(OLD).heartbeat_interval_s is None


def test_our_own_place_may_differ_from_the_card() -> None:
    assignment = wire.parse_assignment({**OLD, "rspro_client_id": 0, "rspro_client_slot": 1023})
    assert (assignment.client_id, assignment.client_slot) == (0, 1023)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://h.example.com:9999", Endpoint("h.example.com", 9999)),
        ("https://h:1/path", Endpoint("h", 1)),
        ("192.0.2.1:5", Endpoint("192.0.2.1", 5)),
        ("192.0.2.1", Endpoint("192.0.2.1", 9999)),
        ("http://[2001:db8::1]:7", Endpoint("2001:db8::1", 7)),
        ("[2001:db8::1]", Endpoint("2001:db8::1", 9999)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    assert wire.parse_assignment({**OLD, "bankd_endpoint": text}).bankd == endpoint


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bank_id", None),
        ("bank_id", "3"),
        ("bank_id", True),
        ("bank_id", 1024),
        ("slot_id", -1),
        ("slot_id", 7.0),
        ("rspro_client_id", 4096),
        ("bankd_endpoint", None),
        ("bankd_endpoint", "http://user:pw@h:1"),
        ("bankd_endpoint", "h:0"),
        ("bankd_endpoint", "h:70000"),
        ("bankd_endpoint", 9999),
        ("server_endpoint", "h h:1"),
        ("iccid", "89AB"),
        ("iccid", 8949),
        ("imsi", "31041012345678901"),
        ("assignment_version", -1),
        ("heartbeat_interval", "60"),
        ("heartbeat_interval", 0),
    ],
)
def test_a_field_of_the_wrong_kind_is_named_and_not_shown(field: str, value: object) -> None:
    with pytest.raises(OrchestratorError, match=field) as caught:
        wire.parse_register({**OLD, field: value})
    assert caught.value.code == "protocol"
    assert "89AB" not in str(caught.value)


def test_a_server_alone_is_enough() -> None:
    offered = {**OLD, "bankd_endpoint": "", "server_endpoint": "s.example.com"}
    assignment = wire.parse_assignment(offered)
    assert (assignment.bankd, assignment.server) == (None, Endpoint("s.example.com", 9998))


def test_a_card_may_be_taken_away() -> None:
    answer = wire.parse_heartbeat({"status": "ok", "assignment": None})
    assert answer == wire.HeartbeatAnswer(withdrawn=True)


def test_a_bad_command_does_not_spoil_the_others() -> None:
    good = {"id": "b", "type": "restart", "extra": 1}
    bad: list[Any] = [
        "restart",
        {"type": "restart"},
        {"id": "", "type": "restart"},
        {"id": "x y", "type": "restart"},
        {"id": "c", "type": "Rest art"},
        {"id": "d", "type": "restart", "params": [1]},
        {"id": "e", "type": "restart", "expires_at": "soon"},
        {"id": "f", "type": "restart", "expires_at": 5},
    ]
    assert wire.parse_heartbeat({"commands": [*bad, good]}).commands == (wire.Command("b", "restart"),)


@pytest.mark.parametrize("text", ["2026-01-01T00:10:00Z", "2026-01-01T00:10:00", "2026-01-01T01:10:00+01:00"])
def test_times(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-05")
    time.tzset()
    command = wire.parse_command({"id": "a", "type": "restart", "expires_at": text})
    assert command is not None
    assert command.expires_at == 1767226200.0
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("body", [{"assignment": []}, {"commands": {}}, {"next_heartbeat_interval": "60"}])
def test_a_heartbeat_answer_of_the_wrong_shape(body: dict[str, Any]) -> None:
    with pytest.raises(OrchestratorError, match="not as documented"):
        wire.parse_heartbeat(body)


def test_another_service_is_not_taken_for_ionmesh() -> None:
    with pytest.raises(OrchestratorError, match="service"):
        wire.parse_discover({"version": "1"})


def test_an_error_in_a_200_is_an_error() -> None:
    with pytest.raises(wire.RefusedError, match="broken"):
        wire.accepted("register", HttpAnswer(200, {"status": "error", "message": "broken"}))


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)]
)
def test_retry_after(text: str, seconds: float | None) -> None:
    error = wire.RefusedError("register", HttpAnswer(503, {}, {"retry-after": text}))
    assert error.retry_after_s == seconds


def test_the_id_is_escaped_in_the_path() -> None:
    assert wire.unregister_path("a/b c") == "/api/backend/v1/remsim/unregister/a%2Fb%20c"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "1", "h:1", "8949000000000000001"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type"]), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [*OLD, "rspro_client_id", "server_endpoint", "assignment_version", "commands", "assignment", "code"]
)


@given(st.dictionaries(FIELDS, JSON), st.booleans())
def test_any_json_is_read_or_refused(fields: dict[str, Any], over_old: bool) -> None:
    body = {**OLD, **fields} if over_old else fields
    assert json.dumps(body)
    for parse in (wire.parse_register, wire.parse_heartbeat):
        try:
            parse(body)
        except OrchestratorError as error:
            code = error.code
        else:
            code = "protocol"
        assert code == "protocol"
