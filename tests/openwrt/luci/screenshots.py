"""Takes the pictures of docs/luci.md: python -m tests.openwrt.luci.screenshots [FOLDER]"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page

from tests.openwrt.luci.pages import views
from tests.openwrt.luci.stage import PHONE, Stage, staged
from tests.openwrt.luci.test_settings import fill, save

FOLDER = Path(__file__).parents[3] / "docs/images"
WHOLE = ("overview", "graphs", "sim")


async def settle(page: Page, view: str) -> None:
    """Wait for what a view draws after it is there."""
    if view == "graphs":
        await page.get_by_role("button", name="24 h").click()
        await page.wait_for_selector("[data-metric=latency] canvas")
    if view == "settings":
        await page.locator(".cbi-tabmenu a", has_text="Modems").first.click()
    await page.wait_for_timeout(300)


async def take(stage: Stage, folder: Path) -> None:
    for view in views():
        async with stage.page(view) as page:
            await settle(page, view)
            await page.screenshot(path=folder / f"luci-{view}.png", full_page=view in WHOLE)
    for view in ("overview", "settings"):
        async with stage.page(view, size=PHONE) as page:
            await settle(page, view)
            await page.screenshot(path=folder / f"luci-{view}-phone.png")
    async with stage.page("overview", query="?dark=1") as page:
        await page.screenshot(path=folder / "luci-overview-dark.png")
    async with stage.page("settings") as page:
        await fill(page, "primary", "reset_line", "21")
        await save(page)
        await page.wait_for_selector(".remsimd-mistake")
        await page.wait_for_timeout(300)
        await page.screenshot(path=folder / "luci-mistake.png")
    async with stage.page("sim") as page:
        await page.get_by_role("button", name="Local card").first.click()
        await page.wait_for_selector(".modal")
        await page.screenshot(path=folder / "luci-ask.png")


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="remsim-") as lab:
        async with staged(Path(lab) / "lab") as stage:
            await take(stage, folder)
            if stage.errors:
                sys.exit("\n".join(stage.errors))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
