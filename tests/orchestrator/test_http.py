"""Real calls to a real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from remsimd import __version__
from remsimd.errors import OrchestratorError
from remsimd.http import MAX_STUCK, Http, Tls
from tests.orchestrator.server import Answer, serving
from tests.orchestrator.tls import Authority, server_context

OK = Answer(body={"status": "ok"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def http() -> Iterator[Http]:
    client = Http()
    yield client
    client.close()


async def fails(
    http: Http, url: str, *, interface: str | None = None, timeout_s: float = 5.0
) -> OrchestratorError:
    with pytest.raises(OrchestratorError) as caught:
        await http.call("POST", url, json={}, interface=interface, timeout_s=timeout_s)
    return caught.value


async def test_a_call(http: Http) -> None:
    with serving(Answer(body={"status": "ok", "n": 1}, headers={"Retry-After": "5"})) as server:
        answer = await http.call(
            "POST", f"{server.url}/x", json={"a": [1, "b"]}, headers={"X-API-Key": "k"}, timeout_s=5.0
        )
        (received,) = server.received
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (200, {"status": "ok", "n": 1}, "5")
    assert (received.method, received.path, received.body) == ("POST", "/x", b'{"a":[1,"b"]}')
    assert received.headers["X-API-Key"] == "k"
    assert received.headers["User-Agent"] == f"remsimd/{__version__}"


async def test_the_connection_is_kept(http: Http) -> None:
    with serving(OK) as server:
        for _ in range(3):
            await http.call("GET", server.url, timeout_s=5.0)
        assert len(server.peers) == 1
        assert [received.method for received in server.received] == ["GET"] * 3


async def test_calls_take_turns(http: Http) -> None:
    with serving(OK) as server:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(http.call("GET", server.url, timeout_s=5.0))
        assert len(server.received) == 8
        assert len(server.peers) == 1


@pytest.mark.parametrize("status", [301, 400, 404, 503])
async def test_every_status_is_an_answer(http: Http, status: int) -> None:
    with serving(Answer(status, body={"code": "x"}, headers={"Location": "/elsewhere"})) as server:
        answer = await http.call("GET", server.url, timeout_s=5.0)
        assert (answer.status, answer.body) == (status, {"code": "x"})
        assert len(server.received) == 1


async def test_an_error_may_be_no_json(http: Http) -> None:
    with serving(Answer(502, raw=b"<html>Bad Gateway</html>")) as server:
        answer = await http.call("GET", server.url, timeout_s=5.0)
        assert (answer.status, answer.body) == (502, {})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(raw=b"<html>"), "without a JSON object"),
        (Answer(raw=b"[1]"), "without a JSON object"),
        (Answer(raw=b"\xff\xfe\xfa"), "without a JSON object"),
        (Answer(raw=b"[" * 60_000), "without a JSON object"),
        (Answer(raw=b" " * 65_537), "larger than 65536"),
        (Answer(body={}, headers={"Content-Encoding": "gzip"}), "compressed"),
    ],
)
async def test_an_answer_we_cannot_use(http: Http, answer: Answer, reason: str) -> None:
    with serving(answer) as server:
        error = await fails(http, server.url)
    assert error.code == "protocol"
    assert reason in str(error)


async def test_nobody_listens(http: Http) -> None:
    with serving(OK) as server:
        url = server.url
    error = await fails(http, url)
    assert (error.code, error.status) == ("connect", None)
    assert str(error) == f"POST {url}: Connection refused"


async def test_the_server_hangs_up(http: Http) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await fails(http, f"http://127.0.0.1:{port}")).code == "connect"


async def test_no_answer_within_the_time(http: Http) -> None:
    with serving(Answer(hold=True), OK) as server:
        error = await fails(http, server.url, timeout_s=0.2)
        assert error.code == "timeout"
        answer = await http.call("GET", server.url, timeout_s=5.0)
        assert answer.status == 200


async def test_an_answer_that_trickles_does_not_hold_us(http: Http) -> None:
    with serving(Answer(raw=b" " * 60_000, trickle=True)) as server:
        for _ in range(MAX_STUCK + 1):
            assert (await fails(http, server.url, timeout_s=0.1)).code == "timeout"
        assert "earlier calls" in str(await fails(http, server.url, timeout_s=0.1))


async def test_a_cancelled_call_leaves_the_next_one_free(http: Http) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(event: asyncio.Event) -> None:
        loop.call_soon_threadsafe(event.set)

    with serving(Answer(hold=True), OK) as server:
        server.on_request = lambda: tell(asked)
        hanging = asyncio.create_task(http.call("GET", server.url, timeout_s=30.0))
        await asked.wait()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await http.call("GET", server.url, timeout_s=5.0)).status == 200


async def test_closed_and_used_again(http: Http) -> None:
    with serving(OK) as server:
        await http.call("GET", server.url, timeout_s=5.0)
        http.close()
        await http.call("GET", server.url, timeout_s=5.0)
        assert len(server.peers) == 2


async def test_no_proxy_of_the_environment(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(OK) as server:
        assert (await http.call("GET", server.url, timeout_s=5.0)).status == 200
        asking = Http(proxies_from_environment=True)
        assert (await fails(asking, server.url)).code == "connect"
        asking.close()


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://127.0.0.1/"])
async def test_no_address(http: Http, url: str) -> None:
    assert (await fails(http, url)).code == "protocol"


@pytest.mark.skipif(os.geteuid() != 0, reason="binding to a device needs CAP_NET_RAW")
async def test_through_a_device(http: Http) -> None:
    with serving(OK) as server:
        assert (await http.call("GET", server.url, interface="lo", timeout_s=5.0)).status == 200
        error = await fails(http, server.url, interface="nosuch0")
    assert error.code == "connect"
    assert "there is no network device nosuch0" in str(error)


async def test_a_device_that_cannot_be(http: Http) -> None:
    error = await fails(http, "http://127.0.0.1:1", interface="a/b")
    assert error.code == "connect"
    assert "cannot be the name" in str(error)


async def test_files_that_are_not_there() -> None:
    http = Http(Tls(ca_cert="/nowhere/ca.pem"))
    error = await fails(http, "https://127.0.0.1:1")
    assert error.code == "tls"
    assert "/nowhere/ca.pem" in str(error)
    http.close()


async def test_trust(authority: Authority) -> None:
    with serving(OK, tls=server_context(authority.issue("server", "127.0.0.1"))) as server:
        trusting = Http(Tls(ca_cert=authority.cert))
        assert (await trusting.call("GET", server.url, timeout_s=5.0)).status == 200
        trusting.close()
        wary = Http()
        error = await fails(wary, server.url)
        wary.close()
    assert error.code == "tls"
    assert "certificate" in str(error).lower()


async def test_our_own_certificate(authority: Authority) -> None:
    context = server_context(authority.issue("server", "127.0.0.1"), clients_of=authority.cert)
    own = authority.issue("router")
    with serving(OK, tls=context) as server:
        known = Http(Tls(authority.cert, own.cert, own.key))
        assert (await known.call("GET", server.url, timeout_s=5.0)).status == 200
        known.close()
        stranger = Http(Tls(authority.cert))
        error = await fails(stranger, server.url)
        stranger.close()
    assert error.code in ("tls", "connect")


def test_requests_is_imported_without_certificates_and_is_whole_afterwards() -> None:
    code = """
import ssl, sys
loaded = []
ssl.SSLContext.load_verify_locations = lambda *given, **named: loaded.append(given)
from remsimd.httpsession import _import_requests
_import_requests()
import certifi, requests.adapters, urllib3.util.ssl_
made = getattr(requests.adapters, "create_urllib3_context", urllib3.util.ssl_.create_urllib3_context)
print(loaded, type(made()).__name__, certifi.where().endswith("cacert.pem"))
"""
    # What measures the tests may have imported requests' parts already.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=env)
    assert (done.stdout, done.stderr) == ("[] SSLContext True\n", "")
