"""Takes the pictures of docs/luci.md: python -m tests.openwrt.luci.screenshots

With a folder, takes instead the Overview in every scene, wide and narrow, light and dark, for the eye.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page

from tests.openwrt.luci.pages import views
from tests.openwrt.luci.scenes import SCENES, answers
from tests.openwrt.luci.stage import DESKTOP, PHONE, Stage, staged
from tests.openwrt.luci.test_settings import fill, save

PICTURES = Path(__file__).parents[3] / "docs/images"
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
    for name in ("alerts", "bank-away"):
        stage.rpcd.told = answers(SCENES[name])
        async with stage.page("overview") as page:
            await page.screenshot(path=folder / f"luci-{name}.png")
    stage.rpcd.told = {}
    async with stage.page("sim") as page:
        await page.get_by_role("button", name="Local card").first.click()
        await page.wait_for_selector(".modal")
        await page.screenshot(path=folder / "luci-ask.png")


async def take_scenes(stage: Stage, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        stage.rpcd.told = answers(scene)
        for kind, size in {"desktop": DESKTOP, "phone": PHONE}.items():
            for shade, query in {"light": "", "dark": "?dark=1"}.items():
                async with stage.page("overview", size=size, query=query) as page:
                    await page.screenshot(path=folder / f"{name}-{kind}-{shade}.png", full_page=True)


async def main(folder: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="remsim-") as lab:
        async with staged(Path(lab) / "lab") as stage:
            await (take(stage, PICTURES) if folder is None else take_scenes(stage, folder))
            if stage.errors:
                sys.exit("\n".join(stage.errors))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
