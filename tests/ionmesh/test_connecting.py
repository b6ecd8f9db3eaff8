"""Connections go to an address that was judged, whatever a name says the next time."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ionmesh.connecting import connect, http_over
from ionmesh.errors import AddressRefused
from tests.orchestrator.tls import Authority

DEADLINE_S = 10.0


class Resolver:
    """What names lead to, one answer after the other; the last one stays. Addresses lead to themselves."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        if host[0].isdigit():
            answer = [host]
        else:
            self.asked.append(host)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        yield listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_a_name_is_looked_up_once_and_what_was_judged_is_called(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(["127.0.0.1"], ["169.254.169.254"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    judged: list[str] = []

    def allowed(address: str) -> bool:
        judged.append(address)
        return True

    with connect("bank.example.com", port_of(listener), DEADLINE_S, allowed) as connected:
        assert connected.getpeername()[0] == "127.0.0.1"
        assert connected.gettimeout() == DEADLINE_S
    assert (resolver.asked, judged) == (["bank.example.com"], ["127.0.0.1"])


def test_of_several_addresses_the_first_that_is_allowed_and_answers_is_taken(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 127.0.0.2 is loopback as well, and nobody listens there.
    resolver = Resolver(["169.254.169.254", "127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with connect(
        "b.example.com", port_of(listener), DEADLINE_S, lambda it: it.startswith("127.")
    ) as connected:
        assert connected.getpeername()[0] == "127.0.0.1"


def test_when_none_answers_the_last_failure_is_told(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(["127.0.0.2", "127.0.0.3"]))
    with pytest.raises(ConnectionRefusedError):
        connect("bank.example.com", port_of(listener), DEADLINE_S, lambda _: True)


def test_a_name_with_no_address_that_is_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(["169.254.169.254", "169.254.0.1"]))
    with pytest.raises(AddressRefused) as refused:
        connect("bank.example.com", 80, DEADLINE_S, lambda _: False)
    assert (refused.value.host, refused.value.address) == ("bank.example.com", "169.254.169.254")


def test_what_can_be_no_name_is_not_found() -> None:
    # A label has at most 63 octets (RFC 1035, 2.3.4); Python's resolver raises no OSError for it.
    with pytest.raises(socket.gaierror):
        connect("a" * 64, 80, DEADLINE_S, lambda _: True)


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server on loopback whose certificate, for localhost, is trusted; it echoes the host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
            pass

    authority = Authority(tmp_path)
    issued = authority.issue("localhost", "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", authority.cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_https_is_spoken_with_the_host_that_was_named(secured: int) -> None:
    with connect("127.0.0.1", secured, DEADLINE_S, lambda _: True) as plain:
        connection = http_over(plain, "https", "localhost", secured)
        connection.request("GET", "/")
        assert connection.getresponse().read() == f"localhost:{secured}".encode()
        connection.close()


def test_another_hosts_certificate_is_refused(secured: int) -> None:
    with (
        connect("127.0.0.1", secured, DEADLINE_S, lambda _: True) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        http_over(plain, "https", "bank.example.com", secured)
