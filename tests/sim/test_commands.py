"""`remsimctl sim` against the real daemon, bank and modems."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from remsimd.cards import Cards
from remsimd.config.model import Config
from remsimd.control.cards import table
from remsimd.state import start
from remsimd.store import Store
from remsimd.supervisor import Supervisor
from simlab.bank.usim import ATR
from simlab.lab import Lab
from simlab.links import LabError
from simlab.process import ProgramError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("lab")
    async with Lab.create(folder, namespaces=False) as lab:
        await lab.start_router()
        yield lab


def settled_on(source: str) -> Any:
    def holds(status: dict[str, Any]) -> bool:
        modem = status["modems"]["primary"]
        return modem["sim_source"] == source and modem["sim_switching_to"] is None

    return holds


async def remote(lab: Lab) -> Any:
    status = await lab.remsimd.until(settled_on("remote"), "on the remote card")
    slot = status["ionmesh"]["assignment"]["slot_id"]
    return next(card for card in lab.cards if card.slot == slot)


async def test_moving_shows_what_happens_until_the_modem_is_there(lab: Lab) -> None:
    await remote(lab)
    told = (await lab.remsimd.remsimctl("sim", "use", "local")).splitlines()
    assert told[0] == "primary: SIM local"
    assert "moving to the local SIM: asked for local" in told[1]
    assert "on the local SIM after" in told[-1]
    status = await lab.remsimd.call("status")
    assert settled_on("local")(status)
    assert await lab.remsimd.remsimctl("sim", "use", "local") == "primary: SIM local", "nothing to wait for"


async def test_a_card_is_tested_without_the_modem(lab: Lab) -> None:
    await lab.remsimd.remsimctl("sim", "use", "local")
    before = (await lab.remsimd.call("status"))["modems"]["primary"]["sim"]
    found = json.loads(await lab.remsimd.remsimctl("sim", "test", "--json"))
    slot = (await lab.remsimd.call("status"))["ionmesh"]["assignment"]["slot_id"]
    card = next(card for card in lab.cards if card.slot == slot)
    assert (found["atr"], found["iccid"], found["imsi"]) == (ATR.hex().upper(), card.iccid, card.imsi)
    assert found["read_by"] == "test"
    assert (await lab.remsimd.call("status"))["modems"]["primary"]["sim"] == before
    assert "no modem involved" in await lab.remsimd.remsimctl("sim", "test")
    await lab.remsimd.remsimctl("sim", "use", "remote")
    assert (await remote(lab)) == card, "the card a test has read is the modem's all the same"
    used = json.loads(await lab.remsimd.remsimctl("sim", "test", "--json"))
    assert (used["iccid"], used["read_by"]) == (card.iccid, "primary")


async def test_a_modem_taken_back_lets_the_banks_card_go(lab: Lab) -> None:
    await remote(lab)
    await lab.remsimd.remsimctl("sim", "take-back")
    status = await lab.remsimd.until(lambda s: s["rspro"]["state"] == "idle", "the bank's card is free")
    assert settled_on("local")(status)
    assert status["ionmesh"]["assignment"] is not None, "it can be asked for again"
    with pytest.raises(ProgramError, match="there is no remote card to test: idle"):
        await lab.remsimd.remsimctl("sim", "test")
    told = await lab.remsimd.remsimctl("sim", "use", "remote")
    assert "moving to the remote SIM" in told
    assert "on the remote SIM after" in told
    await remote(lab)


async def test_a_modem_s_own_slots_can_be_chosen(lab: Lab) -> None:
    told = await lab.remsimd.remsimctl("sim", "slot", "1", "--modem", "primary")
    assert told == "primary uses its SIM slot 1"
    with pytest.raises(LabError, match="slot must be 1 or 2"):
        await lab.remsimd.call("sim.slot", modem="primary", slot=3)
    with pytest.raises(ProgramError, match="which modem"):
        await lab.remsimd.remsimctl("sim", "slot", "1")


async def test_what_cannot_be_done_is_said(lab: Lab) -> None:
    with pytest.raises(ProgramError, match="SIMs can be switched on: primary"):
        await lab.remsimd.remsimctl("sim", "use", "local", "--modem", "third")
    with pytest.raises(LabError, match="must be one of: remote, auto, local"):
        await lab.remsimd.call("sim.use", mode="both")


async def test_a_card_that_the_bank_does_not_have_is_not_waited_for_for_ever(lab: Lab) -> None:
    await remote(lab)
    await lab.remsimd.remsimctl("sim", "take-back")
    await lab.remsimd.until(lambda s: s["rspro"]["state"] == "idle", "the bank's card is free")
    await lab.bank.end()
    with pytest.raises(ProgramError, match="no remote card within 1 s: connecting"):
        await lab.remsimd.remsimctl("sim", "use", "remote", "--wait", "1")


async def test_the_page_has_these_methods() -> None:
    page = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")
    cards = Cards(Store(start(Config(), 0.0)), Supervisor(lambda _: None))
    for name, method in table(cards).items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert method.help in line
        assert all(f"`{parameter}`" in line for parameter in method.params)
