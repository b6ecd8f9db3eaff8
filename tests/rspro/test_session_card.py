from dataclasses import replace

import pytest

from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
from remsimd.rspro.events import RsproState
from remsimd.rspro.link import Close
from remsimd.rspro.pdu import ResultCode
from tests.rspro.stage import (
    ATR,
    BANK,
    BANKD,
    CLIENT,
    OTHER_ATR,
    OTHER_BANK,
    SELECT,
    SERVER,
    Stage,
)

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


# A card that the bank reset


ICCID = bytes.fromhex("98882101000000000021")
READ_ICCID = (
    (bytes.fromhex("00a40004023f00"), b"\x61\x2e"),
    (bytes.fromhex("00a40004022fe2"), b"\x61\x1f"),
    (bytes.fromhex("00b000000a"), ICCID + b"\x90\x00"),
)
VERIFY = bytes.fromhex("0020000108") + b"1234\xff\xff\xff\xff"
READ_AGAIN = (b"\x90\x00", b"\x90\x00", ICCID + b"\x90\x00", b"\x90\x00")
"""What the own SELECT MF, SELECT EF.ICCID, READ BINARY and SELECT MF are answered with."""


def asked(stage: Stage, *exchanges: tuple[bytes, bytes]) -> Stage:
    for number, (command, answer) in enumerate(exchanges, start=100):
        stage.feed(ev.Command(number, command))
        stage.answer(answer)
    return stage


def tpdus(stage: Stage) -> list[bytes]:
    """The TPDUs that the latest step sent."""
    return [message.data for message in stage.sent(BANKD) if isinstance(message, pdu.TpduModemToCard)]


def back(stage: Stage) -> Stage:
    """The bankd is lost and comes back at once with the same ATR."""
    stage.lose(BANKD)
    stage.wait(0)
    stage.connect(BANKD)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    return stage


def test_a_card_that_was_reset_is_brought_back_before_the_modem_is_answered() -> None:
    stage = back(asked(Stage().to_card(), *READ_ICCID))
    assert stage.state is RsproState.HOLDING
    stage.feed(ev.Command(1, bytes.fromhex("00b0000001")))
    for answer in (*READ_AGAIN, b"\x61\x2e", b"\x61\x1f"):
        assert stage.state is RsproState.HOLDING
        stage.answer(answer)
    assert stage.state is RsproState.OPERATIONAL
    assert tpdus(stage) == [bytes.fromhex("00b0000001")]
    assert stage.answer(b"\x98\x90\x00") == (ev.Answer(1, b"\x98\x90\x00"),)
    assert stage.of(ev.Offer) == [ev.Offer(ATR)]
    assert not stage.of(ev.Withdraw)


def test_a_state_that_cannot_be_repeated_costs_the_modem_a_new_start() -> None:
    stage = back(asked(Stage().to_card(), *READ_ICCID, (VERIFY, b"\x90\x00")))
    reason = "the bank's card was reset: the card keeps what command 20 did"
    assert stage.of(ev.Withdraw) == [ev.Withdraw(reason)]
    assert stage.of(ev.Offer) == [ev.Offer(ATR), ev.Offer(ATR)]
    assert stage.state is RsproState.OPERATIONAL


def test_a_modem_that_did_not_notice_its_new_card_gets_no_answer_before_a_reset() -> None:
    powered = pdu.SlotPhysStatus(reset_active=False, vcc_present=True)
    stage = Stage().to_card()
    stage.feed(ev.Contacts(powered))
    back(asked(stage, *READ_ICCID, (VERIFY, b"\x90\x00")))
    assert stage.feed(ev.Command(1, SELECT)) == (ev.Fail(1, "the card was shown anew and is not reset yet"),)
    stage.feed(ev.Contacts(replace(powered, clk_active=False)))
    assert isinstance(stage.feed(ev.Command(2, SELECT))[0], ev.Fail), "a stopped clock is no reset"
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=True, vcc_present=False)))
    stage.feed(ev.Contacts(powered))
    stage.feed(ev.Command(3, SELECT))
    assert tpdus(stage) == [SELECT]


def test_another_card_with_the_same_atr_costs_the_modem_a_new_start() -> None:
    stage = back(asked(Stage().to_card(), *READ_ICCID))
    stage.feed(ev.Command(1, SELECT))
    for answer in (b"\x90\x00", b"\x90\x00", bytes(10) + b"\x90\x00"):
        stage.answer(answer)
    reason = "the bank's card is another one or answers otherwise than before"
    assert stage.of(ev.Fail) == [ev.Fail(1, reason)]
    assert stage.of(ev.Withdraw) == [ev.Withdraw(reason)]
    assert stage.of(ev.Offer) == [ev.Offer(ATR), ev.Offer(ATR)]
    contacts = [m.slot_phys_status for m in stage.sent(BANKD) if isinstance(m, pdu.ClientSlotStatusInd)]
    assert [status.reset_active for status in contacts] == [True, False], "the next user finds a fresh card"


def test_a_card_that_is_not_prepared_in_time_is_withdrawn() -> None:
    stage = back(asked(Stage().to_card(), *READ_ICCID))
    stage.wait(20.1)
    assert stage.of(ev.Withdraw) == [ev.Withdraw("the card did not come back within 20 s")]
    assert Close(BANKD, 2) in stage.log, "its late answer must not be taken for another"


def test_a_modem_reset_while_the_card_is_prepared_takes_a_fresh_card() -> None:
    stage = back(asked(Stage().to_card(), *READ_ICCID))
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=True)))
    assert Close(BANKD, 2) in stage.last
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=False)))
    stage.wait(1)
    stage.connect(BANKD)
    stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
    assert stage.state is RsproState.OPERATIONAL, "nothing was asked since the reset"
    assert not stage.of(ev.Withdraw)


# The modem resets its card


CHALLENGE = bytes.fromhex("0088008122") + bytes(34)


def test_an_answer_to_a_command_from_before_a_reset_is_for_nobody() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, CHALLENGE))
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=True)))
    assert ev.Fail(1, "the modem reset its card") in stage.last
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=False)))
    assert stage.feed(ev.Command(2, SELECT)) == (), "the card is still busy with the challenge"
    stage.answer(b"\x61\x35")
    assert tpdus(stage) == [SELECT]
    assert not stage.of(ev.Answer)
    assert stage.answer(b"\x61\x2e") == (ev.Answer(2, b"\x61\x2e"),)


def test_an_abandoned_answer_that_never_comes_costs_the_connection() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Command(1, CHALLENGE))
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=False, vcc_present=False)))
    stage.feed(ev.Command(2, SELECT))
    stage.wait(25.1)
    assert Close(BANKD, 1) in stage.log
    assert stage.state is RsproState.HOLDING
    assert stage.of(ev.Fail) == [ev.Fail(1, "the modem reset its card")], "the second one waits for the card"


def test_the_end_of_a_reset_is_no_reset() -> None:
    stage = Stage().to_card()
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=True, vcc_present=True)))
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=False, vcc_present=True)))
    stage.feed(ev.Command(1, SELECT))
    stage.feed(ev.Contacts(pdu.SlotPhysStatus(reset_active=False, vcc_present=True, clk_active=True)))
    assert not stage.of(ev.Fail)


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
