"""The real daemon under the real orchestrator: commands that change, tell and restart it."""

import asyncio
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from simlab.lab import Lab
from simlab.process import run_once

DEADLINE_S = 30.0


async def ask(lab: Lab, key: str, method: str, path: str, body: Any = None) -> Any:
    def send() -> Any:
        request = urllib.request.Request(
            f"{lab.ionmesh_url}/api/backend/v1/{path}",
            None if body is None else json.dumps(body).encode(),
            {"X-API-Key": key, "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    return await asyncio.to_thread(send)


async def results(lab: Lab, key: str, count: int) -> list[dict[str, Any]]:
    """The commands in the order they were queued, once IonMesh has heard what became of them all."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            listed = (await ask(lab, key, "GET", "clients/demo-router/commands"))["commands"]
            if [entry["state"] in ("done", "failed") for entry in listed] == [True] * count:
                return list(reversed(listed))
            await asyncio.sleep(0.1)


async def test_an_operator_changes_reads_and_restarts_the_router(tmp_path: Path) -> None:
    async with Lab.create(tmp_path, namespaces=False) as lab:
        ionmesh = [str(Path(sys.executable).with_name("ionmesh")), "key", "create", "--tenant", "demo"]
        database = f"sqlite:///{lab.folder / 'ionmesh.db'}"
        key = await run_once([*ionmesh, "--scope", "admin", "--database", database])
        await lab.start_router()
        before = await lab.remsimd.until(
            lambda s: s["ionmesh"]["assignment"] is not None, "a card is assigned"
        )
        card = before["ionmesh"]["assignment"]
        for kind, params in (
            ("config-set", {"values": {"ionmesh.interval": "30"}}),
            ("config-set", {"values": {"main.event_script": "/tmp/x"}}),
            ("log-tail", {"lines": 20}),
            ("restart", {}),
        ):
            await ask(lab, key, "POST", "clients/demo-router/commands", {"type": kind, "params": params})
        await lab.remsimd.call("ionmesh.register")
        changed, refused, told, restarted = await results(lab, key, 4)
        listed = await lab.remsimd.call("ionmesh.commands")
        async with asyncio.timeout(DEADLINE_S):
            while lab.router.running:
                await asyncio.sleep(0.05)
        (client,) = (await ask(lab, key, "GET", "clients"))["clients"]
    assert changed["state"] == "done", changed
    assert "option interval '30'" in (tmp_path / "remsim").read_text()
    assert (refused["state"], "only set on the router" in refused["detail"]) == ("failed", True)
    assert told["state"] == "done"
    assert "remsimd" in told["detail"]
    assert card["imsi"] not in told["detail"]
    assert restarted["state"] == "done"
    assert [entry["state"] for entry in listed] == ["done", "failed", "done", "done"]
    assert client["slot_id"] == card["slot_id"], "the card is kept over a restart"
