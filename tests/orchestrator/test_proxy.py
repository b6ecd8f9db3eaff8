"""The deployed C client's contract, read with a port of that client's parser."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.http import HttpAnswer
from remsimd.orchestrator import proxy as proxy_module
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.listener import BODY_BYTES, CONNECTIONS, READ_WITHIN_S
from remsimd.orchestrator.proxy import GUESTS_MAX, LegacyProxy, c_answer
from remsimd.orchestrator.store import Store
from tests.ionmesh.c_parser import Rejected, parse
from tests.orchestrator.fake import CARD, REFUSED_CONNECTION, URL, FakeIonmesh, Router, command
from tests.virtual import run

OWN = "router-17-slot0"
GUEST = "router-17-slot1"
API = "/api/backend/v1/remsim"
CARD_42 = Assignment(
    client_id=1,
    client_slot=42,
    bank_id=1,
    slot_id=42,
    bankd=Endpoint("bankd1.example.com", 9999),
    iccid="8901260123456789012",
    imsi="310410123456789",
    mapping_mode="ONE_TO_ONE_SWSIM",
)


def c_request(client_id: str = GUEST, mode: str = "ONE_TO_ONE_SWSIM", mcc_mnc: str = "") -> bytes:
    """The text that the C client sends."""
    return (
        f'{{"client_id":"{client_id}","mapping_mode":"{mode}","mcc_mnc":"{mcc_mnc}","tenant_id":1}}'
    ).encode()


class Proxy:
    """The proxy on a free port, a faked orchestrator behind it, and our own client or none."""

    def __init__(self, ionmesh: FakeIonmesh, folder: Path, own: Router | None = None) -> None:
        config = IonmeshConfig(enabled=True, url=URL, api_key="imk_live_x", legacy_proxy=True)
        way = Way(lambda: None, lambda: None, lambda: False)
        calls = Calls(config, ionmesh, way=way, publish=lambda _: None)
        self.proxy = LegacyProxy(
            config,
            calls,
            Store(folder, "owner"),
            way=way,
            own=lambda: None if own is None else own.client,
            software_version="0.1.0",
            random=lambda: 0.5,
            port=0,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        task = asyncio.create_task(self.proxy.run())
        async with asyncio.timeout(10):
            await self.proxy.listener.ready.wait()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def raw(self, packet: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.listener.port)
        async with asyncio.timeout(15):
            writer.write(packet)
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """As libcurl does it for the C client: no User-Agent, a new connection."""
        head = (
            f"{method} {API}/{path} HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        head_bytes, _, answer = (await self.raw(head.encode() + body)).partition(b"\r\n\r\n")
        return int(head_bytes.split()[1]), answer

    async def register(self, client_id: str = GUEST, **wish: str) -> Any:
        return parse(*await self.ask("POST", "register-client", c_request(client_id, **wish)))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the C client waits for in seconds, in tenths here."""
    monkeypatch.setattr(proxy_module, "ANSWER_WITHIN_S", 0.4)
    monkeypatch.setattr(proxy_module, "RETRY_S", 0.05)


async def test_a_guest_is_registered_with_our_key(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    async with Proxy(ionmesh, tmp_path).running() as proxy:
        found = await proxy.register(mcc_mnc="310410")
    assert (found.bank_id, found.slot_id, found.bankd_host, found.bankd_port) == (
        1,
        42,
        "bankd1.example.com",
        9999,
    )
    assert (found.iccid, found.imsi) == (CARD["iccid"], CARD["imsi"])
    (call,) = ionmesh.calls
    assert call.headers["X-API-Key"] == "imk_live_x"
    assert call.body["client_id"] == GUEST
    assert call.body["mcc_mnc"] == "310410"


async def test_our_own_name_gets_our_own_card(tmp_path: Path) -> None:
    ionmesh, behind = FakeIonmesh(), FakeIonmesh()
    own = Router(ionmesh, tmp_path)
    task = asyncio.create_task(own.client.run())
    async with Proxy(behind, tmp_path, own).running() as proxy:
        found = await proxy.register(OWN)
        assert (found.bank_id, found.slot_id) == (1, 42)
        assert (await proxy.ask("POST", "heartbeat", b'{"client_id":"%s"}' % OWN.encode()))[0] == 200
        assert (await proxy.ask("DELETE", f"unregister/{OWN}"))[0] == 200
    task.cancel()
    await asyncio.wait((task,))
    assert behind.calls == []
    assert ionmesh.times("unregister") == []


async def test_our_own_card_of_the_last_time_serves_while_ionmesh_is_away(tmp_path: Path) -> None:
    await asyncio.to_thread(run, Router(FakeIonmesh(), tmp_path).run_for(10))
    own = Router(FakeIonmesh(register=[REFUSED_CONNECTION]), tmp_path)
    task = asyncio.create_task(own.client.run())
    async with Proxy(FakeIonmesh(), tmp_path, own).running() as proxy:
        assert (await proxy.register(OWN)).slot_id == 42
    task.cancel()
    await asyncio.wait((task,))


async def test_a_guest_s_card_of_the_last_time_serves_while_ionmesh_is_away(tmp_path: Path) -> None:
    async with Proxy(FakeIonmesh(), tmp_path).running() as proxy:
        await proxy.register()
    away = FakeIonmesh(register=[REFUSED_CONNECTION], heartbeat=[REFUSED_CONNECTION])
    async with Proxy(away, tmp_path).running() as proxy:
        assert (await proxy.register()).slot_id == 42
        with pytest.raises(Rejected, match="503"):
            await proxy.register("router-17-slot2")


async def test_a_registration_is_tried_again_while_the_c_client_waits(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(register=[REFUSED_CONNECTION, REFUSED_CONNECTION, HttpAnswer(200, CARD)])
    async with Proxy(ionmesh, tmp_path).running() as proxy:
        assert (await proxy.register()).slot_id == 42
    assert len(ionmesh.calls) == 3


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (HttpAnswer(503, {"status": "error", "code": "no_slot", "available_modes": ["A"]}), 503, "no_slot"),
        (HttpAnswer(409, {"status": "error", "code": "identity_conflict"}), 409, "identity_conflict"),
        (OrchestratorError("x", code="connect"), 503, "connect"),
        (HttpAnswer(200, {**CARD, "slot_id": 0}), 503, "unusable_assignment"),
        (
            HttpAnswer(200, {**CARD, "bankd_endpoint": "http://[2001:db8::1]:9999"}),
            503,
            "unusable_assignment",
        ),
    ],
    ids=str,
)
async def test_refusals_are_passed_on(tmp_path: Path, answer: Any, status: int, code: str) -> None:
    async with Proxy(FakeIonmesh(register=[answer]), tmp_path).running() as proxy:
        found, body = await proxy.ask("POST", "register-client", c_request())
    document = json.loads(body)
    assert (found, document["status"]) == (status, "error")
    assert document["code"] == code or document["code"] == "timeout"
    with pytest.raises(Rejected):
        parse(found, body)


@pytest.mark.parametrize(
    ("packet", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"nonsense\r\n\r\n", 400),
        (b"POST %s/heartbeat HTTP/1.1\r\nContent-Length: -1\r\n\r\n" % API.encode(), 400),
        (b"POST %s/heartbeat HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (API.encode(), BODY_BYTES + 1), 400),
        (b"POST %s/heartbeat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % API.encode(), 400),
        (b"POST %s/heartbeat HTTP/1.1\r\nX: %s\r\n\r\n" % (API.encode(), b"x" * 9000), 400),
        (b'POST %s/heartbeat HTTP/1.1\r\nContent-Length: 3\r\n\r\n"a"' % API.encode(), 400),
        (b"POST %s/register-client HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" % API.encode(), 400),
        (b"PUT %s/register-client HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" % API.encode(), 404),
        (b'POST %s/heartbeat HTTP/1.1\r\nContent-Length: 17\r\n\r\n{"client_id":"x"}' % API.encode(), 404),
    ],
)
async def test_what_is_no_request_of_the_contract(tmp_path: Path, packet: bytes, status: int) -> None:
    async with Proxy(FakeIonmesh(), tmp_path).running() as proxy:
        answer = await proxy.raw(packet)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b'"status":"error"' in answer


@pytest.mark.parametrize(
    "body",
    [
        c_request("a/b"),
        c_request("a" * 129),
        c_request(mode="MAGIC"),
        c_request(mcc_mnc="12"),
        b'{"client_id":5}',
        b"[" * 5000,
    ],
)
async def test_a_registration_that_cannot_be_meant(tmp_path: Path, body: bytes) -> None:
    ionmesh = FakeIonmesh()
    async with Proxy(ionmesh, tmp_path).running() as proxy:
        assert (await proxy.ask("POST", "register-client", body))[0] == 400
    assert ionmesh.calls == []


async def test_guests_are_bounded(tmp_path: Path) -> None:
    async with Proxy(FakeIonmesh(), tmp_path).running() as proxy:
        for number in range(GUESTS_MAX):
            await proxy.register(f"guest-{number}")
        with pytest.raises(Rejected):
            await proxy.register("one-too-many")
        assert (await proxy.ask("DELETE", "unregister/guest-0"))[0] == 200
        await proxy.register("one-too-many")


async def test_connections_are_bounded_and_open_only_here(tmp_path: Path) -> None:
    async with Proxy(FakeIonmesh(), tmp_path).running() as proxy:
        port = proxy.proxy.listener.port
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
        for _, other in [*held, (reader, writer)]:
            other.close()
            await other.wait_closed()


def test_heartbeats_go_out_for_a_guest(tmp_path: Path) -> None:
    """Virtual time: an hour at the orchestrator's 60 s, one command refused, one registration lost."""
    forgotten = HttpAnswer(404, {"status": "error", "message": "Client not registered"})
    beat = HttpAnswer(200, {"status": "ok", "next_heartbeat_interval": 60})
    ionmesh = FakeIonmesh(heartbeat=[beat, command("c1"), beat, forgotten, beat])
    Store(tmp_path, "owner").keep_guests({GUEST: CARD_42})

    async def story() -> None:
        async with Proxy(ionmesh, tmp_path).running():
            await asyncio.sleep(3600)

    run(story())
    bodies = ionmesh.bodies("heartbeat")
    assert 58 <= len(bodies) <= 62
    assert {body["client_id"] for body in bodies} == {GUEST}
    (result,) = [entry for body in bodies for entry in body.get("command_results", [])]
    assert (result["id"], result["state"]) == ("c1", "failed")
    assert len(ionmesh.times("register-client")) == 1


@pytest.mark.timeout(10)  # the clock of a loop that never rests stands still
def test_a_heartbeat_that_is_due_while_another_guest_waits_for_its_card(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(register=[REFUSED_CONNECTION])
    Store(tmp_path, "owner").keep_guests({GUEST: CARD_42})

    async def story() -> None:
        async with Proxy(ionmesh, tmp_path).running() as proxy:
            await asyncio.sleep(59.9)
            with pytest.raises(Rejected):
                await proxy.register("router-17-slot2")
            await asyncio.sleep(1)

    run(story())
    assert [body["client_id"] for body in ionmesh.bodies("heartbeat")] == [GUEST, GUEST]


def test_a_guest_that_leaves_during_its_heartbeat_is_not_registered_again(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[HttpAnswer(404, {"status": "error"})])
    Store(tmp_path, "owner").keep_guests({GUEST: CARD_42})
    proxy = Proxy(ionmesh, tmp_path)
    answer = ionmesh.call

    async def leaves(method: str, url: str, **call: Any) -> HttpAnswer:
        if url.endswith("/heartbeat"):
            await proxy.proxy.listener.ready.wait()
            assert (await proxy.ask("DELETE", f"unregister/{GUEST}"))[0] == 200
        return await answer(method, url, **call)

    async def story() -> None:
        ionmesh.call = leaves  # type: ignore[method-assign] # what happens while the answer is awaited
        async with proxy.running():
            await asyncio.sleep(600)

    run(story())
    assert len(ionmesh.times("heartbeat")) == 1
    assert ionmesh.times("register-client") == []


async def test_a_client_that_is_still_served_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with Proxy(FakeIonmesh(), tmp_path).running() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.proxy.listener.port)
        writer.write(b"POST /half/a/head HTTP/1.1\r\n")
        await writer.drain()
        await proxy.ask("DELETE", "unregister/nobody")  # by then the first one is being served
    async with asyncio.timeout(READ_WITHIN_S / 2):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_our_own_card_that_does_not_come_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module, "LOOK_S", 0.05)
    own = Router(FakeIonmesh(register=[REFUSED_CONNECTION]), tmp_path)
    task = asyncio.create_task(own.client.run())
    async with Proxy(FakeIonmesh(), tmp_path / "guests", own).running() as proxy:
        status, body = await proxy.ask("POST", "register-client", c_request(OWN))
        assert (status, json.loads(body)["code"]) == (503, "no_slot")
        assert (await proxy.ask("DELETE", "unregister/nobody"))[0] == 404
    task.cancel()
    await asyncio.wait((task,))


async def test_what_ionmesh_says_of_itself_is_passed_on(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()

    async def answer(method: str, url: str, **_: Any) -> HttpAnswer:
        assert (method, url.rpartition("/")[2]) == ("GET", "discover")
        modes = {"supported_mapping_modes": ["ONE_TO_ONE_SWSIM"], "capabilities": ["heartbeat"]}
        return HttpAnswer(200, {"service": "IonMesh", "version": "1.0", **modes})

    ionmesh.call = answer  # type: ignore[method-assign] # the one call that the fake does not know
    async with Proxy(ionmesh, tmp_path).running() as proxy:
        status, body = await proxy.ask("GET", "discover")
    assert status == 200
    assert json.loads(body) == {
        "service": "IonMesh",
        "version": "1.0",
        "capabilities": ["heartbeat"],
        "supported_mapping_modes": ["ONE_TO_ONE_SWSIM"],
    }


def test_a_guest_s_new_card_is_remembered_and_its_status_told(tmp_path: Path) -> None:
    changed = HttpAnswer(200, {"status": "ok", "assignment": {**CARD, "slot_id": 43}})
    ionmesh = FakeIonmesh(heartbeat=[changed])
    Store(tmp_path, "owner").keep_guests({GUEST: CARD_42})

    async def story() -> None:
        async with Proxy(ionmesh, tmp_path).running() as proxy:
            warning = b'{"client_id":"%s","status":"warning"}' % GUEST.encode()
            assert (await proxy.ask("POST", "heartbeat", warning))[0] == 200
            await asyncio.sleep(70)

    run(story())
    assert ionmesh.bodies("heartbeat")[-1]["status"] == "warning"
    assert Store(tmp_path, "owner").guests()[GUEST].slot_id == 43


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    async with Proxy(FakeIonmesh(), tmp_path).running() as first:
        second = Proxy(FakeIonmesh(), tmp_path).proxy
        second.listener.port = first.proxy.listener.port
        with pytest.raises(OrchestratorError, match="in use"):
            await second.run()


@given(
    bank_id=st.integers(1, 1023),
    slot_id=st.integers(1, 1023),
    iccid=st.none() | st.from_regex(r"[0-9]{19,20}", fullmatch=True),
    imsi=st.none() | st.from_regex(r"[0-9]{15}", fullmatch=True),
    host=st.from_regex(r"[a-z][a-z0-9.-]{0,60}", fullmatch=True),
    port=st.integers(1, 65535),
    mode=st.sampled_from(["ONE_TO_ONE_SWSIM", "ONE_TO_ONE_VSIM", "KI_PROXY_SWSIM"]),
    profile_id=st.none() | st.text(max_size=40),
)
def test_the_c_client_reads_every_answer(
    bank_id: int,
    slot_id: int,
    iccid: str | None,
    imsi: str | None,
    host: str,
    port: int,
    mode: str,
    profile_id: str | None,
) -> None:
    assignment = replace(
        CARD_42,
        bank_id=bank_id,
        slot_id=slot_id,
        iccid=iccid,
        imsi=imsi,
        bankd=Endpoint(host, port),
        mapping_mode=mode,
        profile_id=profile_id,
    )
    status_line, _, body = c_answer(assignment, 60).packet().partition(b"\r\n\r\n")
    found = parse(int(status_line.split()[1]), body)
    assert (found.bank_id, found.slot_id, found.bankd_host, found.bankd_port) == (
        bank_id,
        slot_id,
        host,
        port,
    )
    assert (found.iccid, found.imsi, found.mapping_mode) == (iccid or "", imsi or "", mode)
