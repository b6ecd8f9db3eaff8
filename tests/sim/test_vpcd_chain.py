"""PC/SC application, pcscd, vpcd, frontend, RSPRO, bank, USIM, and back: the real programs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remsimd.rspro.events import RsproState
from remsimd.sim.frontends.vpcd import VpcdFrontend
from simlab.bank.auc import Auc
from simlab.bank.usim import ATR
from tests.rspro.lab import CARDS, Lab, lab
from tests.sim import pcsc

pytestmark = pytest.mark.skipif(
    pcsc.missing() is not None, reason=f"the Debian package {pcsc.missing()} is not installed"
)

SELECT_USIM = "00a4040407a000000087100200"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: the PC/SC library talks to the same socket for ever."""
    return tmp_path_factory.mktemp("pcscd")


@asynccontextmanager
async def card_for(built: Lab, port: int) -> AsyncIterator[VpcdFrontend]:
    built.client.assign(built.assignment)
    await built.events.state(RsproState.OPERATIONAL)
    frontend = VpcdFrontend("127.0.0.1", port)
    serving = asyncio.create_task(frontend.run(built.client))
    await frontend.insert(ATR)
    try:
        yield frontend
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def ask(reader: pcsc.Reader, apdu: str) -> bytes:
    """The data of a command that has to end with 9000."""
    answer = await asyncio.to_thread(reader.transmit, bytes.fromhex(apdu))
    assert answer[-2:] == b"\x90\x00", f"{apdu[:10]}: {answer[-2:].hex()}"
    return answer[:-2]


def digits(content: bytes) -> str:
    return "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in content).partition("f")[0]


async def read_iccid(reader: pcsc.Reader) -> str:
    await ask(reader, "00a40004023f0000")
    assert (await ask(reader, "00a40004022fe200"))[0] == 0x62
    return digits(await ask(reader, "00b0000000"))


async def ask_until_refused(reader: pcsc.Reader) -> None:
    """vpcd makes an empty answer of the first command after the card is gone."""
    while await asyncio.to_thread(reader.transmit, bytes.fromhex("00a40004023f00")) == b"":
        pass


async def test_an_application_reads_the_remote_card_and_authenticates_with_it(folder: Path) -> None:
    auc, port = Auc(CARDS), pcsc.two_free_ports()
    async with (
        lab() as built,
        pcsc.pcscd(folder, port) as control,
        card_for(built, port) as frontend,
        pcsc.reader(control) as reader,
    ):
        assert await pcsc.card_in(reader) == ATR
        assert await read_iccid(reader) == CARDS[0].iccid
        await ask(reader, SELECT_USIM)
        await ask(reader, "00a40004026f0700")
        content = await ask(reader, "00b0000009")
        imsi = digits(content[1 : 1 + content[0]])[1:]
        assert imsi == CARDS[0].imsi
        challenge = auc.challenge(imsi)
        data = b"\x10" + challenge.rand + b"\x10" + challenge.autn
        answer = await ask(reader, f"00880081{len(data):02x}{data.hex()}00")
        expected = b"\xdb\x08" + challenge.xres + b"\x10" + challenge.ck + b"\x10" + challenge.ik
        assert answer.startswith(expected)
        # An application that runs T=0 itself gives no Le and fetches what it wants.
        assert (await asyncio.to_thread(reader.transmit, bytes.fromhex("00a40004023f00")))[0] == 0x61
        # Extended length is not for T=0 cards.
        extended = bytes.fromhex("00a40004000002") + b"\x3f\x00"
        assert await asyncio.to_thread(reader.transmit, extended) == b"\x67\x00"
        await frontend.remove()
        with pytest.raises(pcsc.PcscError):
            await ask_until_refused(reader)


async def test_a_restarted_pcscd_has_the_card_again(folder: Path) -> None:
    port = pcsc.two_free_ports()
    async with lab() as built, card_for(built, port):
        for _ in range(2):
            async with pcsc.pcscd(folder, port) as control, pcsc.reader(control) as reader:
                assert await pcsc.card_in(reader) == ATR
                assert await read_iccid(reader) == CARDS[0].iccid
                await asyncio.to_thread(reader.disconnect)
