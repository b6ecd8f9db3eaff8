import asyncio
from ipaddress import ip_address

import pytest

from remsimd.rspro import ipa, pdu
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentIdentity, ComponentType, ResultCode
from simlab.bank.quirks import Quirks
from simlab.bank.server import MapState, RemsimServer
from tests.simlab.bank.wire import IDENTITY, Wire, wire

BANK, CLIENT = BankSlot(1, 5), ClientSlot(23, 0)
BANKD = ComponentIdentity(ComponentType.BANKD, "bank", "remsim-bankd", "1")
CONFIG = pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address("127.0.0.1"), 9999))
NOTHING = pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address("0.0.0.0"), 0))


async def as_bank(peer: Wire) -> None:
    peer.send(pdu.ConnectBankReq(BANKD, 1, 8))
    answer = await peer.msg()
    assert isinstance(answer, pdu.ConnectBankRes)
    assert (answer.result, answer.identity.type) == (ResultCode.OK, ComponentType.SERVER)


async def as_client(peer: Wire, slot: ClientSlot = CLIENT) -> int:
    peer.send(pdu.ConnectClientReq(IDENTITY, slot))
    answer = await peer.msg()
    assert isinstance(answer, pdu.ConnectClientRes)
    return answer.result


async def test_a_map_is_created_at_the_bankd_and_told_to_the_client() -> None:
    async with RemsimServer() as server, wire(server.port) as bank, wire(server.port) as client:
        await as_bank(bank)
        assert await as_client(client) == ResultCode.OK
        assert await server.create_map(BANK, CLIENT)
        assert server.maps[BANK].state is MapState.UNACKNOWLEDGED
        assert await bank.msg() == pdu.CreateMappingReq(CLIENT, BANK)
        bank.send(pdu.CreateMappingRes(ResultCode.OK))
        assert await client.msg() == CONFIG
        assert server.maps[BANK].state is MapState.ACTIVE
        assert await server.delete_map(BANK)
        assert await bank.msg() == pdu.RemoveMappingReq(CLIENT, BANK)
        assert await client.msg() == NOTHING


async def test_slots_in_use_cannot_be_mapped_again() -> None:
    async with RemsimServer() as server:
        assert await server.create_map(BANK, CLIENT)
        assert not await server.create_map(BANK, ClientSlot(24, 0))
        assert not await server.create_map(BankSlot(1, 6), CLIENT)
        assert not await server.delete_map(BankSlot(1, 6))
        await server.reset()
        assert not server.maps


async def test_maps_wait_for_their_bank_and_outlive_it() -> None:
    async with RemsimServer() as server:
        await server.create_map(BANK, CLIENT)
        assert server.maps[BANK].state is MapState.NEW
        for _ in range(2):
            async with wire(server.port) as bank:
                await as_bank(bank)
                assert await bank.msg() == pdu.CreateMappingReq(CLIENT, BANK)
                bank.writer.write_eof()
                assert await bank.frame() == b""
            assert server.maps[BANK].state is MapState.NEW


async def test_a_second_client_of_the_same_number_is_refused_and_closed() -> None:
    async with RemsimServer() as server, wire(server.port) as first, wire(server.port) as second:
        assert await as_client(first) == ResultCode.OK
        assert await as_client(second) == ResultCode.IDENTITY_IN_USE
        assert await second.frame() == b""


async def test_an_identity_is_kept_after_the_connection_ended() -> None:
    async with RemsimServer(quirks=Quirks(identity_kept_s=40)) as server, wire(server.port) as second:
        async with wire(server.port) as first:
            assert await as_client(first) == ResultCode.OK
            first.writer.write_eof()
            assert await first.frame() == b""
        assert await as_client(second) == ResultCode.IDENTITY_IN_USE


async def test_a_client_without_a_number_is_dropped_without_an_answer() -> None:
    async with RemsimServer() as server, wire(server.port) as peer:
        peer.send(pdu.ConnectClientReq(IDENTITY))
        assert await peer.frame() == b""


@pytest.mark.parametrize(("echo", "tag"), [(False, 2342), (True, 7)])
async def test_tags_are_not_echoed_unless_asked_for(echo: bool, tag: int) -> None:
    async with RemsimServer(quirks=Quirks(echo_tags=echo)) as server, wire(server.port) as peer:
        peer.send(pdu.ConnectClientReq(IDENTITY, CLIENT), tag=7)
        assert (await peer.pdu()).tag == tag


async def test_the_keepalive_and_the_endless_id_ack() -> None:
    async with RemsimServer() as server, wire(server.port) as peer:
        assert await as_client(peer) == ResultCode.OK
        for frame, answer in ((ipa.PING, ipa.PONG), (ipa.ccm(ipa.Ccm.ID_ACK), ipa.ccm(ipa.Ccm.ID_ACK))):
            peer.writer.write(frame)
            assert await peer.frame() == answer


async def test_a_reconnected_client_is_told_again() -> None:
    async with RemsimServer() as server, wire(server.port) as bank:
        await as_bank(bank)
        await server.create_map(BANK, CLIENT)
        await bank.msg()
        bank.send(pdu.CreateMappingRes(ResultCode.ILLEGAL_SLOT_ID))
        for _ in range(2):
            async with wire(server.port) as client:
                assert await as_client(client) == ResultCode.OK
                assert await client.msg() == CONFIG
                client.writer.write_eof()
                assert await client.frame() == b""


async def test_a_client_is_not_told_again_when_only_the_bankd_was_away() -> None:
    async with RemsimServer() as server, wire(server.port) as client:
        await as_client(client)
        await server.create_map(BANK, CLIENT)
        for _ in range(2):
            async with wire(server.port) as bank:
                await as_bank(bank)
                await bank.msg()
                bank.send(pdu.CreateMappingRes(ResultCode.OK))
                bank.writer.write_eof()
                assert await bank.frame() == b""
        assert await client.msg() == CONFIG
        client.writer.write(ipa.PING)
        assert await client.frame() == ipa.PONG


async def test_a_restart_forgets_everything() -> None:
    async with RemsimServer() as server, wire(server.port) as client:
        await as_client(client)
        await server.create_map(BANK, CLIENT)
        server.restart()
        assert await client.frame() == b""
        assert not server.maps


async def test_the_end_of_the_context_ends_the_connections() -> None:
    async with RemsimServer() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        peer = Wire(reader, writer)
        assert await as_client(peer) == ResultCode.OK
    assert await peer.frame() == b""
    writer.close()


async def test_a_client_that_does_not_pong_is_dropped_and_its_number_is_free_again() -> None:
    server = RemsimServer(ping_interval_s=0.05, pong_timeout_s=0.05)
    async with server, wire(server.port) as silent:
        assert await as_client(silent) == ResultCode.OK
        assert await silent.frame() == ipa.PING
        silent.writer.write(ipa.PONG)
        assert await silent.frame() == ipa.PING
        assert await silent.frame() == b""
        async with wire(server.port) as again:
            assert await as_client(again) == ResultCode.OK
