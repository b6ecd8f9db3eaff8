"""Web push: from an alert to a message only the browser can read, and what happens when it cannot be told."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from py_vapid import Vapid02
from sqlalchemy import func, select, update

from ionmesh.config import Config
from ionmesh.courier import sender
from ionmesh.db import Database
from ionmesh.models import Bank, PushMessage, PushSubscription, Role, ServerSecret, Severity, User
from ionmesh.pusher import Pusher
from ionmesh.services import alerting, push, users
from ionmesh.services.push import Notice
from ionmesh.services.webhooks import Attempt
from ionmesh.vapid import Vapid, contact
from tests.ionmesh.conftest import START, Admin, ManualClock, add_tenant
from tests.ionmesh.services.browser import ELSEWHERE, Browser, text

NOTICE = Notice("client_offline", "firing", Severity.ERROR, 3, "rule-1")


@pytest.fixture
def config() -> Config:
    return Config(private_webhooks=1)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def pusher(stocked: Database, config: Config, clock: ManualClock) -> Pusher:
    return Pusher(stocked, clock, Vapid(stocked, config, clock), sender(private_allowed=True))


def subscribe(database: Database, **fields: Any) -> int:
    with database.write() as session:
        given = ELSEWHERE | fields
        return push.subscribe(session, 1, None, **given, actor="test", now=START).subscription_id


def announce(database: Database, notice: Notice = NOTICE) -> int:
    with database.write() as session:
        return push.announce(session, 1, notice, START)


def count(database: Database, table: type[Any]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_an_alert_arrives_and_names_nobody(
    admin: Admin, browser: Browser, stocked: Database, clock: ManualClock, pusher: Pusher
) -> None:
    key = admin.get("push/key").json["key"]
    made = admin.post("push/subscriptions", browser.subscription())
    assert made.status_code == 201, made.json
    admin.post("alerts/rules", {"name": "secret name", "kind": "bank_down", "severity": "critical"})
    with stocked.write() as session:
        session.execute(update(Bank).values(bankd_connected=False))
        alerting.evaluate(session, clock())
    assert pusher.run()
    assert browser.message() == {
        "kind": "bank_down",
        "state": "firing",
        "severity": "critical",
        "count": 1,
        "at": "2026-01-01T00:00:00Z",
    }
    ((headers, body),) = browser.received
    assert b"secret name" not in body
    assert (headers["ttl"], headers["urgency"], headers["topic"]) == ("14400", "high", "rule-1")
    assert Vapid02.verify(headers["authorization"])
    token, told_key = headers["authorization"].removeprefix("vapid t=").split(",k=")
    assert told_key == key, "the key the browser subscribed with"
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims == {
        "aud": browser.origin,
        "sub": "mailto:ionmesh@localhost",
        "exp": int(START.timestamp()) + 12 * 3600,
    }
    assert pusher.run()
    assert len(browser.received) == 1, "once is enough"
    shown = admin.get("push/subscriptions").json["subscriptions"]
    assert [(row["last_sent_at"], row["service"]) for row in shown] == [("2026-01-01T00:00:00Z", "127.0.0.1")]
    for hidden in (browser.subscription()["auth"], browser.subscription()["endpoint"]):
        assert hidden not in admin.get("push/subscriptions").text


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_forgotten(
    browser: Browser, stocked: Database, pusher: Pusher, status: int
) -> None:
    subscribe(stocked, **browser.subscription())
    announce(stocked)
    browser.status = status
    assert pusher.run()
    assert (count(stocked, PushSubscription), count(stocked, PushMessage)) == (0, 0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_push_service_that_cannot_now_is_asked_again(
    browser: Browser, stocked: Database, clock: ManualClock, pusher: Pusher, status: int
) -> None:
    subscribe(stocked, **browser.subscription())
    announce(stocked)
    browser.status = status
    for wait_s in (10, 60, 300):
        assert pusher.run()
        attempts = len(browser.received)
        clock.advance(wait_s - 1)
        pusher.run()
        assert len(browser.received) == attempts, "it is not pestered"
        clock.advance(1)
    browser.status = 201
    assert pusher.run()
    assert count(stocked, PushMessage) == 0
    assert browser.message()["count"] == 3


def test_a_browser_that_several_messages_did_not_reach_is_forgotten(
    stocked: Database, clock: ManualClock, config: Config
) -> None:
    tries = []

    def send(url: str, headers: dict[str, str], body: str | bytes) -> Attempt:
        tries.append(url)
        return Attempt(None, "refused")

    pusher = Pusher(stocked, clock, Vapid(stocked, config, clock), send)
    subscribe(stocked)
    for number in range(1, 6):
        assert count(stocked, PushSubscription) == 1
        with stocked.write() as session:
            push.announce(session, 1, NOTICE, clock())
        for wait_s in (10, 60, 300, 1800, 3600, 0):
            pusher.run()
            clock.advance(wait_s)
        assert (len(tries), count(stocked, PushMessage)) == (6 * number, 0)
    assert count(stocked, PushSubscription) == 0


def test_an_outlived_message_is_dropped(stocked: Database, clock: ManualClock, pusher: Pusher) -> None:
    subscribe(stocked)
    announce(stocked)
    clock.advance(push.LIFE.total_seconds())
    assert pusher.run()
    assert (count(stocked, PushSubscription), count(stocked, PushMessage)) == (1, 0)


def test_what_the_push_service_refuses_for_good_is_not_repeated(
    browser: Browser, stocked: Database, pusher: Pusher
) -> None:
    subscribe(stocked, **browser.subscription())
    announce(stocked)
    browser.status = 413
    assert pusher.run()
    assert (count(stocked, PushSubscription), count(stocked, PushMessage)) == (1, 0)


def test_a_browser_hears_of_what_is_grave_enough_and_of_its_own_tenant(stocked: Database) -> None:
    subscribe(stocked, min_severity=Severity.CRITICAL)
    subscribe(stocked, endpoint="https://push.example.com/b", min_severity=Severity.INFO)
    assert announce(stocked) == 1
    with stocked.write() as session:
        assert push.announce(session, 2, NOTICE, START) == 0


def test_a_disabled_persons_browser_hears_nothing_and_goes_with_the_person(stocked: Database) -> None:
    with stocked.write() as session:
        for name, role in (("owner", Role.OWNER), ("viewer", Role.VIEWER)):
            made = {
                "email": f"{name}@acme.example",
                "name": name,
                "role": role,
                "password": "a long password",
            }
            user = users.create(session, 1, **made, actor="test", now=START)
        push.subscribe(session, 1, user.user_id, **ELSEWHERE, actor="test", now=START)
    with stocked.write() as session:
        session.execute(update(User).where(User.user_id == user.user_id).values(enabled=False))
    assert announce(stocked) == 0
    with stocked.write() as session:
        users.delete(session, 1, user.user_id, "test", START)
    assert count(stocked, PushSubscription) == 0


def test_a_browser_that_subscribes_again_is_one(stocked: Database) -> None:
    first = subscribe(stocked)
    assert subscribe(stocked, min_severity=Severity.INFO) == first
    assert count(stocked, PushSubscription) == 1


def test_a_browser_of_another_tenant_is_not_taken_over(admin: Admin, stocked: Database) -> None:
    add_tenant(stocked, "other")
    with stocked.write() as session:
        push.subscribe(session, 2, None, **ELSEWHERE, actor="test", now=START)
    refused = admin.post("push/subscriptions", ELSEWHERE)
    assert (refused.status_code, refused.json["code"]) == (409, "endpoint_taken")
    assert announce(stocked) == 0


def test_what_is_no_subscription(admin: Admin) -> None:
    for fields in (
        {"p256dh": text(b"\4" + bytes(64))},
        {"p256dh": text(b"\3" * 33)},
        {"auth": text(b"short")},
        {"endpoint": "ftp://push.example.com"},
        {"endpoint": "https://"},
    ):
        assert admin.post("push/subscriptions", ELSEWHERE | fields).status_code == 400, fields


def test_a_test_message_and_leaving(
    admin: Admin, browser: Browser, stocked: Database, pusher: Pusher
) -> None:
    made = admin.post("push/subscriptions", browser.subscription()).json["subscription"]
    path = f"push/subscriptions/{made['subscription_id']}"
    assert admin.post(f"{path}/test", None).status_code == 202
    pusher.run()
    assert browser.message()["kind"] == "test"
    assert admin.delete(path).status_code == 200
    assert admin.post(f"{path}/test", None).status_code == 404
    assert announce(stocked) == 0


def test_the_key_is_made_once_and_sealed_where_there_is_a_pepper(
    stocked: Database, clock: ManualClock
) -> None:
    config = Config(key_pepper="x" * 32)
    key = Vapid(stocked, config, clock).public_key()
    assert Vapid(stocked, config, clock).public_key() == key
    with stocked.read() as session:
        assert session.scalars(select(ServerSecret.sealed)).one().startswith("aes256gcm:")


def test_with_another_pepper_messages_wait_and_the_worker_lives(
    stocked: Database, clock: ManualClock, browser: Browser
) -> None:
    Vapid(stocked, Config(key_pepper="x" * 32), clock).public_key()
    subscribe(stocked, **browser.subscription())
    announce(stocked)
    other = Vapid(stocked, Config(key_pepper="y" * 32), clock)
    pusher = Pusher(stocked, clock, other, sender(private_allowed=True))
    for _ in range(3):
        assert not pusher.run()
        clock.advance(120)
    assert (count(stocked, PushMessage), browser.received) == (1, [])


@pytest.mark.parametrize(
    ("public_url", "told"),
    [
        (None, "mailto:ionmesh@localhost"),
        ("http://ionmesh.example.com:5000", "mailto:ionmesh@ionmesh.example.com"),
        ("https://ionmesh.example.com:8443", "https://ionmesh.example.com"),
        ("https://router", "https://localhost"),
    ],
)
def test_whom_a_push_service_may_write_to(
    stocked: Database, clock: ManualClock, public_url: str | None, told: str
) -> None:
    assert contact(public_url) == told
    signed = Vapid(stocked, Config(public_url=public_url), clock).authorization(
        "https://push.example.com:1/x"
    )
    assert Vapid02.verify(signed)
