"""The grammar of UCI files, as libuci reads it; what the options mean is not known here.

A file is a sequence of statements (`package`, `config`, `option`, `list`, each also by its
first letter), ended by a line end or `;`. A word may be made of quoted and bare pieces:
nothing is special inside single quotes; a backslash makes the next character plain inside
double quotes and outside quotes, and joins lines at a line end. `#` outside quotes starts a
comment, within a word too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from remsimd.errors import RemsimError

_SPACE = frozenset(" \t\n\v\f\r")
_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_TYPE = re.compile(r"[!-~]+", re.ASCII)
_KEYWORDS = ("package", "config", "option", "list")


class UciError(RemsimError):
    """Text that is not UCI; `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line = line
        self.column = column
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Option:
    """An option with one value, or a list with one or more; an empty option does not exist."""

    name: str
    values: tuple[str, ...]
    is_list: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """A section; `index` counts the sections of its type from 0, named ones included."""

    type: str
    name: str | None
    index: int
    options: tuple[Option, ...] = ()
    line: int = field(default=0, compare=False)

    @property
    def label(self) -> str:
        """What people and `uci show` call it: the name, or `@type[index]`."""
        return self.name if self.name is not None else f"@{self.type}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Package:
    """The content of one file; `name` is set only where the file has a `package` line."""

    sections: tuple[Section, ...] = ()
    name: str | None = None


def parse(text: str) -> Package:
    """The sections of a UCI file, those of one name merged: the last option wins, lists grow.

    Raises `UciError` at the first place that libuci refuses too.
    """
    builder = _Builder()
    for statement in _Scanner(text).statements():
        builder.take(statement)
    return builder.package()


def dump(package: Package) -> str:
    """The text of a package in the form of `uci export`; `parse` of it gives the same package."""
    lines = [] if package.name is None else [f"package {package.name}"]
    for section in package.sections:
        name = "" if section.name is None else f" {_quote(section.name)}"
        lines += ["", f"config {_quote(section.type)}{name}"]
        for option in section.options:
            keyword = "list" if option.is_list else "option"
            lines += [f"\t{keyword} {option.name} {_quote(value)}" for value in option.values]
    return "\n".join([*lines, ""])


def _quote(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    line: int
    column: int

    def error(self, problem: str) -> UciError:
        return UciError(self.line, self.column, problem)


class _Scanner:
    """Cuts a text into statements of words, the keyword first."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0

    def statements(self) -> Iterator[list[_Word]]:
        words: list[_Word] = []
        while self._pos < len(self._text):
            char = self._text[self._pos]
            if char == "#":
                end = self._text.find("\n", self._pos)
                self._pos = len(self._text) if end < 0 else end
            elif char in "\n;":
                if words:
                    yield words
                words = []
                self._pos += 1
            elif char in _SPACE:
                self._pos += 1
            else:
                words.append(self._word())
        if words:
            yield words

    def _word(self) -> _Word:
        line, column = self._place(self._pos)
        pieces: list[str] = []
        while self._pos < len(self._text):
            char = self._text[self._pos]
            if char in _SPACE or char in "#;":
                break
            if char in "'\"":
                self._quoted(char, pieces)
            elif char == "\\":
                self._escaped(pieces)
            else:
                self._plain(pieces)
        return _Word("".join(pieces), line, column)

    def _quoted(self, quote: str, pieces: list[str]) -> None:
        opened = self._pos
        self._pos += 1
        while self._pos < len(self._text):
            char = self._text[self._pos]
            if char == quote:
                self._pos += 1
                return
            if char == "\\" and quote == '"':
                self._escaped(pieces)
            else:
                self._plain(pieces)
        line, column = self._place(opened)
        raise UciError(line, column, f"the quote {quote} opened here is never closed")

    def _escaped(self, pieces: list[str]) -> None:
        self._pos += 1
        for line_end in ("\n", "\r\n"):
            if self._text.startswith(line_end, self._pos):
                self._pos += len(line_end)
                return
        if self._pos < len(self._text):
            self._plain(pieces)

    def _plain(self, pieces: list[str]) -> None:
        char = self._text[self._pos]
        if char == "\0":
            line, column = self._place(self._pos)
            raise UciError(line, column, "a NUL character cannot stand in a configuration")
        pieces.append(char)
        self._pos += 1

    def _place(self, pos: int) -> tuple[int, int]:
        return self._text.count("\n", 0, pos) + 1, pos - self._text.rfind("\n", 0, pos)


@dataclass(slots=True)
class _OpenSection:
    type: str
    name: str | None
    index: int
    line: int
    options: dict[str, Option] = field(default_factory=dict)


class _Builder:
    """Collects statements into sections."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._sections: list[_OpenSection] = []
        self._current: _OpenSection | None = None

    def package(self) -> Package:
        sections = tuple(
            Section(opened.type, opened.name, opened.index, tuple(opened.options.values()), opened.line)
            for opened in self._sections
        )
        return Package(sections, self._name)

    def take(self, words: list[_Word]) -> None:
        keyword, *rest = words
        matches = [full for full in _KEYWORDS if keyword.text in (full, full[0])]
        if not matches:
            raise keyword.error(f"{keyword.text!r} is not one of {', '.join(_KEYWORDS)}")
        match matches[0]:
            case "package":
                self._name = self._argument(keyword, rest, 0, "a package name", _PACKAGE_NAME)
                self._nothing_after(rest, 1)
            case "config":
                self._open(keyword, rest)
            case "option":
                self._option(keyword, rest)
            case _:
                self._list(keyword, rest)

    def _open(self, keyword: _Word, rest: list[_Word]) -> None:
        kind = self._argument(keyword, rest, 0, "a section type", _TYPE)
        self._nothing_after(rest, 2)
        name = None
        if len(rest) > 1 and rest[1].text:
            name = self._argument(keyword, rest, 1, "a section name", _NAME)
        known = next((s for s in self._sections if name is not None and s.name == name), None)
        if known is None:
            index = sum(section.type == kind for section in self._sections)
            self._current = _OpenSection(kind, name, index, keyword.line)
            self._sections.append(self._current)
            return
        if known.type != kind:
            raise rest[1].error(f"section {name!r} has type {known.type!r} already (line {known.line})")
        self._current = known

    def _option(self, keyword: _Word, rest: list[_Word]) -> None:
        section, name, value = self._assignment(keyword, rest)
        if value:
            section.options[name] = Option(name, (value,), line=keyword.line)
        else:
            # libuci deletes what is set to the empty string.
            section.options.pop(name, None)

    def _list(self, keyword: _Word, rest: list[_Word]) -> None:
        section, name, value = self._assignment(keyword, rest)
        before = section.options.get(name)
        values = () if before is None else before.values
        section.options[name] = Option(name, (*values, value), is_list=True, line=keyword.line)

    def _assignment(self, keyword: _Word, rest: list[_Word]) -> tuple[_OpenSection, str, str]:
        if self._current is None:
            raise keyword.error(f"{keyword.text!r} before the first section")
        name = self._argument(keyword, rest, 0, "an option name", _NAME)
        self._nothing_after(rest, 2)
        return self._current, name, rest[1].text if len(rest) > 1 else ""

    def _argument(
        self, keyword: _Word, rest: list[_Word], index: int, what: str, allowed: re.Pattern[str]
    ) -> str:
        if len(rest) <= index or not rest[index].text:
            raise keyword.error(f"{keyword.text!r} needs {what}")
        if not allowed.fullmatch(rest[index].text):
            raise rest[index].error(f"{rest[index].text!r} cannot be {what}")
        return rest[index].text

    def _nothing_after(self, rest: list[_Word], count: int) -> None:
        if len(rest) > count:
            raise rest[count].error("too many words; a value with spaces must stand in quotes")
