"""The client's waits, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.errors import CardError
from remsimd.rspro import pdu
from remsimd.rspro.client import RsproClient
from remsimd.rspro.events import RsproState
from remsimd.rspro.ipa import Ccm
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentType, Message, ResultCode
from tests.rspro.lab import Events, Host, make_client
from tests.rspro.memory_peer import MemoryConnection, MemoryOpener, Reply, greet
from tests.virtual import run

SERVER = Assignment(client_id=23, client_slot=0, server=Endpoint("192.0.2.1", 9998))
BANKD = Assignment(client_id=23, client_slot=0, bank_id=1, slot_id=7, bankd=Endpoint("192.0.2.9", 9999))
ATR = b"\x3b\x00"
SELECT = bytes.fromhex("00a40004023f00")


def play(
    reply: Reply,
    assignment: Assignment,
    act: Callable[[RsproClient, MemoryOpener], Awaitable[None]],
    host: Host | None = None,
) -> MemoryOpener:
    """Run a client against `reply` while `act` lasts."""

    async def main() -> MemoryOpener:
        opener, events = MemoryOpener(reply), Events()
        client = make_client(host or Host(), opener, events)
        client.assign(assignment)
        task = asyncio.create_task(client.run())
        await act(client, opener)
        task.cancel()
        await asyncio.wait([task])
        return opener

    return run(main())


def bankd(connection: MemoryConnection, message: Message) -> None:
    """A bankd with a card that answers to nothing."""
    if isinstance(message, pdu.ConnectClientReq):
        connection.say(greet(ComponentType.BANKD))
        connection.say(pdu.SetAtrReq(ClientSlot(23, 0), ATR))


def answering_bankd(connection: MemoryConnection, message: Message) -> None:
    bankd(connection, message)
    if isinstance(message, pdu.TpduModemToCard):
        answer = pdu.TpduCardToModem(BankSlot(1, 7), ClientSlot(23, 0), pdu.WHOLE_TPDU, b"\x90\x00")
        connection.say(answer)


def test_an_identity_in_use_is_tried_again_after_10_s() -> None:
    def server(connection: MemoryConnection, message: Message) -> None:
        connection.say(greet(ComponentType.SERVER, ResultCode.IDENTITY_IN_USE))

    async def act(client: RsproClient, opener: MemoryOpener) -> None:
        await asyncio.sleep(35)

    opener = play(server, SERVER, act)
    assert [connection.opened_s for connection in opener.connections] == [0.0, 10.0, 20.0, 30.0]
    assert all(connection.closed_s == connection.opened_s for connection in opener.connections)


def test_a_silent_peer_is_given_up_after_10_s() -> None:
    async def act(client: RsproClient, opener: MemoryOpener) -> None:
        await asyncio.sleep(25)

    opener = play(lambda _connection, _message: None, SERVER, act)
    assert [connection.closed_s for connection in opener.connections[:2]] == [10.0, 20.0]


def test_a_connection_is_pinged_every_30_s_and_dropped_without_a_pong() -> None:
    async def act(client: RsproClient, opener: MemoryOpener) -> None:
        await asyncio.sleep(65)
        opener.connections[0].answers_ping = False
        await asyncio.sleep(60)

    opener = play(bankd, BANKD, act)
    first = opener.connections[0]
    assert first.ccm == [(30.0, Ccm.PING), (60.0, Ccm.PING), (90.0, Ccm.PING)]
    assert first.closed_s == 100.0
    assert len(opener.connections) == 2


def test_a_card_that_does_not_answer_costs_the_connection_after_25_s() -> None:
    async def act(client: RsproClient, opener: MemoryOpener) -> None:
        await asyncio.sleep(1)
        first, second = (asyncio.create_task(client.transmit(SELECT)) for _ in range(2))
        await asyncio.sleep(24)
        assert not first.done()
        assert sum(isinstance(message, pdu.TpduModemToCard) for message in opener.connections[0].heard) == 1
        with pytest.raises(CardError, match="25 s"):
            await first
        # The second was not sent behind the first: it went to the next connection.
        await asyncio.sleep(1)
        assert isinstance(opener.connections[1].heard[-1], pdu.TpduModemToCard)
        with pytest.raises(CardError):
            await second

    opener = play(bankd, BANKD, act)
    assert opener.connections[0].closed_s == 26.0


def test_the_modem_keeps_its_card_for_20_s() -> None:
    host = Host()
    gone = False

    def reply(connection: MemoryConnection, message: Message) -> None:
        if not gone:
            bankd(connection, message)

    async def act(client: RsproClient, opener: MemoryOpener) -> None:
        nonlocal gone
        await asyncio.sleep(5)
        gone = True
        opener.connections[0].reader.feed_eof()
        await asyncio.sleep(19.9)
        assert client.state is RsproState.HOLDING
        assert host.calls == [ATR]
        await asyncio.sleep(0.2)
        assert host.calls == [ATR, "the card did not come back within 20 s"]
        assert client.state is RsproState.CONNECTING

    play(reply, BANKD, act, host)
