"""Everything a test of the views needs, running: a router in the lab, LuCI before it, and a browser."""

import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    async_playwright,
)

from remsimd.observe.archive import Archive
from remsimd.observe.eventlog import Entry, Severity
from remsimd.observe.history import FILE_NAME
from remsimd.observe.readings import Key, of_one
from remsimd.observe.recorder import Batch, Happened, Minute
from remsimd.observe.usage import Usage
from simlab.lab import Lab
from tests.openwrt.luci.bridge import serving
from tests.openwrt.luci.pages import BASE, MENU
from tests.openwrt.luci.rpcd import Rpcd

CHROMIUM = "/usr/bin/chromium"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
CONTEXT: dict[str, Any] = {"locale": "en-GB", "accept_downloads": True}
SETTINGS = """
config modem 'secondary'
	option data_limit_mb '50'
"""
DAYS, STEP_MIN = 8, 5


@dataclass
class Stage:
    """The parts; `errors` is what pages complained about."""

    lab: Lab
    rpcd: Rpcd
    url: str
    browser: Browser
    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def page(
        self,
        view: str,
        *,
        size: ViewportSize | None = None,
        query: str = "",
        path: str | None = None,
        clock: bool = False,
    ) -> AsyncIterator[Page]:
        """A view that has been drawn; with `clock` the browser's time is the test's."""
        context = await self.browser.new_context(**CONTEXT) if clock else self.context
        page = await context.new_page()
        page.set_default_timeout(10_000)
        if clock:
            await page.clock.install()
        await page.set_viewport_size(size or DESKTOP)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)
        try:
            place = f"{MENU}/{view}" if path is None else path
            await page.goto(f"{self.url}{BASE}/{place}{query}")
            await page.wait_for_function("document.body.dataset.ready")
            yield page
        finally:
            await page.close()
            if clock:
                await context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@asynccontextmanager
async def staged(folder: Path, settings: str = "") -> AsyncIterator[Stage]:
    """A stage whose router is on the bank's card and has some days of history."""
    async with Lab.create(folder, namespaces=False, settings=SETTINGS + settings) as lab:
        record(folder)
        await lab.start_router()
        rpcd = Rpcd(lab.control_socket, folder / "remsim", folder)
        with serving(rpcd) as url:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                )
                await lab.remsimd.until(
                    lambda s: (
                        s["modems"]["primary"]["sim_source"] == "remote"
                        and s["modems"]["primary"]["registration"] is not None
                        and s["active_link"] == "primary"
                        and s["links"]["secondary"]["health"] == "up"
                    ),
                    "the router is on the bank's card and on its primary link",
                )
                yield Stage(lab, rpcd, url, browser, await browser.new_context(**CONTEXT))
                await browser.close()


def record(folder: Path) -> None:
    """A history of some days: signal by day and night, and data used."""
    archive = Archive(folder / "history" / FILE_NAME, folder / "state" / FILE_NAME, days=30)
    (folder / "history").mkdir()
    archive.open()
    try:
        used = {"primary": Usage(812_000_000, 96_000_000), "secondary": Usage(6_100_000, 2_400_000)}
        minutes, moves = tuple(_minutes(DAYS * 24 * 60)), tuple(_moves())
        archive.write(Batch("a boot before", time.time() - 60, DAYS * 86400.0, minutes, moves, used=used))
    finally:
        archive.close()


def _moves() -> Iterator[Happened]:
    """The data left the primary link for twenty minutes and came back, on the last day."""
    left_s, back_s = DAYS * 86400.0 - 9 * 3600, DAYS * 86400.0 - 9 * 3600 + 1200
    for seq, mono_s, link, text in (
        (
            1,
            left_s,
            "secondary",
            "primary -> secondary in 31 ms: primary is down: 3 rounds without an answer",
        ),
        (2, back_s, "primary", "secondary -> primary in 24 ms: primary is up and preferred"),
    ):
        wall_s = time.time() - DAYS * 86400.0 + mono_s
        yield Happened(mono_s, Entry(seq, wall_s, "failover", Severity.WARNING, link, text))


def _minutes(count: int) -> Iterator[Minute]:
    """Every minute of the last day, and one in STEP_MIN before."""
    for number in range(count - 1):
        if number % STEP_MIN and number < count - 24 * 60:
            continue
        wave = math.sin(number / 229)
        rough = math.sin(number / 17) + math.sin(number / 41)
        values = {
            Key("rsrp", "primary"): -92 + 5 * wave + 1.5 * rough,
            Key("rsrp", "secondary"): -101 + 3 * wave - rough,
            Key("sinr", "primary"): 14 + 4 * wave + rough,
            Key("latency", "primary"): 38 + 6 * rough - 8 * wave,
            Key("latency", "secondary"): 71 + 8 * rough,
            Key("rx_rate", "primary"): max(0.0, 180_000 + 150_000 * wave + 30_000 * rough),
        }
        yield Minute(number, {key: of_one(value) for key, value in values.items()})
