"""The documented scenarios with real routes: a host's download through a router between two carriers.

Times are scaled by configuration; the machine's own numbers have their tests in virtual time.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simlab.lab import Lab, namespaces_possible
from simlab.links import PROBE_ADDRESSES
from simlab.modems.state import ModemState
from simlab.process import run_once
from simlab.tun import to_host
from tests.e2e.conftest import on_the_remote_card
from tests.e2e.download import Download, downloading

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not namespaces_possible(), reason="network namespaces need root and the ip command"),
]

QUICK = """
config failover 'failover'
	option interval '0.5'
	option fast_interval '0.1'
	option timeout '0.3'
	option up '2'
	option hold_down '0.3'
	option hold_down_max '1'
"""
Status = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("lab")
    async with Lab.create(folder, namespaces=True, prefix=f"rt{os.getpid()}", settings=QUICK) as lab:
        await lab.start_router()
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def download(shared_lab: Lab) -> AsyncIterator[Download]:
    async with downloading(shared_lab) as download:
        yield download


@pytest_asyncio.fixture(loop_scope="module")
async def lab(shared_lab: Lab, download: Download) -> Lab:
    """A router on the remote card, its data on the primary, both links up, the download flowing."""
    assert shared_lab.world is not None
    await shared_lab.world.mend()
    shared_lab.primary.set_state(ModemState.REGISTERED)
    shared_lab.secondary.set_state(ModemState.REGISTERED)
    await shared_lab.remsimd.until(settled, "on the remote card, data on the primary, links up", within_s=30)
    assert await shared_lab.default_route() == "wwan0"
    await download.goes_on()
    return shared_lab


def settled(status: Status) -> bool:
    healths = {link["health"] for link in status["links"].values()}
    networks = {(modem["registration"] or {}).get("state") for modem in status["modems"].values()}
    well = healths == {"up"} and networks == {"home"}
    return status["active_link"] == "primary" and well and on_the_remote_card(status)


def card_is_kept(before: Status, after: Status) -> bool:
    count = "sim_switches"
    return bool(before["modems"]["primary"][count] == after["modems"]["primary"][count])


async def moved_to(lab: Lab, link: str, device: str) -> Status:
    """The status when the data uses this link, by remsimd's word and by the kernel's."""
    status = await lab.remsimd.until(lambda s: s["active_link"] == link, f"data on the {link}")
    assert await lab.default_route() == device
    return status


async def test_a_lost_signal_moves_the_data_and_keeps_the_card(lab: Lab, download: Download) -> None:
    before = await lab.remsimd.call("status")
    lab.primary.set_state(ModemState.NO_SIGNAL)
    status = await moved_to(lab, "secondary", "wwan1")
    assert status["rspro"]["state"] == "operational"
    await download.goes_on()
    lab.primary.set_state(ModemState.REGISTERED)
    status = await moved_to(lab, "primary", "wwan0")
    await download.goes_on()
    assert card_is_kept(before, status)


async def test_a_black_hole_is_found_by_the_data_plane(lab: Lab, download: Download) -> None:
    assert lab.world is not None
    await lab.world.blackhole("wwan0", True)
    try:
        status = await moved_to(lab, "secondary", "wwan1")
        assert status["modems"]["primary"]["registration"]["state"] == "home"
        assert "answer" in status["active_cause"]
        await download.goes_on()
    finally:
        await lab.world.blackhole("wwan0", False)
    await moved_to(lab, "primary", "wwan0")
    await download.goes_on()


@pytest.mark.parametrize("fault", ["carrier", "address", "device"])
async def test_what_the_kernel_sees_moves_the_data_at_once(lab: Lab, download: Download, fault: str) -> None:
    world = lab.world
    assert world is not None
    breaks = {
        "carrier": lambda: world.carrier("wwan0", False),
        "address": lambda: world.lose_address("wwan0", True),
    }
    mends = {
        "carrier": lambda: world.carrier("wwan0", True),
        "address": lambda: world.lose_address("wwan0", False),
    }
    await breaks.get(fault, lambda: world.unplug("wwan0"))()
    status = await moved_to(lab, "secondary", "wwan1")
    words = {"carrier": "carrier lost", "address": "no address", "device": "interface down"}
    assert words[fault] in status["active_cause"]
    await download.goes_on()
    await mends.get(fault, lambda: world.plug("wwan0"))()
    await moved_to(lab, "primary", "wwan0")
    await download.goes_on()


@pytest.mark.parametrize("fault", ["slow", "lossy", "one target", "names", "gateway"])
async def test_what_does_not_stop_the_data_does_not_move_it(lab: Lab, download: Download, fault: str) -> None:
    world = lab.world
    assert world is not None
    moves = (await lab.remsimd.call("status"))["failovers"]
    match fault:
        case "slow":
            # As a full buffer makes it: longer than the probes wait, and the download still comes.
            world.set("wwan0", delay_s=0.17, jitter_s=0.02)
        case "lossy":
            await world.loss("wwan0", 0.3)
        case "one target":
            world.set("wwan0", swallows=to_host(PROBE_ADDRESSES[0]))
        case "names":
            world.set("wwan0", swallows=lambda packet: packet[9] == 17)
        case "gateway":
            await world.lose_gateway("wwan0", True)
    try:
        for _ in range(3):
            await download.goes_on(within_s=20)
    finally:
        world.set("wwan0", delay_s=0.0, jitter_s=0.0, loss=0.0, swallows=None)
        if fault == "gateway":
            await world.lose_gateway("wwan0", False)
    status = await lab.remsimd.call("status")
    assert (status["active_link"], status["failovers"]) == ("primary", moves)


async def being_challenged(lab: Lab) -> tuple[Status, "asyncio.Task[bool]"]:
    """The status before an authentication that is under way now.

    A deployed bankd closes the connection when TCP delivers a frame in two pieces, as happens on a slow
    link now and then: such a beginning does not count.
    """
    while True:
        before = await lab.remsimd.until(on_the_remote_card, "the card answers")
        challenge = asyncio.create_task(lab.challenge_again())

        def asked(
            status: Status, before: Status = before, challenge: "asyncio.Task[bool]" = challenge
        ) -> bool:
            more = status["modems"]["primary"]["tpdus"] > before["modems"]["primary"]["tpdus"]
            return more or challenge.done()

        await lab.remsimd.until(asked, "the card is being asked")
        if not challenge.done():
            return before, challenge


async def test_the_way_to_the_bank_breaks_in_the_middle_of_an_authentication(
    lab: Lab, download: Download
) -> None:
    assert lab.world is not None
    lab.world.set("wwan1", delay_s=0.1)
    before, challenge = await being_challenged(lab)
    await lab.world.carrier("wwan1", False)
    assert not challenge.done()

    def over_the_primary(status: Status) -> bool:
        connects = status["rspro"]["peers"]["bankd"]["connects"]
        return connects > before["rspro"]["peers"]["bankd"]["connects"] and on_the_remote_card(status)

    # Within the time for which the modem is held on its card.
    await lab.remsimd.until(over_the_primary, "the bankd is connected over the primary", within_s=10)
    assert await challenge or await lab.challenge_again()
    await lab.world.carrier("wwan1", True)
    lab.world.set("wwan1", delay_s=0.0)
    status = await lab.remsimd.until(settled, "RSPRO is back on the secondary")
    assert card_is_kept(before, status)
    assert status["active_link"] == "primary"
    assert status["failovers"] == before["failovers"]
    await download.goes_on()


async def test_when_the_secondary_fails_management_moves_to_the_primary_and_returns(
    lab: Lab, download: Download
) -> None:
    connections = (await lab.remsimd.call("status"))["rspro"]["peers"]["bankd"]["connects"]
    lab.secondary.set_state(ModemState.NO_SIGNAL)

    def moved(status: Status) -> bool:
        return bool(status["rspro"]["peers"]["bankd"]["connects"] > connections) and on_the_remote_card(
            status
        )

    await lab.remsimd.until(moved, "the bankd is connected over the primary", within_s=5)
    # The first heartbeat follows soon after a registration.
    await lab.remsimd.call("ionmesh.register")
    await lab.remsimd.until(
        lambda s: s["ionmesh"]["heartbeat_link"] == "primary", "heartbeats over the primary", within_s=15
    )
    assert await download.goes_on()
    connections += 1
    lab.secondary.set_state(ModemState.REGISTERED)
    await lab.remsimd.until(moved, "the bankd is connected over the secondary again", within_s=20)


async def test_both_fail_and_one_returns(lab: Lab, download: Download) -> None:
    before = await lab.remsimd.call("status")
    lab.primary.set_state(ModemState.NO_SIGNAL)
    lab.secondary.set_state(ModemState.NO_SIGNAL)
    down = {"down"}
    await lab.remsimd.until(lambda s: {n["health"] for n in s["links"].values()} == down, "both down")
    lab.secondary.set_state(ModemState.REGISTERED)
    await moved_to(lab, "secondary", "wwan1")
    await download.goes_on()
    lab.primary.set_state(ModemState.REGISTERED)
    status = await lab.remsimd.until(settled, "all is well again", within_s=30)
    assert card_is_kept(before, status)


async def test_a_modem_leaves_the_bus_and_is_the_same_modem_when_it_returns(
    lab: Lab, download: Download
) -> None:
    assert lab.world is not None
    reconnects = (await lab.remsimd.call("status"))["modems"]["primary"]["reconnects"]
    lab.primary.set_state(ModemState.GONE)
    await lab.world.unplug("wwan0")
    await moved_to(lab, "secondary", "wwan1")
    await download.goes_on()
    await lab.world.plug("wwan0")
    lab.primary.set_state(ModemState.REGISTERED)
    status = await lab.remsimd.until(settled, "the primary carries the data again", within_s=30)
    assert status["modems"]["primary"]["reconnects"] == reconnects + 1
    await download.goes_on()


async def test_without_the_orchestrator_the_data_does_not_notice(lab: Lab, download: Download) -> None:
    before = await lab.remsimd.call("status")
    connections = await download.goes_on()
    await lab.ionmesh.end(signal.SIGKILL)
    try:
        assert await download.goes_on() == connections
        lab.primary.set_state(ModemState.NO_SIGNAL)
        await moved_to(lab, "secondary", "wwan1")
        await download.goes_on()
    finally:
        await lab.start_ionmesh()
    lab.primary.set_state(ModemState.REGISTERED)
    status = await moved_to(lab, "primary", "wwan0")
    assert card_is_kept(before, status)


async def test_a_bankd_that_dies_does_not_move_the_data(lab: Lab, download: Download) -> None:
    before = await lab.remsimd.call("status")
    connections = await download.goes_on()
    await lab.bank.end(signal.SIGKILL)
    await lab.remsimd.until(lambda s: s["rspro"]["state"] == "holding", "the card is held")
    await lab.start_bank()
    status = await lab.remsimd.until(settled, "the card answers again", within_s=30)
    assert await download.goes_on() == connections
    assert status["failovers"] == before["failovers"]
    assert card_is_kept(before, status)


async def test_a_flapping_primary_is_damped(lab: Lab, download: Download) -> None:
    assert lab.world is not None
    before = (await lab.remsimd.call("status"))["failovers"].get("primary->secondary", 0)
    # The kernel may keep a drop as short as the next ones to itself; this one is long enough to be seen.
    await lab.world.carrier("wwan0", False)
    await lab.remsimd.until(lambda s: s["active_link"] == "secondary", "data on the secondary")
    await lab.world.carrier("wwan0", True)
    for _ in range(5):
        await lab.world.carrier("wwan0", False)
        await asyncio.sleep(0.1)
        await lab.world.carrier("wwan0", True)
        await asyncio.sleep(0.4)
    await download.goes_on()
    status = await lab.remsimd.until(settled, "calm again", within_s=30)
    assert 1 <= status["failovers"]["primary->secondary"] - before <= 3


async def test_a_killed_daemon_leaves_a_router_that_routes_and_is_found_as_it_was(
    lab: Lab, download: Download
) -> None:
    assert lab.world is not None
    lab.primary.set_state(ModemState.NO_SIGNAL)
    await lab.world.blackhole("wwan0", True)
    await moved_to(lab, "secondary", "wwan1")
    await lab.router.end(signal.SIGKILL)
    assert await lab.default_route() == "wwan1"
    connections = await download.goes_on()
    await lab.start_router()
    assert await lab.default_route() == "wwan1"
    await moved_to(lab, "secondary", "wwan1")
    assert await download.goes_on() == connections


async def test_remsimctl_tells_of_the_links_and_steers_them(lab: Lab, download: Download) -> None:
    told = await lab.remsimd.remsimctl("failover", "status")
    assert [line.split()[:3] for line in told.splitlines()[1:]] == [
        ["primary", "active", "up"],
        ["secondary", "-", "up"],
    ]
    await lab.remsimd.remsimctl("failover", "to", "secondary")
    assert await lab.default_route() == "wwan1"
    assert "chosen by the operator" in await lab.remsimd.remsimctl("failover", "explain")
    await download.goes_on()
    await lab.remsimd.remsimctl("failover", "auto")
    assert await lab.default_route() == "wwan0"
    assert "secondary -> primary" in await lab.remsimd.remsimctl("failover", "history")


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
