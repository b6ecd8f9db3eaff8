"""The event script as a real program: causes, environment, order, and one that hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remsimd import __version__, eventscript
from remsimd import events as ev
from remsimd.assignment import Assignment, Endpoint
from remsimd.bus import Bus
from remsimd.config.model import Config, FrontendConfig, FrontendType, SimSource
from remsimd.eventscript import EventScript
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote
from remsimd.sim.frontend import SlotStatus
from remsimd.state import start
from remsimd.store import Store

CARD = Assignment(client_id=23, client_slot=42, bank_id=55, slot_id=33, server=Endpoint("192.0.2.1", 9998))
BOARD = FrontendConfig(
    name="board", modem="primary", type=FrontendType.CARDEM, usb_path="1-1.4", usb_interface=0
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script"
    path.write_text(f'#!/bin/sh\n{{ echo "$1"; env | grep ^REMSIM | sort; echo; }} >> {tmp_path}/runs\n')
    path.chmod(0o755)
    return path


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Bus]:
    bus, store = Bus(), Store(start(Config(), 0.0))
    part = EventScript(str(path), bus=bus, store=store, frontend=BOARD)
    with bus.listen(store.take):
        task = asyncio.create_task(part.run())
        await asyncio.sleep(0)
        try:
            yield bus
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def runs(folder: Path, count: int) -> list[str]:
    """The first words and environments of the runs, when there are `count`."""
    async with asyncio.timeout(10):
        while True:
            text = (folder / "runs").read_text() if (folder / "runs").exists() else ""
            if text.count("\n\n") >= count:
                return text.strip().split("\n\n")
            await asyncio.sleep(0.01)


async def test_the_script_hears_each_cause_in_order_with_what_is_known(script: Path, tmp_path: Path) -> None:
    async with running(script) as bus:
        bus.publish(ionmesh_events.Assigned(CARD, "ionmesh"))
        bus.publish(remote.RsproLinkChanged("server", "192.0.2.1:9998", True, ""))
        bus.publish(remote.RsproStateChanged(remote.RsproState.WAIT_BANKD, ""))
        bus.publish(ev.SimSwitching("primary", SimSource.REMOTE, "card"))
        found = await runs(tmp_path, 5)
    assert [run.splitlines()[0] for run in found] == [
        "event-server-connect",
        "event-config-bankd",
        "request-sim-remote",
        "request-card-insert",
        "request-modem-reset",
    ]
    assert found[0].splitlines()[1:] == [
        "REMSIM_BANKD_ADDR=(null):0",
        "REMSIM_BANKD_SLOT=55:33",
        "REMSIM_BANKD_STATE=REESTABLISH",
        "REMSIM_CAUSE=event-server-connect",
        "REMSIM_CLIENT_SLOT=23:42",
        f"REMSIM_CLIENT_VERSION={__version__}",
        "REMSIM_SERVER_ADDR=192.0.2.1:9998",
        "REMSIM_SERVER_STATE=CONNECTED",
        "REMSIM_USB_INTERFACE=0",
        "REMSIM_USB_PATH=1-1.4",
    ]


async def test_each_change_of_the_contacts_is_a_run_with_its_own_levels(script: Path, tmp_path: Path) -> None:
    async with running(script) as bus:
        bus.publish(remote.SlotContactsChanged("primary", SlotStatus(True, vcc_present=True)))
        bus.publish(
            remote.SlotContactsChanged("primary", SlotStatus(False, vcc_present=True, clk_active=False))
        )
        found = await runs(tmp_path, 2)
    levels = [[line for line in run.splitlines() if "REMSIM_SIM" in line] for run in found]
    assert [run.splitlines()[0] for run in found] == ["event-modem-status"] * 2
    assert levels == [
        ["REMSIM_SIM_RST=1", "REMSIM_SIM_VCC=1"],
        ["REMSIM_SIM_CLK=0", "REMSIM_SIM_RST=0", "REMSIM_SIM_VCC=1"],
    ]


async def test_a_script_that_hangs_is_ended_and_the_next_run_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventscript, "RUN_WITHIN_S", 0.2)
    path = tmp_path / "script"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = event-server-lost ] || exec sleep 600\nprintf "$1\\n\\n" >> {tmp_path}/runs\n'
    )
    path.chmod(0o755)
    async with running(path) as bus:
        bus.publish(remote.RsproLinkChanged("server", "192.0.2.1:9998", True, ""))
        bus.publish(remote.RsproLinkChanged("server", "192.0.2.1:9998", False, ""))
        assert await runs(tmp_path, 1) == ["event-server-lost"]


async def test_a_script_that_is_not_there_is_an_error_of_this_part_alone(tmp_path: Path) -> None:
    bus, store = Bus(), Store(start(Config(), 0.0))
    part = EventScript(str(tmp_path / "missing"), bus=bus, store=store, frontend=None)
    task = asyncio.create_task(part.run())
    await asyncio.sleep(0)
    bus.publish(remote.RsproLinkChanged("server", "192.0.2.1:9998", True, ""))
    with pytest.raises(FileNotFoundError, match="missing"):
        await task
