"""The Overview in every state that a router may be in: one sentence says what is, and what to do."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from tests.observe.test_recorded import GOLDEN
from tests.openwrt.luci.rpcd import DENIED, OK, Answer
from tests.openwrt.luci.scenes import HOT, SCENES, WEAK, answers, firing
from tests.openwrt.luci.stage import DESKTOP, PHONE, Stage
from tests.openwrt.luci.test_views import OF_THE_THEME, dialog

pytestmark = pytest.mark.asyncio(loop_scope="package")


def shown(page: Page, name: str) -> Locator:
    """Where the Overview says what is."""
    ours = SCENES[name].ubus is None
    return page.locator(".remsimd-verdict > p" if ours else "#view .alert-message")


@pytest.mark.parametrize("name", SCENES)
async def test_a_state_is_said_in_a_sentence_with_what_to_do(stage: Stage, name: str) -> None:
    scene = SCENES[name]
    stage.rpcd.told.update(answers(scene))
    async with stage.page("overview") as page:
        await expect(shown(page, name)).to_contain_text(scene.says)
        await expect(shown(page, name)).to_contain_text(scene.todo)
        for size in (PHONE, DESKTOP):
            await page.set_viewport_size(size)
            await page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("name", ["modem-missing", "alerts", "stopped"])
@pytest.mark.parametrize("query", ["", "?dark=1"])
async def test_bad_news_can_be_read_by_everybody(stage: Stage, name: str, query: str) -> None:
    stage.rpcd.told.update(answers(SCENES[name]))
    async with stage.page("overview", query=query) as page:
        found = (await Axe().run(page)).response["violations"]
        assert [problem["id"] for problem in found if problem["id"] not in OF_THE_THEME] == []


@pytest.mark.parametrize("name", ["well", "failover", "stopped", "too-old", "too-new", "alerts"])
async def test_the_status_page_says_the_same(stage: Stage, name: str) -> None:
    scene = SCENES[name]
    stage.rpcd.told.update(answers(scene))
    async with stage.page("", path="admin/status/overview") as page:
        await expect(page.locator("#view")).to_contain_text(scene.says)


async def test_the_status_page_has_one_line_about_alerts(stage: Stage) -> None:
    stage.rpcd.told.update(answers(SCENES["modem-missing"]))
    alerts = [firing(WEAK, "secondary", -118.0), firing(HOT, "primary mdmss", 91.0, acknowledged=True)]
    stage.rpcd.told["alerts_list"] = lambda _: (OK, {"result": alerts})
    async with stage.page("", path="admin/status/overview") as page:
        await expect(page.locator(".remsimd-verdict > p")).to_contain_text("primary is not there")
        await expect(page.locator(".remsimd-verdict li")).to_have_text(
            "!Alerts that fire: weak_signal (secondary). "
            "The list of alerts in Services, Remote SIM says what to do about each."
        )


async def test_what_hangs_together_is_told_once_and_the_cause_first(stage: Stage) -> None:
    stage.rpcd.told.update(answers(SCENES["modem-missing"]))
    async with stage.page("overview") as page:
        await expect(shown(page, "modem-missing")).to_contain_text("The data goes over secondary.")
        await expect(page.locator(".remsimd-verdict li")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("well", []),
        ("bank-away", ["SIM bank"]),
        ("ionmesh-away", ["IonMesh"]),
        ("modem-missing", ["primary"]),
    ],
)
async def test_the_picture_shows_where_the_way_is_broken(stage: Stage, name: str, broken: list[str]) -> None:
    stage.rpcd.told.update(answers(SCENES[name]))
    async with stage.page("overview") as page:
        picture = page.locator("svg.remsimd-flat")
        marked = picture.locator("g:has(rect.remsimd-broken)")
        await expect(picture).to_be_visible()
        names = [await box.locator("text").first.text_content() for box in await marked.all()]
        assert [name.partition(":")[0] for name in names if name] == broken
        assert await picture.locator("path.remsimd-broken").count() == (name == "bank-away")


async def test_firing_alerts_have_their_value_threshold_time_and_advice(stage: Stage) -> None:
    stage.rpcd.told.update(answers(SCENES["alerts"]))
    async with stage.page("overview") as page:
        rows = page.locator(".remsimd-alerts tr.tr:not(.table-titles)")
        await expect(rows).to_have_count(3)
        weak, hot, noted = [await row.inner_text() for row in await rows.all()]
        for part in ("warning", "weak_signal", "secondary", "12 min", "-118 dBm", "Check the antennas"):
            assert part in weak
        assert "fires below -115 for 600 s" in weak
        for part in ("critical", "primary mdmss", "91 °C", "fires above 85", "more air"):
            assert part in hot
        assert "acknowledged" in noted
        assert "muted for 50 min" in noted
        assert await rows.nth(2).get_by_role("button", name="Acknowledge").count() == 0
        await rows.nth(0).get_by_role("link", name="weak_signal").click()
        await page.wait_for_url("**/events#alert=weak_signal")
        await expect(page.get_by_label("Alert")).to_have_value("weak_signal")


async def test_an_alert_is_acknowledged_and_muted_after_a_question(stage: Stage) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(method: str) -> Callable[[dict[str, Any]], Answer]:
        def note(params: dict[str, Any]) -> Answer:
            asked.append((method, params))
            return OK, {"message": "weak_signal: done"}

        return note

    stage.rpcd.told.update(answers(SCENES["alerts"]))
    stage.rpcd.told |= {method: answer(method) for method in ("alerts_acknowledge", "alerts_mute")}
    async with stage.page("overview") as page:
        rows = page.locator(".remsimd-alerts tr.tr:not(.table-titles)")
        await rows.nth(0).get_by_role("button", name="Acknowledge").click()
        await expect(dialog(page)).to_contain_text("not told again until it is over")
        await dialog(page).get_by_role("button", name="Acknowledge").click()
        await expect(dialog(page)).to_contain_text("weak_signal: done")
        await dialog(page).get_by_role("button", name="Close").click()
        await rows.nth(0).get_by_role("button", name="Mute").click()
        await dialog(page).get_by_label("For how long").select_option("1 day")
        await dialog(page).get_by_role("button", name="Mute", exact=True).click()
        await expect(dialog(page)).to_contain_text("weak_signal: done")
        await dialog(page).get_by_role("button", name="Close").click()
        await rows.nth(2).get_by_role("button", name="Unmute").click()
        await expect(dialog(page)).to_contain_text("weak_signal: done")
    assert asked == [
        ("alerts_acknowledge", {"alert": "weak_signal", "subject": "secondary"}),
        ("alerts_mute", {"alert": "weak_signal", "minutes": 1440}),
        ("alerts_mute", {"alert": "hot", "minutes": 0}),
    ]


async def test_who_may_only_read_sees_alerts_and_silences_none(stage: Stage) -> None:
    stage.rpcd.told.update(answers(SCENES["alerts"]))
    async with stage.page("overview", query="?user=viewer") as page:
        rows = page.locator(".remsimd-alerts tr.tr:not(.table-titles)")
        await expect(rows).to_have_count(3)
        for button in await rows.get_by_role("button").all():
            await expect(button).to_be_disabled()
    for method in ("alerts_acknowledge", "alerts_mute"):
        assert stage.rpcd.call("viewer", "remsim", method, {"alert": "hot"})[0] == DENIED


async def test_alerts_that_cannot_be_had_hide_nothing_else(stage: Stage) -> None:
    stage.rpcd.told.update(answers(SCENES["well"]))
    stage.rpcd.told["alerts_list"] = lambda _: (DENIED, None)
    async with stage.page("overview") as page:
        await expect(shown(page, "well")).to_contain_text("All is well")
        await expect(page.locator("#view")).to_contain_text("The alerts are not known: Permission denied")


ADVISED = {
    "remsim_signal_rsrp_dbm": "Check the antennas",
    "remsim_connection_up": "See on Modems",
    "remsim_connection_latency_ms": "Compare the links",
    "remsim_failovers_total": "Compare the links",
    "remsim_sim_authentication_failure_total": "The remote card refuses its network",
    "remsim_sim_mismatch": "Another card than the assigned one",
    "remsim_sim_switches_total": "See on the SIM page",
    "remsim_data_budget_used_ratio": "Raise the limit",
    "remsim_data_rx_bytes_total": "See on Failover how much",
    "remsim_recovery_actions_total": "The modem does not come back",
    "remsim_bankd_latency_seconds": "Check the SIM bank",
    "remsim_ionmesh_state": "Check the address and the key of IonMesh",
    "remsim_at_timeouts_total": "The modem answers badly",
    "remsim_system_temperature_celsius": "Give the modem more air",
    "remsim_system_memory_used_bytes": "See in Status, Processes",
}
SHOWN = {"remsim_data_budget_used_ratio": "50 %", "remsim_signal_rsrp_dbm": "1 dBm", "no_such_thing": "0.5"}
NO_MEASURES = {"remsim_build_info", "remsim_uptime_seconds", "remsim_start_time_seconds"}


async def test_every_exported_metric_has_advice_and_a_unit(stage: Stage) -> None:
    """Only what is no measure of anything that could go wrong is left to the timeline."""
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    script = """async names => {
        const alerts = await L.require('remsimd.alerts');
        return names.map(name => [ name, alerts.advice(name), alerts.value(name, 0.5) ]);
    }"""
    async with stage.page("overview") as page:
        advised = await page.evaluate(script, [*names, *ADVISED, *SHOWN])
    general = {name for name, advice, _ in advised if advice.startswith("See in Events")}
    assert general == {*NO_MEASURES, "no_such_thing"}
    for name, advice, value in advised:
        assert advice.startswith(ADVISED.get(name, "")), name
        assert value == SHOWN.get(name, value), name
