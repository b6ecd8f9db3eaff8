"""The embedded server as a real process: start, maps, end, and being killed."""

from __future__ import annotations

import signal
import socket
import threading
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from ionmesh import schema
from ionmesh.db import Database
from tests.ionmesh.conftest import API, add_bank, add_key, add_slots, add_tenant
from tests.ionmesh.process import DEADLINE_S, ServerProcess
from tests.ionmesh.remsim import FakeRemsimServer

REGISTER = f"{API}/remsim/register-client"


def stock(path: Path, slots: str, url: str | None = None) -> str:
    """Make a database with a tenant and slots; returns the tenant's key."""
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    add_tenant(database)
    add_bank(database, url=url)
    add_slots(database, slots)
    key = add_key(database)
    database.close()
    return key


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_migrates_serves_and_ends(tmp_path: Path, number: int) -> None:
    with ServerProcess(tmp_path / "new.db") as server:
        assert server.request("GET", "/readyz") == (200, {"status": "ok"})
        discovered = server.request("GET", f"{API}/remsim/discover")[1]
        assert discovered["api_endpoint"] == f"http://127.0.0.1:{server.port}{API}"
        with socket.create_connection(("127.0.0.1", server.port)):
            assert server.stop(number) == 0
        assert "Traceback" not in server.log


def test_maps_stand_when_the_answer_is_read_and_survive_a_restart_of_either_side(tmp_path: Path) -> None:
    with FakeRemsimServer() as remsim:
        path = tmp_path / "ionmesh.db"
        key = stock(path, "1-3", remsim.url)
        with ServerProcess(path, IONMESH_RECONCILE_INTERVAL_S="1") as server:
            for slot in (1, 2):
                status, answer = server.request("POST", REGISTER, {"client_id": f"r{slot}"}, key)
                assert (status, answer["slot_id"]) == (200, slot)
                assert {held.slot_nr for held in remsim.maps} == set(range(1, slot + 1))
            server.request("DELETE", f"{API}/remsim/unregister/r1", key=key)
            remsim.wait_for({(1, 2)})
            with remsim.changed:
                remsim.maps.clear()
            remsim.wait_for({(1, 2)})
            server.kill()
        with remsim.changed:
            remsim.maps.clear()
        with ServerProcess(path):
            remsim.wait_for({(1, 2)})


@pytest.mark.parametrize("behaviour", ["refuses", "is silent"])
def test_registering_does_not_need_the_remsim_server(tmp_path: Path, behaviour: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if behaviour == "refuses":
            listener.close()
        path = tmp_path / "ionmesh.db"
        key = stock(path, "1-3", url)
        with ServerProcess(path, IONMESH_REMSIM_TIMEOUT_S="30") as server:
            status, _ = server.request("POST", REGISTER, {"client_id": "r1"}, key)
            assert status == 200
            assert server.stop() == 0


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from ionmesh.cli import main

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        result = CliRunner().invoke(main, ["run", "--port", port, "--database", f"sqlite:///{tmp_path}/x.db"])
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.output


class Load:
    """Registers ever new clients from several threads until the server is gone; keeps the answers."""

    def __init__(self, server: ServerProcess, key: str, threads: int) -> None:
        self.acknowledged: dict[str, Any] = {}
        self._server = server
        self._key = key
        self._enough = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._enough.acquire(timeout=DEADLINE_S)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def _run(self, number: int) -> None:
        for count in range(10_000):
            client_id = f"r{number}-{count}"
            try:
                status, answer = self._server.request("POST", REGISTER, {"client_id": client_id}, self._key)
            except (OSError, HTTPException, ValueError):
                return
            if status == 200:
                self.acknowledged[client_id] = answer
                self._enough.release()


def test_killed_under_load_it_has_lost_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ionmesh.db"
    key = stock(path, "1-1000")
    with ServerProcess(path) as server:
        load = Load(server, key, threads=4)
        load.start()
        load.wait_for(60)
        server.kill()
        load.join()
    with ServerProcess(path) as server:
        for client_id, before in load.acknowledged.items():
            status, again = server.request("POST", REGISTER, {"client_id": client_id}, key)
            assert status == 200
            assert again.pop("note") == "Existing registration returned"
            assert again == before
    slots = {answer["slot_id"] for answer in load.acknowledged.values()}
    assert len(slots) == len(load.acknowledged)
