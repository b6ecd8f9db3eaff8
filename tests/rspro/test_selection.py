"""Whether a fresh card, given the kept commands, is where the modem left the first one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.rspro.selection import FRESH, STEPS_MAX, Selection
from simlab.bank.cards import generate
from simlab.bank.usim import Usim

CARD, OTHER = generate(2, seed=3)
READ_ICCID = ("00a40004023f00", "00a40004022fe2", "00b000000a")
USIM = "00a4040407a0000000871002"
IMSI, AD = "00a40004026f07", "00a40004026fad"
READ_9 = "00b0000009"
GSM_ICCID = ("a0a40000023f00", "a0a40000022fe2", "a0b000000a")
PLACES = (
    "00a40004023f00", "00a40004022fe2", "00a40004022f00", USIM, IMSI, AD, "00a40004026f38", "00a40004027fff",
    "00a4080404 7fff6f07", "00a40804022fe2", "00a4000c026f07", "00a40004027f20", "a0a40000023f00",
    "a0a40000027f20", "a0a40000026f07", "00a4000402dead", "00b0820005", READ_9, "00b000000a", "00c000001e",
    "00b2010404", "80f2000000", "00a40004022f05", "00b0870009", "00200001083030303030303030",
)  # fmt: skip


def play(card: Usim, *commands: str, start: Selection = FRESH) -> Selection:
    selection = start
    for command in commands:
        tpdu = bytes.fromhex(command)
        selection = selection.seen(tpdu, card.transmit(tpdu))
    return selection


def restored(selection: Selection, card: Usim) -> bool:
    """Repeat the steps on a card; False where it answers otherwise."""
    steps = selection.steps()
    assert steps is not None
    return all(step.fits(card.transmit(step.tpdu)) for step in steps)


def where(card: Usim) -> tuple[bytes, ...]:
    """What a card answers to questions that only depend on what is selected, without selecting."""
    return tuple(card.transmit(bytes.fromhex(question)) for question in (READ_9, "00b0000001", "80f2000000"))


def test_a_card_that_was_asked_nothing_needs_nothing() -> None:
    assert FRESH.steps() == ()


def test_the_file_is_selected_again() -> None:
    first, second = Usim(CARD), Usim(CARD)
    selection = play(first, *READ_ICCID, USIM, IMSI)
    assert restored(selection, second)
    assert second.transmit(bytes.fromhex(READ_9)) == first.transmit(bytes.fromhex(READ_9))


def test_another_card_with_the_same_atr_is_recognised() -> None:
    selection = play(Usim(CARD), *READ_ICCID, USIM)
    assert not restored(selection, Usim(OTHER))


def test_a_2g_modem_is_restored_in_its_class() -> None:
    first, second = Usim(CARD), Usim(CARD)
    selection = play(first, *GSM_ICCID, "a0a40000023f00", "a0a40000027f20", "a0a40000026f07")
    assert restored(selection, second)
    assert second.transmit(bytes.fromhex("a0b0000009")) == first.transmit(bytes.fromhex("a0b0000009"))
    assert not restored(selection, Usim(OTHER))


@pytest.mark.parametrize(
    ("commands", "answers", "why"),
    [
        (["00a40004023f00"], ["612e"], "not read its ICCID"),
        (["00200001083132333435363738"], ["9000"], "command 20"),
        (["0070000001"], ["019000"], "command 70"),
        (["8010000003aabbcc"], ["910b"], "command 10"),
        (["01a40004023f00"], ["612e"], "logical channels"),
        (["0c a40004023f00"], ["612e"], "secure messaging"),
        (["00a4044407a0000000871002"], ["9000"], "session"),
        (["00b2000210"], ["9000"], "record pointer"),
        (["00d682000100"], ["9000"], "writing"),
        (["00a40004023f00"], ["6283"], "6283"),
        (["0088008122" + "00" * 34], ["6135"], "fetch an answer"),
    ],
)
def test_what_a_card_keeps_besides_a_selection_cannot_be_repeated(
    commands: list[str], answers: list[str], why: str
) -> None:
    selection = play(Usim(CARD), *READ_ICCID) if "ICCID" not in why else FRESH
    for command, answer in zip(commands, answers, strict=True):
        selection = selection.seen(bytes.fromhex(command), bytes.fromhex(answer))
    assert selection.steps() is None
    assert why in selection.obstacle


def test_a_command_without_effect_changes_nothing() -> None:
    selection = play(Usim(CARD), *READ_ICCID, USIM)
    for command, answer in (("0020000100", "63c3"), ("0070000001", "6881"), ("00a40004026f99", "6a82")):
        after = selection.seen(bytes.fromhex(command), bytes.fromhex(answer))
        assert after.path == selection.path
    assert selection.seen(bytes.fromhex("0070000001"), b"\x68\x81").lost == ""


def test_a_reset_forgets_the_way_but_not_which_card_it_is() -> None:
    selection = play(Usim(CARD), *READ_ICCID, USIM, "80100000 01 ff").reset()
    assert selection.path == ()
    assert selection.lost == ""
    assert selection.steps() == ()
    again = play(Usim(CARD), "00a40004023f00", start=selection)
    assert not restored(again, Usim(OTHER))


def test_a_way_that_gets_too_long_is_given_up() -> None:
    selection = play(Usim(CARD), *READ_ICCID)
    for number in range(STEPS_MAX + 1):
        selection = selection.seen(bytes.fromhex(f"00a40004027f{number:02x}"), b"\x61\x10")
    assert selection.steps() is None
    assert "steps" in selection.obstacle


@given(st.lists(st.sampled_from(PLACES), max_size=25))
@settings(max_examples=300)
def test_a_restored_card_answers_as_the_first_one_would_have(commands: list[str]) -> None:
    first, second = Usim(CARD), Usim(CARD)
    selection = play(first, *READ_ICCID, *commands)
    if selection.steps() is None:
        return
    assert restored(selection, second)
    assert where(second) == where(first)
