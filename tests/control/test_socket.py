"""The control socket as its clients use it: a real socket, the real client library."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from remsimd import events as ev
from remsimd.bus import Bus
from remsimd.cli.client import ControlClient
from remsimd.config.model import Config, ModemConfig
from remsimd.control.methods import table
from remsimd.control.socket import ControlSocket
from remsimd.errors import ControlError, OrchestratorError
from remsimd.observe.eventlog import EventLog
from remsimd.state import start
from remsimd.store import Store


class Doer:
    """Does nothing and says what it was asked; refuses links nobody knows."""

    async def failover_to(self, link: str) -> str:
        if link != "secondary":
            raise ControlError(f"no link {link!r}; links: primary, secondary")
        return f"using {link}"

    async def failover_auto(self) -> str:
        return "automatic"

    def failover_explain(self) -> dict[str, Any]:
        return {"active": "primary"}

    def sim_use(self, modem: str | None, mode: str) -> str:
        return f"{modem}: {mode}"

    async def modem_reset(self, modem: str | None) -> str:
        return f"{modem} is restarting"

    async def ionmesh_register(self) -> str:
        raise OrchestratorError("POST https://ionmesh.example.com: Connection refused", code="connect")

    async def ionmesh_unregister(self) -> str:
        return "unregistered"

    async def reload(self) -> str:
        return "nothing changed"


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[Bus]:
    bus, eventlog = Bus(), EventLog()
    store = Store(start(Config(modems=(ModemConfig(name="primary"),)), 1000.0))
    server = ControlSocket(path, table(store, eventlog, Doer()), eventlog)
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(5):
        while not path.exists():
            await asyncio.sleep(0)
    try:
        with bus.listen(store.take), bus.listen(eventlog.take):
            yield bus
    finally:
        task.cancel()
        await asyncio.wait((task,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


async def call(path: Path, method: str, **params: Any) -> Any:
    def ask() -> Any:
        with ControlClient(path) as client:
            return client.call(method, **params)

    return await asyncio.to_thread(ask)


async def test_requests_are_answered_from_the_state_and_by_the_actions(path: Path) -> None:
    async with served(path) as bus:
        bus.publish(ev.ModemFound("primary", "/dev/ttyUSB2"))
        status = await call(path, "status")
        assert status["modems"]["primary"]["port"] == "/dev/ttyUSB2"
        assert (await call(path, "failover.to", link="secondary")) == {"message": "using secondary"}
        assert (await call(path, "sim.use", mode="local")) == {"message": "None: local"}
        assert [entry["kind"] for entry in await call(path, "events")] == ["connected"]
        assert await call(path, "events", kind="failover") == []


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("failover.to", {"link": "tertiary"}, "no link 'tertiary'; links: primary, secondary"),
        ("failover.to", {}, "failover.to needs link"),
        ("failover.to", {"link": 7}, "link must be str, not 7"),
        ("events", {"last": True}, "last must be int, not True"),
        ("events", {"last": 0}, "last must be 1 or more"),
        ("status", {"verbose": 1}, "status knows no parameter 'verbose'"),
        ("ionmesh.register", {}, "Connection refused"),
        ("selfdestruct", {}, "known methods: status, events"),
    ],
)
async def test_bad_requests_are_told_what_is_wrong(
    path: Path, method: str, params: dict[str, Any], words: str
) -> None:
    async with served(path):
        with pytest.raises(ControlError, match=words.replace("(", r"\(").replace("?", r"\?")):
            await call(path, method, **params)


@pytest.mark.parametrize(
    "line",
    [
        *(b"\n", b"not json\n", b"[1, 2]\n", b'{"method": 5}\n', b"\xff\xfe\n", b"{" * 70_000),
        b"[" * 60_000 + b"\n",
    ],
)
async def test_garbage_on_the_socket_harms_nobody_else(path: Path, line: bytes) -> None:
    async with served(path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(line)
        writer.write_eof()
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert (answer == b"" and len(line) > 64 * 1024) or "error" in json.loads(answer)
        writer.close()
        assert (await call(path, "failover.auto")) == {"message": "automatic"}


async def test_followers_get_what_was_and_what_comes(path: Path) -> None:
    async with served(path) as bus:
        bus.publish(ev.ModemFound("primary", "/dev/ttyUSB2"))
        got: list[str] = []

        def follow() -> None:
            with ControlClient(path) as client:
                for entry in client.follow():
                    got.append(entry["text"])
                    if len(got) == 1:
                        loop.call_soon_threadsafe(bus.publish, ev.ModemGone("primary", "unplugged"))
                    if len(got) == 2:
                        return

        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            await asyncio.to_thread(follow)
        assert got == ["modem on /dev/ttyUSB2", "modem gone: unplugged"]


async def test_only_the_owner_may_use_the_socket_and_it_goes_with_the_daemon(path: Path) -> None:
    async with served(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    with pytest.raises(ControlError, match="is it running"):
        await call(path, "status")
