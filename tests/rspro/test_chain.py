"""From a modem's SIM stack to a card in a bank and back: every part but the radio is real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remsimd.rspro.client import RsproClient
from remsimd.rspro.events import Authenticated, RsproState, TpduRelayed
from remsimd.sim.frontends.shell import ShellFrontend
from simlab.bank.auc import Auc
from simlab.bank.usim import ATR
from simlab.modems.remote_sim import RemoteSim
from simlab.modems.sim import Authentication, SimFailure, SynchronisationFailure
from tests.rspro.lab import CARDS, Lab, lab, until_listening


@asynccontextmanager
async def frontend(client: RsproClient, path: Path) -> AsyncIterator[ShellFrontend]:
    shell = ShellFrontend(path)
    await shell.insert(ATR)
    task = asyncio.create_task(shell.run(client))
    try:
        await until_listening(path)
        yield shell
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def chain(path: Path) -> AsyncIterator[tuple[Lab, RemoteSim]]:
    async with lab() as built, frontend(built.client, path):
        built.client.assign(built.assignment)
        await built.events.state(RsproState.OPERATIONAL)
        async with RemoteSim(path) as sim:
            yield built, sim


async def test_the_modem_reads_the_remote_cards_numbers(tmp_path: Path) -> None:
    async with chain(tmp_path / "sim") as (_, sim):
        assert await sim.read_iccid() == CARDS[0].iccid
        assert await sim.read_imsi() == CARDS[0].imsi


async def test_an_authentication_agrees_with_the_home_network(tmp_path: Path) -> None:
    auc = Auc(CARDS)
    async with chain(tmp_path / "sim") as (built, sim):
        for _ in range(3):
            challenge = auc.challenge(CARDS[0].imsi)
            result = await sim.authenticate(challenge.rand, challenge.autn)
            assert result == Authentication(challenge.xres, challenge.ck, challenge.ik)
        verdicts = built.events.of(Authenticated)
        assert [(verdict.modem, verdict.ok) for verdict in verdicts] == [("primary", True)] * 3
        assert all(event.took_s >= 0 for event in built.events.of(TpduRelayed))


async def test_a_replayed_challenge_ends_in_resynchronisation(tmp_path: Path) -> None:
    auc, imsi = Auc(CARDS), CARDS[0].imsi
    async with chain(tmp_path / "sim") as (built, sim):
        challenge = auc.challenge(imsi)
        await sim.authenticate(challenge.rand, challenge.autn)
        replayed = await sim.authenticate(challenge.rand, challenge.autn)
        assert isinstance(replayed, SynchronisationFailure)
        assert [verdict.ok for verdict in built.events.of(Authenticated)] == [True, False]
        restarted = Auc(CARDS)
        assert restarted.resynchronise(imsi, challenge.rand, replayed.auts)
        fresh = restarted.challenge(imsi)
        assert await sim.authenticate(fresh.rand, fresh.autn) == Authentication(
            fresh.xres, fresh.ck, fresh.ik
        )


async def test_a_forged_challenge_is_refused(tmp_path: Path) -> None:
    async with chain(tmp_path / "sim") as (built, sim):
        challenge = Auc(CARDS).challenge(CARDS[0].imsi)
        forged = challenge.autn[:-1] + bytes((challenge.autn[-1] ^ 1,))
        with pytest.raises(SimFailure, match="9862"):
            await sim.authenticate(challenge.rand, forged)
        verdict = built.events.of(Authenticated)[-1]
        assert (verdict.ok, verdict.status_word) == (False, 0x9862)
