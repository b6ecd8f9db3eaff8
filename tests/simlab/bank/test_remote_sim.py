"""The emulated modem's SIM stack against scripted frontends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simlab.bank.cards import generate
from simlab.bank.usim import Usim
from simlab.modems.remote_sim import RemoteSim
from simlab.modems.sim import Authentication, SimFailure, SynchronisationFailure

CARD = generate(1, seed=8)[0]


@asynccontextmanager
async def frontend(
    path: Path, *greetings: str, answers: dict[str, str] | None = None
) -> AsyncIterator[list[str]]:
    """Says `greetings`, then relays to a card in memory; `answers` go before the card's."""
    usim, heard, tasks = Usim(CARD), list[str](), set[asyncio.Task[object]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writer.writelines(f"{line}\n".encode() for line in greetings)
        while line := (await reader.readline()).decode().strip():
            heard.append(line)
            scripted = (answers or {}).get(line)
            card = f"R-APDU: {usim.transmit(bytes.fromhex(line)).hex()}"
            writer.write(f"{card if scripted is None else scripted}\n".encode())
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield heard
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sim"


async def test_the_numbers_are_read_with_get_response(path: Path) -> None:
    async with frontend(path, "SET_ATR: 3b00") as heard, RemoteSim(path) as sim:
        assert sim.atr == b"\x3b\x00"
        assert await sim.read_iccid() == CARD.iccid
        assert await sim.read_imsi() == CARD.imsi
        assert any(line.startswith("00c00000") for line in heard)


async def test_it_waits_for_the_card(path: Path) -> None:
    async with frontend(path, "CARD_REMOVED", "SET_ATR: 3b01") as _, RemoteSim(path) as sim:
        assert sim.atr == b"\x3b\x01"


async def test_a_wrong_length_is_corrected(path: Path) -> None:
    answers = {"00b000000a": "R-APDU: 6c04", "00b0000004": "R-APDU: 981032549000"}
    async with frontend(path, "SET_ATR: 3b00", answers=answers) as _, RemoteSim(path) as sim:
        assert await sim.read_iccid() == "89012345"


@pytest.mark.parametrize(
    "answer", ["R-APDU: 6f00", "ERROR: no card", "R-APDU: zz", "SET_ATR: 3b00\nR-APDU: 6a82"]
)
async def test_a_card_that_refuses_is_a_failure(path: Path, answer: str) -> None:
    async with (
        frontend(path, "SET_ATR: 3b00", answers={"00a40004023f00": answer}) as _,
        RemoteSim(path) as sim,
    ):
        with pytest.raises(SimFailure):
            await sim.read_iccid()


AUTHENTICATE = "0088008122" + "10" + "11" * 16 + "10" + "22" * 16
AUTS = "0e" + "33" * 14


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("db" + "08" + "44" * 8 + "10" + "55" * 16 + "10" + "66" * 16 + "08" + "77" * 8, Authentication(
            res=b"\x44" * 8, ck=b"\x55" * 16, ik=b"\x66" * 16
        )),
        ("dc" + AUTS, SynchronisationFailure(b"\x33" * 14)),
    ],
)  # fmt: skip
async def test_both_answers_to_a_challenge_are_understood(path: Path, answer: str, outcome: object) -> None:
    answers = {AUTHENTICATE: f"R-APDU: {answer}9000"}
    async with frontend(path, "SET_ATR: 3b00", answers=answers) as _, RemoteSim(path) as sim:
        assert await sim.authenticate(b"\x11" * 16, b"\x22" * 16) == outcome


async def test_another_answer_to_a_challenge_is_a_failure(path: Path) -> None:
    answers = {AUTHENTICATE: f"R-APDU: dd{AUTS}9000"}
    async with frontend(path, "SET_ATR: 3b00", answers=answers) as _, RemoteSim(path) as sim:
        with pytest.raises(SimFailure, match="neither success nor resynchronisation"):
            await sim.authenticate(b"\x11" * 16, b"\x22" * 16)


async def test_a_late_answer_is_not_taken_for_the_next_one(path: Path) -> None:
    async with (
        frontend(path, "SET_ATR: 3b00", answers={"00a40004023f00": ""}) as _,
        RemoteSim(path, timeout_s=0.05) as sim,
    ):
        with pytest.raises(SimFailure, match="no answer"):
            await sim.read_iccid()
        with pytest.raises(SimFailure):
            await sim.read_imsi()


async def test_no_frontend_or_no_card_is_a_failure(path: Path) -> None:
    with pytest.raises(SimFailure, match="no card"):
        async with RemoteSim(path):
            pass
    async with frontend(path) as _:
        with pytest.raises(SimFailure, match="no card"):
            async with RemoteSim(path, timeout_s=0.05):
                pass
