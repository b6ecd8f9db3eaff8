"""Debian's Chromium, driven by Playwright, in front of `ionmesh run` with a fleet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from ionmesh import schema
from ionmesh.db import Database
from ionmesh.models import Role
from tests.ionmesh.dashboard.fleet import PASSWORD, Fleet, stock
from tests.ionmesh.process import ServerProcess

ARGUMENTS = ["--no-sandbox"]
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


def program() -> str:
    """The browser; without it these tests fail, as they would test nothing."""
    found = shutil.which("chromium")
    assert found, "Debian: apt-get install chromium"
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def kept_profile(folder: Path) -> Iterator[BrowserContext]:
    """A browser with a profile, which push messages need."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=program(), args=ARGUMENTS, viewport=PHONE
        )
        yield context
        context.close()


@contextmanager
def serving(folder: Path, clients: int, **environ: str) -> Iterator[tuple[ServerProcess, Database, Fleet]]:
    """`ionmesh run` with that many clients, and its database."""
    path = folder / "ionmesh.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    fleet = stock(database, clients)
    with ServerProcess(path, **environ) as server:
        yield server, database, fleet
        assert "Traceback" not in server.log, server.log
    database.close()


def sign_in(page: Page, server: ServerProcess, role: Role) -> None:
    """Sign in as somebody of that role and be on the first page."""
    page.goto(f"http://127.0.0.1:{server.port}/sign-in")
    page.fill("[name=email]", f"{role.value}@example.com")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("[data-connection]")


def watch(page: Page) -> list[str]:
    """What the page's scripts complain of, from now on."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    return complaints
