"""Runs benches one after another and tells their figures in a table: see scripts/bench.

The figures' JSON lines go to stdout as they come, the progress and the table to stderr.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from _figure import is_rate

HERE = Path(__file__).parent
QUICK: Mapping[str, tuple[str, ...]] = {
    "at": ("2000",),
    "dashboard": ("2",),
    "failover": ("--share", "0.05"),
    "heartbeat": ("as_shipped",),
    "history": ("3",),
    "idle": ("10",),
    "ionmesh": ("3",),
}
"""The arguments with which a bench has shorter phases; the others are short."""
HEAD = ("bench", "figure", "value", "unit", "budget", "", "peer")
TO_THE_RIGHT = ("value", "budget")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a bench; `met` is None without a budget."""

    bench: str
    name: str
    value: float
    unit: str
    budget: float | None
    met: bool | None = None
    peer: str = ""


def main(arguments: Sequence[str] | None = None, folder: Path = HERE) -> int:
    """Run what is asked for; 1 where a budget is missed or a bench fails, 130 after Ctrl-C."""
    benches = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the figures that have budgets: JSON lines on stdout, then a table on stderr.",
    )
    choices = [*benches, "all"]
    parser.add_argument("names", nargs="+", choices=choices, metavar="NAME", help=f"of {', '.join(choices)}")
    parser.add_argument("--quick", action="store_true", help="shorter phases: figures that scatter more")
    options = parser.parse_args(arguments)
    wanted = benches if "all" in options.names else options.names
    figures: list[Figure] = []
    failed: list[str] = []
    status = 0
    try:
        for number, name in enumerate(wanted, 1):
            tell(f"[{number}/{len(wanted)}] {name}")
            begun_s = time.monotonic()
            argv = [str(folder / f"{name}.py"), *(QUICK.get(name, ()) if options.quick else ())]
            ended = measure(name, argv, figures)
            if ended:
                failed.append(f"{name} failed (exit status {ended})")
            tell(f"[{number}/{len(wanted)}] {name}: {time.monotonic() - begun_s:.0f} s")
    except KeyboardInterrupt:
        status = 130
    tell(table(figures))
    missed = sum(figure.met is False for figure in figures)
    met = sum(figure.met is True for figure in figures)
    tell("; ".join((f"{met} budgets met, {missed} missed", *failed)))
    return status or int(missed > 0 or bool(failed))


def measure(name: str, argv: Sequence[str], figures: list[Figure]) -> int:
    """Run one bench, pass its figures on and keep them; its exit status."""
    with subprocess.Popen([sys.executable, *argv], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("{"):
                figures.append(Figure(name, **json.loads(line)))
    return process.returncode


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns."""
    rows = [HEAD, *(cells(figure) for figure in figures)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if title in TO_THE_RIGHT else cell.ljust(width)
            for title, cell, width in zip(HEAD, row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def cells(figure: Figure) -> tuple[str, ...]:
    """One row."""
    budget = verdict = ""
    if figure.budget is not None:
        budget = f"{'>=' if is_rate(figure.unit) else '<='} {number(figure.budget)}"
        verdict = "met" if figure.met else "MISSED"
    return (figure.bench, figure.name, number(figure.value), figure.unit, budget, verdict, figure.peer)


def number(value: float) -> str:
    """With three digits that mean something, as far as there are any."""
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def tell(text: str) -> None:
    """Say something to the person who waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
