"""Collecting the texts to translate: `python -m ionmesh.dashboard.texts` prints a template for catalogues.

Marked are `_()`, `ngettext()`, `mark()` and `translate()` in code, and `_()` and `{% trans %}` in templates.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment

_FOLDER = Path(__file__).parent
_FUNCTIONS = frozenset({"_", "mark", "translate"})
_HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'


def collect() -> dict[tuple[str, ...], list[str]]:
    """Return the texts, one or singular and plural, with the places `file:line` of each."""
    found: dict[tuple[str, ...], list[str]] = {}
    for path in sorted([*_FOLDER.glob("*.py"), *_FOLDER.glob("templates/*")]):
        texts = _of_code(path) if path.suffix == ".py" else _of_template(path)
        for line, text in texts:
            found.setdefault(text, []).append(f"{path.relative_to(_FOLDER)}:{line}")
    return found


def template() -> str:
    """Return the texts as a POT file."""
    return "\n".join([_HEAD, *(_entry(texts, places) for texts, places in sorted(collect().items()))])


def _of_code(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, (argument.value,)


def _of_template(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for line, _function, text in environment.extract_translations(path.read_text(encoding="utf-8")):  # type: ignore[attr-defined]  # the extension adds it
        texts = text if isinstance(text, tuple) else (text,)
        known = tuple(part for part in texts if isinstance(part, str))
        # What is computed is marked where it is written.
        if known:
            yield line, known


def _entry(texts: tuple[str, ...], places: list[str]) -> str:
    lines = [f"#: {place}" for place in places]
    lines += [f"msgid{'_plural' if index else ''} {_quoted(text)}" for index, text in enumerate(texts)]
    if len(texts) > 1:
        return "\n".join([*lines, 'msgstr[0] ""', 'msgstr[1] ""', ""])
    return "\n".join([*lines, 'msgstr ""', ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    sys.stdout.write(template())
