"""What a demo tells: aligned columns on a terminal of any width, one line an event in a file."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

_LEAST_TEXT_WIDTH = 30
"""Columns; a terminal that leaves less is not wrapped for."""


class Story:
    """Prints what happened when.

    `reader_gone` is called once when nobody reads any more (a closed terminal or pipe); nothing is
    printed from then on.
    """

    def __init__(self, reader_gone: Callable[[], None], console: Console | None = None) -> None:
        self._reader_gone = reader_gone
        self._console = console or Console()
        self._started_s = time.monotonic()

    def title(self, text: str) -> None:
        """A heading over the next lines."""
        self._print(f"\n[bold]{text}[/bold]")

    def tell(self, who: str, text: str, *, mark: str = "[green]✓[/green]") -> None:
        """One thing that happened and was checked."""
        at_s = time.monotonic() - self._started_s
        self._entry(f"  [dim]{at_s:5.1f} s[/dim] {mark} [cyan]{who:<10}[/cyan] ", text)

    def fault(self, who: str, text: str) -> None:
        """Something the demo breaks on purpose."""
        self.tell(who, text, mark="[yellow]![/yellow]")

    def note(self, text: str = "") -> None:
        """A line that is not an event."""
        self._print(text)

    def _entry(self, head: str, text: str) -> None:
        """Print `text` behind its head; on a terminal what does not fit goes on under its own beginning."""
        start, rest = Text.from_markup(head), Text.from_markup(text)
        width = self._console.width - start.cell_len
        if not self._console.is_terminal or width < _LEAST_TEXT_WIDTH:
            self._print(start + rest)
            return
        for line in rest.wrap(self._console, width):
            line.rstrip()
            self._print(start + line)
            start = Text(" " * start.cell_len)

    def _print(self, what: str | Text) -> None:
        if self._console.quiet:
            return
        try:
            self._console.print(what, highlight=False, soft_wrap=True)
        except (OSError, SystemExit):
            # SystemExit is what rich makes of a closed pipe.
            self._console.quiet = True
            with Path(os.devnull).open("w") as nowhere:
                # Or the interpreter would complain of it once more at its end.
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            self._reader_gone()
