"""The newest log lines: bounded, and masked."""

import logging

from hypothesis import given
from hypothesis import strategies as st

from remsimd.orchestrator.logtail import LINE_CHARS, LINES, LogTail, masked

log = logging.getLogger("remsimd.somewhere")


def test_the_newest_lines_oldest_first() -> None:
    with LogTail().attached() as tail:
        for number in range(LINES + 50):
            log.warning("line %d", number)
    kept = tail.newest(3, 10_000).splitlines()
    assert [line.rsplit(" ", 1)[1] for line in kept] == ["247", "248", "249"]
    assert len(tail.newest(10_000, 1_000_000).splitlines()) == LINES


def test_it_ends_with_the_context() -> None:
    before = list(logging.getLogger().handlers)
    with LogTail().attached():
        pass
    assert logging.getLogger().handlers == before


def test_long_lines_and_many_lines_are_cut() -> None:
    with LogTail().attached() as tail:
        for _ in range(20):
            log.warning("x" * 1000)
    assert all(len(line) == LINE_CHARS for line in tail.newest(5, 10_000).splitlines())
    assert len(tail.newest(20, 1000)) <= 1000


def test_a_traceback_is_one_line() -> None:
    with LogTail().attached() as tail:
        log.warning("first\nsecond")
    assert tail.newest(10, 1000).count("\n") == 0


def test_nothing_that_identifies_or_opens() -> None:
    line = "imsi 310410123456789 iccid 8901260123456789012 key imk_live_abcd1234XYZ apdu " + "00A4" * 20
    shown = masked(line)
    for secret in ("310410123456789", "8901260123456789012", "abcd1234XYZ", "00A400A4"):
        assert secret not in shown
    assert "31041...789" in shown


@given(st.from_regex(r"[0-9]{14,20}", fullmatch=True), st.text(alphabet=" =,:'\"", max_size=3))
def test_no_subscriber_gets_through(number: str, around: str) -> None:
    assert number not in masked(f"x{around or ' '}{number}{around}")
