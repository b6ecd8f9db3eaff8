"""The views in a real browser before a real daemon: what they show, and what comes of each button."""

import asyncio
import csv
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from remsimd import events as ev
from remsimd.config.model import GpioLine, SimSource
from tests.openwrt.luci.conftest import HOSTILE
from tests.openwrt.luci.pages import views
from tests.openwrt.luci.rpcd import DENIED, OK, Answer
from tests.openwrt.luci.scenes import status
from tests.openwrt.luci.stage import DESKTOP, PHONE, Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")

WITH_OPERATOR = {"overview", "modems", "events"}
POLLED_MS = 5000
OF_THE_THEME = {"landmark-one-main", "page-has-heading-one", "region"}
"""What axe says about the page around a view."""
MUX = GpioLine(name="sim1")


LOOK_MS = 800
"""A little longer than from one look at a wish to the next."""


def _switching(to: SimSource) -> ev.Event:
    return ev.SimSwitching("primary", to, "asked for")


def _switched(source: SimSource, trouble: str = "") -> ev.Event:
    return ev.SimSwitched("primary", source, not trouble, trouble or "asked for", 3.0)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def confirm(page: Page, button: str, outcome: str, *, within_ms: int = 25_000) -> None:
    """Press the button of the question that is asked, and wait for how it ended."""
    await dialog(page).get_by_role("button", name=button, exact=True).click()
    await expect(dialog(page)).to_contain_text(outcome, timeout=within_ms)
    await dialog(page).get_by_role("button", name="Close").click()
    await expect(dialog(page)).to_have_count(0)


@pytest.mark.parametrize("view", views())
async def test_a_view_fits_every_screen_and_shows_text_as_text(stage: Stage, view: str) -> None:
    async with stage.page(view) as page:
        assert await page.locator("body").get_attribute("data-ready") == "true"
        for size in (DESKTOP, PHONE):
            await page.set_viewport_size(size)
            # A chart follows its frame in the next turn of the layout.
            await page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")
        await page.set_viewport_size(DESKTOP)
        if view in WITH_OPERATOR:
            await expect(page.locator("#view")).to_contain_text(HOSTILE)
        assert await page.evaluate("window.broken") is None
        assert await page.locator("#view img").count() == 0
        found = (await Axe().run(page)).response["violations"]
        assert [problem["id"] for problem in found if problem["id"] not in OF_THE_THEME] == []


async def test_the_overview_says_which_card_is_where_and_why(stage: Stage) -> None:
    async with stage.page("overview") as page:
        summary = page.locator(".remsimd-summary")
        await expect(summary).to_contain_text("Data uses primary")
        await expect(summary).to_contain_text("primary on the remote card (the remote card is there)")
        await expect(summary).to_contain_text("secondary on its local card")
        picture = page.locator("svg.remsimd-flat")
        await expect(picture).to_be_visible()
        await expect(page.locator("svg.remsimd-upright")).to_be_hidden()
        await expect(picture.locator("desc")).to_contain_text("primary: on the remote card")
        assert await picture.locator("path.remsimd-card").count() == 2
        assert await picture.locator("path.remsimd-data").count() == 1
        await page.get_by_role("button", name="Check everything").click()
        await expect(dialog(page)).to_contain_text("modem primary")
        await expect(dialog(page)).to_contain_text("ionmesh")


async def test_the_status_page_has_a_part_about_the_card(stage: Stage) -> None:
    async with stage.page("", path="admin/status/overview") as page:
        row = page.locator("tr", has_text="primary").first
        await expect(row).to_contain_text("on the remote card")
        await expect(row).to_contain_text("dBm")
        assert await page.evaluate("window.broken") is None


async def test_a_switch_of_the_card_is_asked_for_shown_and_undone(stage: Stage) -> None:
    async with stage.page("sim") as page:
        stage.rpcd.calls.clear()
        await page.get_by_role("button", name="Local card").click()
        await expect(dialog(page)).to_contain_text("connections through it are interrupted")
        await dialog(page).get_by_role("button", name="Cancel").click()
        await expect(dialog(page)).to_have_count(0)
        assert ("remsim", "sim_use") not in stage.rpcd.calls
        await page.get_by_role("button", name="Local card").click()
        await confirm(page, "Switch", "The modem uses its local card.")
        assert (await stage.lab.remsimd.call("status"))["modems"]["primary"]["sim_source"] == "local"
        assert not await stage.lab.chip.get(MUX)
        await expect(page.locator("tr", has_text="primary").first).to_contain_text("on its local card")
        await page.get_by_role("button", name="Remote card", exact=True).click()
        await confirm(page, "Switch", "The modem uses the remote card.")
        assert (await stage.lab.remsimd.call("status"))["modems"]["primary"]["sim_source"] == "remote"
        assert await stage.lab.chip.get(MUX)


LOCAL, REMOTE = SimSource.LOCAL, SimSource.REMOTE
SWITCHES: dict[str, tuple[str, tuple[tuple[ev.Event, ...], ...], str]] = {
    "to-local": (
        "Local card",
        ((), (_switching(LOCAL),), (_switching(LOCAL), _switched(LOCAL))),
        "The modem uses its local card.",
    ),
    "to-local-while-it-leaves": (
        "Local card",
        (
            (_switched(LOCAL), _switching(REMOTE)),
            (_switched(LOCAL), _switching(LOCAL)),
            (_switched(LOCAL),),
        ),
        "The modem uses its local card.",
    ),
    "to-remote": (
        "Remote card",
        ((_switched(LOCAL),), (_switched(LOCAL), _switching(REMOTE)), ()),
        "The modem uses the remote card.",
    ),
    "to-remote-in-vain": (
        "Remote card",
        (
            (_switched(LOCAL),),
            (_switched(LOCAL), _switching(REMOTE)),
            (_switched(LOCAL, "the modem reads no card"),),
        ),
        "The modem is still on its local card: the modem reads no card",
    ),
}
"""What is pressed, what the daemon has journalled at each look after that, and how it must end."""


@pytest.mark.parametrize("name", SWITCHES)
async def test_a_switch_is_done_when_the_journal_says_so_and_not_before(stage: Stage, name: str) -> None:
    button, looks, outcome = SWITCHES[name]
    asked, told = 0, status(*looks[0])

    def look(_: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        return OK, told

    async def looked_at() -> None:
        """The page itself looks now and then, too: of three looks, one was judged by the dialogue."""
        seen = asked
        while asked < seen + 3:
            await page.clock.run_for(LOOK_MS)

    stage.rpcd.told["status"] = look
    stage.rpcd.told["sim_use"] = lambda _: (OK, {"message": "primary: asked for"})
    async with asyncio.timeout(20), stage.page("sim", clock=True) as page:
        await page.get_by_role("button", name=button, exact=True).click()
        await dialog(page).get_by_role("button", name="Switch").click()
        await expect(dialog(page)).to_contain_text("primary: asked for")
        for journalled in looks[:-1]:
            told = status(*journalled)
            await looked_at()
            await expect(dialog(page).locator(".alert-message")).to_have_count(0)
            await expect(dialog(page).locator(".spinning")).to_be_visible()
        told = status(*looks[-1])
        await looked_at()
        await expect(dialog(page).locator(".alert-message")).to_have_text(outcome)


async def test_the_card_is_tested_and_the_router_registers_anew(stage: Stage) -> None:
    async with stage.page("sim") as page:
        status = await stage.lab.remsimd.call("status")
        await page.get_by_role("button", name="Test the remote card").click()
        await expect(dialog(page)).to_contain_text(status["rspro"]["atr"])
        await expect(dialog(page)).to_contain_text(stage.lab.cards[0].imsi)
        await dialog(page).get_by_role("button", name="Close").click()
        before = (await stage.lab.remsimd.call("events", last=1))[-1]["seq"]
        await page.get_by_role("button", name="Register with IonMesh again").click()
        await expect(dialog(page)).to_contain_text("may be given another card")
        await confirm(page, "Register", "Registered.")
        assert ("remsim", "ionmesh_register") in stage.rpcd.calls
        told = await stage.lab.remsimd.call("status")
        assert told["ionmesh"]["since_s"] >= status["ionmesh"]["since_s"]
        assert (await stage.lab.remsimd.call("events", last=1))[-1]["seq"] >= before


async def test_the_data_is_moved_by_hand_and_given_back(stage: Stage) -> None:
    async with stage.page("failover") as page:
        row = page.locator("tr", has_text="takes over if the active link is down")
        await row.get_by_role("button", name="Use").click()
        await expect(dialog(page)).to_contain_text("Connections that are open now are interrupted.")
        await confirm(page, "Use secondary", "The data uses secondary.")
        assert (await stage.lab.remsimd.call("status"))["active_link"] == "secondary"
        await expect(page.locator(".remsimd-summary")).to_contain_text("secondary was chosen by hand")
        await page.get_by_role("button", name="Choose by health").click()
        await dialog(page).get_by_role("button", name="Choose by health").click()
        await expect(dialog(page)).to_contain_text("the link is chosen by health again")
        await stage.lab.remsimd.until(lambda s: s["active_link"] == "primary", "data back on the primary")
        assert (await stage.lab.remsimd.call("failover.explain"))["pinned"] is None


async def test_data_used_is_shown(stage: Stage) -> None:
    async with stage.page("failover") as page:
        used = page.locator(".cbi-section", has=page.get_by_role("heading", name="Data used"))
        await expect(used.locator("tr", has_text="primary")).to_contain_text("908.0 MB")


async def test_a_modem_is_restarted(stage: Stage) -> None:
    async with stage.page("overview") as page:
        modem = page.locator("[data-modem=secondary]")
        await modem.get_by_role("button", name="Restart").click()
        await expect(dialog(page)).to_contain_text("away for up to a minute")
        await confirm(page, "Restart", "The modem is back and registered.")
        entries = await stage.lab.remsimd.call("events")
        assert any(e["subject"] == "secondary" and "gone" in e["text"] for e in entries)
        await stage.lab.remsimd.until(lambda s: s["links"]["secondary"]["health"] == "up", "the link is up")


async def test_an_engineer_s_line_is_answered_and_a_wrong_one_refused_in_words(stage: Stage) -> None:
    async with stage.page("modems") as page:
        line, said = page.get_by_label("AT command"), page.locator(".remsimd-console pre")
        await page.get_by_label("Modem", exact=True).select_option("secondary")
        await line.fill("AT+CGMM")
        await page.get_by_role("button", name="Send").click()
        await expect(said).to_contain_text("EC25\nOK")
        await line.fill("<img src=x onerror=window.broken=1>")
        await line.press("Enter")
        await expect(said).to_contain_text("secondary > <img")
        await expect(said).to_contain_text("an AT line is AT and printable ASCII on one line")
        assert await page.evaluate("window.broken") is None


async def test_events_are_filtered_and_saved(stage: Stage) -> None:
    async with stage.page("events") as page:
        rows = page.locator(".remsimd-events tr.tr:not(.table-titles)")
        everything = await rows.count()
        await page.get_by_label("Kind").select_option("sim_switch")
        await page.get_by_label("Search").fill("on the remote SIM after")
        await expect(rows.first).to_contain_text("sim_switch")
        assert 0 < await rows.count() < everything
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Save as CSV").click()
        text = Path(await (await saving.value).path()).read_text()
        lines = list(csv.DictReader(io.StringIO(text)))
        assert len(lines) == await rows.count()
        assert {line["kind"] for line in lines} == {"sim_switch"}
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Save as JSON").click()
        entries = json.loads(Path(await (await saving.value).path()).read_text())
        assert [entry["text"] for entry in entries] == [line["text"] for line in lines]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", entries[0]["time"])
        await page.get_by_label("Severity").select_option("error")
        await expect(rows.first).to_contain_text("Nothing of that kind happened.")


async def test_events_are_filtered_by_alert_also_from_the_address(stage: Stage) -> None:
    texts = ("weak fires: remsim_x is 1", "hot fires: remsim_y is 9", "weak is over: remsim_x is 0")
    entries = [
        {
            "seq": number,
            "wall_s": time.time(),
            "kind": "alert",
            "severity": "warning",
            "subject": "primary",
            "text": text,
        }
        for number, text in enumerate(texts)
    ]
    other = {**entries[0], "kind": "part", "text": "weak fires: no alert"}
    stage.rpcd.told["events"] = lambda _: (OK, {"result": [*entries, other]})
    async with stage.page("events", query="#alert=weak") as page:
        rows = page.locator(".remsimd-events tr.tr:not(.table-titles)")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("weak is over")
        await page.get_by_label("Alert").select_option("hot")
        await expect(rows).to_have_count(1)
        await page.get_by_label("Alert").select_option("")
        await expect(rows).to_have_count(4)
    async with stage.page("events", query="#alert=gone") as page:
        await expect(page.get_by_label("Alert")).to_have_value("gone")
        await expect(page.locator(".remsimd-events")).to_contain_text("Nothing of that kind happened.")


async def test_who_may_only_read_presses_nothing_and_is_refused_behind_it(stage: Stage) -> None:
    for view, labels in {"sim": ("Local card", "Test the remote card"), "settings": ("Save",)}.items():
        async with stage.page(view, query="?user=viewer") as page:
            for label in labels:
                await expect(page.get_by_role("button", name=label, exact=True).first).to_be_disabled()
    for method in ("sim_use", "modem_at", "failover_to"):
        assert stage.rpcd.call("viewer", "remsim", method, {})[0] == DENIED
    for method in ("set", "apply"):
        assert stage.rpcd.call("viewer", "uci", method, {})[0] == DENIED
    assert stage.rpcd.call("viewer", "file", "write", {"path": "/tmp/remsimd-settings"})[0] == DENIED
    assert stage.rpcd.call("admin", "file", "write", {"path": "/etc/passwd"})[0] == DENIED


async def test_a_daemon_that_is_away_is_said_and_comes_back(stage: Stage, tmp_path: Path) -> None:
    there = stage.rpcd.socket
    async with stage.page("overview", clock=True) as page:
        try:
            stage.rpcd.socket = tmp_path / "nothing.sock"
            await page.clock.run_for(POLLED_MS)
            await expect(page.get_by_text("does not run or does not answer")).to_be_visible()
            await expect(page.locator(".remsimd-old .remsimd-summary")).to_contain_text("Data uses")
        finally:
            stage.rpcd.socket = there
        await page.clock.run_for(POLLED_MS)
        await expect(page.get_by_text("does not run or does not answer")).to_have_count(0)
        await expect(page.locator(".remsimd-live:not(.remsimd-old)")).to_be_visible()
