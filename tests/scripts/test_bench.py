"""Benches that are run together: every figure is passed on, judged, and told in one table."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHES = Path(__file__).parents[2] / "scripts" / "bench.d"
FAST = """
import sys
from _figure import figure
print("set up", file=sys.stderr)
print("not a figure")
figure("moved, p50", 4.4271, "ms", budget=10, peer="another: 70 to 90 ms")
figure("commands", 78580.6, "commands/s", budget=20000)
figure("size", 32.94, "KB", budget=None)
"""
SLOW = """
from _figure import figure
figure("moved, p50", 12.5, "ms", budget=10)
"""
TABLE = """\
bench  figure       value  unit           budget          peer
fast   moved, p50    4.43  ms              <= 10  met     another: 70 to 90 ms
fast   commands    78,581  commands/s  >= 20,000  met
fast   size          32.9  KB
slow   moved, p50    12.5  ms              <= 10  MISSED
2 budgets met, 1 missed
"""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """scripts/bench's module; its neighbour, which the benches import, is on their path too."""
    monkeypatch.syspath_prepend(str(BENCHES))
    monkeypatch.setenv("PYTHONPATH", str(BENCHES))
    yield importlib.import_module("_run")
    for name in ("_run", "_figure"):
        sys.modules.pop(name, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"fast": FAST, "slow": SLOW, "_no_bench": "raise SystemExit(9)"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def test_all_is_every_bench_and_a_missed_budget_is_status_1(
    runner: ModuleType, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["all"], folder) == 1
    out, err = capfd.readouterr()
    figures = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [figure["name"] for figure in figures] == ["moved, p50", "commands", "size", "moved, p50"]
    assert figures[0] == {
        "name": "moved, p50", "value": 4.4271, "unit": "ms", "budget": 10, "met": True,
        "peer": "another: 70 to 90 ms",
    }  # fmt: skip
    assert err.endswith(TABLE)
    progress = err.removesuffix(TABLE).splitlines()
    assert [progress[0], progress[1], progress[3]] == ["[1/2] fast", "set up", "[2/2] slow"]


def test_what_met_every_budget_is_status_0(runner: ModuleType, folder: Path) -> None:
    assert runner.main(["fast"], folder) == 0


def test_a_bench_that_fails_does_not_hide_the_others(
    runner: ModuleType, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.py").write_text("raise SystemExit(3)")
    assert runner.main(["broken", "fast"], folder) == 1
    assert capfd.readouterr().err.splitlines()[-1] == "2 budgets met, 0 missed; broken failed (exit status 3)"


def test_an_unknown_bench_is_named(
    runner: ModuleType, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        runner.main(["fats"], folder)
    assert ended.value.code == 2
    assert "'fats'" in capfd.readouterr().err


def test_quick_gives_a_bench_its_shorter_phases(
    runner: ModuleType, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert set(runner.QUICK) <= {path.stem for path in BENCHES.glob("[a-z]*.py")}
    (folder / "idle.py").write_text("import sys; print(sys.argv[1:])")
    assert runner.main(["--quick", "idle", "fast"], folder) == 0
    assert capfd.readouterr().out.startswith(f"{list(runner.QUICK['idle'])}\n")


@pytest.mark.parametrize(
    ("value", "unit", "budget", "met"),
    [
        (10, "ms", 10, True), (10.1, "ms", 10, False), (0, "requests", 0, True), (1, "requests", 0, False),
        (800, "per s", 800, True), (799, "per s", 800, False), (1999, "commands/s", 2000, False),
        (float("inf"), "ms", 50, False), (3.5, "ms", None, None),
    ],
)  # fmt: skip
def test_a_budget_is_the_most_and_of_a_rate_the_least(
    runner: ModuleType,
    capfd: pytest.CaptureFixture[str],
    value: float,
    unit: str,
    budget: float | None,
    met: bool | None,
) -> None:
    importlib.import_module("_figure").figure("x", value, unit, budget=budget)
    line = json.loads(capfd.readouterr().out)
    assert (line["budget"], line.get("met")) == (budget, met)
    assert runner.table([runner.Figure("b", **line)])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (36, "36"), (0.3425, "0.343"), (12.58, "12.6"), (170.88, "171"), (78580.6, "78,581")],
)
def test_numbers_have_three_digits(runner: ModuleType, value: float, shown: str) -> None:
    assert runner.number(value) == shown
