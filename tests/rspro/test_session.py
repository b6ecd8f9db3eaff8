from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.model import ConnectMode
from remsimd.events import RsproState
from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
from remsimd.rspro.ipa import Ccm
from remsimd.rspro.link import Close, Open, Phase, Send, SendCcm
from remsimd.rspro.pdu import ResultCode
from remsimd.rspro.rules import Rules
from tests.rspro.stage import (
    ASSIGNMENT,
    ATR,
    BANK,
    BANKD,
    CLIENT,
    CONFIG,
    DIRECT,
    OTHER_ATR,
    OTHER_BANK,
    RULES,
    SELECT,
    SERVER,
    UNMAP,
    Stage,
)


def rules(**changes: object) -> Rules:
    return Rules(identity=RULES.identity, **changes)  # type: ignore[arg-type]  # the tests name real fields


# The way to a card


def test_the_states_on_the_way_to_a_card() -> None:
    stage = Stage()
    assert stage.state is RsproState.IDLE
    stage.feed(ev.Assign(ASSIGNMENT))
    assert stage.state is RsproState.CONNECTING
    stage.opened(SERVER)
    assert stage.sent(SERVER) == [pdu.ConnectClientReq(RULES.identity, CLIENT)]
    stage.hear(SERVER, pdu.ConnectClientRes(pdu.ComponentIdentity(1, "s", "s", "1"), 0))
    assert stage.state is RsproState.UNCONFIGURED
    stage.hear(SERVER, CONFIG, tag=77)
    assert stage.last[0] == Send(SERVER, 1, pdu.ConfigClientBankRes(ResultCode.OK), 77)
    assert stage.last[1] == Open(BANKD, 1, Endpoint("192.0.2.9", 9999))
    assert stage.state is RsproState.WAIT_BANKD
    stage.connect(BANKD)
    assert stage.state is RsproState.WAIT_ATR
    assert not stage.of(ev.Offer)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR), tag=78)
    assert stage.last == (Send(BANKD, 1, pdu.SetAtrRes(ResultCode.OK), 78), ev.Offer(ATR))
    assert stage.state is RsproState.OPERATIONAL


def test_without_a_server_the_assignment_names_bankd_and_slot() -> None:
    stage = Stage()
    assert stage.feed(ev.Assign(DIRECT)) == (Open(BANKD, 1, Endpoint("192.0.2.9", 9999)),)
    assert stage.state is RsproState.CONNECTING
    stage.connect(BANKD)
    assert stage.state is RsproState.WAIT_ATR
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.state is RsproState.OPERATIONAL


@pytest.mark.parametrize(
    ("mode", "assignment", "why"),
    [
        (ConnectMode.SERVER, DIRECT, "names no server"),
        (ConnectMode.BANKD, ASSIGNMENT, "names no bankd"),
        (
            ConnectMode.AUTO,
            Assignment(client_id=1, client_slot=0, bankd=Endpoint("192.0.2.9", 9999)),
            "no bank slot",
        ),
        (
            ConnectMode.AUTO,
            Assignment(client_id=1024, client_slot=0, server=Endpoint("192.0.2.1", 9998)),
            "outside 0..1023",
        ),
    ],
)
def test_an_assignment_that_leads_nowhere_says_why(
    mode: ConnectMode, assignment: Assignment, why: str
) -> None:
    stage = Stage(rules(connect_mode=mode))
    stage.feed(ev.Assign(assignment))
    assert stage.state is RsproState.IDLE
    assert why in stage.session.detail
    assert not stage.of(Open)


def test_mode_bankd_ignores_the_server() -> None:
    stage = Stage(rules(connect_mode=ConnectMode.BANKD))
    both = Assignment(
        client_id=23, client_slot=0, bank_id=1, slot_id=7, server=ASSIGNMENT.server, bankd=DIRECT.bankd
    )
    stage.feed(ev.Assign(both))
    assert (stage.opens(SERVER), stage.opens(BANKD)) == (0, 1)


def test_an_assignment_that_leads_to_the_same_place_changes_nothing() -> None:
    stage = Stage().to_card()
    same = Assignment(client_id=23, client_slot=0, server=ASSIGNMENT.server, bank_id=1, slot_id=7, version=9)
    assert stage.feed(ev.Assign(same)) == ()
    assert stage.session.assignment == same


def test_no_assignment_ends_everything() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    stage.feed(ev.Assign(None))
    assert ev.Fail(1, "no assignment") in stage.last
    assert ev.Withdraw("no assignment") in stage.last
    assert {action for action in stage.last if isinstance(action, Close)} == {
        Close(SERVER, 1),
        Close(BANKD, 1),
    }
    assert stage.state is RsproState.IDLE
    assert stage.session.deadline_s is None


def test_another_client_number_starts_anew() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Assign(Assignment(client_id=24, client_slot=0, server=ASSIGNMENT.server)))
    assert ev.Withdraw("another assignment") in stage.last
    assert Open(SERVER, 2, ASSIGNMENT.server) in stage.last  # type: ignore[arg-type]  # it has a server
    assert stage.state is RsproState.CONNECTING


# Greeting and refusals


@pytest.mark.parametrize("peer", [SERVER, BANKD])
def test_a_greeting_without_an_answer_is_given_up_after_t1(peer: pdu.ComponentType) -> None:
    stage = Stage().to_server() if peer is BANKD else Stage()
    if peer is BANKD:
        stage.hear(SERVER, CONFIG)
    else:
        stage.feed(ev.Assign(ASSIGNMENT))
    stage.opened(peer)
    number = stage.number(peer)
    stage.wait(9.9)
    assert stage.number(peer) == number
    stage.wait(0.2)
    assert Close(peer, number) in stage.log
    assert stage.opens(peer) == 2


def test_an_open_that_takes_too_long_is_given_up() -> None:
    stage = Stage()
    stage.feed(ev.Assign(ASSIGNMENT))
    stage.wait(10.1)
    assert Close(SERVER, 1) in stage.log
    assert stage.opens(SERVER) == 2


def test_identity_in_use_is_waited_for() -> None:
    for chance, delay_s in ((0.0, 10.0), (1.0, 20.0)):
        stage = Stage()
        stage.chance = chance
        stage.feed(ev.Assign(ASSIGNMENT))
        stage.connect(SERVER, ResultCode.IDENTITY_IN_USE)
        assert stage.session.server.due_s == stage.now_s + delay_s
        assert "identity-in-use" in stage.session.detail


@pytest.mark.parametrize("peer", [SERVER, BANKD])
def test_a_peer_of_the_wrong_kind_is_left_alone(peer: pdu.ComponentType) -> None:
    stage = Stage()
    stage.feed(ev.Assign(ASSIGNMENT if peer is SERVER else DIRECT))
    stage.connect(peer, component=pdu.ComponentType.CLIENT)
    assert Close(peer, 1) in stage.last
    stage.wait(59)
    assert stage.opens(peer) == 1
    stage.wait(2)
    assert stage.opens(peer) == 2


def test_card_not_present_keeps_the_connection_until_the_atr_comes() -> None:
    stage = Stage().to_server()
    stage.hear(SERVER, CONFIG)
    stage.connect(BANKD, ResultCode.CARD_NOT_PRESENT)
    assert stage.state is RsproState.WAIT_ATR
    assert "no card" in stage.session.detail
    assert not [action for action in stage.log if isinstance(action, Close)]
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.state is RsproState.OPERATIONAL


def test_a_bankd_that_has_a_card_and_keeps_its_atr_is_given_up() -> None:
    stage = Stage().to_bankd()
    stage.wait(29.9)
    assert stage.opens(BANKD) == 1
    stage.wait(0.2)
    assert stage.opens(BANKD) == 2


def test_a_bankd_without_a_card_is_waited_for_however_long() -> None:
    stage = Stage().to_server()
    stage.hear(SERVER, CONFIG)
    stage.connect(BANKD, ResultCode.CARD_NOT_PRESENT)
    for _ in range(40):
        stage.wait(30)
        for peer in (SERVER, BANKD):
            stage.feed(ev.ArrivedCcm(peer, stage.number(peer), Ccm.PONG))
    assert stage.opens(BANKD) == 1
    assert stage.state is RsproState.WAIT_ATR


@pytest.mark.parametrize("code", [ResultCode.ILLEGAL_CLIENT_ID, 77])
def test_other_refusals_by_the_bankd_are_retried(code: int) -> None:
    stage = Stage()
    stage.feed(ev.Assign(DIRECT))
    stage.connect(BANKD, code)
    assert Close(BANKD, 1) in stage.last
    assert stage.session.bankd.phase is Phase.WAITING


# Keepalive


@pytest.mark.parametrize("peer", [SERVER, BANKD])
def test_pings_every_30_s_and_gives_up_without_a_pong(peer: pdu.ComponentType) -> None:
    stage = Stage().to_card()
    number = stage.number(peer)
    stage.wait(30)
    assert SendCcm(peer, number, Ccm.PING) in stage.log
    for each in (SERVER, BANKD):
        stage.feed(ev.ArrivedCcm(each, stage.number(each), Ccm.PONG))
    stage.wait(30)
    other = BANKD if peer is SERVER else SERVER
    stage.feed(ev.ArrivedCcm(other, stage.number(other), Ccm.PONG))
    assert stage.log.count(SendCcm(peer, number, Ccm.PING)) == 2
    stage.wait(9.9)
    assert Close(peer, number) not in stage.log
    stage.wait(0.2)
    assert Close(peer, number) in stage.log
    assert Close(other, stage.number(other)) not in stage.log


def test_ping_is_answered_and_id_ack_is_not() -> None:
    stage = Stage().to_server()
    assert stage.feed(ev.ArrivedCcm(SERVER, 1, Ccm.PING)) == (SendCcm(SERVER, 1, Ccm.PONG),)
    assert stage.feed(ev.ArrivedCcm(SERVER, 1, Ccm.ID_ACK)) == ()
    assert stage.feed(ev.ArrivedCcm(SERVER, 1, 0x42)) == ()
    answers = stage.feed(ev.ArrivedCcm(SERVER, 1, Ccm.ID_GET))
    assert answers == (SendCcm(SERVER, 1, Ccm.ID_RESP), SendCcm(SERVER, 1, Ccm.ID_ACK))


# Reconnecting


def test_retries_start_at_once_and_end_at_every_16_s() -> None:
    stage = Stage()
    stage.feed(ev.Assign(ASSIGNMENT))
    starts = []
    for _ in range(10):
        starts.append(stage.now_s)
        opened = stage.opens(SERVER)
        stage.lose(SERVER, "connection refused")
        while stage.opens(SERVER) == opened:
            stage.now_s = stage.session.deadline_s or 0.0
            stage.feed(ev.Tick())
    waits = [after - before for before, after in pairwise(starts)]
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 16]


def test_a_connection_that_lasted_resets_the_backoff() -> None:
    stage = Stage()
    stage.feed(ev.Assign(ASSIGNMENT))
    for _ in range(6):
        stage.lose(SERVER)
        stage.wait((stage.session.deadline_s or 0.0) - stage.now_s)
    assert stage.session.server.failures == 6
    stage.connect(SERVER)
    stage.wait(20)
    stage.lose(SERVER)
    assert stage.session.server.due_s == stage.now_s


def test_a_bankd_that_accepts_and_closes_is_not_hammered() -> None:
    stage = Stage()
    stage.feed(ev.Assign(DIRECT))
    for _ in range(60):
        if stage.session.bankd.phase is Phase.OPENING:
            stage.connect(BANKD)
            stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
            stage.lose(BANKD)
        stage.wait(1)
    assert stage.opens(BANKD) <= 10


def test_news_of_an_old_connection_is_ignored() -> None:
    stage = Stage().to_bankd()
    stage.lose(BANKD)
    stage.wait(1)
    assert stage.number(BANKD) == 2
    assert stage.feed(ev.Lost(BANKD, 1, "late")) == ()
    assert stage.feed(ev.Arrived(BANKD, 1, pdu.RsproPdu(pdu.SetAtrReq(CLIENT, ATR)))) == ()


# The server's word


def test_the_same_bankd_again_is_answered_and_nothing_else() -> None:
    stage = Stage().to_card()
    assert stage.hear(SERVER, CONFIG) == (Send(SERVER, 1, pdu.ConfigClientBankRes(ResultCode.OK), 0),)
    assert stage.state is RsproState.OPERATIONAL


def test_the_same_bankd_again_ends_the_wait_for_a_lost_one() -> None:
    stage = Stage().to_card()
    for _ in range(4):
        stage.lose(BANKD)
        stage.wait(0)
    stage.lose(BANKD)
    assert stage.session.bankd.phase is Phase.WAITING
    opened = stage.opens(BANKD)
    stage.hear(SERVER, CONFIG)
    assert stage.opens(BANKD) == opened + 1


def test_losing_the_server_leaves_the_card_alone() -> None:
    stage = Stage().to_card()
    stage.lose(SERVER)
    assert stage.state is RsproState.OPERATIONAL
    assert not stage.of(ev.Withdraw)
    stage.feed(ev.Command(1, SELECT))
    stage.answer()
    assert stage.last == (ev.Answer(1, b"\x90\x00"),)


def test_port_zero_takes_the_card_away() -> None:
    stage = Stage().to_card()
    stage.hear(SERVER, UNMAP)
    assert stage.sent(SERVER) == [pdu.ConfigClientBankRes(ResultCode.OK)]
    assert ev.Withdraw("the server took the card away") in stage.last
    assert Close(BANKD, 1) in stage.last
    assert stage.state is RsproState.UNCONFIGURED
    stage.hear(SERVER, CONFIG)
    assert stage.state is RsproState.WAIT_BANKD


def test_another_bank_slot_is_another_card() -> None:
    stage = Stage().to_card()
    stage.hear(SERVER, pdu.ConfigClientBankReq(OTHER_BANK, CONFIG.bankd))
    assert ev.Withdraw("another card was assigned") in stage.last
    assert stage.opens(BANKD) == 2
    stage.connect(BANKD)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.of(ev.Offer) == [ev.Offer(ATR)] * 2


def test_the_same_card_at_another_endpoint_is_held() -> None:
    stage = Stage().to_card()
    stage.hear(SERVER, pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address("192.0.2.10"), 9999)))
    assert stage.state is RsproState.HOLDING
    stage.connect(BANKD)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.state is RsproState.OPERATIONAL
    assert not stage.of(ev.Withdraw)


def test_a_bankd_outside_the_allowed_networks_is_refused() -> None:
    stage = Stage(rules(bankd_allow=(ip_network("10.0.0.0/8"),))).to_server()
    stage.hear(SERVER, CONFIG)
    assert stage.sent(SERVER) == [pdu.ConfigClientBankRes(ResultCode.ILLEGAL_BANK_ID)]
    assert stage.opens(BANKD) == 0
    assert stage.state is RsproState.UNCONFIGURED
    assert "192.0.2.9:9999" in stage.session.detail
    assert any(isinstance(action, ev.Trouble) for action in stage.last)


def test_reset_state_forgets_the_bankd() -> None:
    stage = Stage().to_card()
    stage.hear(SERVER, pdu.ResetStateReq(), tag=5)
    assert Send(SERVER, 1, pdu.ResetStateRes(ResultCode.OK), 5) in stage.last
    assert Close(BANKD, 1) in stage.last
    assert stage.state is RsproState.UNCONFIGURED


def test_config_client_id_is_used_from_then_on() -> None:
    stage = Stage().to_card()
    stage.hear(SERVER, pdu.ConfigClientIdReq(pdu.ClientSlot(99, 1)))
    assert stage.sent(SERVER) == [pdu.ConfigClientIdRes(ResultCode.OK)]
    stage.opened(BANKD)
    assert stage.sent(BANKD) == [pdu.ConnectClientReq(RULES.identity, pdu.ClientSlot(99, 1))]


def test_messages_out_of_place_are_ignored() -> None:
    stage = Stage().to_card()
    for peer, message in (
        (SERVER, pdu.SetAtrReq(CLIENT, OTHER_ATR)),
        (BANKD, CONFIG),
        (BANKD, pdu.ResetStateReq()),
        (SERVER, pdu.ErrorInd(1, 1, 1)),
        (BANKD, pdu.ConnectClientRes(RULES.identity, 0)),
    ):
        stage.hear(peer, message)
        assert [type(action) for action in stage.last] == [ev.Trouble]
    assert stage.state is RsproState.OPERATIONAL


# The bankd's word


def test_the_atr_of_another_slot_is_refused() -> None:
    stage = Stage().to_bankd()
    stage.hear(BANKD, pdu.SetAtrReq(pdu.ClientSlot(23, 1), ATR))
    assert stage.sent(BANKD) == [pdu.SetAtrRes(ResultCode.ILLEGAL_CLIENT_ID)]
    assert stage.state is RsproState.WAIT_ATR


def test_what_is_no_atr_is_not_offered() -> None:
    stage = Stage().to_bankd()
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, b"\x00\x01"))
    assert stage.sent(BANKD) == [pdu.SetAtrRes(ResultCode.CARD_UNRESPONSIVE)]
    assert not stage.of(ev.Offer)


def test_another_atr_is_offered_and_the_same_one_is_not() -> None:
    stage = Stage().to_card()
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.of(ev.Offer) == [ev.Offer(ATR)]
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, OTHER_ATR))
    assert stage.of(ev.Offer) == [ev.Offer(ATR), ev.Offer(OTHER_ATR)]


def test_a_card_pulled_at_the_bank_is_taken_from_the_modem() -> None:
    stage = Stage().to_card()
    gone = pdu.SlotPhysStatus(reset_active=False, card_present=False)
    stage.hear(BANKD, pdu.BankSlotStatusInd(OTHER_BANK, CLIENT, gone))
    assert not stage.of(ev.Withdraw)
    stage.hear(BANKD, pdu.BankSlotStatusInd(BANK, CLIENT, gone))
    assert ev.Withdraw("the card was removed at the bank") in stage.last
    assert stage.state is RsproState.WAIT_ATR
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.of(ev.Offer) == [ev.Offer(ATR)] * 2


def test_a_card_pulled_under_a_command_ends_the_connection() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    gone = pdu.SlotPhysStatus(reset_active=False, card_present=False)
    stage.hear(BANKD, pdu.BankSlotStatusInd(BANK, CLIENT, gone))
    assert ev.Fail(1, "the card was removed at the bank") in stage.last
    assert Close(BANKD, 1) in stage.last
    assert stage.session.hold_until_s is None


# TPDUs


def test_a_command_goes_out_with_both_slots_and_comes_back() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(4, SELECT))
    assert stage.sent(BANKD) == [pdu.TpduModemToCard(CLIENT, BANK, pdu.WHOLE_TPDU, SELECT)]
    assert stage.answer(b"\x61\x20") == (ev.Answer(4, b"\x61\x20"),)


@pytest.mark.parametrize("length", [0, 4, 261])
def test_lengths_that_close_a_bankd_are_not_sent(length: int) -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, bytes(length)))
    assert stage.last == (ev.Fail(1, f"a TPDU of {length} octets"),)


def test_one_command_is_in_flight() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    assert stage.feed(ev.Command(2, SELECT)) == (ev.Fail(2, "another command is in flight"),)
    assert stage.answer() == (ev.Answer(1, b"\x90\x00"),)


def test_no_answer_within_25_s_drops_the_bankd() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    stage.wait(24.9)
    assert not stage.of(ev.Fail)
    stage.wait(0.2)
    assert stage.of(ev.Fail) == [ev.Fail(1, "no answer to a TPDU within 25 s")]
    assert Close(BANKD, 1) in stage.log
    assert stage.state is RsproState.HOLDING


@pytest.mark.parametrize(
    "answer",
    [
        pdu.TpduCardToModem(OTHER_BANK, CLIENT, pdu.WHOLE_TPDU, b"\x90\x00"),
        pdu.TpduCardToModem(BANK, pdu.ClientSlot(23, 1), pdu.WHOLE_TPDU, b"\x90\x00"),
        pdu.TpduCardToModem(BANK, CLIENT, pdu.WHOLE_TPDU, b"\x90"),
    ],
)
def test_an_answer_that_does_not_fit_ends_the_connection(answer: pdu.TpduCardToModem) -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    stage.hear(BANKD, answer)
    assert [action.number for action in stage.of(ev.Fail)] == [1]  # type: ignore[union-attr]
    assert Close(BANKD, 1) in stage.last


def test_an_answer_without_a_command_ends_the_connection() -> None:
    stage = Stage().to_card()
    stage.answer()
    assert Close(BANKD, 1) in stage.last


@pytest.mark.parametrize("stage", [Stage(), Stage().to_server(), Stage().to_bankd()])
def test_without_a_card_a_command_fails_at_once(stage: Stage) -> None:
    (failed,) = stage.feed(ev.Command(1, SELECT))
    assert isinstance(failed, ev.Fail)
    assert "no remote card" in failed.reason


# Holding


def test_a_bankd_that_comes_back_in_time_is_not_noticed_by_the_modem() -> None:
    stage = Stage().to_card()
    stage.lose(BANKD)
    assert stage.state is RsproState.HOLDING
    stage.wait(0)
    assert stage.feed(ev.Command(1, SELECT)) == ()
    stage.connect(BANKD)
    stage.wait(19)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.sent(BANKD)[-1] == pdu.TpduModemToCard(CLIENT, BANK, pdu.WHOLE_TPDU, SELECT)
    stage.answer()
    assert stage.last == (ev.Answer(1, b"\x90\x00"),)
    assert stage.of(ev.Offer) == [ev.Offer(ATR)]
    assert not stage.of(ev.Withdraw)


def test_a_bankd_that_stays_away_costs_the_card() -> None:
    stage = Stage().to_card()
    stage.lose(BANKD)
    stage.feed(ev.Command(1, SELECT))
    stage.wait(19.9)
    assert not stage.of(ev.Withdraw)
    stage.wait(0.2)
    reason = "the card did not come back within 20 s"
    assert stage.of(ev.Withdraw) == [ev.Withdraw(reason)]
    assert stage.of(ev.Fail) == [ev.Fail(1, reason)]
    assert stage.state is RsproState.WAIT_BANKD


def test_the_hold_is_not_prolonged_by_connections_without_a_card() -> None:
    stage = Stage().to_card()
    stage.lose(BANKD)
    stage.wait(10)
    stage.connect(BANKD, ResultCode.CARD_NOT_PRESENT)
    assert stage.state is RsproState.HOLDING
    stage.wait(10)
    assert len(stage.of(ev.Withdraw)) == 1
    assert stage.state is RsproState.WAIT_ATR


def test_a_command_in_flight_fails_with_the_connection() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    stage.lose(BANKD, "closed by the peer")
    assert ev.Fail(1, "closed by the peer") in stage.last


def test_another_card_after_the_hold_does_not_get_the_old_command() -> None:
    stage = Stage().to_card()
    stage.lose(BANKD)
    stage.feed(ev.Command(1, SELECT))
    stage.wait(0)
    stage.connect(BANKD)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, OTHER_ATR))
    assert ev.Offer(OTHER_ATR) in stage.last
    assert [action.number for action in stage.of(ev.Fail)] == [1]  # type: ignore[union-attr]


# Contacts


def test_contacts_are_passed_on_and_repeated_to_a_new_bankd() -> None:
    stage = Stage().to_card()
    status = pdu.SlotPhysStatus(reset_active=True, vcc_present=True)
    stage.feed(ev.Contacts(status))
    expected = pdu.ClientSlotStatusInd(CLIENT, BANK, status)
    assert stage.sent(BANKD) == [expected]
    stage.lose(BANKD)
    stage.wait(0)
    stage.connect(BANKD)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.sent(BANKD) == [pdu.SetAtrRes(ResultCode.OK), expected]


def test_contacts_without_a_card_are_kept_for_later() -> None:
    stage = Stage()
    assert stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=False))) == ()


# What people read


def test_two_connections_in_trouble_are_told_together_and_not_in_turns() -> None:
    stage = Stage().to_card()
    stage.lose(SERVER, "reset")
    stage.lose(BANKD, "reset")
    told = set()
    for _ in range(200):
        stage.wait(0.5)
        for peer in (SERVER, BANKD):
            if stage.session.server.alive if peer is SERVER else stage.session.bankd.alive:
                stage.lose(peer, "reset")
        told.add(stage.session.detail)
    assert told == {"server 192.0.2.1:9998: reset; bankd 192.0.2.9:9999: reset"}


def test_troubles_are_forgotten_when_the_connection_is_back() -> None:
    stage = Stage().to_card()
    stage.lose(SERVER)
    assert "server" in stage.session.detail
    stage.wait(0)
    stage.connect(SERVER)
    assert stage.session.detail == ""


def test_stopping_lets_everything_go() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, SELECT))
    stage.feed(ev.Stop("the end"))
    assert {ev.Fail(1, "the end"), ev.Withdraw("the end"), Close(SERVER, 1), Close(BANKD, 1)} <= set(
        stage.last
    )
    assert stage.state is RsproState.IDLE
    assert stage.session.deadline_s is None
