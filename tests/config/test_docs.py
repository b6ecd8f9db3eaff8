"""docs/uci.md says what the tables do."""

import re
from pathlib import Path

import pytest

from remsimd.config.load import parse
from remsimd.config.model import Role, SimSource
from remsimd.config.options import FORK_PORT, TABLES, Row, Table

PAGE = (Path(__file__).parents[2] / "docs/uci.md").read_text(encoding="utf-8")
DERIVED_DEFAULTS = {"client_name", "ca_cert"}


def documented(kind: str) -> dict[str, str]:
    """Option name to default, as the page has them for one section type."""
    _, _, section = PAGE.partition(f"\n## {kind}\n")
    table = section.partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ?([^|]*?) ?\|", table, re.MULTILINE))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_option_is_documented_in_order(table: Table) -> None:
    assert list(documented(table.kind)) == [row.option for row in table.rows]


@pytest.mark.parametrize(
    ("table", "row"),
    [(table, row) for table in TABLES.values() for row in table.rows if row.option not in DERIVED_DEFAULTS],
    ids=lambda part: part.option if isinstance(part, Row) else part.kind,
)
def test_documented_default(table: Table, row: Row) -> None:
    text = documented(table.kind)[row.option]
    if row.option in table.required:
        assert text == "must be set"
        return
    if row.field == "fork_port":
        assert text == f"`{FORK_PORT}`"
        return
    required = dict.fromkeys(table.required, "x")
    default = getattr(table.model(name="x", **required) if table.repeated else table.model(), row.field, None)
    values = tuple(row.reader.read(value) for value in re.findall(r"`([^`]+)`", text))
    if row.many:
        assert default == values
    else:
        assert default == (values[0] if values else None)


def test_the_example_is_a_configuration() -> None:
    _, _, example = PAGE.partition("## Example")
    text = example.split("```")[1]
    config = parse(text, "docs/uci.md")
    assert config.warnings == ()
    assert [(modem.name, modem.role, modem.sim) for modem in config.modems] == [
        ("rm500q", Role.PRIMARY, SimSource.REMOTE),
        ("ec25", Role.SECONDARY, SimSource.LOCAL),
    ]
    assert config.main.enabled
    assert config.ionmesh.enabled


EXAMPLES = (Path(__file__).parents[2] / "docs/examples.md").read_text(encoding="utf-8").split("```")[1::2]


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_example_is_a_configuration(text: str) -> None:
    config = parse(text, "docs/examples.md")
    assert config.warnings == ()
    assert config.main.enabled
    (primary,) = (modem for modem in config.modems if modem.role is Role.PRIMARY)
    assert primary.sim is SimSource.REMOTE
    assert {frontend.modem for frontend in config.frontends} == {primary.name}
