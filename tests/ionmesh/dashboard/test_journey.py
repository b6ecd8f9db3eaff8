"""An operator's day in a real browser, with a thousand clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import update

from ionmesh.db import Database
from ionmesh.models import Bank, ClientState, Role, ServiceProfile
from ionmesh.services import liveness
from tests.ionmesh.conftest import API
from tests.ionmesh.dashboard import chromium
from tests.ionmesh.dashboard.chromium import DESKTOP, PHONE, sign_in, watch
from tests.ionmesh.dashboard.fleet import Fleet
from tests.ionmesh.process import ServerProcess
from tests.ionmesh.remsim import FakeRemsimServer

LIVE = "live-0001-slot0"
TARGET = 240

Lab = tuple[ServerProcess, Database, Fleet]


@pytest.fixture(scope="module")
def remsim() -> Iterator[FakeRemsimServer]:
    with FakeRemsimServer() as server:
        server.banks = [5]
        yield server


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, remsim: FakeRemsimServer) -> Iterator[Lab]:
    with chromium.serving(tmp_path_factory.mktemp("journey"), 1000) as (server, database, fleet):
        with database.write() as session:
            session.execute(update(Bank).where(Bank.bank_id == 5).values(remsim_server_url=remsim.url))
        beat(server, fleet, "register-client", preferred_bank_id=5)
        yield server, database, fleet


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.chromium() as browser:
        yield browser


def beat(server: ServerProcess, fleet: Fleet, call: str = "heartbeat", **fields: object) -> object:
    """What the one live router says."""
    body = {"client_id": LIVE, "fingerprint": "f"} | fields
    status, answer = server.request("POST", f"{API}/remsim/{call}", body, fleet.key)
    assert status == 200, answer
    return answer


def sweep(database: Database, client_id: str) -> None:
    """Let a client have been silent for an hour, and somebody notice."""
    with database.write() as session:
        mine = session.query(ServiceProfile.profile_id).where(ServiceProfile.client_id == client_id)
        silent = datetime.now(UTC) - timedelta(hours=1)
        session.execute(
            update(ClientState)
            .where(ClientState.profile_id.in_(mine.scalar_subquery()))
            .values(last_heartbeat=silent)
        )
    with database.write() as session:
        liveness.sweep(session, datetime.now(UTC), timedelta(seconds=300))


def test_the_journey(browser: Browser, lab: Lab, remsim: FakeRemsimServer) -> None:
    server, database, fleet = lab
    beat(server, fleet)
    page = browser.new_page(viewport=DESKTOP)
    complaints = watch(page)
    sign_in(page, server, Role.OPERATOR)
    expect(page.locator(".side [data-connection]")).to_have_text("Live")

    page.click(".side a:has-text('Clients')")
    page.fill("[name=q]", "live-00")
    page.press("[name=q]", "Enter")
    row = page.locator(f"tr[data-client='{LIVE}']")
    expect(row.locator(".state")).to_have_text("Online")
    expect(page.locator(".side [data-connection]")).to_have_text("Live")
    sweep(database, LIVE)
    expect(row.locator(".state")).to_have_text("Offline")
    beat(server, fleet)
    expect(row.locator(".state")).to_have_text("Online")

    row.locator("a").first.click()
    page.click("text=Reassign")
    page.check(f"[value='5/{TARGET}']")
    page.click("text=Move here")
    expect(page.locator("[role=status].notice")).to_contain_text("Client moved")
    expect(page.locator("[data-slot]")).to_have_text(f"5/{TARGET}")
    with remsim.changed:
        assert remsim.changed.wait_for(
            lambda: (5, TARGET) in {(held.bank_id, held.slot_nr) for held in remsim.maps}, 10
        )
    assert beat(server, fleet, assignment_version=1)["assignment"]["slot_id"] == TARGET  # type: ignore[index]  # JSON

    page.click("text=Slot and its history")
    chosen = page.locator(f"[data-grid] [data-slot='{TARGET}']")
    expect(chosen).to_have_attribute("aria-label", re.compile(f"Client online, {LIVE}"))
    expect(page.locator("#panel .history li").first).to_contain_text(LIVE)
    page.locator("[data-grid] [data-slot='1']").click()
    expect(page.locator("#panel-title")).to_have_text("Slot 1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#panel-title")).to_have_text("Slot 2")
    assert page.url.endswith("/banks/5/slots/2?view=state")

    page.click(".side a:has-text('Alerts')")
    line = page.locator("tr[data-alert]", has_text="Bank down")
    number = line.get_attribute("data-alert")
    line.locator("text=Acknowledge").click()
    expect(page.locator("[role=status].notice")).to_have_text("Alert acknowledged.")
    expect(page.locator(f"tr[data-alert='{number}']")).to_contain_text("acknowledged by operator@example.com")
    assert complaints == []
    page.close()


def test_what_happens_is_listed_and_counted_without_loading_the_page(browser: Browser, lab: Lab) -> None:
    server, database, fleet = lab
    beat(server, fleet)
    page = browser.new_page(viewport=DESKTOP)
    complaints = watch(page)
    sign_in(page, server, Role.VIEWER)
    critical = page.locator("[data-count=critical]")
    before = int(critical.inner_text())
    page.evaluate("window.kept = true")
    sweep(database, LIVE)
    expect(page.locator("[data-events] li").first).to_contain_text(f"{LIVE} went offline")
    expect(critical).to_have_text(str(before + 1))
    assert page.evaluate("window.kept"), "the page was not loaded again"
    assert complaints == []
    beat(server, fleet)
    page.close()


def test_tabs_share_one_stream(browser: Browser, lab: Lab) -> None:
    server, database, fleet = lab
    beat(server, fleet)
    context = browser.new_context(viewport=DESKTOP)
    first, second = context.new_page(), context.new_page()
    streams: list[str] = []
    for page in (first, second):
        page.on("request", lambda asked: streams.append(asked.url) if "/live/" in asked.url else None)
    sign_in(first, server, Role.VIEWER)
    expect(first.locator(".side [data-connection]")).to_have_text("Live")
    second.goto(first.url)
    expect(second.locator(".side [data-connection]")).to_have_text("Live")
    assert len(streams) == 1
    sweep(database, LIVE)
    for page in (first, second):
        expect(page.locator("[data-events] li").first).to_contain_text(f"{LIVE} went offline")
    first.close()
    second.wait_for_event("request", lambda asked: "/live/stream" in asked.url)
    context.close()


def test_charts_are_drawn_and_told_as_a_table(browser: Browser, lab: Lab) -> None:
    server, _, fleet = lab
    page = browser.new_page(viewport=DESKTOP)
    complaints = watch(page)
    sign_in(page, server, Role.VIEWER)
    page.goto(f"http://127.0.0.1:{server.port}/clients/{fleet.names[0]}")
    expect(page.locator("[data-chart=power] canvas")).to_be_visible()
    for name in ("1h", "7d", "30d"):
        with page.expect_response(re.compile(f"series.json.range={name}")):
            page.click(f"[data-range='{name}']")
        expect(page.locator("[data-chart=traffic] canvas")).to_be_visible()
    page.click("text=Figures as a table")
    assert page.locator("[data-chart-table] tbody tr").count() > 100
    page.goto(f"http://127.0.0.1:{server.port}/clients/{fleet.names[900]}")
    expect(page.locator("[data-chart=power]")).to_have_text("No samples in this range.")
    assert complaints == []
    page.close()


def test_many_are_chosen_and_a_wrong_form_keeps_what_was_typed(browser: Browser, lab: Lab) -> None:
    server, _, _ = lab
    page = browser.new_page(viewport=DESKTOP)
    sign_in(page, server, Role.OPERATOR)
    page.goto(f"http://127.0.0.1:{server.port}/clients?q=bus-000")
    page.check("[data-all]")
    expect(page.locator("[data-chosen]")).to_have_text("9")
    page.fill("#bulk-tag", "night-line")
    page.click("text=Add tag")
    expect(page.locator("[role=status].notice")).to_have_text("Done for the chosen clients.")
    expect(page.locator("tbody .tag:has-text('night-line')")).to_have_count(9)
    page.locator("tbody a").first.click()
    page.fill("[name=notes]", "a note")
    page.fill("[name=tags]", "not<a>tag")
    page.click("text=Save")
    expect(page.locator("[data-problem]")).to_contain_text("tags")
    expect(page.locator("[name=notes]")).to_have_value("a note")
    page.close()


def test_a_phone_has_the_menu_at_hand(browser: Browser, lab: Lab) -> None:
    server, _, _ = lab
    page = browser.new_page(viewport=PHONE)
    sign_in(page, server, Role.OWNER)
    expect(page.locator(".side")).to_be_hidden()
    page.click(".menu-button")
    expect(page.locator(".side a:has-text('API keys')")).to_be_visible()
    page.click("[data-theme-switch]")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.click(".side a:has-text('Audit log')")
    expect(page.locator("h1")).to_have_text("Audit log")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    for path in (
        "/",
        "/clients",
        "/banks",
        "/banks/1/slots/3",
        "/alerts",
        "/allowance",
        "/account",
        "/audit-log",
    ):
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], f"{path} is {wide} pixels wide"
    page.close()
