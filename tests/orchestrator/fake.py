"""An IonMesh in memory, for hours of virtual time, and a router that talks to it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remsimd import clock
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError, RemsimError
from remsimd.events import Event
from remsimd.http import HttpAnswer
from remsimd.orchestrator.calls import Way
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.events import IonmeshStateChanged
from remsimd.orchestrator.heartbeat import Happened, Sources
from remsimd.orchestrator.wire import Command

URL = "https://ionmesh.example.com:5000"
CARD: dict[str, Any] = {
    "status": "ok",
    "bank_id": 1,
    "slot_id": 42,
    "iccid": "8901260123456789012",
    "imsi": "310410123456789",
    "bankd_endpoint": "http://bankd1.example.com:9999",
    "mapping_mode": "ONE_TO_ONE_SWSIM",
    "heartbeat_interval": 60,
    "assignment_version": 1,
}
REGISTERED = HttpAnswer(200, CARD)
BEAT = HttpAnswer(200, {"status": "ok", "next_heartbeat_interval": 60, "commands": []})
FORGOTTEN = HttpAnswer(404, {"status": "error", "message": "Client not registered"})
UNAUTHORIZED = HttpAnswer(401, {"status": "error", "message": "Unauthorized", "code": "unauthorized"})
REFUSED_CONNECTION = OrchestratorError("POST https://…: Connection refused", code="connect")

Reply = HttpAnswer | OrchestratorError


@dataclass(frozen=True, slots=True)
class Call:
    at_s: float
    method: str
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    interface: str | None


@dataclass
class FakeIonmesh:
    """Answers each kind of call from its script, the last entry again and again."""

    register: list[Reply] = field(default_factory=lambda: [REGISTERED])
    heartbeat: list[Reply] = field(default_factory=lambda: [BEAT])
    unregister: list[Reply] = field(default_factory=lambda: [HttpAnswer(200, {"status": "ok"})])
    calls: list[Call] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    """Devices through which no answer comes."""

    async def call(
        self,
        method: str,
        url: str,
        *,
        interface: str | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        keep_open: bool = True,
    ) -> HttpAnswer:
        assert url.startswith(URL)
        assert timeout_s > 0
        name = url.rpartition("/remsim/")[2].partition("/")[0]
        script = {
            "register-client": self.register,
            "heartbeat": self.heartbeat,
            "unregister": self.unregister,
        }[name]
        call = Call(clock.monotonic(), method, name, dict(json or {}), dict(headers or {}), interface)
        self.calls.append(call)
        await asyncio.sleep(0)
        if interface in self.dead:
            await asyncio.sleep(timeout_s)
            raise OrchestratorError(f"POST {url}: no answer within {timeout_s:g} s", code="timeout")
        reply = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(reply, OrchestratorError):
            raise reply
        return reply

    def close(self) -> None:
        """There is nothing to close."""

    def times(self, name: str) -> list[float]:
        return [call.at_s for call in self.calls if call.path == name]

    def bodies(self, name: str) -> list[Mapping[str, Any]]:
        return [call.body for call in self.calls if call.path == name]


class Router:
    """The client with all its surroundings faked; `events` are those published, with their time."""

    def __init__(self, ionmesh: FakeIonmesh, state_dir: Path, **config: Any) -> None:
        self.ionmesh = ionmesh
        self.events: list[tuple[float, Event]] = []
        self.executed: list[Command] = []
        self.metered = False
        self.modem_info: dict[str, Any] = {"vendor": "Quectel"}
        self.links: dict[str, Any] = {}
        self.happened: Callable[[int], Happened] = lambda _: Happened()
        self.on_execute: Callable[[Command], None] = lambda _: None
        self.hang = False
        self.device = "wwan1"
        self.client = OrchestratorClient(
            IonmeshConfig(enabled=True, **{"url": URL, **config}),
            client_name="router-17-slot0",
            hardware_info=lambda: {"modem_model": "RM500Q-GL"},
            software_version="0.1.0",
            http=ionmesh,
            way=Way(lambda: self.device, lambda: "secondary", lambda: self.metered),
            sources=Sources(
                stats=lambda: {"uptime_seconds": 5},
                modem_info=lambda: self.modem_info,
                links=lambda: self.links,
                happened=self._happened,
            ),
            execute=self._execute,
            state_dir=str(state_dir),
            publish=lambda event: self.events.append((clock.monotonic(), event)),
            random=lambda: 0.5,
        )

    async def _execute(self, command: Command) -> str:
        self.executed.append(command)
        if self.hang:
            await asyncio.Event().wait()
        if command.type == "restart":
            raise RemsimError("not now")
        self.on_execute(command)
        return f"{command.type} done"

    def _happened(self, after_seq: int) -> Happened:
        return self.happened(after_seq)

    async def run_for(self, seconds: float) -> None:
        """Run the client and stop it after a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.client.run()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [event.state for _, event in self.events if isinstance(event, IonmeshStateChanged)]


def command(ident: str, kind: str = "modem-reset", **fields: object) -> HttpAnswer:
    """A heartbeat's answer with one command."""
    return HttpAnswer(200, {**BEAT.body, "commands": [{"id": ident, "type": kind, "params": {}, **fields}]})
