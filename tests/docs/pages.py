"""The project's pages, as the tests of this folder read them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
_FENCE = re.compile(r"^(`{3,})[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def text(page: Path) -> str:
    """A page as it is."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def blocks(page: Path) -> Iterator[str]:
    """The lines of each fenced block, without its fences."""
    for found in _FENCE.finditer(text(page)):
        yield found[2]


def name(page: Path) -> str:
    """A page as people call it: its path in the tree."""
    return page.relative_to(ROOT).as_posix()
