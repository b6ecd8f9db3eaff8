"""What the deployed C client makes of our answers; first the oracle itself, then the server against it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.provisional import domains

from ionmesh.api import wire
from ionmesh.errors import InvalidRequest
from ionmesh.models import ID_MAX, ID_MIN, MappingMode
from ionmesh.services.assignment import Assignment
from ionmesh.services.inventory import parse_endpoint
from tests.ionmesh.c_parser import CAssignment, Rejected, parse
from tests.ionmesh.conftest import Router

GOOD: dict[str, Any] = {
    "status": "ok",
    "bank_id": 1,
    "slot_id": 42,
    "iccid": "8901260123456789012",
    "imsi": "310410123456789",
    "bankd_endpoint": "http://bankd1.example.com:9999",
    "mapping_mode": "ONE_TO_ONE_SWSIM",
}
READ = CAssignment(
    1, 42, "8901260123456789012", "310410123456789", "bankd1.example.com", 9999, "ONE_TO_ONE_SWSIM"
)


def compact(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes, separators=(",", ":")).encode()


def test_oracle_reads_compact_json() -> None:
    assert parse(200, compact()) == READ


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(GOOD).encode(),
        json.dumps(GOOD, indent=2).encode(),
        compact(bank_id="1"),
        compact(bank_id=0),
        compact(slot_id=0),
        compact(status="error"),
        compact(pool={"status": "error"}),
        compact(bankd_endpoint="http://" + "h" * 250 + ":9999"),
        compact(bankd_endpoint="http://[2001:db8::1]:9999"),
        compact().replace(b'"bank_id":', b'"bank_id" :'),
    ],
)
def test_oracle_rejects_what_the_client_rejects(body: bytes) -> None:
    with pytest.raises(Rejected):
        parse(200, body)


@pytest.mark.parametrize("status", [201, 202, 204, 301, 404, 503])
def test_oracle_accepts_200_only(status: int) -> None:
    with pytest.raises(Rejected):
        parse(status, compact())


def test_oracle_takes_the_first_match_and_stops_at_the_first_non_digit() -> None:
    nested = b'{"alternatives":[{"bank_id":9,"slot_id":9}],' + compact()[1:]
    assert (parse(200, nested).bank_id, parse(200, nested).slot_id) == (9, 9)
    assert parse(200, compact().replace(b":42", b":4e1")).slot_id == 4
    assert parse(200, compact(iccid="1" * 32)).iccid == ""
    assert parse(200, compact(iccid=None, imsi=None)).iccid == ""
    assert parse(200, compact(bankd_endpoint="host")).bankd_port == 9999


hosts = st.one_of(
    domains(),
    st.ip_addresses(v=4).map(str),
    st.text(alphabet='abz019.-_:/\\"@[]é\0', min_size=1, max_size=30),
)
assignments = st.builds(
    Assignment,
    profile_id=st.uuids().map(str),
    bank_id=st.integers(ID_MIN, ID_MAX),
    slot_id=st.integers(ID_MIN, ID_MAX),
    iccid=st.none() | st.text("0123456789", min_size=18, max_size=22),
    imsi=st.none() | st.text("0123456789", min_size=6, max_size=15),
    bankd_endpoint=st.just(""),
    mapping_mode=st.sampled_from(MappingMode),
    rspro_client_id=st.integers(0, ID_MAX),
    rspro_client_slot=st.integers(0, ID_MAX),
    server_endpoint=st.none() | st.just("remsim1.example.com:9998"),
    version=st.integers(1, 2**31),
)


@given(assignments, hosts, st.integers(1, 65535), st.booleans())
def test_every_assignment_is_read_as_it_is(
    assignment: Assignment, host: str, port: int, existing: bool
) -> None:
    try:
        host, port = parse_endpoint("bankd", f"{host}:{port}", 9999)
    except InvalidRequest:
        assume(False)
    fields = {
        name: getattr(assignment, name) for name in Assignment.__slots__ if name != "bankd_endpoint"
    } | {"bankd_endpoint": f"http://{host}:{port}"}
    response = wire.register_answer(Assignment(**fields), 60, existing=existing)
    assert parse(response.status_code, response.data) == CAssignment(
        assignment.bank_id,
        assignment.slot_id,
        assignment.iccid or "",
        assignment.imsi or "",
        host,
        port,
        assignment.mapping_mode.value,
    )


def test_answers_over_http_are_read(router: Router) -> None:
    for _ in range(2):
        response = router.register(mapping_mode="ONE_TO_ONE_SWSIM", mcc_mnc="", tenant_id=1)
        read = parse(response.status_code, response.data)
        assert (read.bank_id, read.slot_id) == (1, 1)
        assert (read.bankd_host, read.bankd_port) == ("bankd1.example.com", 9999)
        assert b": " not in response.data
        assert response.data.isascii()
