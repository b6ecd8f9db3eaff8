"""The settings form against the daemon: every option, good values kept, bad ones refused in its own words."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from remsimd.config.load import parse
from remsimd.config.options import TABLES, Table
from remsimd.errors import ConfigError, Mistake
from tests.openwrt.luci.stage import Stage
from tests.openwrt.luci.test_files import SCHEMA

pytestmark = pytest.mark.asyncio(loop_scope="package")

PRINTABLE_NONSENSE = "no such thing!"
"""What no reader of free text but that of a carrier's name takes."""

WITH_OTHER_WRITINGS = """
config alert
	option metric 'remsim_signal_rssi_dbm'
	option below '-100'
config failover 'failover'
	option enabled 'on'
"""


@pytest_asyncio.fixture(loop_scope="package", autouse=True)
async def kept(stage: Stage) -> AsyncIterator[None]:
    """The lab's own configuration, before and after."""
    text = stage.rpcd.file.read_text()
    stage.rpcd.calls.clear()
    stage.rpcd.drafts.clear()
    yield
    if stage.rpcd.file.read_text() != text:
        stage.rpcd.file.write_text(text)
        await stage.lab.remsimd.call("reload")


def field(page: Page, section: str, option: str) -> Locator:
    return page.locator(f'[data-field="cbid.remsim.{section}.{option}"]')


async def choose(page: Page, tab: str) -> None:
    await page.locator(".cbi-map > .cbi-tabmenu a", has_text=re.compile(f"^{re.escape(tab)}$")).click()


async def fill(page: Page, section: str, option: str, value: str) -> None:
    """Put a value into a field, wherever it is hidden."""
    script = """(node, value) => {
        const input = node.querySelector('input, select');
        input.value = value;
        input.dispatchEvent(new Event('change', { bubbles: true }));
    }"""
    await field(page, section, option).evaluate(script, value)


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Save", exact=True).click()


async def apply(page: Page) -> None:
    await page.get_by_role("button", name="Save & Apply").click()
    await page.wait_for_function("document.body.dataset.applied == 1")


def mistakes_of(text: str) -> tuple[Mistake, ...]:
    """What the daemon finds, without the lines of a draft that nobody sees."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "draft")
    return tuple(replace(mistake, line=None) for mistake in caught.value.mistakes)


def written(calls: list[tuple[str, str]]) -> list[str]:
    return [method for name, method in calls if name == "uci" and method != "get"]


async def test_every_option_has_its_field_and_no_other(stage: Stage) -> None:
    async with stage.page("settings") as page:
        for table in TABLES.values():
            names = await page.locator(f"#cbi-remsim-{table.kind} [data-field]").evaluate_all(
                "nodes => [ ...new Set(nodes.map(node => node.dataset.name)) ]"
            )
            shown = set(names)
            if not shown:
                assert table.repeated, "a section that exists once is always there"
                continue
            assert shown == {row.option for row in table.rows}, table.kind


async def test_a_field_shows_its_default_and_its_help(stage: Stage) -> None:
    async with stage.page("settings") as page:
        page_text = (Path(__file__).parents[3] / "docs/uci.md").read_text()
        for table in (TABLES["failover"], TABLES["ionmesh"], TABLES["metrics"]):
            helped = SCHEMA["meanings"](table.kind, page_text)
            for row in table.rows:
                await _looks_right(page, table, row, helped[row.option])


async def _looks_right(page: Page, table: Table, row: Any, helped: str) -> None:
    shown, default = field(page, table.kind, row.option), SCHEMA["written_default"](table, row)
    description = await shown.locator(".cbi-value-description").inner_text()
    assert description.startswith(helped) or not await shown.is_visible()
    kind = SCHEMA["kind"](row)["kind"]
    if kind == "flag":
        return
    if kind == "choice":
        first = await shown.locator("option").first.text_content()
        assert first == f"{default} (default)"
    else:
        assert (await shown.locator("input").last.get_attribute("placeholder") or "") == default


async def test_a_good_change_is_saved_applied_and_used(stage: Stage) -> None:
    before = parse(stage.rpcd.file.read_text(), "before")
    async with stage.page("settings") as page:
        await choose(page, "Failover")
        await page.locator("#cbi-remsim-failover a", has_text="Probes").click()
        await field(page, "failover", "down").locator("input").fill("4")
        targets = field(page, "failover", "targets")
        await targets.locator("input").fill("dns:9.9.9.9")
        await targets.get_by_role("button", name="+").click()
        await apply(page)
    after = parse(stage.rpcd.file.read_text(), "after")
    assert (before.failover.down, after.failover.down) == (3, 4)
    assert after.failover.targets[:-1] == before.failover.targets
    assert str(after.failover.targets[-1]) == "dns:9.9.9.9:53"
    for part in ("main", "modems", "frontends", "rspro", "ionmesh", "recovery", "metrics", "history"):
        assert getattr(after, part) == getattr(before, part), part
    entries = await stage.lab.remsimd.call("events", kind="config", last=1)
    assert "failover" in entries[-1]["text"]


async def test_saving_without_a_change_keeps_the_meaning(stage: Stage) -> None:
    text = stage.rpcd.file.read_text() + WITH_OTHER_WRITINGS
    stage.rpcd.file.write_text(text)
    stage.rpcd.staged = None
    async with stage.page("settings") as page:
        assert await field(page, "failover", "enabled").locator("input").is_checked()
        await apply(page)
    assert parse(stage.rpcd.file.read_text(), "after") == parse(text, "before")


OUT_OF_BOUNDS = (
    ("modem", "primary", "poll_interval", "1"),
    ("modem", "secondary", "poll_interval", "2.5"),
    ("rspro", "rspro", "client_id", "1024"),
    ("ionmesh", "ionmesh", "interval", "9"),
    ("failover", "failover", "timeout", "0.05"),
    ("metrics", "metrics", "listen_port", "0"),
)


async def test_a_number_out_of_bounds_is_refused_at_once(stage: Stage) -> None:
    async with stage.page("settings") as page:
        for kind, section, option, value in OUT_OF_BOUNDS:
            text = f"config {kind} '{section}'\n\toption {option} '{value}'\n"
            (wanted,) = [mistake for mistake in mistakes_of(text) if mistake.option == option]
            await fill(page, section, option, value)
            shown = field(page, section, option).locator("input")
            assert await shown.get_attribute("data-tooltip") == wanted.problem
        await save(page)
        await expect(page.get_by_text("some values are not allowed")).to_be_visible()
        await expect(field(page, "primary", "poll_interval")).to_be_visible()
    assert written(stage.rpcd.calls) == []
    assert stage.rpcd.drafts == []


async def test_everything_the_daemon_would_refuse_is_refused_at_its_field(stage: Stage) -> None:
    """Nonsense in every field of text at once: as many mistakes, each at its option, nothing saved."""
    before = stage.rpcd.file.read_text()
    sections = {"primary": "modem", "pins": "frontend", "main": "remsim"}
    sections |= {kind: kind for kind in ("rspro", "ionmesh", "failover", "metrics", "history")}
    async with stage.page("settings") as page:
        for section, kind in sections.items():
            for row in TABLES[kind].rows:
                if SCHEMA["kind"](row)["kind"] in ("text", "secret") and row.option != "carrier":
                    shown = field(page, section, row.option)
                    if "hidden" not in (await shown.get_attribute("class") or ""):
                        await fill(page, section, row.option, PRINTABLE_NONSENSE)
        await save(page)
        await expect(page.get_by_text("Not saved. Mistakes found by the daemon")).to_be_visible()
        expected = mistakes_of(stage.rpcd.drafts[-1])
        assert len(expected) > 20
        shown_texts = await page.locator(".remsimd-mistake").all_text_contents()
        assert sorted(shown_texts) == sorted(map(str, expected))
        for mistake in expected:
            if mistake.option is not None:
                place = field(page, mistake.section, mistake.option)
                assert str(mistake) in await place.locator(".remsimd-mistake").all_text_contents()
        await expect(page.locator(".remsimd-mistake").first).to_be_visible()
    assert written(stage.rpcd.calls) == []
    assert stage.rpcd.file.read_text() == before


NOT_TOGETHER = (
    ("failover", "fast_interval", "30", "must not be longer than interval (2)"),
    ("primary", "reset_line", "21", "a bare number is a sysfs GPIO number"),
    ("ionmesh", "url", "", "must be set; allowed: https://host:port"),
    ("rspro", "via", "third", "no such modem is enabled; allowed: primary, secondary, any"),
    ("ionmesh", "mapping_mode", "KI_PROXY_SWSIM", "must be set for mapping_mode KI_PROXY_SWSIM"),
)


async def test_what_does_not_fit_together_is_refused_in_words(stage: Stage) -> None:
    async with stage.page("settings") as page:
        mistake = page.locator(".remsimd-mistake")
        for section, option, value, words in NOT_TOGETHER:
            before = await field(page, section, option).locator("input, select").input_value()
            await fill(page, section, option, value)
            await save(page)
            await expect(mistake).to_contain_text(words)
            await expect(mistake).to_be_visible()
            await fill(page, section, option, before)
        assert written(stage.rpcd.calls) == []
        await fill(page, "primary", "reset_line", "22")
        await save(page)
        await expect(mistake).to_have_count(1)
        await page.get_by_role("button", name="Reset").click()
        assert await field(page, "primary", "reset_line").locator("input").input_value() == ""
        await save(page)
        await expect(mistake).to_have_count(0)
        await expect(page.get_by_role("button", name="Save", exact=True)).to_be_enabled()
    assert written(stage.rpcd.calls) != []


async def test_a_section_is_added_filled_in_and_deleted(stage: Stage) -> None:
    async with stage.page("settings") as page:
        await choose(page, "Alerts")
        await page.locator("#cbi-remsim-alert input[aria-label=Name]").fill("weak")
        await page.locator("#cbi-remsim-alert").get_by_role("button", name="Add").click()
        metric = field(page, "weak", "metric").locator("input")
        await expect(metric).to_be_visible()
        await save(page)
        await expect(page.get_by_text("some values are not allowed")).to_be_visible()
        assert "must be set" in (await metric.get_attribute("data-tooltip") or "")
        await metric.fill("remsim_signal_rsrp_dbm")
        await save(page)
        mistake = page.locator("#cbi-remsim-weak .remsimd-mistake")
        await expect(mistake).to_have_text(re.compile("needs above or below, or it could never fire"))
        await field(page, "weak", "below").locator("input").fill("-110")
        await apply(page)
        (alert,) = parse(stage.rpcd.file.read_text(), "after").alerts
        assert (alert.name, alert.metric, alert.below) == ("weak", "remsim_signal_rsrp_dbm", -110.0)
        await page.locator("button[data-section-id=weak]").click()
        await expect(field(page, "weak", "metric")).to_have_count(0)


async def test_options_appear_where_they_make_sense(stage: Stage) -> None:
    async with stage.page("settings") as page:
        hidden = re.compile("hidden")
        await expect(field(page, "pins", "usb_path")).to_have_class(hidden)
        await fill(page, "pins", "type", "cardem")
        await expect(field(page, "pins", "usb_path")).not_to_have_class(hidden)
        await expect(field(page, "pins", "host")).to_have_class(hidden)
        await expect(field(page, "secondary", "sim")).to_have_class(hidden)
        await expect(field(page, "primary", "sim")).not_to_have_class(hidden)
        await expect(field(page, "ionmesh", "host")).to_have_class(hidden)
        await fill(page, "rspro", "connect_mode", "bankd")
        await expect(field(page, "rspro", "server_host")).to_have_class(hidden)
        await expect(field(page, "rspro", "bank_slot")).not_to_have_class(hidden)


async def test_without_a_running_daemon_its_program_judges(stage: Stage, tmp_path: Path) -> None:
    there, stage.rpcd.socket = stage.rpcd.socket, tmp_path / "nothing.sock"
    try:
        async with stage.page("settings") as page:
            stage.errors.clear()
            await fill(page, "primary", "reset_line", "21")
            await fill(page, "failover", "fast_interval", "30")
            await save(page)
            await expect(page.locator(".remsimd-mistake")).to_have_count(2)
            for section, option in (("primary", "reset_line"), ("failover", "fast_interval")):
                (wanted,) = [m for m in mistakes_of(stage.rpcd.drafts[-1]) if m.option == option]
                await expect(field(page, section, option).locator(".remsimd-mistake")).to_have_text(
                    str(wanted)
                )
    finally:
        stage.rpcd.socket = there
    assert written(stage.rpcd.calls) == []
    assert not (stage.rpcd.folder / "remsimd-settings").exists()
