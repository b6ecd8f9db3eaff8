"""What Prometheus gets: the names are contract, the text is what promtool accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.courier import Courier
from ionmesh.db import Database
from ionmesh.models import Scope, ServiceProfile
from ionmesh.reconcile import reconciler
from ionmesh.services import audit, webhooks
from ionmesh.services.webhooks import Attempt
from ionmesh.sweep import Sweeper
from tests.ionmesh import postgres
from tests.ionmesh.conftest import (
    START,
    Admin,
    ManualClock,
    Router,
    add_bank,
    add_key,
    add_slots,
    add_tenant,
)
from tests.ionmesh.postgres import Cluster
from tests.ionmesh.process import GunicornProcess, WebProcess
from tests.ionmesh.remsim import FakeRemsimServer

GOLDEN = Path(__file__).parent / "golden/ionmesh.prom"
TOKEN = "t" * 16
# How long something took differs each time, as do databases in their connections; that it is told does not.
MEASURED = re.compile(
    r"^(ionmesh_(?:http_request|slot_claim)_duration_seconds_(?:bucket|sum)\S*|ionmesh_db_pool_size) \S+$",
    re.MULTILINE,
)
# One route stands for all in the golden file.
OTHER_ROUTE = re.compile(r"_http_request_\w+\{.*route=\"(?!\S*/register-client)")


def scrape(app: Flask, path: str = "/metrics") -> str:
    answer = app.test_client().get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return answer.text


def values(text: str) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def config() -> Config:
    return Config(metrics_token=TOKEN)


def live(app: Flask, database: Database, clock: ManualClock, remsim: FakeRemsimServer) -> None:
    """Let one of everything happen that has a figure."""
    add_bank(database, 2, tenant_id=1, url=remsim.url)
    add_slots(database, "1-2", bank_id=2)
    http = app.test_client()
    admin, key = Admin(http, add_key(database, scope=Scope.ADMIN)), add_key(database)
    pool = {"pool_name": "p", "carrier": "c", "mcc_mnc": "00101", "bank_id": 2}
    pool |= {"slot_range_start": 1, "slot_range_end": 2, "virtual_slot_start": 9, "virtual_slot_end": 12}
    assert admin.post("ki-proxy-pools", pool).status_code == 201
    assert admin.post("webhooks", {"url": "https://hooks.example.com/"}).status_code == 201
    router = Router(http, key)
    router.register()
    router.heartbeat(stats={"uptime_seconds": 60, "signal_rssi": -71})
    Router(http, key, "quiet").register()
    Router(http, key, "ki").register(mapping_mode="KI_PROXY_SWSIM", mcc_mnc="00101")
    Router(http, key, "none").register(mapping_mode="ONE_TO_ONE_VSIM")
    admin.post("clients/quiet/commands", {"type": "restart"})
    clock.advance(45)
    assert reconciler(database, 2).run()
    assert Sweeper(database, START - START, clock, lambda: None).run()
    sent: Callable[..., Attempt] = lambda *_: Attempt(204, None)  # noqa: E731  it is three words
    assert Courier(database, clock, sent).run()
    with database.write() as session:
        webhooks.test(session, 1, 1, clock())


def test_the_exposition_is_the_golden_one(
    app: Flask, stocked: Database, clock: ManualClock, remsim: FakeRemsimServer
) -> None:
    live(app, stocked, clock, remsim)
    text = MEASURED.sub(r"\1 0.0", scrape(app))
    names = [family.name for family in text_string_to_metric_families(text)]
    assert len(names) == len(set(names)), "each family is in one piece"
    shown = "".join(line for line in text.splitlines(keepends=True) if not OTHER_ROUTE.search(line))
    assert shown == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_has_nothing_to_say_but_about_documented_names(
    app: Flask, stocked: Database, clock: ManualClock, remsim: FakeRemsimServer
) -> None:
    live(app, stocked, clock, remsim)
    for path in ("/metrics", "/metrics/clients"):
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=scrape(app, path), capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), path


def test_clients_have_series_of_their_own(
    app: Flask, http: FlaskClient, stocked: Database, clock: ManualClock
) -> None:
    add_tenant(stocked, "other")
    for slug, names in (("acme", ("a", "same")), ("other", ("same",))):
        key = add_key(stocked, slug)
        for name in names:
            router = Router(http, key, name)
            router.register()
            router.heartbeat(stats={"signal_rssi": -80, "uptime_seconds": True})
    with stocked.write() as session:
        odd = session.query(ServiceProfile).where(ServiceProfile.client_id == "a").one()
        odd.client_id = 'a"\\\n'
    found = values(scrape(app, "/metrics/clients"))
    assert found["ionmesh_client_signal_rssi_dbm", 'a"\\\n'] == -80
    assert ("ionmesh_client_signal_rssi_dbm", "same") not in found, "two tenants have one of that name"
    assert found["ionmesh_client_rssi_dbm", "2", "same"] == -80
    assert found["ionmesh_client_last_heartbeat_timestamp_seconds", "1", "same"] == START.timestamp()
    assert not any(key[0] == "ionmesh_client_uptime_seconds" for key in found), "true is no number"


def test_scrapes_of_ten_seconds_share_one_look(app: Flask, router: Router, clock: ManualClock) -> None:
    assert len(values(scrape(app, "/metrics/clients"))) == 0
    router.register()
    router.heartbeat()
    assert len(values(scrape(app, "/metrics/clients"))) == 0
    clock.advance(10)
    assert len(values(scrape(app, "/metrics/clients"))) == 1


def test_connections_and_streams_come_and_go(app: Flask, stocked: Database, http: FlaskClient) -> None:
    before = values(scrape(app))
    assert before["ionmesh_db_pool_in_use",] == 0, "asking is not counted as being in use"
    headers = {"X-API-Key": add_key(stocked, scope=Scope.READ)}
    with stocked.read() as session:
        audit.entries(session, 1, offset=0, limit=1)
        stream = http.get("/api/backend/v1/events/stream", headers=headers, buffered=False)
        during = values(scrape(app))
    assert during["ionmesh_db_pool_in_use",] == 1
    assert during["ionmesh_sse_clients",] == 1
    stream.close()
    assert values(scrape(app))["ionmesh_sse_clients",] == 0


@pytest.mark.parametrize("server_type", [WebProcess, GunicornProcess])
def test_any_worker_answers_for_all(cluster: Cluster, tmp_path: Path, server_type: type[WebProcess]) -> None:
    url = cluster.create(f"multiprocess-{server_type.__name__}")
    postgres.migrated(url)
    database = Database(url)
    add_tenant(database)
    add_bank(database)
    add_slots(database, "1-40")
    key = add_key(database)
    counted = tmp_path / "metrics"
    counted.mkdir()
    settings = {"IONMESH_METRICS_TOKEN": TOKEN}
    if server_type is GunicornProcess:
        settings["PROMETHEUS_MULTIPROC_DIR"] = str(counted)
    with server_type(url, tmp_path / "log", **settings) as server:
        for number in range(40):
            body = {"client_id": f"r{number}"}
            path = "/api/backend/v1/remsim/register-client"
            assert server.request("POST", path, body, key)[0] == 200
        seen = set()
        for _ in range(6):
            connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            found = values(connection.getresponse().read().decode())
            connection.close()
            seen.add(found["ionmesh_registrations_total", "ONE_TO_ONE_SWSIM", "new"])
            assert found["ionmesh_clients", "1", "ONE_TO_ONE_SWSIM", "unknown"] == 40
            assert found["ionmesh_db_pool_size",] == 2 * database.connections_max
    assert seen == {40.0}
    database.close()


def test_a_new_application_starts_from_nothing(stocked: Database, config: Config) -> None:
    text = scrape(create_app(config, database=stocked))
    assert "ionmesh_slotmap_drift " not in text, "nobody has looked yet"
    assert values(text)["ionmesh_slots_available",] == 3
