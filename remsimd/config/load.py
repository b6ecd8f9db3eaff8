"""From /etc/config/remsim to a `Config`: all mistakes at once, or none."""

import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from remsimd.config import checks, model, options, uci
from remsimd.config.model import Config
from remsimd.config.options import FORK_PORT, TABLES, Row, Table
from remsimd.config.readers import NotAllowedError
from remsimd.config.uci import Section, UciError
from remsimd.errors import ConfigError, Mistake

MAX_BYTES = 1 << 20

_PASSWORD = re.compile(r"//[^/]*@")


def load(path: str | Path) -> Config:
    """The configuration in a file; raises `ConfigError` with every mistake found.

    Beyond what `parse` finds, a file with the API key that everybody may read is a mistake; a
    missing one is not, because it may come later than the configuration.
    """
    source = str(path)
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(source, (_file_mistake(f"cannot be read: {error.strerror}"),)) from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(source, (_file_mistake(f"is larger than {MAX_BYTES} bytes"),))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(source, (_file_mistake("is not UTF-8 text", line),)) from error
    return _read(text, source, _key_file_mistakes)


def parse(text: str, source: str) -> Config:
    """The configuration a text means; raises `ConfigError`, which calls it `source`."""
    return _read(text, source, lambda _: [])


def _file_mistake(problem: str, line: int | None = None) -> Mistake:
    return Mistake("file", None, None, problem, line)


def _key_file_mistakes(config: Config) -> list[Mistake]:
    path = config.ionmesh.api_key_file
    if path is None:
        return []
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return []
    if not mode & (stat.S_IROTH | stat.S_IWOTH):
        return []
    problem = f"every user of the router may read or write the key; chmod 600 {path}"
    return [Mistake("ionmesh", "api_key_file", path, problem)]


def _read(text: str, source: str, look_around: Callable[[Config], list[Mistake]]) -> Config:
    """The meaning of a text; `look_around` finds what is wrong outside of it."""
    try:
        package = uci.parse(text)
    except UciError as error:
        mistake = _file_mistake(f"{error.problem}, column {error.column}", error.line)
        raise ConfigError(source, (mistake,)) from error
    reading = _Reading()
    for section in package.sections:
        reading.take(section)
    config = reading.config()
    between = [*checks.mistakes(config, reading.incomplete()), *look_around(config)]
    mistakes = [*reading.mistakes, *reading.new(between)]
    if mistakes:
        raise ConfigError(source, tuple(sorted(mistakes, key=lambda mistake: mistake.line or MAX_BYTES)))
    return config


@dataclass(slots=True)
class _Reading:
    """What was found so far: the values of each section, the mistakes and the warnings."""

    found: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    lines: dict[tuple[str, str | None], int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, section: Section) -> None:
        self.lines[section.label, None] = section.line
        self.lines.update({(section.label, option.name): option.line for option in section.options})
        table = TABLES.get(section.type)
        if table is None:
            hint = _nearest(section.type, TABLES)
            self.warnings.append(
                f"{section.label}: unknown section type {section.type!r}, ignored (line {section.line}){hint}"
            )
            return
        known = self.found.setdefault(section.type, {})
        if known and not table.repeated:
            first = next(iter(known))
            problem = f"only one section of type {section.type!r} is allowed; the first is {first}"
            self.mistakes.append(Mistake(section.label, None, None, problem, section.line))
            return
        known[section.label] = self._values(table, section)

    def new(self, found: list[Mistake]) -> list[Mistake]:
        """Mistakes between options, with section name and line, where the option itself was readable."""
        known = {(mistake.section, mistake.option) for mistake in self.mistakes}
        placed = [self._placed(mistake) for mistake in found]
        return [mistake for mistake in placed if (mistake.section, mistake.option) not in known]

    def _placed(self, mistake: Mistake) -> Mistake:
        """The checks call a section that exists once by its type; the file may call it otherwise."""
        label = mistake.section
        if label in TABLES and not TABLES[label].repeated:
            label = next(iter(self.found.get(label, ())), label)
        line = self.lines.get((label, mistake.option), self.lines.get((label, None)))
        return replace(mistake, section=label, line=line)

    def incomplete(self) -> frozenset[str]:
        """The section types of which a section could not be read at all."""
        return frozenset(
            kind
            for kind, sections in self.found.items()
            for values in sections.values()
            if not _complete(TABLES[kind], values)
        )

    def _values(self, table: Table, section: Section) -> dict[str, Any]:
        rows = {row.option: row for row in table.rows}
        values: dict[str, Any] = {}
        unset = set(table.required)
        for option in section.options:
            unset.discard(option.name)
            row = rows.get(option.name)
            if row is None:
                hint = _nearest(option.name, rows)
                where = f"{section.label}.{option.name}"
                self.warnings.append(f"{where}: unknown option, ignored (line {option.line}){hint}")
            elif row.many:
                values[row.field] = tuple(
                    value for text in _words(option) for value in self._value(row, section, option, text)
                )
            elif len(option.values) > 1:
                problem = f"given {len(option.values)} times; one value is allowed"
                self._mistake(section, option, " ".join(option.values), problem)
            else:
                for value in self._value(row, section, option, option.values[0]):
                    values[row.field] = value
        for name in sorted(unset):
            allowed = rows[name].reader.allowed
            self.mistakes.append(
                Mistake(section.label, name, None, f"must be set; allowed: {allowed}", section.line)
            )
        return values

    def _value(self, row: Row, section: Section, option: uci.Option, text: str) -> list[Any]:
        """The one value, or none after a mistake."""
        try:
            return [row.reader.read(text)]
        except NotAllowedError as error:
            shown = "***" if option.name == "api_key" else _PASSWORD.sub("//***@", text)
            self._mistake(section, option, shown, str(error) or f"allowed: {row.reader.allowed}")
            return []

    def _mistake(self, section: Section, option: uci.Option, value: str, problem: str) -> None:
        self.mistakes.append(Mistake(section.label, option.name, value, problem, option.line))

    def config(self) -> Config:
        """The configuration as far as it could be read; what could not has its default."""
        config = Config(
            main=self._single(options.MAIN),
            modems=self._repeated(options.MODEM),
            frontends=self._repeated(options.FRONTEND),
            rspro=self._single(options.RSPRO),
            ionmesh=self._ionmesh(),
            failover=self._single(options.FAILOVER),
            recovery=self._single(options.RECOVERY),
            metrics=self._single(options.METRICS),
            history=self._single(options.HISTORY),
            alerts=self._repeated(options.ALERT),
        )
        return replace(config, warnings=(*self.warnings, *checks.warnings(config)))

    def _single(self, table: Table) -> Any:
        for values in self.found.get(table.kind, {}).values():
            return table.model(**values)
        return table.model()

    def _repeated(self, table: Table) -> tuple[Any, ...]:
        return tuple(
            table.model(name=label, **values)
            for label, values in self.found.get(table.kind, {}).items()
            if _complete(table, values)
        )

    def _ionmesh(self) -> model.IonmeshConfig:
        """The orchestrator's section, `host` and `port` made into the url they mean."""
        values: dict[str, Any] = {}
        for found in self.found.get(options.IONMESH.kind, {}).values():
            values = dict(found)
        host, port = values.pop("fork_host", None), values.pop("fork_port", FORK_PORT)
        if host is not None:
            bracketed = f"[{host}]" if ":" in host else host
            values.setdefault("url", f"http://{bracketed}:{port}")
        return model.IonmeshConfig(**values)


def _complete(table: Table, values: Mapping[str, Any]) -> bool:
    return all(name in values for name in table.required)


def _words(option: uci.Option) -> list[str]:
    """The items of a list, which may also be given as one option with spaces."""
    if option.is_list:
        return [value for value in option.values if value]
    return [word for value in option.values for word in value.split()]


def _nearest(name: str, known: Mapping[str, object]) -> str:
    # Only a mistake needs it.
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
