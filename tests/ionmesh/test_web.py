"""`ionmesh web`: several processes on one socket."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ionmesh.db import Database
from tests.ionmesh.conftest import API
from tests.ionmesh.process import DEADLINE_S, WebProcess

REGISTER = f"{API}/remsim/register-client"


@pytest.fixture
def web(served: tuple[str, str], tmp_path: Path) -> Iterator[WebProcess]:
    with WebProcess(served[0], tmp_path / "log") as server:
        yield server


def until(done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def exchange(port: int, *parts: bytes) -> bytes:
    """Send the parts over one connection and return all that is answered until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_the_address_of_the_caller_is_the_connection_s(web: WebProcess, served: tuple[str, str]) -> None:
    status, answer = web.request("POST", REGISTER, {"client_id": "r1"}, served[1])
    assert (status, answer["slot_id"]) == (200, 1)
    database = Database(served[0])
    with database.read() as session:
        from ionmesh.services.assignment import active_profile

        profile = active_profile(session, 1, "r1")
        assert profile is not None
        assert profile.source_ip == "127.0.0.1"
    database.close()


def test_several_requests_and_a_split_one_come_over_one_connection(
    web: WebProcess, served: tuple[str, str]
) -> None:
    body = b'{"client_id":"r2"}'
    head = f"POST {REGISTER} HTTP/1.1\r\nHost: x\r\nX-API-Key: {served[1]}\r\nContent-Length: {len(body)}\r\n"
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = exchange(web.port, health, head.encode(), b"Connection: close\r\n\r\n" + body[:5], body[5:])
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b'"slot_id":1,' in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + 1_000_000 * b"a" + b"\r\n\r\n",
    ],
    ids=["tls", "http-0.9", "length", "headers"],
)
def test_what_is_no_request_is_refused_and_harms_nothing(web: WebProcess, request_: bytes) -> None:
    try:
        answer = exchange(web.port, request_ + b"\r\n\r\n")
    except ConnectionError:
        answer = b""
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert web.request("GET", "/healthz")[0] == 200


def test_a_body_too_large_is_refused_by_the_application(web: WebProcess, served: tuple[str, str]) -> None:
    status, answer = web.request("POST", REGISTER, {"client_id": "x" * 100_000}, served[1])
    assert (status, answer["status"]) == (413, "error")


def test_a_process_that_was_killed_is_replaced(web: WebProcess) -> None:
    assert web.request("GET", "/readyz")[0] == 200
    until(lambda: len(web.workers()) == 2)
    victim = web.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(web.workers()) == 2 and victim not in web.workers())
    for _ in range(8):
        assert web.request("GET", "/readyz")[0] == 200


def test_processes_are_replaced_on_sighup_and_nobody_is_refused(web: WebProcess) -> None:
    assert web.request("GET", "/readyz")[0] == 200
    before = set(web.workers())
    os.kill(web._process.pid, signal.SIGHUP)
    until(lambda: web.request("GET", "/readyz")[0] == 200 and not before & set(web.workers()))
    assert len(web.workers()) == 2


def test_what_it_says_is_for_operators(web: WebProcess, tmp_path: Path) -> None:
    assert web.request("GET", "/readyz")[0] == 200
    web._process.terminate()
    assert web._process.wait(DEADLINE_S) == 0
    assert (tmp_path / "log").read_text() == f"listening on http://127.0.0.1:{web.port}\n"
