"""A week of virtual time with a server that fails at random, and comes back."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from remsimd.errors import OrchestratorError
from remsimd.events import ActiveLinkChanged
from remsimd.http import HttpAnswer
from remsimd.orchestrator.events import Assigned
from tests.orchestrator.fake import CARD, URL, Call, FakeIonmesh, Router
from tests.virtual import run

WEEK_S = 7 * 86_400.0
CALM_S = 3600.0
"""The last hour, in which nothing fails."""
FAULTS: tuple[HttpAnswer | OrchestratorError, ...] = (
    OrchestratorError("x", code="timeout"),
    OrchestratorError("x", code="connect"),
    OrchestratorError("x", code="tls"),
    OrchestratorError("x", code="protocol"),
    HttpAnswer(500, {}),
    HttpAnswer(502, {}),
    HttpAnswer(503, {"status": "error", "code": "no_slot", "available_modes": []}, {"retry-after": "60"}),
    HttpAnswer(429, {"status": "error"}, {"retry-after": "30"}),
    HttpAnswer(401, {"status": "error", "message": "Unauthorized"}),
    HttpAnswer(301, {}),
    HttpAnswer(200, {"status": "ok", "bank_id": "x"}),
    HttpAnswer(200, {**CARD, "slot_id": 4096}),
)


class FaultyIonmesh(FakeIonmesh):
    """Knows who is registered; in bad times answers with faults, forgets, and moves the card."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._bad_until_s = 0.0
        self._good_until_s = 0.0
        self.registered = False
        self.slot = 42
        self.version = 1
        self.faults = 0

    async def call(self, method: str, url: str, **kwargs: Any) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        name = url.removeprefix(URL).rpartition("/remsim/")[2].partition("/")[0]
        self.calls.append(Call(loop.time(), method, name, dict(kwargs.get("json") or {}), {}, None))
        await asyncio.sleep(self._random.uniform(0.02, 2.0))
        if self._bad(loop.time()):
            self.faults += 1
            await asyncio.sleep(self._random.choice((0.0, 0.0, 9.0)))
            fault = self._random.choice(FAULTS)
            if isinstance(fault, OrchestratorError):
                raise fault
            return fault
        return self._register() if name == "register-client" else self._heartbeat(kwargs["json"])

    def _bad(self, now_s: float) -> bool:
        if now_s >= WEEK_S - CALM_S:
            return False
        if now_s >= self._bad_until_s and now_s >= self._good_until_s:
            self._bad_until_s = now_s + self._random.expovariate(1 / 1200)
            self._good_until_s = self._bad_until_s + self._random.expovariate(1 / 3600)
            if self._random.random() < 0.3:
                self.registered = False
            if self._random.random() < 0.2:
                self.slot, self.version = self._random.randint(1, 1023), self.version + 1
        return now_s < self._bad_until_s

    def _card(self) -> dict[str, Any]:
        return {**CARD, "slot_id": self.slot, "assignment_version": self.version}

    def _register(self) -> HttpAnswer:
        self.registered = True
        return HttpAnswer(200, self._card())

    def _heartbeat(self, body: Any) -> HttpAnswer:
        if not self.registered:
            return HttpAnswer(404, {"status": "error", "message": "Client not registered"})
        answer: dict[str, Any] = {"status": "ok", "next_heartbeat_interval": 60, "commands": []}
        if body.get("assignment_version", 0) < self.version:
            answer["assignment"] = self._card()
        return HttpAnswer(200, answer)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("metered", [False, True])
def test_a_week_ends_registered_with_the_right_slot(tmp_path: Path, seed: int, metered: bool) -> None:
    ionmesh = FaultyIonmesh(seed)
    router = Router(ionmesh, tmp_path, timeout_s=10)
    router.metered = metered
    chance = random.Random(seed + 100)

    async def story() -> None:
        running = asyncio.create_task(router.run_for(WEEK_S))
        while not running.done():
            await asyncio.sleep(chance.expovariate(1 / 7200))
            router.client.take(ActiveLinkChanged("primary", "secondary", "no answer", 0.5))
        await running

    run(story())
    assert router.states()[-1] == "registered"
    last = router.of(Assigned)[-1]
    assert isinstance(last, Assigned)
    assert last.assignment is not None
    assert (last.assignment.slot_id, last.assignment.version) == (ionmesh.slot, ionmesh.version)
    assert ionmesh.registered
    assert ionmesh.faults > 100
    usual = WEEK_S / (600 if metered else 60)
    assert len(ionmesh.calls) < 1.5 * usual + 4000
