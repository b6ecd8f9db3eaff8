"""The demo's words fit a terminal, and a file has one line an event."""

import io

import pytest
from rich.console import Console

from simlab.story import Story

LONG = "GPIO line sim1 moved, the modem reads the bank's card: ICCID 8988211054330120007"


def told(text: str, *, terminal: bool, width: int = 80) -> list[str]:
    """The lines of one event."""
    page = io.StringIO()
    console = Console(file=page, width=width, force_terminal=terminal, color_system=None)
    Story(pytest.fail, console).tell("sim", text)
    return page.getvalue().splitlines()


def test_on_a_terminal_the_text_stays_in_its_column() -> None:
    first, second = told(LONG, terminal=True)
    assert max(len(first), len(second)) <= 80
    column = first.index("GPIO")
    assert second == " " * column + "ICCID 8988211054330120007"


@pytest.mark.parametrize(("terminal", "width"), [(False, 80), (True, 40)])
def test_in_a_file_and_where_there_is_no_room_it_is_one_line(terminal: bool, width: int) -> None:
    (line,) = told(LONG, terminal=terminal, width=width)
    assert line.endswith(LONG)


def test_a_word_that_no_line_holds_is_not_lost() -> None:
    lines = told("x" * 200, terminal=True)
    assert sum(line.count("x") for line in lines) == 200
    assert max(map(len, lines)) <= 80


class Closed(io.StringIO):
    """A terminal that was closed."""

    def flush(self) -> None:
        raise OSError(5, "Input/output error")


def test_a_reader_that_is_gone_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[int] = []
    monkeypatch.setattr("simlab.story.os.dup2", lambda *_: None)
    story = Story(lambda: gone.append(1), Console(file=Closed(), width=80))
    story.note("one")
    story.note("two")
    assert gone == [1]
