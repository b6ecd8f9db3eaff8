"""Recorded values as they are asked for a graph: thinned where they are, and never too much for ubus."""

import re
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import pytest

from remsimd import clock
from remsimd.control import blobmsg
from remsimd.control.recorded import table
from remsimd.errors import ControlError
from remsimd.observe.archive import Archive
from remsimd.observe.readings import Key, of_one
from remsimd.observe.recorder import Batch, Minute

NOW_S = 1_764_000_000.0
DAY_MIN, DAYS = 24 * 60, 31
SILENT_MIN = range((DAYS - 1) * DAY_MIN + 600, (DAYS - 1) * DAY_MIN + 720)
"""Two hours of the last day of which nothing is recorded."""
MODEMS = tuple(f"modem{number}" for number in range(8))
COMFORTABLE_BYTES = 256 * 1024
"""ubusd drops what would make more than 1 MiB wait for a client, without a word; uhttpd is one client."""
VIEW = (
    Path(__file__).parents[2] / "openwrt/luci-app-remsimd/htdocs/luci-static/resources/view/remsimd/graphs.js"
)


class Recording:
    """Stands for the daemon's history, with a real archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def history(self) -> Any:
        return self

    def alerts(self) -> Any:
        raise ControlError("no alert is configured")

    async def ask(self, question: Any) -> Any:
        return question(self._archive)


def minutes() -> Iterator[Minute]:
    """A month: every minute of the last day, every fifth of the last week, one an hour before."""
    for number in range(DAYS * DAY_MIN):
        age = DAYS * DAY_MIN - number
        every = 1 if age <= DAY_MIN else 5 if age <= 7 * DAY_MIN else 60
        if number % every == 0 and number not in SILENT_MIN:
            yield Minute(number, {Key("rsrp", name): of_one(-60.0 - number % 61) for name in MODEMS})


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    folder = tmp_path_factory.mktemp("history")
    archive = Archive(folder / "history.db", folder / "copy.db", days=DAYS)
    archive.open()
    archive.write(Batch("boot", NOW_S - 60, DAYS * 86400.0 - 60, tuple(minutes())))
    yield Recording(archive)
    archive.close()


@pytest.fixture(autouse=True)
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "wall", lambda: NOW_S)


async def ask(recording: Recording, **params: Any) -> Any:
    return await table(recording)["history"].call("history", {"metric": "rsrp", **params})


def ranges() -> list[tuple[int, int]]:
    """Seconds and points of each button of the view, live excepted."""
    rows = re.findall(r"\[ ([\d *]+), _\('[^']*'\), (\d+) \]", VIEW.read_text())
    found = [(prod(map(int, span.split("*"))), int(points)) for span, points in rows]
    assert len(found) == 4
    return found


@pytest.mark.parametrize(("range_s", "points"), ranges())
async def test_what_the_graphs_ask_for_eight_modems_is_small_and_reaches_back(
    recording: Recording, range_s: int, points: int
) -> None:
    answer = await ask(recording, range_s=range_s, points=points)
    assert set(answer["subjects"]) == set(MODEMS)
    for rows in answer["subjects"].values():
        assert points / 2 < len(rows) <= points + 1
        assert rows[0][0] <= NOW_S - range_s + answer["step_s"]
        assert rows[-1][0] >= NOW_S - 2 * answer["step_s"]
    assert len(blobmsg.encode(answer)) < COMFORTABLE_BYTES


async def test_a_thinned_row_is_the_recorded_ones_of_its_time(recording: Recording) -> None:
    fine = (await ask(recording, range_s=86400, subject="modem3"))["subjects"]["modem3"]
    thin = await ask(recording, range_s=86400, subject="modem3", step_s=60, points=100)
    assert thin["step_s"] == 900
    assert len(thin["subjects"]["modem3"]) > 80
    for begin_s, low, high, average, last in thin["subjects"]["modem3"]:
        merged = [row for row in fine if begin_s <= row[0] < begin_s + 900]
        assert begin_s % 900 == 0
        assert low == min(row[1] for row in merged)
        assert high == max(row[2] for row in merged)
        assert average == pytest.approx(sum(row[3] for row in merged) / len(merged), abs=1e-3)
        assert last == merged[-1][4]


@pytest.mark.parametrize("points", [60, 100, 288, 5000])
async def test_a_time_without_values_stays_a_gap(recording: Recording, points: int) -> None:
    answer = await ask(recording, range_s=86400, points=points)
    begins = [row[0] for row in answer["subjects"]["modem0"]]
    steps = {later - earlier for earlier, later in pairwise(begins)}
    (gap_s,) = steps - {answer["step_s"]}
    assert 7200 - answer["step_s"] <= gap_s <= 7200 + answer["step_s"]


@pytest.mark.parametrize("points", [0, -1])
async def test_no_points_cannot_be_wished_for(recording: Recording, points: int) -> None:
    with pytest.raises(ControlError, match="points must be 1 or more"):
        await ask(recording, points=points)
