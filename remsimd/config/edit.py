"""Changing options of /etc/config/remsim from afar: checked as a whole before anything is written."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from remsimd import files
from remsimd.config import uci
from remsimd.config.load import load, parse
from remsimd.config.options import TABLES
from remsimd.config.uci import Option, Package, Section
from remsimd.errors import ConfigError, Mistake
from remsimd.programs import running

UCI_FOLDER = Path("/etc/config")
UCI_TIMEOUT_S = 10.0
MAX_CHANGES = 32
VALUE_CHARS = 256
Values = tuple[str, ...]
"""One value of an option, several of a list, none to unset it."""

_PLACE = re.compile(r"(?:remsim\.)?([A-Za-z0-9_]+|@[a-z]+\[[0-9]{1,3}\])\.([A-Za-z0-9_]+)", re.ASCII)
_LOCAL_ONLY = frozenset(
    (
        *("event_script", "state_dir", "path", "webhook", "url", "host", "insecure", "tls_min"),
        *("api_key", "api_key_file", "ca_cert", "client_cert", "client_key", "legacy_proxy"),
    )
)
"""What would run a program, name a file, or hand this router or its data to somebody else."""


@dataclass(frozen=True, slots=True)
class Change:
    """One option of one section; the section by its name, `@type[index]`, or a type that exists once."""

    section: str
    option: str
    values: Values

    def __str__(self) -> str:
        return f"{self.section}.{self.option}"


def changes(wanted: Mapping[str, object]) -> tuple[Change, ...]:
    """Changes from `{"section.option": value}`; a text, a list of texts, or None to unset.

    Raises `ConfigError` for anything else, and for options that only the router's owner sets.
    """
    if not 0 < len(wanted) <= MAX_CHANGES:
        raise _refused("values", None, f"1 to {MAX_CHANGES} options at a time")
    return tuple(_change(place, value) for place, value in wanted.items())


def edited(text: str, wanted: tuple[Change, ...]) -> str:
    """The file with the changes made, in the form of `uci export`; raises `ConfigError` for mistakes."""
    package = uci.parse(text)
    for change in wanted:
        package = _with(package, change)
    result = uci.dump(package)
    parse(result, "the changed configuration")
    return result


async def save(path: Path, wanted: tuple[Change, ...]) -> None:
    """Make the changes in a file that is right before and after.

    Through `uci` where that is what keeps the file, with a folder of its own for the changes
    so that nobody else's unfinished ones are committed; else by replacing the file as a whole.
    Raises `ConfigError`, with the file as it was.
    """
    load(path)
    before = _read(path)
    text = edited(before, wanted)
    if path.parent == UCI_FOLDER and shutil.which("uci") is not None:
        await _through_uci(path.name, uci.parse(before), wanted)
    else:
        _replace(path, text)


def _change(place: str, value: object) -> Change:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise _refused(place[:80], None, "name an option of package remsim as section.option")
    section, option = found.groups()
    if option in _LOCAL_ONLY:
        raise _refused(section, option, "this option is only set on the router itself")
    values = value if isinstance(value, list) else [] if value is None else [value]
    texts = [str(item) for item in values if isinstance(item, str | int) and not isinstance(item, bool)]
    if len(texts) != len(values) or any(not _plain(item) for item in texts):
        raise _refused(section, option, "the value must be a text, a number, a list of these, or null")
    return Change(section, option, tuple(texts))


def _plain(text: str) -> bool:
    return 0 < len(text) <= VALUE_CHARS and text.isprintable()


def _with(package: Package, change: Change) -> Package:
    section = _find(package, change.section)
    if section is None:
        raise _refused(change.section, change.option, "there is no such section")
    others = tuple(option for option in section.options if option.name != change.option)
    if change.values:
        many = any(row.many for row in TABLES[section.type].rows if row.option == change.option)
        others += (Option(change.option, change.values, is_list=many),)
    changed = replace(section, options=others)
    if section not in package.sections:
        return replace(package, sections=(*package.sections, changed))
    return replace(package, sections=tuple(changed if s is section else s for s in package.sections))


def _find(package: Package, label: str) -> Section | None:
    """The section meant; one of a type that exists at most once is made where it is missing."""
    for section in package.sections:
        if label == section.label and section.type in TABLES:
            return section
    table = TABLES.get(label)
    if table is None or table.repeated:
        return None
    return next((s for s in package.sections if s.type == label), Section(label, label, 0))


def _read(path: Path) -> str:
    return path.read_text("utf-8")


async def _through_uci(name: str, package: Package, wanted: tuple[Change, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for change in wanted:
            section = _find(package, change.section)
            label = change.section if section is None else section.label
            place = f"{name}.{label}"
            if section is not None and section not in package.sections:
                await _uci(folder, "set", f"{place}={section.type}")
                package = replace(package, sections=(*package.sections, section))
            many = len(change.values) > 1
            await _uci(folder, "delete", f"{place}.{change.option}", may_fail=True)
            for value in change.values:
                await _uci(folder, "add_list" if many else "set", f"{place}.{change.option}={value}")
        await _uci(folder, "commit", name)


async def _uci(folder: str, *arguments: str, may_fail: bool = False) -> None:
    null = asyncio.subprocess.DEVNULL
    try:
        async with (
            running("uci", "-q", "-t", folder, *arguments, stdout=null, stderr=null) as process,
            asyncio.timeout(UCI_TIMEOUT_S),
        ):
            status = await process.wait()
    except TimeoutError as error:
        raise _refused("uci", None, f"no answer to {arguments[0]} within {UCI_TIMEOUT_S:g} s") from error
    if status and not may_fail:
        raise _refused("uci", None, f"uci {arguments[0]} ended with status {status}")


def _replace(path: Path, text: str) -> None:
    try:
        files.replace(path, text.encode())
    except OSError as error:
        raise _refused(str(path), None, f"cannot be written: {error.strerror}") from error


def _refused(section: str, option: str | None, problem: str) -> ConfigError:
    return ConfigError("config-set", (Mistake(section, option, None, problem),))
