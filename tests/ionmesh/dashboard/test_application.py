"""The pages as an application: installable, of use without a network, told by push messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from ionmesh.models import Role
from tests.ionmesh.dashboard import chromium
from tests.ionmesh.dashboard.chromium import sign_in
from tests.ionmesh.process import DEADLINE_S, ServerProcess
from tests.ionmesh.services.browser import Browser as PushReceiver

# Chromium subscribes at its vendor's push service only. What it would get from there is made here: everything
# before and after that one call is real.
SUBSCRIBE = """
const given = %s;
PushManager.prototype.subscribe = async function (options) {
  window.subscribedWith = [options.userVisibleOnly, new Uint8Array(options.applicationServerKey).length];
  const keys = { p256dh: given.p256dh, auth: given.auth };
  window.given = { endpoint: given.endpoint, toJSON: () => ({ endpoint: given.endpoint, keys }) };
  window.given.unsubscribe = async () => { delete window.given; return true; };
  return window.given;
};
PushManager.prototype.getSubscription = async () => window.given ?? null;
"""
MESSAGE = """() => new Promise((done) => {
  navigator.serviceWorker.addEventListener("message", (event) => done(event.data));
})"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[PushReceiver]:
    with PushReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("application")
    with chromium.serving(folder, 20, IONMESH_PRIVATE_WEBHOOKS="1") as (server, _, _):
        yield server


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, receiver: PushReceiver) -> Iterator[BrowserContext]:
    with chromium.kept_profile(tmp_path_factory.mktemp("profile")) as context:
        context.add_init_script(SUBSCRIBE % json.dumps(receiver.subscription()))
        yield context


@pytest.fixture
def page(context: BrowserContext, server: ServerProcess) -> Iterator[Page]:
    context.clear_cookies()
    context.grant_permissions(["notifications"], origin=origin(server))
    page = context.new_page()
    sign_in(page, server, Role.OPERATOR)
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    yield page
    context.set_offline(False)
    page.close()


def origin(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.port}"


def test_it_can_be_installed(page: Page, context: BrowserContext) -> None:
    tools = context.new_cdp_session(page)
    manifest = tools.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert tools.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
    told = json.loads(manifest["data"])
    assert (told["display"], told["start_url"], told["id"]) == ("standalone", "/", "/")
    assert {icon["sizes"] for icon in told["icons"]} == {"192x192", "512x512"}
    for icon in told["icons"]:
        answer = page.request.get(icon["src"] if "://" in icon["src"] else page.url.rstrip("/") + icon["src"])
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")


def test_without_a_network_the_last_page_tells_its_age(
    page: Page, context: BrowserContext, server: ServerProcess
) -> None:
    page.goto(f"{origin(server)}/banks")
    page.goto(f"{origin(server)}/")
    expect(page.locator(".tiles b").first).not_to_be_empty()
    context.set_offline(True)
    page.goto(f"{origin(server)}/banks")
    expect(page.locator("[data-stale]")).to_have_text(re.compile(r"You see what was here \d+ (s|min) ago\."))
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.locator("h1")).to_have_text("SIM banks")
    page.goto(f"{origin(server)}/audit-log")
    expect(page.locator("h1")).to_have_text("Not connected")
    expect(page.locator(".timeline li", has_text="/banks").locator("time")).to_have_text(
        re.compile(r"^\d+ s$")
    )
    context.set_offline(False)
    page.goto(f"{origin(server)}/banks")
    expect(page.locator("[data-stale]")).to_have_count(0)


def test_signing_out_leaves_nothing_behind(
    page: Page, context: BrowserContext, server: ServerProcess
) -> None:
    page.goto(f"{origin(server)}/banks")
    page.evaluate("document.querySelector('#menu').showPopover()")
    page.click("text=Sign out")
    expect(page.locator("h1")).to_have_text("Sign in")
    context.set_offline(True)
    page.goto(f"{origin(server)}/banks")
    expect(page.locator("h1")).to_have_text("Not connected")
    expect(page.locator(".timeline li")).to_have_count(0)


def test_a_push_message_arrives_and_is_shown(
    page: Page, context: BrowserContext, server: ServerProcess, receiver: PushReceiver
) -> None:
    """From the button through the server's encryption to the notice of the service worker."""
    page.goto(f"{origin(server)}/account")
    page.click("[data-push-on]")
    expect(page.locator("[data-push-state]")).to_have_text("This browser is told of alerts.")
    assert page.evaluate("window.subscribedWith") == [True, 65]
    page.reload()
    receiver.arrived.clear()
    page.click("[data-push] button:text-is('Test')")
    assert receiver.arrived.wait(DEADLINE_S)
    message = receiver.message()
    assert set(message) == {"kind", "state", "severity", "count", "at"}

    tools = context.new_cdp_session(page)
    registration = registered(tools)
    page.goto(f"{origin(server)}/")
    for sent, shown in (
        (message, ["Test message", "", "test"]),
        (message | {"kind": "bank_down", "count": 2}, ["Bank down", "New alerts: 2", "bank_down"]),
        (message | {"kind": "bank_down", "state": "resolved"}, ["Bank down", "Is over: 1", "bank_down"]),
    ):
        page.evaluate(f"window.told = ({MESSAGE})(); null")
        tools.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": origin(server), "registrationId": registration, "data": json.dumps(sent)},
        )
        assert page.evaluate("window.told") == {"kind": "push", "news": sent}
        assert shown in notices(page)


def test_a_message_that_is_none_is_shown_all_the_same(
    page: Page, context: BrowserContext, server: ServerProcess
) -> None:
    tools = context.new_cdp_session(page)
    registration = registered(tools)
    page.evaluate(f"window.told = ({MESSAGE})(); null")
    given = {"origin": origin(server), "registrationId": registration, "data": "<b>not JSON"}
    tools.send("ServiceWorker.deliverPushMessage", given)
    assert page.evaluate("window.told") == {"kind": "push", "news": {}}
    assert "IonMesh" in [title for title, _, _ in notices(page)]


def registered(tools: CDPSession) -> str:
    """The number Chromium has given the service worker."""
    found: list[dict[str, Any]] = []
    tools.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(event["registrations"]))
    tools.send("ServiceWorker.enable")
    # The answer to this comes after the events.
    tools.send("Runtime.evaluate", {"expression": "0"})
    return str(next(entry for entry in found if not entry["isDeleted"])["registrationId"])


def notices(page: Page) -> list[list[str]]:
    shown: list[list[str]] = page.evaluate(
        "async () => (await (await navigator.serviceWorker.ready).getNotifications())"
        ".map((notice) => [notice.title, notice.body, notice.tag])"
    )
    return shown
