"""docs/control.md has the method table and the names of the facts."""

import re
import subprocess
import sys
from pathlib import Path

from modems.report import NAMES

ROOT = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/control-reference", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_facts_of_a_modem_are_named_in_their_order() -> None:
    _, _, answers = (ROOT / "docs/control.md").read_text(encoding="utf-8").partition("never 0:\n")
    assert tuple(re.findall(r"`(\w+)`", answers.partition(". In dual")[0])) == NAMES
