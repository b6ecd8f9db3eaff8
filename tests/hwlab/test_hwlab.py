"""The hardware tests, run by the guest: each of its test functions is one test here. See docs/hwlab.md."""

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.hwlab import machine
from tests.hwlab.image import GUEST
from tests.hwlab.verdicts import Case, Verdict, parse

BOOT_TIMEOUT_S = 300
LOG_CHARS = 6000
GUESTS = 2
"""At once: they wait about as much as they compute."""

pytestmark = [
    pytest.mark.skipif(machine.missing() is not None, reason=str(machine.missing())),
    # The first test waits for the whole guest.
    pytest.mark.timeout(BOOT_TIMEOUT_S),
]


def functions(path: Path) -> list[str]:
    """The tests of one of the guest's files, as pytest names them there."""
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_")]
    return [f"{path.name}::{name}" for name in names]


NAMES = [name for path in sorted(GUEST.glob("check_*.py")) for name in functions(path)]


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[machine.Outcome]:
    """What came of the guests, which run no more than was asked for here."""
    items = [each for each in request.session.items if isinstance(each, pytest.Function)]
    wanted = [str(each.callspec.params["name"]) for each in items if each.path == Path(__file__)]
    folder = tmp_path_factory.mktemp("hwlab")
    with machine.built(folder) as made, ThreadPoolExecutor(GUESTS) as pool:
        running = [
            pool.submit(made.run, folder / f"guest{number}", [f"tests/hwlab/guest/{name}" for name in names])
            for number, names in enumerate(_shared(wanted))
        ]
        found = [each.result() for each in running]
    request.config.stash[machine.OUTCOMES] = found
    return found


def _shared(names: list[str]) -> list[list[str]]:
    """The tests for each guest: whole files, so that the guests take the same time."""
    files: dict[str, list[str]] = {}
    for name in names:
        files.setdefault(name.partition("::")[0], []).append(name)
    shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(GUESTS)]
    for file in sorted(files, key=lambda file: -_seconds(GUEST / file)):
        shares.sort(key=lambda share: share[0])
        seconds, taken = shares[0]
        shares[0] = (seconds + _seconds(GUEST / file), taken + files[file])
    return [taken for _, taken in shares if taken]


def _seconds(path: Path) -> int:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SECONDS":
            return int(ast.literal_eval(node.value))
    return 0


@pytest.mark.parametrize("name", NAMES)
def test_on_a_real_kernel(name: str, outcomes: list[machine.Outcome]) -> None:
    cases = [case for each in outcomes for case in parse(each.text("junit.xml")).get(name, ())]
    if not cases:
        pytest.fail(
            "\n".join(_unfinished(each) for each in outcomes if name in each.asked_for), pytrace=False
        )
    failed = [case for case in cases if case.verdict is Verdict.FAILED]
    if failed:
        pytest.fail("\n\n".join(_report(case) for case in failed), pytrace=False)
    if all(case.verdict is Verdict.SKIPPED for case in cases):
        pytest.xfail(cases[0].text)


def _report(case: Case) -> str:
    """The output ends with what the kernel said meanwhile."""
    return f"{case.name}\n{case.text}\n{case.output}"


def _unfinished(outcome: machine.Outcome) -> str:
    """Why there is no word of a test: the guest did not get so far."""
    parts = [f"the guest did not come to this test; all it left is in {outcome.folder}"]
    logs = ("console.log", "kernel.log", "pytest.log")
    return "\n".join((*parts, *(f"--- {name}\n{outcome.text(name)[-LOG_CHARS:]}" for name in logs)))
