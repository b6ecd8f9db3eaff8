"""Our side of the contract documents that the orchestrator's tests replay too."""

import json
from pathlib import Path
from typing import Any

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.http import HttpAnswer
from remsimd.orchestrator import policy, wire
from remsimd.orchestrator.events import IonmeshState
from remsimd.orchestrator.requests import CommandResult, HeartbeatRequest, RegisterRequest, ResultState
from remsimd.orchestrator.wire import RefusedError

FOLDER = Path(__file__).parents[1] / "contract"
DOCUMENTS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CARD = Assignment(
    client_id=1,
    client_slot=42,
    bank_id=1,
    slot_id=42,
    server=Endpoint("remsim1.example.com", 9998),
    bankd=Endpoint("bankd1.example.com", 9999),
    iccid="8901260123456789012",
    imsi="310410123456789",
    mapping_mode="ONE_TO_ONE_SWSIM",
    profile_id="6f1c2f7e-0d0f-4a39-9a53-4f6c7a1d2b10",
    version=1,
)


def answer(name: str) -> HttpAnswer:
    response = DOCUMENTS[name]["response"]
    headers = {key.lower(): text for key, text in response.get("headers", {}).items()}
    return HttpAnswer(response["status"], response["body"], headers)


def refused(name: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        wire.accepted("call", answer(name))
    return caught.value


def without_nothing(body: dict[str, Any]) -> dict[str, Any]:
    """A heartbeat without its empty list of results, which is the same as none."""
    return {name: value for name, value in body.items() if value != []}


@pytest.mark.parametrize("name", ["register-new", "register-again", "register-fielded-client"])
def test_register_answers(name: str) -> None:
    read = wire.parse_register(wire.accepted("register", answer(name)))
    assert read == wire.RegisterAnswer(CARD, 60)


def test_register_request() -> None:
    document = DOCUMENTS["register-new"]["request"]
    request = RegisterRequest(
        client_id="router-17-slot0",
        mapping_mode="ONE_TO_ONE_SWSIM",
        tenant_id=1,
        fingerprint="sha256:0f3a",
        software_version="remsimd 0.1.0",
        hardware_info=document["body"]["hardware_info"],
    )
    assert request.body() == document["body"]
    assert document["path"] == wire.REGISTER


@pytest.mark.parametrize(
    ("name", "version", "results"),
    [
        ("heartbeat-ok", 1, ()),
        ("heartbeat-new-assignment", 0, ()),
        (
            "heartbeat-command-result",
            1,
            (
                CommandResult(
                    "0b5e7a52-3f0e-4a8a-9c1b-6f0c1f3e9d77", ResultState.DONE, "modem answered after 21 s"
                ),
            ),
        ),
    ],
)
def test_heartbeat_requests(name: str, version: int, results: tuple[CommandResult, ...]) -> None:
    document = DOCUMENTS[name]["request"]
    request = HeartbeatRequest(
        client_id="router-17-slot0",
        stats=document["body"]["stats"],
        modem_info=document["body"]["modem_info"],
        assignment_version=version,
        command_results=results,
    )
    assert request.body() == without_nothing(document["body"])
    assert document["path"] == wire.HEARTBEAT


def test_heartbeat_answers() -> None:
    plain = wire.parse_heartbeat(answer("heartbeat-ok").body)
    assert plain == wire.HeartbeatAnswer(60)
    moved = wire.parse_heartbeat(answer("heartbeat-new-assignment").body)
    assert (moved.assignment, moved.withdrawn) == (CARD, False)
    (command,) = wire.parse_heartbeat(answer("heartbeat-command").body).commands
    assert command == wire.Command(
        "0b5e7a52-3f0e-4a8a-9c1b-6f0c1f3e9d77", "modem-reset", {"modem": "primary"}, 1767226200.0
    )


def test_discover() -> None:
    assert wire.parse_discover(answer("discover").body) == wire.DiscoverAnswer(
        "ionmesh-orchestrator",
        "1.0.0",
        ("ONE_TO_ONE_SWSIM", "ONE_TO_ONE_VSIM", "KI_PROXY_SWSIM"),
        ("slot-assignment", "ki-proxy", "multi-tenant", "mcc-mnc-routing", "health-monitoring"),
    )


def test_unregister() -> None:
    document = DOCUMENTS["unregister"]["request"]
    assert document["path"] == wire.unregister_path("router-17-slot0")
    assert wire.accepted("unregister", answer("unregister"))["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("register-unauthorized", IonmeshState.REFUSED, "the API key is not accepted"),
        ("register-tenant-mismatch", IonmeshState.REFUSED, "check tenant_id"),
        ("register-identity-conflict", IonmeshState.REFUSED, "ionmesh.client_name"),
        ("register-no-client-id", IonmeshState.REFUSED, "client_id is required"),
        ("register-no-slot", IonmeshState.NO_SLOT, "with a free card: ONE_TO_ONE_VSIM"),
    ],
)
def test_refusals(name: str, state: IonmeshState, words: str) -> None:
    verdict = policy.judge(refused(name), registering=True)
    assert verdict.state is state
    assert words in verdict.detail


def test_no_slot_says_when_to_ask_again() -> None:
    verdict = policy.judge(refused("register-no-slot"), registering=True)
    assert policy.wait_s(verdict, 1, chance=0.0) == 60.0


def test_an_unknown_client_is_told_by_status() -> None:
    assert refused("heartbeat-not-registered").status == 404
    assert refused("unregister-not-found").status == 404


def test_every_document_of_the_contract_is_used_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [name for name in DOCUMENTS if f'"{name}"' not in text] == []
