"""The recorded side of the control socket and of the CLI: what they refuse, and what the pages say."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from remsimd.cli.history import BARS, CHART_COLUMNS, chart, span
from remsimd.control.recorded import table
from remsimd.errors import ControlError

DOCS = Path(__file__).parents[2] / "docs"
GOLDEN = Path(__file__).parent / "golden" / "router.prom"


class Nobody:
    """Neither history nor alerts run."""

    def history(self) -> Any:
        raise ControlError("nothing is recorded (history.enabled 0)")

    def alerts(self) -> Any:
        raise ControlError("no alert is configured")


METHODS = table(Nobody())
CONTEXT, OPTION = click.Context(click.Command("history")), click.Option(["--range"])


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("history.points", {"metric": "rsrp"}, "needs subject"),
        ("history.points", {"metric": "rsrp", "subject": "a", "range_s": 0}, "range_s must be 1 to"),
        ("history.points", {"metric": "rsrp", "subject": "a", "step_s": 61}, "one of 60, 300, 3600"),
        ("history.events", {"last": 0}, "last must be 1 or more"),
        ("history.usage", {}, "nothing is recorded"),
        ("alerts.list", {}, "no alert is configured"),
        ("alerts.mute", {"alert": "a", "minutes": -1}, "minutes must be 0 to"),
    ],
)
async def test_what_cannot_be_served_is_refused_in_words(
    name: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(ControlError, match=words):
        await METHODS[name].call(name, params)


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("24h", 86400), ("30d", 2592000), ("0m", 0)])
def test_spans(text: str, seconds: int) -> None:
    assert span(CONTEXT, OPTION, text) == seconds


@pytest.mark.parametrize("text", ["", "h", "24", "1.5h", "-1h", "24 h", "²h"])
def test_no_spans(text: str) -> None:
    with pytest.raises(click.BadParameter, match="90m, 24h or 30d"):
        span(CONTEXT, OPTION, text)


@example([0.0, 5e-324])
@given(st.lists(st.floats(-150, 1e9), min_size=1, max_size=300))
def test_a_course_fits_and_its_ends_are_the_lowest_and_highest_bar(values: list[float]) -> None:
    drawn = chart(values)
    assert len(drawn) == min(len(values), CHART_COLUMNS)
    assert set(drawn) <= set(BARS)
    assert BARS[0] in drawn


def test_the_page_lists_every_exported_name() -> None:
    """Names that differ in their last words may share a row as `name_a`, `_b`."""
    page = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    told = set()
    for row in re.findall(r"^\|(.*?)\|", page, re.MULTILINE):
        first, *endings = re.findall(r"`([a-z0-9_]+)`", row) or [""]
        told.add(first)
        for ending in endings:
            told.update(first[:cut] + ending for cut in range(len(first) + 1))
            told.update(first.replace(old, ending) for old in ("_rx_",))
    families = text_string_to_metric_families(GOLDEN.read_text(encoding="utf-8"))
    exported = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    missing = {name for name in exported if name not in told and not name.startswith("remsim_signal_nr_")}
    assert missing == set()
