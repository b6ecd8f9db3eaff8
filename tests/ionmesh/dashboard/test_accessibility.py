"""Every page through axe-core, in light and in dark, on a desk and on a phone; and by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, Page, expect

from ionmesh.models import Role
from tests.ionmesh.dashboard import chromium
from tests.ionmesh.dashboard.chromium import DESKTOP, PHONE, sign_in
from tests.ionmesh.process import ServerProcess

CLIENT = "tram-0001-slot0"
PATHS = (
    *("/", "/clients", f"/clients/{CLIENT}", f"/clients/{CLIENT}/reassign?bank=90", "/banks"),
    *("/banks/1/slots/3", "/banks/1?view=traffic", "/pools", "/pools/1", "/alerts", "/alerts/history"),
    "/alerts/rules/2",
    *("/allowance", "/audit-log", "/webhooks", "/webhooks/1", "/api-keys", "/users", "/account"),
    *("/offline", "/clients/nobody"),
)
ON_A_PHONE = ("/", "/clients", f"/clients/{CLIENT}", "/banks", "/alerts", "/account")
ONLY = {"resultTypes": ["violations"]}
RULES = ONLY | {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}
CONTRAST = ONLY | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
"""All that another set of colours can change."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with chromium.serving(tmp_path_factory.mktemp("axe"), 20) as (server, _, _):
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.chromium() as browser:
        yield browser


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_no_page_keeps_anybody_out(browser: Browser, server: ServerProcess, phone: bool) -> None:
    page = browser.new_page(viewport=PHONE if phone else DESKTOP)
    page.goto(f"http://127.0.0.1:{server.port}/sign-in")
    found = violations(page, "/sign-in")
    sign_in(page, server, Role.OWNER)
    for path in ON_A_PHONE if phone else PATHS:
        page.emulate_media(color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        for summary in page.locator(".card.more > summary:visible").all():
            summary.click()
        found += violations(page, path)
        page.emulate_media(color_scheme="dark")
        found += violations(page, f"{path} in the dark", CONTRAST)
    assert found == []
    page.close()


def violations(page: Page, path: str, rules: dict[str, Any] = RULES) -> list[str]:
    """What axe-core finds, in one line each."""
    results = Axe().run(page, options=rules).response
    return [
        f"{path}: {violation['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for violation in results["violations"]
        for node in violation["nodes"]
    ]


def test_the_keyboard_reaches_everything(browser: Browser, server: ServerProcess) -> None:
    page = browser.new_page(viewport=DESKTOP)
    sign_in(page, server, Role.OPERATOR)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(f"http://127.0.0.1:{server.port}/banks/1")
    squares = page.locator("[data-grid] a")
    squares.first.focus()
    for key, index in (("ArrowRight", 1), ("End", 255), ("Home", 0), ("ArrowDown", None)):
        page.keyboard.press(key)
        if index is not None:
            expect(squares.nth(index)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(squares.first).to_be_focused()
    assert page.locator("[data-grid] a[tabindex='0']").count() == 1, "one stop of the tabulator for all slots"
    page.close()
