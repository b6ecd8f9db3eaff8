from ipaddress import ip_address, ip_network

from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
from remsimd.rspro.events import RsproState
from remsimd.rspro.link import Close, Phase, Send
from remsimd.rspro.pdu import ResultCode
from tests.rspro.stage import (
    ATR,
    BANK,
    BANKD,
    CLIENT,
    CONFIG,
    OTHER_ATR,
    OTHER_BANK,
    RULES,
    SELECT,
    SERVER,
    UNMAP,
    Stage,
    rules,
)

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
