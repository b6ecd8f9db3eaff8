"""The daemon in this process, without any hardware: what a person asks of it."""

import asyncio
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from remsimd.cli.client import ControlClient
from remsimd.config.load import load
from remsimd.daemon import SOCKET_NAME, Daemon
from remsimd.errors import ControlError
from simlab.gpio import MemoryChip
from simlab.lab import free_port

CONFIG = """
config remsim 'main'
	option enabled '1'
	option state_dir '{folder}/state'

config modem 'primary'
	list match 'tty:{folder}/no-such-port'

config failover
	option enabled '0'

config metrics
	option enabled '0'

config history
	option enabled '0'
"""


EVERYTHING = """
config remsim 'main'
	option enabled '1'
	option state_dir '{folder}/state'
	option event_script '{folder}/script'

config modem 'primary'
	list match 'tty:{folder}/no-such-port'
	option sim 'remote'

config modem 'iot'
	option role 'secondary'
	list match 'tty:{folder}/no-such-port-either'
	option data_limit_mb '10'

config frontend 'reader'
	option modem 'primary'
	option type 'vpcd'
	option port '1'

config rspro
	option client_id '1'
	option bank_id '2'
	option bank_slot '3'
	option bankd_host '127.0.0.1'
	option bankd_port '1'
	option via 'any'

config failover
	option routing 'none'

config metrics
	option listen_port '{port}'
	option process '1'
	option textfile '{folder}/remsim.prom'

config history
	option path '{folder}/ram'

config alert 'silent'
	option metric 'remsim_connection_up'
	option below '1'
"""


@asynccontextmanager
async def running(folder: Path, config: str = CONFIG, **values: object) -> AsyncIterator[Daemon]:
    """A daemon from its start to its end by SIGTERM."""
    path = folder / "remsim"
    path.write_text(config.format(folder=folder, **values))
    daemon = Daemon(path, load(path), run_dir=folder, lines=MemoryChip())
    task = asyncio.create_task(daemon.run())
    async with asyncio.timeout(10):
        while not (folder / SOCKET_NAME).exists():
            await asyncio.sleep(0.01)
        yield daemon
        os.kill(os.getpid(), signal.SIGTERM)
        await task


async def call(folder: Path, method: str, **params: Any) -> Any:
    def ask() -> Any:
        with ControlClient(folder / SOCKET_NAME) as client:
            return client.call(method, **params)

    return await asyncio.to_thread(ask)


async def test_a_reset_that_is_refused_is_told_like_the_wish(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon:
        with pytest.raises(ControlError, match="primary is gone"):
            await daemon.modem_reset(None)
        told = [entry["text"] for entry in await call(tmp_path, "events", kind="recovery")]
    assert told == ["modem reset: asked for", "modem not reset: primary is gone"]


async def test_what_is_not_there_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with running(tmp_path):
        for method, params, words in (
            ("failover.auto", {}, "failover is off"),
            ("failover.to", {"link": "wan9"}, "no link 'wan9'; links: primary"),
            ("ionmesh.register", {}, "IonMesh is off"),
            ("history.series", {}, "nothing is recorded"),
            ("alerts.list", {}, "no alert is configured"),
            ("modem.reset", {"modem": "other"}, "which modem"),
            ("modem.at", {"modem": "other", "command": "AT"}, "no modem 'other'"),
            ("modem.record", {"modem": "primary"}, "primary is gone"),
            ("sim.use", {"mode": "local"}, "which modem"),
            ("sim.test", {}, "no remote card"),
        ):
            with pytest.raises(ControlError, match=words):
                await call(tmp_path, method, **params)


async def test_a_reload_with_a_mistake_changes_nothing_and_one_without_does(tmp_path: Path) -> None:
    async with running(tmp_path):
        path = tmp_path / "remsim"
        good = path.read_text()
        path.write_text(good.replace("option enabled '0'", "option enabled 'maybe'", 1))
        with pytest.raises(ControlError, match=r"configuration stays: @failover\[0\]\.enabled"):
            await call(tmp_path, "reload")
        assert len((await call(tmp_path, "status"))["config_mistakes"]) == 1
        path.write_text(good.replace("'primary'", "'first'"))
        assert await call(tmp_path, "reload") == {"message": "configuration applied"}
        status = await call(tmp_path, "status")
    assert list(status["modems"]) == ["first"]
    assert status["config_mistakes"] == []


async def test_every_part_of_a_whole_configuration_runs(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\necho "$REMSIM_CAUSE" >> {tmp_path}/causes\n')
    script.chmod(0o755)
    port = free_port()
    async with running(tmp_path, EVERYTHING, port=port):
        async with asyncio.timeout(20):
            while not (tmp_path / "remsim.prom").exists():
                await asyncio.sleep(0.02)
        status = await call(tmp_path, "status")
        assert {name for name, part in status["parts"].items() if not part["running"]} == set()
        assert {"sim:primary", "rspro", "frontend", "budget", "failover", "recovery"} <= set(status["parts"])
        assert {"metrics", "textfile", "history", "alerts", "event_script"} <= set(status["parts"])
        card = status["ionmesh"]["assignment"]
        assert (card["bank_id"], card["slot_id"], card["bankd"]["port"]) == (2, 3, 1)
        served = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/metrics")
        assert b"process_cpu_seconds_total" in served.read()
        served.close()
        assert (await call(tmp_path, "alerts.list"))[0]["alert"] == "silent"
        assert (await call(tmp_path, "sim.use", mode="remote"))["message"].startswith("primary: SIM remote")
        assert "taken back" in (await call(tmp_path, "sim.take_back"))["message"]
    assert not (tmp_path / "remsim.prom").exists(), "what is in it is not so any more"
    assert (tmp_path / "state" / "history.db").exists()
