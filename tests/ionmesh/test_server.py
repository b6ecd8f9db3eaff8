"""The embedded server as a real process: start, maps, end, and being killed."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from ionmesh import schema
from ionmesh.db import Database
from tests.ionmesh.conftest import API, add_bank, add_key, add_slots, add_tenant
from tests.ionmesh.load import Load
from tests.ionmesh.process import ServerProcess
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


def test_migrates_serves_and_ends(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "new.db") as server:
        assert server.request("GET", "/readyz") == (200, {"status": "ok"})
        discovered = server.request("GET", f"{API}/remsim/discover")[1]
        assert discovered["api_endpoint"] == f"http://127.0.0.1:{server.port}{API}"
        with socket.create_connection(("127.0.0.1", server.port)):
            assert server.stop() == 0, "although a connection is open"
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


def test_a_proxys_word_about_the_client_reaches_the_application(tmp_path: Path) -> None:
    path = tmp_path / "ionmesh.db"
    stock(path, "1-3")
    database = Database(f"sqlite:///{path}")
    add_tenant(database, "legacy", legacy_cidrs=["10.0.0.0/8"])
    database.close()
    with ServerProcess(path, IONMESH_PROXY_HOPS="1") as server:
        for address, expected in (("10.1.2.3", 200), ("192.0.2.1", 401)):
            headers = {"X-Forwarded-For": address}
            assert server.request("POST", REGISTER, {"client_id": "a"}, **headers)[0] == expected
        assert server.stop(signal.SIGINT) == 0


def test_registering_does_not_need_the_remsim_servers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        urls = [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in (silent, closed)]
        closed.close()
        path = tmp_path / "ionmesh.db"
        key = stock(path, "1-3", urls[0])
        database = Database(f"sqlite:///{path}")
        add_bank(database, 2, url=urls[1])
        add_slots(database, "1", bank_id=2)
        database.close()
        with ServerProcess(path, IONMESH_REMSIM_TIMEOUT_S="30") as server:
            for bank_id in (1, 2):
                body = {"client_id": f"r{bank_id}", "preferred_bank_id": bank_id}
                status, answer = server.request("POST", REGISTER, body, key)
                assert (status, answer["bank_id"]) == (200, bank_id)
            assert server.stop() == 0, "although a request to the silent server is still waiting"


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from ionmesh.cli import main

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        result = CliRunner().invoke(main, ["run", "--port", port, "--database", f"sqlite:///{tmp_path}/x.db"])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.output


def test_killed_under_load_it_has_lost_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ionmesh.db"
    key = stock(path, "1-1000")
    with ServerProcess(path) as server, Load(server, key, threads=4) as load:
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
