"""The client, real HTTP and a real server that replays the contract's answers, failures between them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remsimd.backoff import Backoff
from remsimd.config.model import IonmeshConfig
from remsimd.events import Event
from remsimd.http import Http
from remsimd.orchestrator import client as client_module
from remsimd.orchestrator import policy
from remsimd.orchestrator.calls import Way
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.events import Assigned, CommandDone, IonmeshState, IonmeshStateChanged
from remsimd.orchestrator.heartbeat import Sources
from remsimd.orchestrator.wire import Command
from tests.orchestrator.server import Answer, Server, serving

CONTRACT = Path(__file__).parents[1] / "contract"
DEADLINE_S = 20.0


def document(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((CONTRACT / f"{name}.json").read_text("utf-8"))
    return read


def replay(name: str) -> Answer:
    response = document(name)["response"]
    return Answer(response["status"], response["body"], response.get("headers", {}))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same decisions with waits of milliseconds: what they are in seconds is tested elsewhere."""
    monkeypatch.setattr(policy, "SOON", Backoff(first_s=0.01, cap_s=0.02))
    monkeypatch.setattr(policy, "SLOWLY", Backoff(first_s=0.01, cap_s=0.02))
    monkeypatch.setattr(policy, "SHORTEST_WAIT_S", 0.01)
    monkeypatch.setattr(policy, "INTERVAL_MAX_S", 0.05)
    monkeypatch.setattr(client_module, "FIRST_HEARTBEAT_S", 0.01)


class Watched:
    """A client whose events can be waited for, in their order."""

    def __init__(self, server: Server, folder: Path) -> None:
        key = folder / "key"
        key.write_text(document("register-new")["request"]["headers"]["X-API-Key"])
        self.http = Http()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        heartbeat = document("heartbeat-ok")["request"]["body"]
        self.client = OrchestratorClient(
            IonmeshConfig(enabled=True, url=server.url, api_key_file=str(key), timeout_s=1),
            client_name="router-17-slot0",
            hardware_info=lambda: document("register-new")["request"]["body"]["hardware_info"],
            software_version="remsimd 0.1.0",
            fingerprint="sha256:0f3a",
            http=self.http,
            way=Way(lambda: None, lambda: None, lambda: False),
            sources=Sources(stats=lambda: heartbeat["stats"], modem_info=lambda: heartbeat["modem_info"]),
            execute=self._execute,
            state_dir=str(folder / "state"),
            publish=self.events.put_nowait,
        )

    async def _execute(self, command: Command) -> str:
        return f"{command.params['modem']} answered after 21 s"

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                event = await self.events.get()
                if wanted(event):
                    return event

    async def state(self, state: IonmeshState) -> str:
        event = await self.until(
            lambda event: isinstance(event, IonmeshStateChanged) and event.state is state
        )
        assert isinstance(event, IonmeshStateChanged)
        return event.detail


async def test_from_an_unreachable_server_to_a_clean_stop(tmp_path: Path) -> None:
    order = replay("heartbeat-command")
    order.body["commands"][0]["expires_at"] = "2999-01-01T00:00:00Z"
    script = [
        Answer(hold=True),
        Answer(502, raw=b"<html>"),
        replay("register-unauthorized"),
        replay("register-identity-conflict"),
        replay("register-no-slot"),
        replay("register-new"),
        order,
        replay("heartbeat-ok"),
        replay("heartbeat-not-registered"),
        replay("register-again"),
        replay("heartbeat-ok"),
    ]
    with serving(*script) as server:
        watched = Watched(server, tmp_path)
        running = asyncio.create_task(watched.client.run())
        assert "no answer within 1 s" in await watched.state(IonmeshState.UNREACHABLE)
        assert "HTTP 502" in await watched.state(IonmeshState.UNREACHABLE)
        assert "API key" in await watched.state(IonmeshState.REFUSED)
        assert "client_name" in await watched.state(IonmeshState.REFUSED)
        assert "ONE_TO_ONE_VSIM" in await watched.state(IonmeshState.NO_SLOT)
        await watched.client.reregister()
        assigned = await watched.until(lambda event: isinstance(event, Assigned))
        await watched.state(IonmeshState.REGISTERED)
        done = await watched.until(lambda event: isinstance(event, CommandDone))
        await watched.state(IonmeshState.CONNECTING)
        await watched.state(IonmeshState.REGISTERED)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await watched.client.unregister(2.0)
        watched.http.close()
        received = server.received
    assert isinstance(assigned, Assigned)
    assert assigned.assignment is not None
    assert (assigned.assignment.bank_id, assigned.assignment.slot_id) == (1, 42)
    assert isinstance(done, CommandDone)
    assert (done.ok, done.detail) == (True, "primary answered after 21 s")

    register = document("register-new")["request"]
    assert (received[0].method, received[0].path, received[0].json) == (
        register["method"],
        register["path"],
        register["body"],
    )
    assert received[0].headers["X-API-Key"] == register["headers"]["X-API-Key"]
    assert received[0].headers["Content-Type"] == "application/json"
    (result,) = received[7].json["command_results"]
    assert (result["state"], result["detail"]) == ("done", "primary answered after 21 s")
    assert received[-1].method == "DELETE"
    assert received[-1].path == document("unregister")["request"]["path"]


async def test_a_server_that_comes_up_late(tmp_path: Path) -> None:
    with serving(Answer()) as gone:
        pass
    watched = Watched(gone, tmp_path)
    running = asyncio.create_task(watched.client.run())
    assert "Connection refused" in await watched.state(IonmeshState.UNREACHABLE)
    with Server([replay("register-new"), replay("heartbeat-ok")], port=gone.port).running():
        await watched.state(IonmeshState.REGISTERED)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        watched.http.close()


async def test_killed_and_started_again(tmp_path: Path) -> None:
    with serving(replay("register-new"), replay("heartbeat-ok")) as server:
        first = Watched(server, tmp_path)
        running = asyncio.create_task(first.client.run())
        given = await first.until(lambda event: isinstance(event, Assigned))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        first.http.close()
    second = Watched(server, tmp_path)
    running = asyncio.create_task(second.client.run())
    kept = await second.until(lambda event: isinstance(event, Assigned))
    await second.state(IonmeshState.UNREACHABLE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    second.http.close()
    assert isinstance(given, Assigned)
    assert kept == Assigned(given.assignment, "cache")


async def test_discover(tmp_path: Path) -> None:
    with serving(replay("discover")) as server:
        watched = Watched(server, tmp_path)
        found = await watched.client.discover()
        watched.http.close()
    assert found.service == "ionmesh-orchestrator"
