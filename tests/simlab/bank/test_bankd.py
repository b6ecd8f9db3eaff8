import asyncio

import pytest

from remsimd.rspro import codec, ipa, pdu
from remsimd.rspro.pdu import BankSlot, ClientSlot, ResultCode, RsproPdu
from simlab.bank.bankd import NO_FLAGS, Bankd
from simlab.bank.cards import generate
from simlab.bank.quirks import Quirks
from simlab.bank.server import MapState, RemsimServer
from simlab.bank.usim import ATR
from tests.simlab.bank.wire import IDENTITY, Wire, wire

CARDS = generate(3, seed=1)
BANK, CLIENT = BankSlot(1, 2), ClientSlot(23, 0)
SELECT = bytes.fromhex("00a4000c022fe2")
READ = bytes.fromhex("00b000000a")


def mapped(quirks: Quirks | None = None) -> Bankd:
    bankd = Bankd(CARDS, quirks=quirks or Quirks())
    bankd.mappings[BANK] = CLIENT
    return bankd


async def greet(peer: Wire, slot: ClientSlot | None = CLIENT) -> int:
    peer.send(pdu.ConnectClientReq(IDENTITY, slot))
    answer = await peer.msg()
    assert isinstance(answer, pdu.ConnectClientRes)
    return answer.result


async def with_card(peer: Wire) -> None:
    assert await greet(peer) == ResultCode.OK
    assert await peer.msg() == pdu.SetAtrReq(CLIENT, ATR)
    peer.send(pdu.SetAtrRes(ResultCode.OK))


def command(data: bytes, bank: BankSlot = BANK, client: ClientSlot = CLIENT) -> pdu.TpduModemToCard:
    return pdu.TpduModemToCard(client, bank, pdu.WHOLE_TPDU, data)


async def test_a_mapped_client_gets_the_card_and_its_answers() -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        peer.send(command(SELECT))
        assert await peer.msg() == pdu.TpduCardToModem(BANK, CLIENT, NO_FLAGS, b"\x90\x00")
        peer.send(command(READ))
        answer = await peer.msg()
        assert isinstance(answer, pdu.TpduCardToModem)
        assert answer.data == bankd.usims[2].transmit(READ)


async def test_without_a_map_the_client_waits_for_it() -> None:
    async with Bankd(CARDS) as bankd, wire(bankd.port) as peer:
        assert await greet(peer) == ResultCode.CARD_NOT_PRESENT
        assert await bankd.map(BANK, CLIENT) == ResultCode.OK
        assert await peer.msg() == pdu.SetAtrReq(CLIENT, ATR)


async def test_an_empty_slot_is_filled_later() -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        card = bankd.usims.pop(2)
        assert await greet(peer) == ResultCode.CARD_NOT_PRESENT
        bankd.usims[2] = card
        await bankd.look_again()
        assert await peer.msg() == pdu.SetAtrReq(CLIENT, ATR)


@pytest.mark.parametrize(
    "message",
    [
        command(SELECT, bank=BankSlot(1, 1)),
        command(SELECT, client=ClientSlot(23, 1)),
        command(b"\x00\xa4\x00\x00"),
        command(b"\x00\xa4\x00\x00\xff" + bytes(256)),
        pdu.ConnectClientReq(IDENTITY, CLIENT),
    ],
)
async def test_what_the_deployed_bankd_closes_on(message: pdu.Message) -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        peer.send(message)
        if isinstance(message, pdu.ConnectClientReq):
            answer = await peer.msg()
            assert isinstance(answer, pdu.ConnectClientRes)
            assert answer.result == ResultCode.ILLEGAL_CLIENT_ID
        assert await peer.frame() == b""


async def test_a_command_before_the_card_is_there_closes() -> None:
    async with Bankd(CARDS) as bankd, wire(bankd.port) as peer:
        await greet(peer)
        peer.send(command(SELECT))
        assert await peer.frame() == b""


async def test_a_client_without_a_slot_is_refused() -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        assert await greet(peer, None) == ResultCode.ILLEGAL_CLIENT_ID


async def test_a_pulled_card_closes_the_connection() -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        del bankd.usims[2]
        peer.send(command(SELECT))
        assert await peer.frame() == b""


@pytest.mark.parametrize(("single_recv", "survives"), [(True, False), (False, True)])
async def test_a_frame_in_two_pieces_ends_the_connection(single_recv: bool, survives: bool) -> None:
    async with mapped(Quirks(single_recv=single_recv)) as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        peer.writer.write(ipa.PING)
        assert await peer.frame() == ipa.PONG
        frame = ipa.rspro(codec.encode(RsproPdu(command(SELECT))))
        peer.writer.write(frame[:10])
        # The bankd waits for a frame; let it take this piece of one.
        for _ in range(20):
            await asyncio.sleep(0)
        peer.writer.write(frame[10:])
        assert bool(await peer.frame()) == survives


async def test_frames_in_one_piece_are_all_answered() -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        peer.writer.write(ipa.PING + ipa.rspro(codec.encode(RsproPdu(command(SELECT)))) + ipa.PING)
        assert await peer.frame() == ipa.PONG
        assert isinstance(await peer.msg(), pdu.TpduCardToModem)
        assert await peer.frame() == ipa.PONG


@pytest.mark.parametrize(
    ("pulses", "was_reset"),
    [
        ([pdu.SlotPhysStatus(True, True), pdu.SlotPhysStatus(False, True)], True),
        ([pdu.SlotPhysStatus(False, False)], True),
        ([pdu.SlotPhysStatus(False, True), pdu.SlotPhysStatus(False)], False),
    ],
)
async def test_resets_are_found_at_the_edges(pulses: list[pdu.SlotPhysStatus], was_reset: bool) -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        peer.send(command(SELECT))
        await peer.msg()
        for status in pulses:
            peer.send(pdu.ClientSlotStatusInd(CLIENT, BANK, status))
        peer.send(command(READ))
        answer = await peer.msg()
        assert isinstance(answer, pdu.TpduCardToModem)
        assert (answer.data == b"\x69\x86") == was_reset


async def test_mapping_rules() -> None:
    async with mapped() as bankd:
        assert await bankd.map(BANK, CLIENT) == ResultCode.OK
        assert await bankd.map(BankSlot(2, 0), CLIENT) == ResultCode.ILLEGAL_BANK_ID
        assert await bankd.map(BankSlot(1, 3), CLIENT) == ResultCode.ILLEGAL_SLOT_ID
        assert await bankd.map(BankSlot(1, 0), CLIENT) == ResultCode.OK
        assert bankd.mappings == {BankSlot(1, 0): CLIENT}


async def test_a_client_whose_map_goes_is_disconnected() -> None:
    async with mapped() as bankd, wire(bankd.port) as peer:
        await with_card(peer)
        assert await bankd.map(BANK, ClientSlot(99, 0)) == ResultCode.OK
        assert await peer.frame() == b""


async def test_a_bankd_registers_with_its_server_and_again_after_a_loss() -> None:
    async with RemsimServer() as server, Bankd(CARDS, server=("127.0.0.1", server.port)) as bankd:
        await server.create_map(BANK, CLIENT)
        for _ in range(2):
            async with asyncio.timeout(10):
                while server.maps[BANK].state is not MapState.ACTIVE:
                    await asyncio.sleep(0)
            assert bankd.find(CLIENT) == BANK
            assert server.banks[1].slots == 3
            server.disconnect_all()
            async with asyncio.timeout(10):
                while server.maps[BANK].state is MapState.ACTIVE:
                    await asyncio.sleep(0)
