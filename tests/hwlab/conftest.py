"""The guests' figures, at the end of a run."""

import pytest

from tests.hwlab.machine import OUTCOMES
from tests.hwlab.verdicts import figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each guest, and one for each figure its tests recorded."""
    outcomes = terminalreporter.config.stash.get(OUTCOMES, [])
    if outcomes:
        terminalreporter.section("hwlab")
    for outcome in outcomes:
        booted = outcome.text("boot-seconds").strip()
        terminalreporter.write_line(f"a guest was up after {booted} s and off after {outcome.took_s:.0f} s")
        for name, value in figures(outcome.text("junit.xml")).items():
            terminalreporter.write_line(f"  {name}: {value}")
