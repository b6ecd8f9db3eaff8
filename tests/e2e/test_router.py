"""The whole way with real processes: what the daemon promises when things start, break, heal and end."""

import asyncio
import json
import signal
import sqlite3
import stat
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from remsimd.config.model import GpioLine
from simlab.lab import Lab
from simlab.links import LabError
from simlab.modems.state import ModemState
from simlab.process import ProgramError
from tests.e2e.conftest import on_the_remote_card

pytestmark = pytest.mark.asyncio(loop_scope="module")

MUX = GpioLine(name="sim1")
Status = dict[str, Any]


def ionmesh_is(state: str) -> Callable[[Status], bool]:
    return lambda status: status["ionmesh"]["state"] == state


def active_profiles(lab: Lab) -> list[tuple[str, int, int]]:
    """What the orchestrator has in its database: client, bank and slot of each active assignment."""
    with sqlite3.connect(f"file:{lab.folder / 'ionmesh.db'}?mode=ro", uri=True) as database:
        rows = database.execute(
            "select client_id, bank_id, slot_id from service_profiles where status = 'active'"
        ).fetchall()
    database.close()
    return rows


async def test_a_card_reaches_the_modem_and_answers_its_network(lab: Lab) -> None:
    await lab.start_router()
    status = await lab.remsimd.until(on_the_remote_card, "on the remote card")
    card = status["ionmesh"]["assignment"]
    owner = next(c for c in lab.cards if c.slot == card["slot_id"])
    sim = status["modems"]["primary"]["sim"]
    assert (sim["iccid"], sim["imsi"]) == (owner.iccid, owner.imsi)
    await lab.remsimd.until(
        lambda s: s["modems"]["primary"]["authentications_ok"] >= 1, "the challenge was seen and accepted"
    )
    assert [(proof.imsi, proof.agreed) for proof in lab.challenged[-1:]] == [(owner.imsi, True)]
    assert active_profiles(lab) == [("demo-router", card["bank_id"], card["slot_id"])]


async def test_sigterm_puts_everything_back_within_three_seconds(lab: Lab) -> None:
    await lab.start_router()
    await lab.remsimd.until(on_the_remote_card, "on the remote card")
    assert await lab.chip.get(MUX)
    async with asyncio.timeout(3):
        assert await lab.router.end(signal.SIGTERM) == 0
    assert not await lab.chip.get(MUX)
    assert active_profiles(lab) == []
    assert not lab.control_socket.exists()
    assert await lab.primary.wait_for(ModemState.REGISTERED)


async def test_a_killed_daemon_comes_back_to_the_same_card(lab: Lab) -> None:
    await lab.start_router()
    before = await lab.remsimd.until(on_the_remote_card, "on the remote card")
    await lab.router.end(signal.SIGKILL)
    assert await lab.chip.get(MUX), "a killed daemon changes no hardware"
    cache = lab.folder / "state" / "assignment.json"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    await lab.start_router()
    after = await lab.remsimd.until(on_the_remote_card, "on the remote card again")
    assert after["ionmesh"]["assignment"] == before["ionmesh"]["assignment"]
    await lab.remsimd.until(lambda s: s["modems"]["primary"]["tpdus"] > 0, "the modem reads the card again")


async def test_a_killed_daemon_finds_its_card_without_the_orchestrator(lab: Lab) -> None:
    await lab.start_router()
    before = await lab.remsimd.until(on_the_remote_card, "on the remote card")
    await lab.router.end(signal.SIGKILL)
    await lab.ionmesh.end()
    await lab.start_router()
    after = await lab.remsimd.until(on_the_remote_card, "on the remote card again")
    assert after["ionmesh"]["assignment_source"] == "cache"
    assert after["ionmesh"]["assignment"]["slot_id"] == before["ionmesh"]["assignment"]["slot_id"]
    await lab.remsimd.until(ionmesh_is("unreachable"), "IonMesh is said to be unreachable")
    await lab.start_ionmesh()
    await lab.remsimd.until(ionmesh_is("registered"), "registered again by itself")


async def test_modems_that_are_not_there_are_waited_for(lab: Lab) -> None:
    lab.primary.set_state(ModemState.GONE)
    lab.secondary.set_state(ModemState.GONE)
    await lab.start_router()
    status = await lab.remsimd.until(ionmesh_is("registered"), "registered without modems")
    assert status["modems"]["primary"]["port"] is None
    assert status["modems"]["primary"]["reason"] == "not found yet"
    lab.primary.set_state(ModemState.REGISTERED)
    lab.secondary.set_state(ModemState.REGISTERED)
    await lab.remsimd.until(on_the_remote_card, "found, and on the remote card", within_s=30)


async def test_a_modem_that_vanishes_and_returns_is_the_same_modem(lab: Lab) -> None:
    await lab.start_router()
    await lab.remsimd.until(on_the_remote_card, "on the remote card")
    lab.primary.set_state(ModemState.GONE)
    await lab.remsimd.until(lambda s: s["modems"]["primary"]["port"] is None, "gone")
    await lab.remsimd.until(lambda s: s["active_link"] == "secondary", "data on the secondary")
    lab.primary.set_state(ModemState.REGISTERED)
    status = await lab.remsimd.until(lambda s: s["modems"]["primary"]["port"] is not None, "back")
    assert status["modems"]["primary"]["reconnects"] == 1
    await lab.remsimd.until(lambda s: s["active_link"] == "primary", "data back on the primary")


async def test_a_wrong_key_is_said_and_a_right_one_heals(lab: Lab) -> None:
    key_file = lab.folder / "api-key"
    key_file.write_text("imk_live_wrong\n")
    await lab.start_router()
    status = await lab.remsimd.until(ionmesh_is("refused"), "refused")
    assert "API key is not accepted" in status["ionmesh"]["detail"]
    log = (lab.folder / "remsimd.log").read_text()
    assert "imk_live_wrong" not in log
    assert lab.api_key not in log
    key_file.write_text(lab.api_key + "\n")
    await lab.remsimd.until(ionmesh_is("registered"), "registered with the right key")


async def test_a_bank_that_is_away_at_the_start_is_waited_for(lab: Lab) -> None:
    await lab.bank.end()
    await lab.start_router()
    status = await lab.remsimd.until(lambda s: s["rspro"]["state"] == "connecting", "connecting")
    assert status["modems"]["primary"]["sim_source"] == "local"
    await lab.remsimd.until(ionmesh_is("registered"), "registered all the same")
    await lab.start_bank()
    await lab.remsimd.until(on_the_remote_card, "on the remote card")


async def test_a_bank_that_dies_for_a_moment_is_not_noticed_by_the_modem(lab: Lab) -> None:
    await lab.start_router()
    before = await lab.remsimd.until(on_the_remote_card, "on the remote card")
    await lab.bank.end(signal.SIGKILL)
    await lab.remsimd.until(lambda s: s["rspro"]["state"] == "holding", "the card's session is held")
    await lab.start_bank()
    after = await lab.remsimd.until(on_the_remote_card, "operational again")
    assert after["modems"]["primary"]["sim_switches"] == before["modems"]["primary"]["sim_switches"]


async def test_bad_configuration_starts_nothing_and_names_every_mistake(lab: Lab) -> None:
    bad = lab.config() + "\nconfig modem 'third'\n\toption role 'boss'\n\toption poll_interval '0'\n"
    with pytest.raises(ProgramError) as caught:
        await lab.start_router(config=bad)
    words = str(caught.value)
    assert "2 mistakes, nothing started" in words
    assert "third.role = 'boss'" in words
    assert "third.poll_interval = '0'" in words
    assert not lab.control_socket.exists()


async def test_sighup_takes_a_good_configuration_and_refuses_a_bad_one(lab: Lab) -> None:
    await lab.start_router()
    before = await lab.remsimd.until(on_the_remote_card, "on the remote card")
    lab.write_config(lab.config().replace("option poll_interval '2'", "option poll_interval 'fast'"))
    lab.router.signal(signal.SIGHUP)
    status = await lab.remsimd.until(lambda s: bool(s["config_mistakes"]), "the bad configuration is refused")
    assert "primary.poll_interval = 'fast'" in status["config_mistakes"][0]
    assert on_the_remote_card(status)
    lab.write_config(lab.config() + "\n# a remark changes nothing\n")
    lab.router.signal(signal.SIGHUP)
    await lab.remsimd.entry(lambda e: e["text"] == "configuration applied: nothing changed", "applied")
    lab.write_config(lab.config().replace("option poll_interval '2'", "option poll_interval '3'"))
    lab.router.signal(signal.SIGHUP)
    await lab.remsimd.entry(
        lambda e: "applied: " in e["text"] and "modem:secondary" in e["text"], "restarted"
    )
    after = await lab.remsimd.until(
        lambda s: on_the_remote_card(s) and not s["config_mistakes"], "on the remote card again"
    )
    assert after["ionmesh"]["assignment"] == before["ionmesh"]["assignment"]


async def test_the_hotplug_scripts_poke_makes_it_look_again_and_harms_nothing(lab: Lab) -> None:
    lab.secondary.set_state(ModemState.GONE)
    await lab.start_router()
    await lab.remsimd.until(on_the_remote_card, "on the remote card")
    lab.secondary.set_state(ModemState.REGISTERED)
    lab.router.signal(signal.SIGUSR1)
    await lab.remsimd.until(lambda s: s["modems"]["secondary"]["port"] is not None, "found")
    assert lab.router.running


async def test_metrics_carry_the_documented_names(lab: Lab) -> None:
    await lab.start_router()
    await lab.remsimd.until(on_the_remote_card, "on the remote card")
    await lab.remsimd.until(lambda s: s["modems"]["primary"]["signal"] is not None, "signal read")

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{lab.metrics_port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(scrape)
    for name in ("remsim_connection_status", "remsim_signal_rsrp_dbm", "remsim_bankd_connection_status"):
        assert f"\n{name}{{" in text
    assert 'remsim_sim_slot_active{mode="remote"' in text.replace('modem="primary",', "")


async def test_remsimctl_shows_and_steers(lab: Lab) -> None:
    await lab.start_router()
    await lab.remsimd.until(on_the_remote_card, "on the remote card")
    with pytest.raises(LabError, match="no link 'tertiary'"):
        await lab.remsimd.call("failover.to", link="tertiary")
    shown = await lab.remsimd.remsimctl("status")
    assert "RM500Q-GL" in shown
    assert "operational" in shown
    assert json.loads(await lab.remsimd.remsimctl("status", "--json"))["version"]
    await lab.remsimd.remsimctl("failover", "to", "secondary")
    assert "pinned by hand" in await lab.remsimd.remsimctl("failover", "explain")
    await lab.remsimd.remsimctl("failover", "auto")
    await lab.remsimd.remsimctl("sim", "local")
    await lab.remsimd.until(lambda s: s["modems"]["primary"]["sim_source"] == "local", "on the local card")
    await lab.remsimd.remsimctl("sim", "auto")
    await lab.remsimd.until(on_the_remote_card, "on the remote card again")
    assert "asked for auto" in await lab.remsimd.remsimctl("events", "--kind", "sim_switch")
