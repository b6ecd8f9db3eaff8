"""docs/troubleshooting.md quotes what the programs say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, text

PAGE = text(ROOT / "docs/troubleshooting.md")
SOURCES = [path for package in ("ionmesh", "modems", "remsimd") for path in (ROOT / package).rglob("*.py")]
GAP = "..."


def said(path: Path) -> Iterator[str]:
    """Every text in a module, with a gap for each value that is filled in; docstrings are nobody's words."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    mute = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in parts or id(node) in mute:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[\w.]", GAP, node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)


SAID = [words for path in SOURCES for words in said(path)]
AMONG_SYMPTOMS = [
    "the route cannot be moved: ...",
    "routing is none: failover decisions are logged, routes stay as they are",
    "mwan3 is not installed",
]
"""Quoted where most lines tell what is seen and not what is said."""
QUOTED = [
    quoted
    for table in re.findall(r"\| it says \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    for row in table.splitlines()
    for quoted in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    if not quoted.startswith("IONMESH_") and quoted != "FAIL"
]


@pytest.mark.parametrize("quoted", QUOTED + AMONG_SYMPTOMS)
def test_a_quoted_message_is_one_that_is_given(quoted: str) -> None:
    assert f"`{quoted}`" in PAGE
    wanted = re.compile(".*".join(map(re.escape, quoted.split(GAP))), re.DOTALL)
    whole = GAP not in quoted and " " not in quoted
    found = [words for words in SAID if (words == quoted if whole else wanted.search(words))]
    assert found, f"nobody says {quoted!r}"


def test_there_are_quotations_to_look_at() -> None:
    assert len(QUOTED) > 30
