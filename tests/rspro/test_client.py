"""The client against the emulated bank, over real sockets, with the habits of the deployed one."""

import asyncio
import logging
from ipaddress import ip_address, ip_network

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.model import RsproConfig
from remsimd.errors import CardError
from remsimd.rspro import ipa, pdu
from remsimd.rspro.events import (
    Authenticated,
    CardAvailable,
    CardLost,
    RsproLinkChanged,
    RsproState,
    RsproStateChanged,
    SlotContactsChanged,
    TpduFailed,
    TpduRelayed,
)
from remsimd.sim.frontend import SlotStatus
from simlab.bank.auc import Auc
from simlab.bank.quirks import Quirks
from simlab.bank.usim import ATR
from tests.rspro.lab import BANK, CARDS, CLIENT, Events, Host, Lab, TcpOpener, lab, make_client

SELECT_MF = bytes.fromhex("00a40004023f00")
SELECT_USIM = bytes.fromhex("00a4040407a0000000871002")


async def operational(built: Lab) -> None:
    built.client.assign(built.assignment)
    await built.events.state(RsproState.OPERATIONAL)


async def test_a_card_is_found_offered_and_used() -> None:
    async with lab() as built:
        await operational(built)
        assert built.host.calls == [ATR]
        assert built.events.of(CardAvailable) == [CardAvailable(ATR)]
        assert (await built.client.transmit(SELECT_MF))[0] == 0x61
        (relayed,) = built.events.of(TpduRelayed)
        assert (relayed.modem, relayed.status_word >> 8) == ("primary", 0x61)
        links = [(event.peer, event.up) for event in built.events.of(RsproLinkChanged)]
        assert links == [("server", True), ("bankd", True)]
        states = [event.state for event in built.events.of(RsproStateChanged)]
        assert states == [
            RsproState.CONNECTING,
            RsproState.UNCONFIGURED,
            RsproState.WAIT_BANKD,
            RsproState.WAIT_ATR,
            RsproState.OPERATIONAL,
        ]


async def test_a_bankd_is_used_without_a_server() -> None:
    async with lab(mapped=False) as built:
        built.bankd.mappings[BANK] = CLIENT
        built.client.assign(built.direct)
        await built.events.state(RsproState.OPERATIONAL)
        assert (await built.client.transmit(SELECT_MF))[0] == 0x61
        assert built.opener.opened == [("127.0.0.1", built.bankd.port)]


async def test_a_mapping_made_later_brings_the_card() -> None:
    async with lab(mapped=False) as built:
        built.client.assign(built.assignment)
        await built.events.state(RsproState.UNCONFIGURED)
        await built.server.create_map(BANK, CLIENT)
        await built.events.state(RsproState.OPERATIONAL)


async def test_card_not_present_is_waited_out_on_the_same_connection() -> None:
    async with lab(Quirks(card_late_s=0.05)) as built:
        await operational(built)
        waiting = [event for event in built.events.of(RsproStateChanged) if "no card" in event.detail]
        assert [event.state for event in waiting] == [RsproState.WAIT_ATR]
        assert len(built.opener.opened) == 2


async def test_identity_in_use_is_reported_and_not_hammered() -> None:
    async with lab(Quirks(identity_kept_s=40)) as built:
        await operational(built)
        built.server.disconnect_all()
        await built.events.until(lambda: "identity-in-use" in built.events.detail)
        assert built.events.of(RsproStateChanged)[-1].state is RsproState.OPERATIONAL
        assert (await built.client.transmit(SELECT_MF))[0] == 0x61


async def test_a_server_that_comes_back_says_the_same_and_disturbs_nothing() -> None:
    async with lab() as built:
        await operational(built)
        built.server.disconnect_all()
        await built.events.until(lambda: len(built.events.of(RsproLinkChanged)) >= 4)
        answer = await built.client.transmit(SELECT_MF)
        assert answer[0] == 0x61
        assert built.host.calls == [ATR]
        assert not built.events.of(CardLost)


async def test_a_restarted_server_without_maps_leaves_the_card_alone() -> None:
    async with lab() as built:
        await operational(built)
        built.server.restart()
        await built.events.until(lambda: len(built.events.of(RsproLinkChanged)) >= 4)
        assert (await built.client.transmit(SELECT_MF))[0] == 0x61
        assert not built.events.of(CardLost)


async def test_a_bankd_that_drops_us_is_back_before_the_modem_notices() -> None:
    async with lab() as built:
        await operational(built)
        built.bankd.kick()
        await built.events.state(RsproState.HOLDING)
        answer = await built.client.transmit(SELECT_MF)
        assert answer[0] == 0x61
        assert built.client.state is RsproState.OPERATIONAL
        assert built.host.calls == [ATR]
        assert not built.events.of(CardLost)


async def test_a_bankd_closes_when_the_card_fails_and_gives_it_back_later() -> None:
    async with lab() as built:
        await operational(built)
        card = built.bankd.usims.pop(0)
        with pytest.raises(CardError, match="closed by the peer"):
            await built.client.transmit(SELECT_MF)
        assert built.events.of(TpduFailed) == [TpduFailed("primary", "closed by the peer")]
        await built.events.until(lambda: "no card" in built.events.detail)
        built.bankd.usims[0] = card
        await built.bankd.look_again()
        await built.events.state(RsproState.OPERATIONAL)


async def test_unmapping_withdraws_the_card_and_mapping_offers_it_again() -> None:
    async with lab() as built:
        await operational(built)
        await built.server.delete_map(BANK)
        await built.events.state(RsproState.UNCONFIGURED)
        await built.server.create_map(BANK, CLIENT)
        await built.events.state(RsproState.OPERATIONAL)
        assert built.host.calls == [ATR, "the server took the card away", ATR]


async def test_a_card_removed_at_the_bank_is_withdrawn() -> None:
    async with lab() as built:
        await operational(built)
        await built.bankd.tell_card_removed(BANK)
        await built.events.state(RsproState.WAIT_ATR)
        assert built.events.of(CardLost) == [CardLost("the card was removed at the bank")]


async def test_reset_state_is_obeyed() -> None:
    async with lab() as built:
        await operational(built)
        await built.server.reset_client(CLIENT)
        await built.events.state(RsproState.UNCONFIGURED)
        assert built.events.of(CardLost) == [CardLost("the server reset this client")]


async def test_a_bankd_outside_the_allowed_networks_is_never_connected() -> None:
    config = RsproConfig(bankd_allow=(ip_network("192.0.2.0/24"),))
    async with lab(config=config) as built:
        built.client.assign(built.assignment)
        await built.events.until(lambda: "bankd_allow" in built.events.detail)
        assert built.opener.opened == [("127.0.0.1", built.server.port)]


async def test_a_server_cannot_send_us_to_another_network() -> None:
    async with lab(mapped=False) as built:
        built.client.assign(built.assignment)
        await built.events.state(RsproState.UNCONFIGURED)
        elsewhere = pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address("192.0.2.1"), 22))
        await built.server.send(CLIENT, elsewhere)
        await built.events.until(lambda: "192.0.2.1:22" in built.events.detail)
        assert len(built.opener.opened) == 1


async def test_id_ack_is_not_answered() -> None:
    heard: list[tuple[str, bytes]] = []
    ponged = asyncio.Event()

    def trace(direction: str, frame: bytes) -> None:
        heard.append((direction, frame))
        if (direction, frame) == ("in", ipa.PONG):
            ponged.set()

    async with lab(trace=trace) as built:
        await operational(built)
        await built.server.clients[CLIENT].peer.send_frame(ipa.ccm(ipa.Ccm.ID_ACK))
        # A question after it: when it is answered, the ID_ACK was dealt with.
        await built.server.clients[CLIENT].peer.send_frame(ipa.PING)
        await ponged.wait()
        assert ("in", ipa.ccm(ipa.Ccm.ID_ACK)) not in heard


async def test_many_callers_are_served_one_after_the_other() -> None:
    async with lab() as built:
        await operational(built)
        answers = await asyncio.gather(*(built.client.transmit(SELECT_MF) for _ in range(30)))
        assert {answer[0] for answer in answers} == {0x61}
        assert len(built.events.of(TpduRelayed)) == 30


async def test_a_cancelled_caller_does_not_confuse_the_next_one() -> None:
    async with lab() as built:
        await operational(built)
        gone = asyncio.create_task(built.client.transmit(SELECT_MF))
        await asyncio.sleep(0)
        gone.cancel()
        assert await built.client.transmit(bytes.fromhex("00a4000c023f00")) == b"\x90\x00"
        assert gone.cancelled()


async def test_a_reset_by_the_modem_reaches_the_card() -> None:
    async with lab() as built:
        await operational(built)
        await built.client.transmit(SELECT_USIM)
        assert (await built.client.transmit(bytes.fromhex("00a4000c026f07"))) == b"\x90\x00"
        built.client.status(SlotStatus(reset_active=True, vcc_present=True))
        built.client.status(SlotStatus(reset_active=False, vcc_present=True))
        assert (await built.client.transmit(bytes.fromhex("00a4000c026f07"))) == b"\x6a\x82"
        built.client.status(SlotStatus(reset_active=False, vcc_present=True))
        changes = built.events.of(SlotContactsChanged)
        assert [change.contacts.reset_active for change in changes] == [True, False], "no news twice"


async def test_taking_the_assignment_away_ends_both_connections() -> None:
    async with lab() as built:
        await operational(built)
        built.client.assign(built.assignment)
        assert built.client.state is RsproState.OPERATIONAL
        built.client.assign(None)
        assert built.client.state is RsproState.IDLE
        with pytest.raises(CardError, match="no remote card"):
            await built.client.transmit(SELECT_MF)
        assert built.host.calls == [ATR, "no assignment"]


async def test_the_client_may_be_run_again() -> None:
    events, host, opener = Events(), Host(), TcpOpener()
    client = make_client(host, opener, events)
    async with lab() as built:
        client.assign(built.assignment)
        for _ in range(2):
            events.all.clear()
            task = asyncio.create_task(client.run())
            await events.until(lambda: events.of(CardAvailable))
            assert (await client.transmit(SELECT_MF))[0] == 0x61
            task.cancel()
            await asyncio.wait([task])
            assert events.of(CardLost) == [CardLost("the RSPRO client was stopped")]
            assert [link.up for link in events.of(RsproLinkChanged)] == [True, True, False, False]
            assert client.state is RsproState.IDLE
        with pytest.raises(CardError, match="not running"):
            await client.transmit(SELECT_MF)
        assert host.calls == [ATR, "the RSPRO client was stopped"] * 2


async def test_a_command_in_flight_fails_when_the_client_is_stopped() -> None:
    async with lab(Quirks(answer_tpdus=False)) as built:
        await operational(built)
        waiting = asyncio.create_task(built.client.transmit(SELECT_MF))
        await asyncio.sleep(0)
    with pytest.raises(CardError, match="stopped"):
        await waiting


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x03\xee\x07\x30\x80", b"\x00\x00\xfe"])
async def test_a_server_that_speaks_something_else_is_left_and_retried(noise: bytes) -> None:
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        writer.write(noise)
        await reader.read()
        writer.close()

    events = Events()
    client = make_client(Host(), TcpOpener(), events)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client.assign(Assignment(client_id=1, client_slot=0, server=Endpoint("127.0.0.1", port)))
    task = asyncio.create_task(client.run())
    await events.until(lambda: "protocol broken" in events.detail)
    async with asyncio.timeout(10):
        while served < 3:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    server.close()


async def test_secrets_are_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with lab(log_apdu=True) as built:
        await operational(built)
        await built.client.transmit(SELECT_USIM)
        challenge = Auc(CARDS).challenge(CARDS[0].imsi)
        data = b"\x10" + challenge.rand + b"\x10" + challenge.autn
        answer = await built.client.transmit(b"\x00\x88\x00\x81" + bytes((len(data),)) + data)
        answer = await built.client.transmit(b"\x00\xc0\x00\x00" + answer[-1:])
        assert challenge.xres in answer
        assert [event.ok for event in built.events.of(Authenticated)] == [True]
    text = caplog.text.replace(" ", "").lower()
    assert "00a4040407a0000000871002" in text
    assert "0088008122" in text
    for secret in (challenge.rand, challenge.autn, challenge.xres, challenge.ck, challenge.ik):
        assert secret.hex() not in text


async def test_an_unreachable_server_is_complained_about_once(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing:
        def __init__(self) -> None:
            self.asked = 0

        async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            self.asked += 1
            raise ConnectionRefusedError(111, "Connection refused")

    opener, events = Refusing(), Events()
    client = make_client(Host(), opener, events)
    client.assign(Assignment(client_id=1, client_slot=0, server=Endpoint("192.0.2.1", 9998)))
    task = asyncio.create_task(client.run())
    async with asyncio.timeout(10):
        while opener.asked < 4:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "192.0.2.1:9998" in warnings[0].getMessage()


async def test_names_are_cut_to_what_the_protocol_carries() -> None:
    events = Events()
    client = make_client(Host(), TcpOpener(), events, name="Zürich-" + "x" * 40)
    async with lab() as built:
        client.assign(built.assignment)
        task = asyncio.create_task(client.run())
        await events.state(RsproState.OPERATIONAL)
        assert built.server.clients[CLIENT].identity.name == "Z?rich-" + "x" * 25
        task.cancel()
        await asyncio.wait([task])
