"""A trouble is told once, and a peer that invents texts fills no memory."""

import logging

import pytest

from remsimd.complaints import REMEMBERED, Complaints

LEVELS = {logging.WARNING: "W", logging.DEBUG: "D"}


def told(caplog: pytest.LogCaptureFixture) -> str:
    """The levels of what was logged, in order."""
    return "".join(LEVELS[record.levelno] for record in caplog.records)


def test_a_trouble_is_a_warning_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    complaints = Complaints(logging.getLogger("test"))
    for text in ("no answer", "no answer", "refused %s", "no answer"):
        complaints.tell(text)
    assert told(caplog) == "WDWD"
    assert "refused %s" in caplog.messages
    complaints.clear()
    complaints.tell("no answer")
    assert told(caplog)[-1] == "W"


def test_only_so_many_texts_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    complaints = Complaints(logging.getLogger("test"))
    for number in range(REMEMBERED + 5):
        complaints.tell(str(number))
    caplog.clear()
    complaints.tell("0")
    complaints.tell(str(REMEMBERED + 4))
    assert told(caplog) == "DW"
