"""The documented scenarios with real routes: a router between two carriers in network namespaces."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simlab.lab import Lab, namespaces_possible
from simlab.modems.state import ModemState
from simlab.process import run_once

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not namespaces_possible(), reason="network namespaces need root and the ip command"),
]

CALM = "config failover 'failover'\n\toption hold_down '1'\n"
"""The same decisions sooner: the damping of a minute has its own tests in virtual time."""


CALM = "config failover 'failover'\n\toption hold_down '1'\n"
"""The same decisions sooner: the damping of a minute has its own tests in virtual time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("lab")
    async with Lab.create(folder, namespaces=True, prefix="remsim-test", settings=CALM) as lab:
        await lab.start_router()
        yield lab


@pytest_asyncio.fixture(loop_scope="module")
async def lab(shared_lab: Lab) -> Lab:
    """A router on the remote card, its data on the primary and both links up."""
    shared_lab.primary.set_state(ModemState.REGISTERED)
    shared_lab.secondary.set_state(ModemState.REGISTERED)
    await shared_lab.remsimd.until(on_the_remote_card, "on the remote card")
    await shared_lab.remsimd.until(settled, "data on the primary, both links up", within_s=30)
    assert await shared_lab.default_route() == "wwan0"
    return shared_lab


def on_the_remote_card(status: dict[str, Any]) -> bool:
    modem = status["modems"]["primary"]
    return modem["sim_source"] == "remote" and status["rspro"]["state"] == "operational"


def settled(status: dict[str, Any]) -> bool:
    healths = {link["health"] for link in status["links"].values()}
    return status["active_link"] == "primary" and healths == {"up"}


async def moved_to(lab: Lab, link: str, device: str) -> dict[str, Any]:
    """The status when the data uses this link, by remsimd's word and by the kernel's."""
    status = await lab.remsimd.until(lambda s: s["active_link"] == link, f"data on the {link}", within_s=30)
    assert await lab.default_route() == device
    return status


async def test_a_lost_signal_moves_the_data_and_keeps_the_card(lab: Lab) -> None:
    before = await lab.remsimd.call("status")
    lab.primary.set_state(ModemState.NO_SIGNAL)
    status = await moved_to(lab, "secondary", "wwan1")
    assert status["rspro"]["state"] == "operational"
    assert status["modems"]["primary"]["sim_switches"] == before["modems"]["primary"]["sim_switches"]
    lab.primary.set_state(ModemState.REGISTERED)
    await moved_to(lab, "primary", "wwan0")


async def test_a_black_hole_is_found_by_the_data_plane(lab: Lab) -> None:
    assert lab.world is not None
    await lab.world.blackhole("wwan0", True)
    try:
        status = await moved_to(lab, "secondary", "wwan1")
        assert status["modems"]["primary"]["registration"]["state"] == "home"
        assert "answer" in status["active_cause"]
    finally:
        await lab.world.blackhole("wwan0", False)
    await moved_to(lab, "primary", "wwan0")


async def test_a_lost_carrier_moves_the_data(lab: Lab) -> None:
    assert lab.world is not None
    await lab.world.carrier("wwan0", False)
    try:
        status = await moved_to(lab, "secondary", "wwan1")
        assert "carrier lost" in status["active_cause"]
    finally:
        await lab.world.carrier("wwan0", True)
    await moved_to(lab, "primary", "wwan0")


async def test_when_the_secondary_fails_management_moves_to_the_primary_and_returns(lab: Lab) -> None:
    await lab.remsimd.until(
        lambda s: s["ionmesh"]["heartbeat_link"] == "secondary", "heartbeats over the secondary"
    )
    lab.secondary.set_state(ModemState.NO_SIGNAL)
    await lab.remsimd.until(
        lambda s: s["ionmesh"]["heartbeat_link"] == "primary", "heartbeats over the primary", within_s=30
    )
    status = await lab.remsimd.until(on_the_remote_card, "the card stays or comes back")
    assert status["active_link"] == "primary"
    lab.secondary.set_state(ModemState.REGISTERED)
    await lab.remsimd.until(
        lambda s: s["ionmesh"]["heartbeat_link"] == "secondary", "heartbeats are back", within_s=40
    )


async def test_a_stopped_daemon_leaves_the_kernel_as_it_was(lab: Lab) -> None:
    async def traces() -> str:
        rules = await run_once(lab.inside(["ip", "rule"]))
        routes = await run_once(lab.inside(["ip", "route", "show", "table", "all"]))
        return "\n".join(
            line for line in (rules + routes).splitlines() if "98" in line.split()[0:2] or "table 98" in line
        )

    assert await traces()
    async with asyncio.timeout(3):
        assert await lab.router.end(signal.SIGTERM) == 0
    assert await traces() == ""
    assert await lab.default_route() == "wwan0"
