"""The graphs in a real browser: what is asked for, lines, gaps, and marks where the data moved."""

import json
import time
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Page, Request, expect

from tests.openwrt.luci.rpcd import OK, Answer
from tests.openwrt.luci.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")

LINE, MARK = (0x1F, 0x77, 0xB4), (0x8A, 0x61, 0x00)
"""The colours of the first line, and of the marks."""


async def test_graphs_draw_what_is_measured_and_what_was_recorded(stage: Stage) -> None:
    async with stage.page("graphs") as page:
        await expect(page.locator("[data-metric=rsrp] canvas")).to_be_visible()
        assert await page.locator("[data-metric=latency]").count() == 0, "nothing measures it live"
        stage.rpcd.calls.clear()
        for label in ("1 h", "24 h", "7 d", "30 d"):
            await page.get_by_role("button", name=label, exact=True).click()
            await expect(page.get_by_role("button", name=label, exact=True)).to_be_enabled()
            await expect(page.locator("[data-metric=latency] canvas")).to_be_visible()
            assert await drawn_pixels(page, "rsrp") > 150, label
        assert stage.rpcd.calls.count(("remsim", "history")) >= 16
        assert await page.locator("[data-metric=rsrp] .u-legend .u-series").count() == 3


async def test_the_daemon_thins_and_is_asked_for_one_metric_after_the_other(stage: Stage) -> None:
    asked: list[dict[str, Any]] = []
    waiting = most = 0

    def begins(request: Request) -> None:
        nonlocal waiting, most
        if '"history"' in (request.post_data or ""):
            asked.append(json.loads(request.post_data or "")["params"][3])
            waiting += 1
            most = max(most, waiting)

    def ends(request: Request) -> None:
        nonlocal waiting
        waiting -= '"history"' in (request.post_data or "")

    async with stage.page("graphs") as page:
        page.on("request", begins)
        page.on("requestfinished", ends)
        await page.get_by_role("button", name="30 d", exact=True).click()
        await expect(page.locator("[data-metric=rx_rate] canvas")).to_be_visible()
    assert {(params["range_s"], params["points"]) for params in asked} == {(30 * 86400, 240)}
    assert len(asked) >= 4
    assert most == 1


def failovers(*ages_s: float) -> Answer:
    """The timeline's entries of data that moved so long ago."""
    entries = [
        {
            "seq": number,
            "wall_s": time.time() - age_s,
            "kind": "failover",
            "severity": "warning",
            "subject": "secondary",
            "text": f"primary -> secondary in 31 ms: outage {number}",
        }
        for number, age_s in enumerate(ages_s)
    ]
    return OK, {"result": entries}


@pytest.mark.parametrize(("label", "method"), [("live", "events"), ("24 h", "history_events")])
async def test_moments_at_which_the_data_moved_are_marked(stage: Stage, label: str, method: str) -> None:
    stage.rpcd.told[method] = lambda _: failovers(90_000, 300, 120)
    async with stage.page("graphs") as page:
        await page.get_by_role("button", name=label, exact=True).click()
        await expect(page.locator("[data-metric=rsrp] canvas")).to_be_visible()
        told = page.locator("#view p", has_text="The data moved")
        await expect(told).to_contain_text("outage 2")
        await expect(told).to_contain_text("outage 1")
        assert "outage 0" not in await told.inner_text(), "that was before"
        assert await drawn_pixels(page, "rsrp", MARK) > 60
        stage.rpcd.told[method] = lambda _: failovers()
        await page.get_by_role("button", name=label, exact=True).click()
        await expect(told).to_have_count(0)
        assert await drawn_pixels(page, "rsrp", MARK) == 0


def recorded(rows: list[list[float]], params: dict[str, Any]) -> Answer:
    """What the daemon answers for any metric of one modem."""
    answer = {"metric": params["metric"], "unit": "dBm", "step_s": 300, "subjects": {"primary": rows}}
    return OK, answer


async def test_a_time_without_values_is_a_gap_in_the_line(stage: Stage) -> None:
    now_s = int(time.time() / 300) * 300
    whole = [[now_s - 300 * n, -90.0, -90.0, -90.0, -90.0] for n in range(287, -1, -1)]
    drawn = []
    for rows in (whole, [row for n, row in enumerate(whole) if not 100 <= n < 200]):
        stage.rpcd.told["history"] = partial(recorded, rows)
        async with stage.page("graphs") as page:
            await page.get_by_role("button", name="24 h", exact=True).click()
            await expect(page.get_by_role("button", name="24 h", exact=True)).to_be_enabled()
            drawn.append(await drawn_pixels(page, "rsrp", LINE))
            unit = page.locator("[data-metric=rsrp] h3")
            await expect(unit).to_contain_text("dBm")
    assert drawn[1] < 0.75 * drawn[0]


async def drawn_pixels(page: Page, metric: str, colour: tuple[int, int, int] = LINE) -> int:
    """How many pixels of a chart have a colour."""
    script = """(canvas, [ r, g, b ]) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4)
            if (data[i] == r && data[i + 1] == g && data[i + 2] == b && data[i + 3] > 100) count++;
        return count;
    }"""
    count: int = await page.locator(f"[data-metric={metric}] canvas").evaluate(script, list(colour))
    return count
