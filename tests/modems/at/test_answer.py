"""Which line is whose."""

from hypothesis import given
from hypothesis import strategies as st

from modems.at.answer import Answer, LineKind
from modems.at.parse import URC_NAMES

URCS = URC_NAMES | {"+QIND", "+GTDUALSIM"}


def feed(answer: Answer, *lines: str) -> list[LineKind]:
    return [answer.feed(line) for line in lines]


def test_the_expected_name_decides_between_answer_and_urc() -> None:
    answer = Answer("AT+CSQ", "+CSQ", URCS, echo_expected=False)
    kinds = feed(answer, "+CEREG: 2", "+CSQ: 20,99", "+QIND: PB DONE", "RDY", "OK")
    assert kinds == [LineKind.URC, LineKind.INFORMATION, LineKind.URC, LineKind.URC, LineKind.FINAL]
    assert answer.lines == ("+CSQ: 20,99",)


def test_without_an_expected_name_everything_but_urcs_is_the_answer() -> None:
    answer = Answer("AT+CGSN", None, URCS, echo_expected=False)
    feed(answer, "867698041234567", "+CEREG: 0", "OK")
    assert answer.lines == ("867698041234567",)


def test_a_urc_name_that_is_asked_for_is_the_answer_also_with_a_blank_before_the_colon() -> None:
    answer = Answer("AT+GTDUALSIM?", "+GTDUALSIM:", URCS, echo_expected=False)
    feed(answer, '+GTDUALSIM : 0, "SUB1", "L"', "OK")
    assert answer.lines == ('+GTDUALSIM : 0, "SUB1", "L"',)


def test_nothing_counts_before_the_echo_when_the_modem_echoes() -> None:
    answer = Answer("AT+CSQ", "+CSQ", URCS, echo_expected=True)
    kinds = feed(answer, "+CSQ: 1,99", "OK", "+CEREG: 2", "at+csq", "+CSQ: 20,99", "OK")
    assert kinds[:3] == [LineKind.DISCARDED, LineKind.DISCARDED, LineKind.URC]
    assert answer.lines == ("+CSQ: 20,99",)
    assert answer.echoed


def test_an_unexpected_echo_drops_what_came_before_it() -> None:
    answer = Answer("AT+CGSN", None, URCS, echo_expected=False)
    feed(answer, "left over", "AT+CGSN", "867698041234567", "OK")
    assert answer.lines == ("867698041234567",)


def test_a_line_that_the_modem_broke_is_put_together() -> None:
    answer = Answer("AT+XMCI=1", "+XMCI", URCS, echo_expected=False)
    feed(
        answer,
        '+XMCI: 4,510,11,"0x7D08","0x04E2',
        '3C06","0x0071",',
        '"0x0000052D","0x00004B7D","0xFFFFFFFF",59',
        ",19,14",
        "+CEREG: 2",
        "OK",
    )
    assert answer.lines == (
        '+XMCI: 4,510,11,"0x7D08","0x04E23C06","0x0071","0x0000052D","0x00004B7D","0xFFFFFFFF",59,19,14',
    )


def test_an_unknown_line_is_neither_joined_nor_kept() -> None:
    answer = Answer("AT+CSQ", "+CSQ", URCS, echo_expected=False)
    assert feed(answer, "NEWS", "+CSQ: 20,99", "+NEWS: 1", "HELLO")[2:] == [LineKind.DISCARDED] * 2
    assert answer.lines == ("+CSQ: 20,99",)


def test_no_carrier_is_news_unless_the_command_dials() -> None:
    polling = Answer("AT+CSQ", "+CSQ", URCS, echo_expected=False)
    assert polling.feed("NO CARRIER") is LineKind.DISCARDED
    dialling = Answer("ATD*99#", None, URCS, echo_expected=False)
    assert dialling.feed("NO CARRIER") is LineKind.FINAL


@given(st.lists(st.text(max_size=20).map(str.strip).filter(bool), max_size=30), st.booleans())
def test_any_lines_are_classified_and_never_raise(lines: list[str], echo: bool) -> None:
    answer = Answer("AT+CSQ", "+CSQ", URCS, echo_expected=echo)
    for line in lines:
        answer.feed(line)
    assert all(line.startswith("+CSQ") for line in answer.lines)
