"""The ubus object as its callers find it, on a ubusd that comes and goes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from remsimd import events as ev
from remsimd.backoff import Backoff
from remsimd.bus import Bus
from remsimd.config.model import Config, ModemConfig
from remsimd.control import ubus
from remsimd.control.methods import Method, Params, table
from remsimd.control.ubus import UbusObject
from remsimd.control.ubus_message import Status
from remsimd.observe.eventlog import EventLog
from remsimd.state import start
from remsimd.store import Store
from tests.control.test_socket import Doer
from tests.control.ubusd import UbusClient, Ubusd, UbusError

AT_ONCE = Backoff(first_s=0.0001, cap_s=0.0001)


class Slow:
    """Methods that answer when they are let, or never."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.served = 0

    async def wait(self, _: Params) -> Any:
        self.asked.set()
        await self.go.wait()
        return {"waited": True}

    async def broken(self, _: Params) -> Any:
        raise LookupError("a mistake of ours")

    async def much(self, _: Params) -> Any:
        return {"rows": ["x" * 1000] * 2000}

    async def large(self, _: Params) -> Any:
        self.served += 1
        return {"text": "x" * 100_000}


@asynccontextmanager
async def published(path: Path, slow: Slow | None = None) -> AsyncIterator[Bus]:
    bus, eventlog = Bus(), EventLog(capacity=100)
    store = Store(start(Config(modems=(ModemConfig(name="primary"),)), 1000.0))
    methods = table(store, eventlog, Doer())
    if slow is not None:
        methods["slow.wait"] = Method({}, "Waits.", slow.wait)
        methods["slow.broken"] = Method({}, "Breaks.", slow.broken)
        methods["slow.large"] = Method({}, "Answers a lot.", slow.large)
        methods["slow.much"] = Method({}, "Answers much.", slow.much)
    task = asyncio.create_task(UbusObject(methods, eventlog, path=path).run())
    try:
        with bus.listen(store.take), bus.listen(eventlog.take):
            yield bus
    finally:
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()


async def until_there(ubusd: Ubusd) -> None:
    async with asyncio.timeout(10):
        while not any(known.path == "remsim" for known in ubusd.objects.values()):
            await asyncio.sleep(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ubus.sock"


async def test_the_object_has_the_methods_of_the_table_under_names_with_underscores(path: Path) -> None:
    async with Ubusd().listening(path) as ubusd, published(path), UbusClient.connected(path) as client:
        await until_there(ubusd)
        signature = await client.signature("remsim")
    assert signature["failover_to"] == {"link": 3}
    assert signature["events"] == {"after": 5, "last": 5, "kind": 3}
    assert signature["modem_record"] == {"modem": 3, "raw": 7}
    assert signature["status"] == {}
    methods = table(Store(start(Config(), 0.0)), EventLog(), Doer())
    assert list(signature) == [name.replace(".", "_") for name in methods]


async def test_calls_are_answered_from_the_state_with_and_without_optional_arguments(path: Path) -> None:
    async with Ubusd().listening(path) as ubusd, published(path) as bus, UbusClient.connected(path) as client:
        await until_there(ubusd)
        bus.publish(ev.ModemFound("primary", "/dev/ttyUSB2"))
        assert (await client.call("remsim", "status"))["modems"]["primary"]["port"] == "/dev/ttyUSB2"
        assert await client.call("remsim", "sim_use", mode="local") == {"message": "None: local"}
        assert await client.call("remsim", "sim_use", modem="primary", mode="auto") == {
            "message": "primary: auto"
        }
        (entry,) = (await client.call("remsim", "events", last=5))["result"]
        assert (entry["kind"], entry["subject"]) == ("connected", "primary")


async def test_luci_s_session_is_no_argument_of_ours(path: Path) -> None:
    async with Ubusd().listening(path) as ubusd, published(path), UbusClient.connected(path) as client:
        await until_there(ubusd)
        answer = await client.call("remsim", "failover_auto", ubus_rpc_session="0" * 32)
    assert answer == {"message": "automatic"}


@pytest.mark.parametrize(
    ("method", "params", "status", "words"),
    [
        ("failover_to", {"link": "x"}, Status.INVALID_ARGUMENT, "no link 'x'; links: primary, secondary"),
        ("failover_to", {}, Status.INVALID_ARGUMENT, "failover_to needs link"),
        ("failover_to", {"link": 7}, Status.INVALID_ARGUMENT, "link must be str, not 7"),
        ("status", {"verbose": True}, Status.INVALID_ARGUMENT, "status knows no parameter 'verbose'"),
        ("failover.to", {"link": "x"}, Status.METHOD_NOT_FOUND, "no method 'failover.to'"),
    ],
)
async def test_a_refusal_has_a_status_and_words(
    path: Path, method: str, params: dict[str, Any], status: Status, words: str
) -> None:
    async with Ubusd().listening(path) as ubusd, published(path), UbusClient.connected(path) as client:
        await until_there(ubusd)
        with pytest.raises(UbusError) as refused:
            await client.call("remsim", method, **params)
    assert refused.value.status is status
    assert words in refused.value.answer["error"]


async def test_a_slow_method_keeps_nobody_waiting(path: Path) -> None:
    slow = Slow()
    async with Ubusd().listening(path) as ubusd, published(path, slow), UbusClient.connected(path) as client:
        await until_there(ubusd)
        waiting = asyncio.create_task(client.call("remsim", "slow_wait"))
        for _ in range(3):
            assert await client.call("remsim", "failover_auto") == {"message": "automatic"}
        assert not waiting.done()
        slow.go.set()
        assert await waiting == {"waited": True}


async def test_a_call_is_ended_before_its_caller_gives_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubus, "ANSWER_WITHIN_S", 0.01)
    async with (
        Ubusd().listening(path) as ubusd,
        published(path, Slow()),
        UbusClient.connected(path) as client,
    ):
        await until_there(ubusd)
        with pytest.raises(UbusError, match="remsimctl waits longer") as late:
            await client.call("remsim", "slow_wait")
    assert late.value.status is Status.TIMEOUT


async def test_an_answer_too_large_for_ubus_says_so(path: Path) -> None:
    async with (
        Ubusd().listening(path) as ubusd,
        published(path, Slow()),
        UbusClient.connected(path) as client,
    ):
        await until_there(ubusd)
        with pytest.raises(UbusError, match="ask for less"):
            await client.call("remsim", "slow_much")


async def test_a_mistake_in_one_method_is_told_and_harms_no_other(path: Path) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with (
        Ubusd().listening(path) as ubusd,
        published(path, Slow()),
        UbusClient.connected(path) as client,
    ):
        await until_there(ubusd)
        with pytest.raises(UbusError) as failed:
            await client.call("remsim", "slow_broken")
        assert failed.value.status is Status.UNKNOWN_ERROR
        assert await client.call("remsim", "failover_auto") == {"message": "automatic"}


async def test_each_entry_of_the_timeline_is_an_event(path: Path) -> None:
    async with Ubusd().listening(path) as ubusd, published(path) as bus, UbusClient.connected(path) as client:
        await until_there(ubusd)
        await client.listen("remsim")
        bus.publish(ev.ModemFound("primary", "/dev/ttyUSB2"))
        bus.publish(ev.ModemGone("primary", "unplugged"))
        async with asyncio.timeout(5):
            names, entries = zip(*[await client.events.get() for _ in range(2)], strict=True)
        assert names == ("remsim", "remsim")
        assert [entry["text"] for entry in entries] == ["modem on /dev/ttyUSB2", "modem gone: unplugged"]
        assert entries[0]["seq"] < entries[1]["seq"]


async def test_ubusd_may_come_late_and_be_restarted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ubus, "Backoff", lambda **_: AT_ONCE)
    async with published(path):
        for _ in range(3):
            ubusd = Ubusd()
            async with ubusd.listening(path), UbusClient.connected(path) as client:
                await until_there(ubusd)
                assert await client.call("remsim", "failover_auto") == {"message": "automatic"}


async def test_after_a_restart_of_ubusd_all_is_as_before(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A call in flight is lost with its ubusd; the object, its methods and its events come back."""
    given: list[dict[str, float]] = []

    def backoff(**chosen: float) -> Backoff:
        given.append(chosen)
        return AT_ONCE

    monkeypatch.setattr(ubus, "Backoff", backoff)
    caplog.set_level(logging.INFO)
    slow = Slow()
    async with published(path, slow) as bus:
        signatures = []
        for port in ("/dev/ttyUSB1", "/dev/ttyUSB2"):
            async with Ubusd().listening(path) as ubusd, UbusClient.connected(path) as client:
                await until_there(ubusd)
                signatures.append(await client.signature("remsim"))
                await client.listen("remsim")
                bus.publish(ev.ModemFound("primary", port))
                async with asyncio.timeout(5):
                    assert (await client.events.get())[1]["text"] == f"modem on {port}"
                in_flight = asyncio.create_task(client.call("remsim", "slow_wait"))
                await slow.asked.wait()
                slow.asked.clear()
            in_flight.cancel()
            await asyncio.wait((in_flight,))
    assert signatures[0] == signatures[1]
    assert given == [{"first_s": 1.0, "cap_s": 30.0}]
    said = [record.message.partition(":")[0] for record in caplog.records]
    there, gone = "object remsim is on ubus", f"not on ubus ({path})"
    assert [line for line in said if line in (there, gone)][-3:] == [there, gone, there]


async def test_without_ubus_the_daemon_says_so_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = asyncio.Semaphore(0)

    opened = asyncio.open_unix_connection

    async def opening(where: str) -> Any:
        tries.release()
        return await opened(where)

    monkeypatch.setattr(ubus, "Backoff", lambda **_: AT_ONCE)
    monkeypatch.setattr(ubus.asyncio, "open_unix_connection", opening)
    caplog.set_level(logging.INFO)
    async with published(path), asyncio.timeout(5):
        for _ in range(5):
            await tries.acquire()
    assert [record.message for record in caplog.records] == [
        f"not on ubus ({path}): [Errno 2] No such file or directory; only the control socket serves"
    ]


async def test_a_name_that_is_taken_or_not_allowed_is_said(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Ubusd(refuse="remsim").listening(path), published(path), asyncio.timeout(5):
        while not caplog.records:
            await asyncio.sleep(0)
    assert "ubusd refuses object remsim (status 2)" in caplog.text


async def test_a_ubusd_that_talks_nonsense_is_left(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    caplog.set_level(logging.INFO)
    server = await asyncio.start_unix_server(nonsense, str(path))
    async with published(path), asyncio.timeout(5):
        while not caplog.records:
            await asyncio.sleep(0)
    server.close()
    assert "what ubusd says is not ubus" in caplog.text


async def test_a_refused_call_leaves_no_trace_in_the_next(path: Path) -> None:
    async with Ubusd().listening(path) as ubusd, published(path), UbusClient.connected(path) as client:
        await until_there(ubusd)
        calls = [client.call("remsim", "failover_to", link=link) for link in ("x", "secondary") * 10]
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, UbusError) for result in results[::2])
    assert all(result == {"message": "using secondary"} for result in results[1::2])
