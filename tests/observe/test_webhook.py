"""Alerts on their way out: hours of retries in virtual time, and one real call with its signature."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from remsimd import clock
from remsimd.config.model import AlertConfig
from remsimd.errors import ControlError, OrchestratorError
from remsimd.events import Event
from remsimd.http import Http, HttpAnswer
from remsimd.observe.alerting import REPEAT_S, Alerting, Outside
from remsimd.observe.alertmemory import FILE, AlertMemory
from remsimd.observe.events import AlertChanged
from remsimd.observe.webhook import GIVE_UP_AFTER, MAX_WAITING, Notice, Webhooks, read_key, signature
from tests import virtual

URL = "https://alerts.example.com/hooks/remsim"
REFUSED = OrchestratorError("POST https://…: Connection refused", code="connect")
NO_JSON = OrchestratorError("POST https://…: HTTP 200 without a JSON object", code="protocol")
Reply = HttpAnswer | OrchestratorError


class Address:
    """Answers calls from a script, the last entry again and again, and remembers them."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.calls: list[tuple[float, str, Mapping[str, Any], Mapping[str, str]]] = []

    async def call(
        self, method: str, url: str, *, json: Any = None, headers: Any = None, **_: Any
    ) -> HttpAnswer:
        self.calls.append((clock.monotonic(), url, json, headers))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, OrchestratorError):
            raise reply
        return reply

    def close(self) -> None:
        pass


class Values(Collector):
    """A collector with one gauge and one counter that tests set."""

    def __init__(self) -> None:
        self.rssi: dict[str, float] = {}
        self.failures = 0.0

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily("remsim_signal_rssi_dbm", "", labels=("router_id", "modem", "carrier"))
        for modem, value in self.rssi.items():
            gauge.add_metric(("r1", modem, "Example"), value)
        yield gauge
        counter = CounterMetricFamily("remsim_failures_total", "", labels=("router_id",))
        counter.add_metric(("r1",), self.failures)
        yield counter


WEAK = AlertConfig(name="weak", metric="remsim_signal_rssi_dbm", below=-100.0, for_s=20, webhook=URL)


def watched(
    address: Address,
    *alerts: AlertConfig,
    story: Callable[[Alerting, Values], Coroutine[Any, Any, None]],
    folder: Path,
) -> list[Event]:
    """What is published while `story` goes on; `folder` keeps what a restart must not forget."""
    told: list[Event] = []

    async def run() -> None:
        values = Values()
        outside = Outside(told.append, Webhooks(address), "r1")
        alerting = Alerting(alerts, (values,), outside, AlertMemory(folder))
        task = asyncio.create_task(alerting.run())
        await story(alerting, values)
        task.cancel()
        await asyncio.wait((task,))

    virtual.run(run())
    return told


def test_an_alert_is_told_once_when_it_fires_and_once_when_it_is_over(tmp_path: Path) -> None:
    address = Address(HttpAnswer(204, {}))

    async def story(_: Alerting, values: Values) -> None:
        values.rssi = {"primary": -105.0, "secondary": -80.0}
        await asyncio.sleep(60)
        values.rssi = {"primary": -90.0}
        await asyncio.sleep(60)

    told = watched(address, WEAK, story=story, folder=tmp_path)
    text = "remsim_signal_rssi_dbm is {}, alert below -100 for 20 s"
    assert told == [
        AlertChanged("weak", "primary", True, "warning", text.format("-105")),
        AlertChanged("weak", "primary", False, "warning", text.format("-90")),
    ]
    assert [(body["status"], body["subject"], body["value"]) for _, _, body, _ in address.calls] == [
        ("firing", "primary", -105.0),
        ("resolved", "primary", -90.0),
    ]


def test_alerts_that_cannot_be_kept_go_on_and_that_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").touch()

    async def story(_: Alerting, values: Values) -> None:
        values.rssi = {"primary": -105.0}
        await asyncio.sleep(120)

    assert len(watched(Address(HttpAnswer(204, {})), WEAK, story=story, folder=tmp_path / "full")) == 1
    refusals = [record.levelname for record in caplog.records if "cannot be kept" in record.getMessage()]
    assert refusals.count("WARNING") == 1


def test_a_growing_counter_fires_and_ends_when_it_stands_still(tmp_path: Path) -> None:
    alert = AlertConfig(name="auth", metric="remsim_failures_total", above=0.0, severity="critical")

    async def story(_: Alerting, values: Values) -> None:
        values.failures = 5.0
        await asyncio.sleep(60)
        values.failures = 6.0
        await asyncio.sleep(600)

    told = watched(Address(HttpAnswer(200, {})), alert, story=story, folder=tmp_path)
    assert [(e.firing, e.subject) for e in told if isinstance(e, AlertChanged)] == [
        (True, "r1"),
        (False, "r1"),
    ]


def test_nobody_is_told_while_muted_and_only_once_when_acknowledged(tmp_path: Path) -> None:
    address = Address(HttpAnswer(200, {}))
    muted = AlertConfig(name="muted", metric=WEAK.metric, below=-100.0, webhook=URL)

    async def story(alerting: Alerting, values: Values) -> None:
        assert alerting.mute("muted", 24 * 60) == "muted is muted for 1440 min"
        values.rssi = {"primary": -105.0}
        await asyncio.sleep(REPEAT_S + 120)
        assert [body["alert"] for _, _, body, _ in address.calls] == ["weak", "weak"], "told, and reminded"
        assert alerting.acknowledge("weak", None) == "weak: 1 acknowledged"
        await asyncio.sleep(3 * REPEAT_S)
        assert len(address.calls) == 2
        listed = {a["alert"]: a for a in alerting.listing()}
        assert listed["weak"]["standings"][0]["acknowledged"]
        assert listed["muted"]["muted_for_s"] > 0
        with pytest.raises(ControlError, match="does not fire for 'secondary'"):
            alerting.acknowledge("weak", "secondary")
        with pytest.raises(ControlError, match="no alert 'other'; alerts: weak, muted"):
            alerting.mute("other", 1)

    watched(address, WEAK, muted, story=story, folder=tmp_path)


def test_an_address_that_does_not_answer_is_tried_ever_more_rarely_and_then_heard() -> None:
    address = Address(*[REFUSED] * 3, HttpAnswer(500, {}), NO_JSON)

    async def story() -> None:
        webhooks = Webhooks(address)
        task = asyncio.create_task(webhooks.run())
        webhooks.tell(Notice(URL, {"n": 1}))
        webhooks.tell(Notice(URL, {"n": 2}))
        await asyncio.sleep(120)
        task.cancel()
        await asyncio.wait((task,))

    virtual.run(story())
    assert [body["n"] for _, _, body, _ in address.calls] == [1, 1, 1, 1, 1, 2]
    times = [at_s for at_s, *_ in address.calls]
    pauses = [after - before for before, after in pairwise(times[:4])]
    assert pauses == sorted(pauses)


def test_it_is_given_up_in_the_end_and_the_oldest_first_when_very_many_wait() -> None:
    address = Address(REFUSED)

    async def story() -> None:
        webhooks = Webhooks(address)
        for number in range(MAX_WAITING + 5):
            webhooks.tell(Notice(URL, {"n": number}))
        task = asyncio.create_task(webhooks.run())
        await asyncio.sleep(7 * 3600)
        task.cancel()
        await asyncio.wait((task,))

    virtual.run(story())
    numbers = [body["n"] for _, _, body, _ in address.calls]
    assert numbers[0] == 5
    assert numbers.count(5) == GIVE_UP_AFTER
    assert set(numbers) >= {5, 6, 7}


def test_a_retry_for_an_alert_acknowledged_meanwhile_is_not_made(tmp_path: Path) -> None:
    address = Address(REFUSED)

    async def story(alerting: Alerting, values: Values) -> None:
        values.rssi = {"primary": -105.0}
        await asyncio.sleep(30)
        alerting.acknowledge("weak", "primary")
        tried = len(address.calls)
        await asyncio.sleep(3600)
        assert len(address.calls) == tried

    watched(address, WEAK, story=story, folder=tmp_path)


def test_a_restart_tells_nothing_twice_and_keeps_what_people_said(tmp_path: Path) -> None:
    address = Address(HttpAnswer(200, {}))
    muted = AlertConfig(name="muted", metric=WEAK.metric, below=-100.0, webhook=URL)

    async def before(alerting: Alerting, values: Values) -> None:
        alerting.mute("muted", 60)
        values.rssi = {"primary": -105.0, "secondary": -105.0}
        await asyncio.sleep(60)
        alerting.acknowledge("weak", "primary")

    async def after(alerting: Alerting, values: Values) -> None:
        values.rssi = {"primary": -105.0, "secondary": -105.0}
        await asyncio.sleep(60)
        listed = {alert["alert"]: alert for alert in alerting.listing()}
        firing = {one["subject"]: one["acknowledged"] for one in listed["weak"]["standings"]}
        assert firing == {"primary": True, "secondary": False}
        assert 0 < listed["muted"]["muted_for_s"] <= 3600
        values.rssi = {"primary": -80.0, "secondary": -105.0}
        await asyncio.sleep(60)

    watched(address, WEAK, muted, story=before, folder=tmp_path)
    assert len(address.calls) == 2
    told = watched(address, WEAK, muted, story=after, folder=tmp_path)
    assert {(one.alert, one.subject, one.firing) for one in told if isinstance(one, AlertChanged)} == {
        ("weak", "primary", False),
        ("muted", "primary", False),
    }
    assert [body["status"] for _, _, body, _ in address.calls[2:]] == ["resolved"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"firing": [1], "muted": {}}', '{"firing": [], "muted": {"a": 1}}']
)
def test_a_memory_that_is_broken_is_said_and_begins_anew(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(content)

    async def story(alerting: Alerting, _values: Values) -> None:
        await asyncio.sleep(10)
        assert alerting.listing()[0]["standings"] == []

    watched(Address(HttpAnswer(200, {})), WEAK, story=story, folder=tmp_path)
    assert "alerts begin anew" in caplog.text


def test_an_alert_for_a_metric_that_does_not_exist_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = AlertConfig(name="typo", metric="remsim_signal_rsi_dbm", below=-100.0)
    right = AlertConfig(name="right", metric="remsim_failures_total", above=0.0)

    async def story(_alerting: Alerting, _values: Values) -> None:
        await asyncio.sleep(1)

    watched(Address(HttpAnswer(200, {})), wrong, right, story=story, folder=tmp_path)
    assert caplog.messages == ["alert typo never fires: no metric remsim_signal_rsi_dbm is exported"]


def test_a_key_that_cannot_be_read_sends_nothing_unsigned(tmp_path: Path) -> None:
    key, address = tmp_path / "key", Address(HttpAnswer(200, {}))
    key.write_text("")

    async def story() -> None:
        webhooks = Webhooks(address)
        webhooks.tell(Notice(URL, {"n": 1}, str(key)))
        task = asyncio.create_task(webhooks.run())
        await asyncio.sleep(1)
        assert address.calls == []
        key.write_text("secret\n")
        await asyncio.sleep(60)
        task.cancel()
        await asyncio.wait((task,))

    virtual.run(story())
    ((_, _, body, headers),) = address.calls
    assert headers["X-Remsim-Signature"] == signature(body, b"secret")
    assert read_key(key) == b"secret"


async def test_the_signature_is_that_of_the_bytes_received(tmp_path: Path) -> None:
    heard: list[tuple[bytes, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((body, self.headers["X-Remsim-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "key").write_text("secret\n")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            webhooks = Webhooks(Http())
            task = asyncio.create_task(webhooks.run())
            url = f"http://127.0.0.1:{server.server_port}/hook"
            webhooks.tell(Notice(url, {"alert": "weak", "subject": "Köln"}, str(tmp_path / "key")))
            async with asyncio.timeout(5):
                while not heard:
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait((task,))
        finally:
            server.shutdown()
            thread.join()
    ((body, signed),) = heard
    assert json.loads(body) == {"alert": "weak", "subject": "Köln"}
    assert signed == "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
