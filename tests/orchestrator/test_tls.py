"""Over real TLS with a CA of the test: whom we trust, what a handshake costs, and the real orchestrator."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ionmesh.db import Database
from ionmesh.models import Scope
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.events import ActiveLinkChanged, Event
from remsimd.http import Http, Tls
from remsimd.net import TrafficBytes, tcp_wire_bytes
from remsimd.orchestrator import client as client_module
from remsimd.orchestrator import policy
from remsimd.orchestrator.calls import Way
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.events import Assigned, CommandDone, IonmeshState, IonmeshStateChanged
from remsimd.orchestrator.heartbeat import Sources
from remsimd.orchestrator.wire import Command
from tests.ionmesh.conftest import add_key
from tests.ionmesh.process import ServerProcess
from tests.ionmesh.test_server import stock
from tests.orchestrator.server import Answer, serving
from tests.orchestrator.tls import Authority, Front, server_context

OK = Answer(body={"status": "ok"})
DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def front(authority: Authority) -> Iterator[Front]:
    issued = authority.issue("server", "127.0.0.1", "localhost")
    with serving(OK) as server, Front(("127.0.0.1", server.port), server_context(issued)).running() as front:
        yield front


async def fails(http: Http, url: str, **keywords: bool) -> OrchestratorError:
    with pytest.raises(OrchestratorError) as caught:
        await http.call("GET", url, timeout_s=5.0, **keywords)
    http.close()
    return caught.value


async def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    issued = authority.issue("elsewhere", "elsewhere.example.com")
    with serving(OK) as server:
        with Front(("127.0.0.1", server.port), server_context(issued)).running() as front:
            error = await fails(Http(Tls(authority.cert)), f"https://127.0.0.1:{front.port}")
        assert server.received == []
    assert error.code == "tls"
    assert "match" in str(error) or "mismatch" in str(error)


async def test_a_certificate_of_another_authority_is_refused(front: Front, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    error = await fails(Http(Tls(other.cert)), f"https://127.0.0.1:{front.port}")
    assert error.code == "tls"
    assert "verify failed" in str(error)


async def test_only_our_clients_are_let_in(authority: Authority, tmp_path: Path) -> None:
    context = server_context(authority.issue("server", "127.0.0.1"), clients_of=authority.cert)
    ours, stranger = authority.issue("router-17"), Authority(tmp_path, "Other CA").issue("router-18")
    with serving(OK) as server, Front(("127.0.0.1", server.port), context).running() as front:
        url = f"https://127.0.0.1:{front.port}"
        for keep_open in (True, False):
            http = Http(Tls(authority.cert, ours.cert, ours.key))
            for _ in range(2):
                answer = await http.call("GET", url, timeout_s=5.0, keep_open=keep_open)
                assert answer.status == 200
            http.close()
            for tls in (Tls(authority.cert), Tls(authority.cert, stranger.cert, stranger.key)):
                assert (await fails(Http(tls), url, keep_open=keep_open)).code in ("tls", "connect")


@pytest.mark.parametrize(("oldest", "version"), [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")])
async def test_single_calls_resume_their_session(
    front: Front, authority: Authority, oldest: str, version: str
) -> None:
    http = Http(Tls(authority.cert, oldest=oldest))
    for _ in range(4):
        await http.call("GET", f"https://127.0.0.1:{front.port}", timeout_s=5.0, keep_open=False)
    http.close()
    assert front.resumed == [False, True, True, True]
    assert set(front.versions) == {version}


async def test_lasting_connections_last_and_speak_the_newest_version(
    front: Front, authority: Authority
) -> None:
    http = Http(Tls(authority.cert))
    for _ in range(3):
        await http.call("GET", f"https://127.0.0.1:{front.port}", timeout_s=5.0)
    http.close()
    assert (front.resumed, front.versions) == ([False], ["TLSv1.3"])


async def test_a_server_that_speaks_only_the_newest_version_is_learnt(authority: Authority) -> None:
    context = server_context(authority.issue("server", "127.0.0.1"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with serving(OK) as server, Front(("127.0.0.1", server.port), context).running() as front:
        http = Http(Tls(authority.cert))
        with pytest.raises(OrchestratorError) as caught:
            await http.call("GET", f"https://127.0.0.1:{front.port}", timeout_s=5.0, keep_open=False)
        assert caught.value.code == "tls"
        answer = await http.call("GET", f"https://127.0.0.1:{front.port}", timeout_s=5.0, keep_open=False)
        http.close()
        assert answer.status == 200
        assert front.versions == ["TLSv1.3"]


async def test_what_calls_cost_is_told(front: Front, authority: Authority) -> None:
    told: list[tuple[str | None, TrafficBytes]] = []
    http = Http(Tls(authority.cert), on_traffic=lambda device, traffic: told.append((device, traffic)))
    for _ in range(3):
        await http.call("GET", f"https://127.0.0.1:{front.port}", timeout_s=5.0, keep_open=False)
    http.close()
    assert [device for device, _ in told] == [None] * 3
    totals = [traffic.sent + traffic.received for _, traffic in told]
    assert 1500 < totals[0] < 5000
    assert totals[0] > totals[1] > 800, "a resumed handshake is cheaper"


async def test_failed_calls_cost_something_too(front: Front, tmp_path: Path) -> None:
    told: list[TrafficBytes] = []
    other = Authority(tmp_path, "Other CA")
    http = Http(Tls(other.cert), on_traffic=lambda _, traffic: told.append(traffic))
    await fails(http, f"https://127.0.0.1:{front.port}")
    assert sum(traffic.sent + traffic.received for traffic in told) > 500


async def test_a_host_that_only_discovery_knows(front: Front, authority: Authority) -> None:
    addresses = {"localhost": "203.0.113.1"}
    http = Http(Tls(authority.cert), addresses=addresses)
    addresses["localhost"] = "127.0.0.1"
    answer = await http.call("GET", f"https://localhost:{front.port}", timeout_s=5.0)
    http.close()
    assert answer.status == 200


async def test_through_a_proxy_of_the_environment(
    front: Front, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    ended = asyncio.Event()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(copy(reader, back), copy(there, writer))
        ended.set()

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
        except OSError:
            pass
        target.close()
        with suppress(OSError):
            await target.wait_closed()

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        http = Http(Tls(authority.cert), proxies_from_environment=True)
        answer = await http.call("GET", f"https://127.0.0.1:{front.port}", timeout_s=5.0)
        http.close()
        server.close()
        await server.wait_closed()
        async with asyncio.timeout(DEADLINE_S):
            await ended.wait()
    assert answer.status == 200
    assert asked[0].startswith(f"CONNECT 127.0.0.1:{front.port} ".encode())


# The real orchestrator


class Watched:
    """The real client; its events can be waited for."""

    def __init__(
        self, folder: Path, http: Http, config: IonmeshConfig, fingerprint: str | None = None
    ) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.executed: list[Command] = []
        self.client = OrchestratorClient(
            config,
            client_name="OpenWrt-slot0" if fingerprint else "router-17-slot0",
            hardware_info=lambda: {"modem_vendor": "Quectel"},
            software_version="0.1.0",
            http=http,
            way=Way(lambda: None, lambda: "secondary", lambda: True),
            sources=Sources(stats=lambda: {"uptime_seconds": 5}, modem_info=dict),
            execute=self._execute,
            state_dir=folder,
            publish=self.events.put_nowait,
            fingerprint=fingerprint,
        )

    async def _execute(self, command: Command) -> str:
        self.executed.append(command)
        return "done it"

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                event = await self.events.get()
                if wanted(event):
                    return event

    async def state(self, state: IonmeshState) -> str:
        event = await self.until(lambda e: isinstance(e, IonmeshStateChanged) and e.state is state)
        assert isinstance(event, IonmeshStateChanged)
        return event.detail

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.client.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str, str]]:
    folder = tmp_path_factory.mktemp("ionmesh")
    path = folder / "ionmesh.db"
    key = stock(path, "1-2")
    database = Database(f"sqlite:///{path}")
    admin = add_key(database, scope=Scope.ADMIN)
    database.close()
    with ServerProcess(folder / "ionmesh.db") as server:
        yield server, key, admin


@pytest.fixture
def secure(orchestrator: tuple[ServerProcess, str, str], authority: Authority) -> Iterator[tuple[Front, str]]:
    server, key, _ = orchestrator
    issued = authority.issue("ionmesh", "127.0.0.1")
    with Front(("127.0.0.1", server.port), server_context(issued)).running() as front:
        yield front, key


def configured(front: Front, key: str) -> IonmeshConfig:
    return IonmeshConfig(enabled=True, url=f"https://127.0.0.1:{front.port}", api_key=key, timeout_s=5)


async def test_the_real_orchestrator_from_registration_to_the_end(
    secure: tuple[Front, str],
    orchestrator: tuple[ServerProcess, str, str],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "FIRST_HEARTBEAT_S", 0.05)
    monkeypatch.setattr(policy, "HURRY_FLOOR_S", 0.05)
    (front, key), (server, _, admin) = secure, orchestrator
    http = Http(Tls(authority.cert))
    watched = Watched(tmp_path, http, configured(front, key))
    async with watched.running():
        assigned = await watched.until(lambda event: isinstance(event, Assigned))
        assert isinstance(assigned, Assigned)
        assert assigned.assignment is not None
        path = "/api/backend/v1/clients/router-17-slot0/commands"
        body = {"type": "log-tail", "params": {"lines": 5}}
        status, queued = await asyncio.to_thread(server.request, "POST", path, body, admin)
        assert status in (200, 201, 202), queued
        watched.client.take(ActiveLinkChanged("primary", "secondary", "no answer", 0.4))
        done = await watched.until(lambda event: isinstance(event, CommandDone))
        assert isinstance(done, CommandDone)
        assert (done.type, done.ok) == ("log-tail", True)
        async with asyncio.timeout(DEADLINE_S):
            while not all(command["told"] for command in watched.client.commands()):
                await asyncio.sleep(0.02)
    _, listed = await asyncio.to_thread(server.request, "GET", path, key=admin)
    assert '"done it"' in json.dumps(listed)
    assert await watched.client.unregister(5.0)
    http.close()
    assert front.failures == []


async def test_a_factory_name_needs_a_fingerprint_and_another_router_is_refused(
    secure: tuple[Front, str], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "FIRST_HEARTBEAT_S", 0.05)
    front, key = secure
    http = Http(Tls(authority.cert))
    first = Watched(tmp_path / "a", http, configured(front, key), "sha256:aaaa")
    second = Watched(tmp_path / "b", http, configured(front, key), "sha256:bbbb")
    async with first.running():
        await first.state(IonmeshState.REGISTERED)
        async with second.running():
            assert "client_name" in await second.state(IonmeshState.REFUSED)
    assert await first.client.unregister(5.0)
    http.close()


async def test_no_free_card_is_said_with_what_would_be_free(
    secure: tuple[Front, str], authority: Authority, tmp_path: Path
) -> None:
    front, key = secure
    http = Http(Tls(authority.cert))
    config = replace(configured(front, key), mcc_mnc="99999")
    watched = Watched(tmp_path, http, config)
    async with watched.running():
        detail = await watched.state(IonmeshState.NO_SLOT)
    http.close()
    assert "free card" in detail


def test_a_kernel_that_tells_nothing_is_no_failure() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert tcp_wire_bytes(datagrams) is None


def test_what_a_connection_costs() -> None:
    """100 bytes there and 1000 back: payload, and at least a header for each of the packets needed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
        with here, there:
            here.sendall(b"x" * 100)
            there.recv(1000)
            there.sendall(b"y" * 1000)
            here.recv(2000)
            cost = tcp_wire_bytes(here)
    assert cost is not None
    assert 100 + 3 * 40 <= cost.sent <= 100 + 6 * 60
    assert 1000 + 2 * 40 <= cost.received <= 1000 + 5 * 60
