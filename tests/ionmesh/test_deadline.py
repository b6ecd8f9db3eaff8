"""Peers that answer byte by byte and never end: whoever asked them goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from ionmesh.courier import sender
from ionmesh.deadline import cut_off
from ionmesh.errors import RemsimServerError
from ionmesh.remsim_server import RemsimServer

LIMIT_S = 0.2


class Dripper:
    """Takes one connection at a time and sends it a byte again and again, until it is shut down."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Dripper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
                with connection:
                    connection.sendall(self._begin)
                    while not self._over.wait(0.01):
                        connection.sendall(b"x")
            except OSError:
                # The one that asked has gone, or the listener has.
                continue


@pytest.fixture(params=[b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"], ids=["head", "body"])
def dripper(request: pytest.FixtureRequest) -> Iterator[Dripper]:
    with Dripper(request.param) as dripper:
        yield dripper


def test_a_server_that_drips_is_given_up(dripper: Dripper) -> None:
    with pytest.raises(RemsimServerError):
        RemsimServer(f"http://{dripper.place}", LIMIT_S).slotmaps()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_webhook_that_drips_holds_nobody_up(scheme: str) -> None:
    with Dripper(b"") as dripper:
        send = sender(private_allowed=True, limit_s=LIMIT_S)
        attempt = send(f"{scheme}://{dripper.place}/", {}, b"{}")
    assert (attempt.status, bool(attempt.error)) == (None, True)


def test_what_is_done_in_time_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        with cut_off(one, 60):
            one.sendall(b"a")
        other.sendall(b"b")
        assert (one.recv(1), other.recv(1)) == (b"b", b"a")


def test_a_peer_that_has_gone_already_is_no_error() -> None:
    one, other = socket.socketpair()
    with one:
        other.close()
        one.shutdown(socket.SHUT_RDWR)
        with cut_off(one, 0):
            assert one.recv(1) == b""
