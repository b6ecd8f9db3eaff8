import pytest

from remsimd.events import RsproState
from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
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
