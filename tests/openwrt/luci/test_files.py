"""The files of the app as they lie there: current, well-formed, and granted exactly what they call."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from remsimd.config.options import TABLES, Row, Table
from remsimd.config.readers import NotAllowedError
from remsimd.control import cards, methods, overview, recorded
from remsimd.control.methods import Method
from remsimd.control.ubus import ubus_name
from tests.openwrt.luci.pages import APP, menu
from tests.openwrt.luci.rpcd import Acl

ROOT = APP.parents[1]
RESOURCES = APP / "htdocs/luci-static/resources"
SOURCES = sorted(path for path in RESOURCES.rglob("*.js") if "uplot" not in path.parts)
STANDIN = sorted((Path(__file__).parent / "standin").glob("*.js"))
ROWS = [(table, row) for table in TABLES.values() for row in table.rows]
MARKED = re.compile(r"(?<![\w.$])_\('(?:[^'\\\n]|\\.)*'\)")
SCHEMA = runpy.run_path(str(ROOT / "scripts/luci-schema"))


def name(part: object) -> str:
    return part.option if isinstance(part, Row) else part.kind if isinstance(part, Table) else str(part)


def daemon_methods() -> dict[str, Method]:
    """The daemon's methods under their names on ubus; they are only looked at."""
    nobody: Any = None
    found = {
        **methods.table(nobody, nobody, nobody),
        **overview.table(nobody, nobody),
        **recorded.table(nobody),
        **cards.table(nobody),
    }
    return {ubus_name(name): method for name, method in found.items()}


def declared() -> dict[str, list[str]]:
    """The methods that api.js calls, with the parameters it gives."""
    source = (RESOURCES / "remsimd/api.js").read_text()
    found = re.findall(r"method\('(\w+)'(?:, \[ ([^\]]*) \])?\)", source)
    return {name: re.findall(r"'(\w+)'", params) for name, params in found}


@pytest.mark.parametrize("script", ["luci-schema", "luci-pot"])
def test_what_is_made_is_current(script: str) -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("table", "row"), ROWS, ids=name)
def test_the_form_and_the_daemon_agree_on_what_is_allowed(table: Table, row: Row) -> None:
    about = SCHEMA["kind"](row)

    def reads(text: str) -> bool:
        try:
            row.reader.read(text)
        except NotAllowedError:
            return False
        return True

    if about["kind"] in ("integer", "decimal"):
        step, places = (1, 0) if about["kind"] == "integer" else (0.01, 2)
        for bound in (about["low"], about["high"]):
            assert reads(f"{bound}") == (len(f"{abs(bound):.0f}") <= about["digits"])
        assert not reads(f"{about['low'] - step:.{places}f}")
        assert not reads(f"{about['high'] + step:.{places}f}")
        assert reads(f"{about['low'] + 0.25:.2f}") == (about["kind"] == "decimal")
    elif about["kind"] == "choice":
        assert all(reads(word) for word in about["choices"])
        assert not reads("anything else")
    elif about["kind"] == "flag":
        assert all(reads(word) for word in ("0", "1", "yes", "on", "true", "enabled"))


def test_the_acl_grants_what_is_called_and_nothing_else() -> None:
    acl = Acl.read()
    read, write = (set(acl.grants[half]["ubus"]["remsim"]) for half in ("read", "write"))
    assert read | write == set(declared())
    assert not read & write
    assert write == {
        *("failover_to", "failover_auto", "sim_use", "sim_test"),
        *("modem_reset", "modem_at", "ionmesh_register"),
        *("alerts_acknowledge", "alerts_mute"),
    }


@pytest.mark.parametrize(("method", "given"), declared().items())
def test_a_method_is_called_as_the_daemon_has_it(method: str, given: list[str]) -> None:
    known = daemon_methods()[method]
    assert set(given) <= set(known.params)
    assert set(known.params) - known.optional <= set(given)


def test_every_view_of_the_menu_is_there_and_every_view_is_in_the_menu() -> None:
    entries = menu()
    paths = {entry["action"]["path"] for entry in entries.values() if entry["action"]["type"] == "view"}
    assert paths == {f"remsimd/{path.stem}" for path in (RESOURCES / "view/remsimd").glob("*.js")}
    top = entries["admin/services/remsimd"]
    assert top["depends"] == {"acl": list(json.loads(acl_file().read_text())), "uci": {"remsim": True}}


def acl_file() -> Path:
    (file,) = (APP / "root/usr/share/rpcd/acl.d").glob("*.json")
    return file


@pytest.mark.parametrize("path", [*SOURCES, *STANDIN], ids=lambda path: path.name)
def test_javascript_is_javascript(path: Path, tmp_path: Path) -> None:
    """A LuCI module is the body of a function, so it may return."""
    whole = tmp_path / path.name
    whole.write_text(f"(function() {{ {path.read_text()}\n}})")
    ended = subprocess.run(["node", "--check", whole], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_javascript_keeps_the_house_rules(path: Path) -> None:
    source = path.read_text()
    lines = source.splitlines()
    assert lines[0] == "'use strict';"
    assert len(lines) < 350
    assert not [line for line in lines if re.match(r" +\S", line) and not re.match(r" \*", line)], "tabs"
    assert not [line for line in lines if line != line.rstrip()], "trailing space"
    forbidden = r"\bvar |\.innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|console\.log"
    assert not re.findall(forbidden, source)
    assert len(re.findall(r"(?<![\w.$])_\(", source)) == len(MARKED.findall(source)), (
        "a text to be translated is one literal"
    )
    required = re.findall(r"^'require ([\w.]+)(?: as (\w+))?';$", source, re.MULTILINE)
    code = source.partition("\n\n")[2]
    unused = [whole for whole, short in required if not re.search(rf"\b{short or whole}\b", code)]
    assert unused == []


def test_uplot_comes_with_its_licence() -> None:
    folder = RESOURCES / "remsimd/uplot"
    assert "MIT" in (folder / "LICENSE").read_text()
    assert "uPlot (v1." in (folder / "uPlot.iife.min.js").read_text()[:200]
