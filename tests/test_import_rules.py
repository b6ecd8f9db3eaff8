"""Who may import whom: the layout holds only as long as somebody looks."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE = ("asyncio", "time", "socket", "subprocess", "threading", "select", "os", "pathlib")

NEVER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("modems", ("remsimd", "ionmesh", "simlab", "click")),
    ("remsimd", ("ionmesh", "simlab")),
    ("ionmesh", ("remsimd", "modems", "simlab")),
    ("modems.at.framing", PURE),
    ("modems.at.parse", PURE),
    ("modems.at.command", PURE),
    ("remsimd.failover.machine", PURE),
    ("remsimd.failover.health", PURE),
    ("remsimd.rspro.session", PURE),
    ("remsimd.rspro.codec", PURE),
    ("remsimd.sim.frontends.apdu_case", PURE),
    ("remsimd.sim.frontends.cardem_protocol", PURE),
    ("remsimd.sim.frontends.cardem_session", PURE),
    ("remsimd.sim.frontends.short_apdu", PURE),
    ("modems.drivers", ("serial", "pyudev")),
    ("modems.detect", ("modems.at", "modems.drivers")),
    ("remsimd.orchestrator", ("modems.drivers", "modems.at", "remsimd.failover")),
    ("remsimd.observe", ("modems.drivers", "modems.at", "remsimd.failover")),
    ("remsimd.control", ("modems.drivers", "modems.at", "remsimd.failover")),
    ("remsimd.rspro", ("remsimd.failover", "remsimd.orchestrator", "modems")),
    ("remsimd.cli", ("remsimd.failover", "remsimd.rspro", "modems.at")),
    ("ionmesh.services", ("flask",)),
)
"""A module (or everything below a package) and what it never imports."""

ONE_USER = {
    "serial": "modems.at.port",
    "pyudev": "modems.detect.udev",
    "gpiod": "remsimd.sim.gpio",
    "requests": "remsimd.httpsession",
    "ctypes": "remsimd.sim.frontends.usbfs",
}
VENDORS = ("fibocom", "quectel", "sierra")


def modules() -> dict[str, set[str]]:
    """Every module of the packages and the full names it imports, lazily or not."""
    found = {}
    for package in ("modems", "remsimd", "ionmesh", "simlab"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


MODULES = modules()


@pytest.mark.parametrize(("who", "what"), NEVER, ids=[who for who, _ in NEVER])
def test_a_module_never_imports_what_it_must_not(who: str, what: tuple[str, ...]) -> None:
    subjects = [name for name in MODULES if within(name, who)]
    assert subjects, f"{who} is gone: correct this table"
    wrong = [
        (name, target)
        for name in subjects
        for target in MODULES[name]
        if any(within(target, forbidden) for forbidden in what)
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONE_USER)
def test_a_library_has_one_user_on_the_router(library: str) -> None:
    users = {
        name
        for name, targets in MODULES.items()
        if within(name, "modems") or within(name, "remsimd")
        if any(within(target, library) for target in targets)
    }
    assert users == {ONE_USER[library]}


def test_configuration_knows_nothing_of_the_daemon_but_its_errors_and_how_to_write() -> None:
    # Writing may be the uci program's part.
    allowed = ("remsimd.config", "remsimd.errors", "remsimd.files", "remsimd.programs")
    wrong = [
        (name, target)
        for name, targets in MODULES.items()
        if within(name, "remsimd.config")
        for target in targets
        if target.startswith("remsimd.") and not any(within(target, fine) for fine in allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_s_driver_knows_no_other_vendor_s(vendor: str) -> None:
    others = [other for other in VENDORS if other != vendor]
    wrong = [
        (name, target)
        for name, targets in MODULES.items()
        if within(name, "modems.drivers") and vendor in name
        for target in targets
        if within(target, "modems") and any(other in target for other in others)
    ]
    assert wrong == []


def test_modules_and_functions_stay_readable() -> None:
    """350 lines a module, 50 a function; a longer one needs its reason here."""
    too_long = []
    for package in ("modems", "remsimd", "ionmesh", "simlab"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if len(text.splitlines()) > 350:
                too_long.append(str(path.relative_to(ROOT)))
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    if lines > 50:
                        too_long.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert set(too_long) - set(REASONS) == set()


REASONS: dict[str, str] = {}
