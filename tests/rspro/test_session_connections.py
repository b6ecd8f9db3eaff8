from itertools import pairwise

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.model import ConnectMode
from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
from remsimd.rspro.events import RsproState
from remsimd.rspro.ipa import Ccm
from remsimd.rspro.link import Close, Open, Phase, Send, SendCcm
from remsimd.rspro.pdu import ResultCode
from tests.rspro.stage import (
    ASSIGNMENT,
    ATR,
    BANKD,
    CLIENT,
    CONFIG,
    DIRECT,
    RULES,
    SELECT,
    SERVER,
    Stage,
    rules,
)

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
    for _ in range(3):
        stage.lose(SERVER)
        assert stage.session.server.due_s == stage.now_s
        stage.wait(0)
    stage.lose(SERVER)
    assert stage.session.server.due_s == stage.now_s + 1


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
