"""A whole lab on loopback: what stands around the router, and that it can be broken and mended."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from simlab import chaos
from simlab.lab import Lab
from simlab.modems.state import ModemState

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

Status = dict[str, Any]
LAST_WORDS = "config failover 'failover'\n\toption hold_down '1'\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """A lab whose router is well."""
    async with Lab.create(tmp_path_factory.mktemp("lab"), namespaces=False, settings=LAST_WORDS) as made:
        await made.start_router()
        await made.remsimd.until(chaos.well, "well", within_s=60)
        yield made
    assert not any(program.running for program in (made.router, made.bank, made.ionmesh))


async def test_the_home_network_challenges_the_bank_s_card_and_knows_a_forger(lab: Lab) -> None:
    assert lab.challenged[-1].agreed
    assert await lab.challenge_again()
    lab.forge_challenges(True)
    refused = await lab.challenge_again()
    lab.forge_challenges(False)
    assert not refused
    assert await lab.challenge_again()


async def test_the_settings_are_the_last_word_of_the_configuration(lab: Lab) -> None:
    assert lab.config().rstrip().endswith(LAST_WORDS.rstrip())
    assert f"list match 'tty:{lab.folder}/ttyEC25'" in lab.config()
    assert await lab.default_route() == "", "on loopback there is nothing to route"


async def test_a_modem_at_the_edge_of_its_cell_measures_little(lab: Lab) -> None:
    def rsrp_below(limit_dbm: float) -> Any:
        def holds(status: Status) -> bool:
            signal = status["modems"]["secondary"]["signal"]
            return signal is not None and bool(signal["rsrp_dbm"] < limit_dbm)

        return holds

    lab.set_secondary_at_edge(True)
    await lab.remsimd.until(rsrp_below(-120), "hardly any signal")
    lab.set_secondary_at_edge(False)
    await lab.remsimd.until(lambda s: not rsrp_below(-120)(s), "its usual signal")


async def test_the_mux_decides_which_card_the_primary_has(lab: Lab) -> None:
    await lab.remsimd.remsimctl("sim", "local")
    await lab.primary.wait_for(ModemState.REGISTERED)
    await lab.remsimd.until(lambda s: s["modems"]["primary"]["sim_source"] == "local", "on its own card")
    assert not await lab.challenge_again(), "the bank's card is not in the modem any more"
    await lab.remsimd.remsimctl("sim", "auto")
    await lab.remsimd.until(chaos.well, "on the bank's card again", within_s=30)


async def test_every_fault_can_be_struck_and_mended_and_servers_come_back_where_they_were(lab: Lab) -> None:
    every, url = chaos.faults(lab), lab.ionmesh_url
    for fault in every:
        await fault.strike()
    for fault in every:
        await fault.mend()
    assert lab.ionmesh_url == url
    await lab.remsimd.until(chaos.well, "well after all of them at once", within_s=50)
