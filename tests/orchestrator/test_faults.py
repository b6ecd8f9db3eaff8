"""A server that misbehaves: each way once over real HTTP, and for a day of virtual time."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest

from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.http import Http, HttpAnswer
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.commands import WAITING_MAX
from remsimd.orchestrator.events import Assigned, IonmeshState
from remsimd.orchestrator.requests import HeartbeatRequest, RegisterRequest
from tests.orchestrator.fake import BEAT, CARD, FakeIonmesh, Router
from tests.orchestrator.server import Answer, serving
from tests.virtual import run

FAULTS: dict[str, tuple[Answer, IonmeshState]] = {
    "never": (Answer(hold=True), IonmeshState.UNREACHABLE),
    "slowly": (Answer(raw=json.dumps(CARD).encode(), trickle=True), IonmeshState.UNREACHABLE),
    "500": (Answer(500, {"status": "error"}), IonmeshState.UNREACHABLE),
    "html": (Answer(raw=b"<html>It works!</html>"), IonmeshState.UNREACHABLE),
    "html-502": (Answer(502, raw=b"<html>Bad Gateway</html>"), IonmeshState.UNREACHABLE),
    "truncated": (Answer(raw=json.dumps(CARD).encode()[:-20]), IonmeshState.UNREACHABLE),
    "huge": (Answer(raw=b'{"a":"' + b"x" * 70_000 + b'"}'), IonmeshState.UNREACHABLE),
    "wrong-types": (Answer(body={**CARD, "bank_id": "1"}), IonmeshState.UNREACHABLE),
    "a-list": (Answer(raw=b"[]"), IonmeshState.UNREACHABLE),
    "out-of-range": (Answer(body={**CARD, "slot_id": 1024}), IonmeshState.UNREACHABLE),
    "endpoint": (Answer(body={**CARD, "bankd_endpoint": "http://b:99999"}), IonmeshState.UNREACHABLE),
    "redirect": (Answer(301, {}, {"Location": "https://elsewhere.example.com/"}), IonmeshState.REFUSED),
}


async def tried(answer: Answer) -> OrchestratorError:
    """What a registration over real HTTP makes of an answer."""
    with serving(answer) as server:
        http = Http()
        config = IonmeshConfig(enabled=True, url=server.url, timeout_s=1)
        way = Way(lambda: None, lambda: None, lambda: False)
        calls = Calls(config, http, way=way, publish=lambda _: None)
        request = RegisterRequest(client_id="r", mapping_mode="ONE_TO_ONE_SWSIM", tenant_id=1)
        try:
            with pytest.raises(OrchestratorError) as caught:
                await calls.register(request)
        finally:
            http.close()
        assert len(server.received) == 1, "neither repeated nor followed"
    return caught.value


@pytest.mark.parametrize("name", FAULTS)
async def test_a_day_of_it_costs_nothing_but_the_orchestrator(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer, state = FAULTS[name]
    error = await tried(answer)
    await asyncio.to_thread(a_day, error, state, tmp_path)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) <= 1, "said once"


def a_day(error: OrchestratorError, state: IonmeshState, folder: Path) -> None:
    run(Router(FakeIonmesh(), folder).run_for(10))
    ionmesh = FakeIonmesh(register=[error])
    router = Router(ionmesh, folder)
    run(router.run_for(86_400))
    assert router.states() == ["connecting", state]
    (kept,) = router.of(Assigned)
    assert isinstance(kept, Assigned)
    assert (kept.source, kept.assignment and kept.assignment.slot_id) == ("cache", 42)
    times = ionmesh.times("register-client")
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert min(waits) >= 1
    assert max(waits) <= 300
    assert 280 <= len(times) <= 1000
    assert set(ionmesh.times("heartbeat")) == set()


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(200, {"status": "ok", "commands": {}}),
        HttpAnswer(200, {"status": "ok", "assignment": {**CARD, "slot_id": 5000}}),
        HttpAnswer(200, {"status": "ok", "next_heartbeat_interval": "soon"}),
        HttpAnswer(500, {}),
        OrchestratorError("x", code="timeout"),
    ],
    ids=str,
)
def test_heartbeats_that_go_wrong_leave_the_card_alone(
    tmp_path: Path, answer: HttpAnswer | OrchestratorError
) -> None:
    ionmesh = FakeIonmesh(heartbeat=[BEAT, answer])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(7200))
    assert router.states() == ["connecting", "registered", "unreachable"]
    assert len(router.of(Assigned)) == 1
    assert ionmesh.times("register-client") == [0]
    waits = [later - earlier for earlier, later in pairwise(ionmesh.times("heartbeat"))]
    assert min(waits) >= 1
    assert max(waits) <= 60


def test_a_flood_of_commands_is_taken_and_kept_in_bounds(tmp_path: Path) -> None:
    """What a broken orchestrator sends in one answer is bounded by its size: 64 KiB."""
    commands = [{"id": f"c{number}", "type": "modem-reset", "params": {}} for number in range(1200)]
    flood = HttpAnswer(200, {**BEAT.body, "commands": commands})
    ionmesh = FakeIonmesh(heartbeat=[flood, BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(3600))
    told = [entry for body in ionmesh.bodies("heartbeat") for entry in body.get("command_results", [])]
    assert len(router.executed) == WAITING_MAX
    assert len({entry["id"] for entry in told}) == WAITING_MAX
    assert len(router.client.commands()) <= 256
    assert len(ionmesh.times("heartbeat")) < 200


def test_an_empty_heartbeat_is_short() -> None:
    assert HeartbeatRequest(client_id="r").body() == {"client_id": "r", "status": "active"}
