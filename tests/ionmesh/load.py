"""Routers that register without pause, from several threads."""

from __future__ import annotations

import threading
from http.client import HTTPException
from typing import Any, Protocol

from tests.ionmesh.conftest import API
from tests.ionmesh.process import DEADLINE_S


class Server(Protocol):
    """What takes the requests."""

    def request(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]: ...


class Load:
    """Registers ever new clients; `acknowledged` has the answers of status 200.

    Without `retries` a thread ends with the server. With it, a client whose request failed or was answered
    503 asks again, as a router does.
    """

    def __init__(self, server: Server, key: str, threads: int, *, retries: bool = False) -> None:
        self.acknowledged: dict[str, Any] = {}
        self.others: list[tuple[int, Any]] = []
        self._server = server
        self._key = key
        self._retries = retries
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._enough = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._abandoned.set()
        self.join()

    def wait_for(self, count: int) -> None:
        """Wait for that many more acknowledged registrations."""
        for _ in range(count):
            assert self._enough.acquire(timeout=DEADLINE_S)

    def stop(self) -> None:
        """Let each client that is under way finish, and end."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _run(self, number: int) -> None:
        for count in range(10_000):
            if self._stopping.is_set() or not self._register(f"r{number}-{count}"):
                return

    def _register(self, client_id: str) -> bool:
        while not self._abandoned.is_set():
            try:
                status, answer = self._server.request(
                    "POST", f"{API}/remsim/register-client", {"client_id": client_id}, self._key
                )
            except (OSError, HTTPException, ValueError):
                if self._retries:
                    # Not to spin while nobody listens.
                    self._abandoned.wait(0.05)
                    continue
                return False
            if status == 200:
                self.acknowledged[client_id] = answer
                self._enough.release()
                return True
            if status != 503 or not self._retries:
                self.others.append((status, answer))
                return True
        return False
