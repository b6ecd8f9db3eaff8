"""Webhooks: from the event to a signed request, and what addresses are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select

from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.courier import Courier, sender
from ionmesh.db import Database
from ionmesh.models import Scope, Webhook
from ionmesh.sealing import unseal
from ionmesh.services import webhooks
from ionmesh.services.webhooks import Attempt
from tests.ionmesh.conftest import Admin, ManualClock, Router, add_key

PEPPER = "p" * 32


@pytest.fixture
def config() -> Config:
    return Config(private_webhooks=1, key_pepper=PEPPER)


class Receiver:
    """Answers with one status and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], bytes]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(owner.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook?a=1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.http.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.http.shutdown()
    receiver.http.server_close()
    thread.join()


@pytest.fixture
def courier(stocked: Database, clock: ManualClock) -> Courier:
    return Courier(stocked, clock, sender(private_allowed=True), PEPPER)


def test_an_event_arrives_signed(router: Router, admin: Admin, receiver: Receiver, courier: Courier) -> None:
    made = admin.post("webhooks", {"url": receiver.url, "events": ["client_registered"]}).json
    router.register()
    router.unregister()
    assert courier.run()
    ((headers, body),) = receiver.received
    document = json.loads(body)
    assert (document["type"], document["data"]["client_id"]) == ("client_registered", "router-1-slot0")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    path = f"webhooks/{made['webhook']['webhook_id']}"
    (shown,) = admin.get(f"{path}/deliveries").json["deliveries"]
    assert (shown["id"], shown["state"]) == (headers["webhook-id"], "delivered")
    assert courier.run()
    assert len(receiver.received) == 1, "once is enough"
    assert "secret" not in admin.get("webhooks").text


def test_the_database_alone_signs_nothing(admin: Admin, stocked: Database) -> None:
    secret = admin.post("webhooks", {"url": "https://hooks.example.com/"}).json["secret"]
    with stocked.read() as session:
        kept = session.scalars(select(Webhook.sealed)).one()
    assert kept.startswith("aes256gcm:")
    assert secret.removeprefix("whsec_") not in kept
    assert unseal(kept, PEPPER) == secret


def test_with_another_pepper_a_delivery_waits_and_says_why(
    admin: Admin, receiver: Receiver, courier: Courier, stocked: Database, clock: ManualClock
) -> None:
    path = f"webhooks/{admin.post('webhooks', {'url': receiver.url}).json['webhook']['webhook_id']}"
    admin.post(f"{path}/test", {})
    assert Courier(stocked, clock, sender(private_allowed=True), "q" * 32).run()
    (shown,) = admin.get(f"{path}/deliveries").json["deliveries"]
    assert (shown["state"], receiver.received) == ("pending", [])
    assert "another key pepper" in shown["last_error"]
    clock.advance(60)
    assert courier.run()
    assert admin.get(f"{path}/deliveries").json["deliveries"][0]["state"] == "delivered"


def test_the_standards_own_example_is_signed_as_it_says() -> None:
    # Example of the Standard Webhooks specification 1.0.0, section "Signature scheme".
    signature = webhooks.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_failing_receiver_is_tried_again_for_a_day_and_then_given_up(
    admin: Admin, receiver: Receiver, courier: Courier, clock: ManualClock
) -> None:
    hook = admin.post("webhooks", {"url": receiver.url}).json["webhook"]["webhook_id"]
    path = f"webhooks/{hook}"
    receiver.status = 302
    admin.post(f"{path}/test", {})
    waited = []
    for _ in range(200):
        before = len(receiver.received)
        courier.run()
        if len(receiver.received) > before:
            waited.append(clock.now)
        clock.advance(600)
    assert len(waited) == 8, "a redirection is no success and is not followed"
    assert 20 * 3600 < (waited[-1] - waited[0]).total_seconds() < 32 * 3600
    states = {delivery["state"] for delivery in admin.get(f"{path}/deliveries").json["deliveries"]}
    assert states == {"failed"}
    assert admin.get("webhooks").json["webhooks"][0]["enabled"] is True, "one lost delivery is bad luck"


def test_a_receiver_that_is_never_there_is_disabled(
    admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    path = f"webhooks/{admin.post('webhooks', {'url': 'http://127.0.0.1:1/'}).json['webhook']['webhook_id']}"
    for _ in range(5):
        admin.post(f"{path}/test", {})
    courier = Courier(stocked, clock, lambda *_: Attempt(None, "refused"))
    for _ in range(60):
        courier.run()
        clock.advance(3600)
    shown = admin.get("webhooks").json["webhooks"][0]
    assert (shown["enabled"], shown["failures"]) == (False, 5)
    assert admin.get("audit-log?action=webhook_disabled").json["total"] == 1
    assert admin.patch(path, {"enabled": True}).json["webhook"]["failures"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "https://localhost/",
        "https://printer.local/",
        "https://user@hooks.example.com/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://hooks.example.com:0/",
        "file:///etc/passwd",
        "https:///",
        "https://a b/",
        "https://[",
    ],
)
def test_addresses_that_are_refused(stocked: Database, url: str) -> None:
    strict = Admin(create_app(Config(), database=stocked).test_client(), add_key(stocked, scope=Scope.ADMIN))
    refused = strict.post("webhooks", {"url": url})
    if refused.status_code == 201:
        # Not a number in the usual notation: what it leads to is judged when it is looked up.
        assert not sender(private_allowed=False)(url, {}, "").good
    else:
        assert (refused.status_code, refused.json["code"]) == (400, "bad_url")


def test_a_name_that_leads_into_a_private_network_is_not_called(receiver: Receiver) -> None:
    attempt = sender(private_allowed=False)(receiver.url.replace("127.0.0.1", "localhost"), {}, "{}")
    assert attempt == Attempt(None, "the name leads into a private network")
    assert receiver.received == []
