"""A real Prometheus scrapes a running router and fires the shipped alerts when the lab gives reason to."""

import asyncio
import contextlib
import csv
import io
import json
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simlab.lab import Lab, free_port
from simlab.links import LabError
from simlab.process import Program, ProgramError

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Prometheus is not installed (Debian: prometheus)"
    ),
]

RULES = Path(__file__).parents[2] / "monitoring" / "rules"
DASHBOARDS = sorted((RULES.parent / "grafana").glob("*.json"))
ALERT = """
config alert 'weak'
	option metric 'remsim_signal_rsrp_dbm'
	option below '-110'
	option severity 'critical'

config alert 'refused'
	option metric 'remsim_sim_authentication_failure_total'
	option above '0'
"""


class Prometheus:
    """A Prometheus server that scrapes the lab's router twice a second."""

    def __init__(self, folder: Path, target_port: int) -> None:
        self._folder = folder
        self._port = free_port()
        self._target = f"127.0.0.1:{target_port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Prometheus"]:
        """The server with the shipped rules, ready for queries; every `for` is half a second."""
        import yaml

        self._folder.mkdir()
        rules = yaml.safe_load((RULES / "remsim-alerts.yml").read_text(encoding="utf-8"))
        for rule in rules["groups"][0]["rules"]:
            rule["for"] = "500ms"
        (self._folder / "alerts.yml").write_text(json.dumps(rules))
        shutil.copy(RULES / "remsim-recording.yml", self._folder)
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": ["alerts.yml", "remsim-recording.yml"],
            "scrape_configs": [{"job_name": "remsim", "static_configs": [{"targets": [self._target]}]}],
        }
        (self._folder / "prometheus.yml").write_text(json.dumps(config))
        argv = ["prometheus", f"--config.file={self._folder / 'prometheus.yml'}"]
        argv += [f"--storage.tsdb.path={self._folder / 'data'}"]
        argv += [f"--web.listen-address=127.0.0.1:{self._port}"]
        server = Program("prometheus", argv, self._folder / "prometheus.log")
        await server.start(ready="ready to receive web requests")
        try:
            yield self
        finally:
            await server.end()

    async def ask(self, path: str) -> Any:
        """The data of one answer of the HTTP API."""

        def get() -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)["data"]

        return await asyncio.to_thread(get)

    async def value(self, query: str) -> float | None:
        """The value of the one sample a query finds."""
        found = (await self.ask(f"query?query={query}"))["result"]
        return float(found[0]["value"][1]) if found else None

    async def fires(self, alert: str, *, within_s: float = 15.0) -> dict[str, str]:
        """The labels of an alert as soon as it fires."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    for known in (await self.ask("alerts"))["alerts"]:
                        if known["labels"]["alertname"] == alert and known["state"] == "firing":
                            return dict(known["labels"])
                    await asyncio.sleep(0.1)
        raise LabError(f"{alert} does not fire; there are {await self.ask('alerts')}")

    async def firing(self) -> set[str]:
        alerts = (await self.ask("alerts"))["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest_asyncio.fixture(loop_scope="module")
async def watched(lab: Lab, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """A router that is well, on the remote card, and has been scraped."""
    await lab.start_router(config=lab.config() + ALERT)
    await lab.remsimd.until(
        lambda s: s["modems"]["primary"]["authentications_ok"] > 0 and s["active_link"] == "primary",
        "on the remote card",
    )
    async with Prometheus(tmp_path / "prometheus", lab.metrics_port).running() as prometheus:
        async with asyncio.timeout(15):
            while await prometheus.value("remsim_sim_authentication_success_total") is None:
                await asyncio.sleep(0.1)
        yield prometheus
    lab.forge_challenges(False)
    lab.set_secondary_at_edge(False)


async def test_the_documented_alerts_fire_for_their_reasons(lab: Lab, watched: Prometheus) -> None:
    assert not await watched.firing() & {
        "RouterOffline",
        "WeakSignal",
        "HighFailoverRate",
        "AuthenticationFailures",
    }
    await every_panel_s_query_is_understood(watched)
    lab.set_secondary_at_edge(True)
    lab.forge_challenges(True)
    await lab.remsimd.call("modem.at", modem="primary", command="AT+CFUN=4")
    await lab.remsimd.call("modem.at", modem="primary", command="AT+CFUN=1")
    for link in ("secondary", "primary", "secondary", "primary", "secondary"):
        await lab.remsimd.call("failover.to", link=link)
    assert (await watched.fires("WeakSignal"))["modem"] == "secondary"
    assert (await watched.fires("AuthenticationFailures"))["modem"] == "primary"
    assert (await watched.fires("HighFailoverRate"))["severity"] == "warning"
    assert "RouterOffline" not in await watched.firing()
    for alert in ("weak", "refused"):
        await lab.remsimd.entry(
            lambda e, a=alert: e["kind"] == "alert" and a in e["text"], f"{alert} is told"
        )
    listing = json.loads(await lab.remsimd.remsimctl("alerts", "--json"))
    phases = {a["alert"]: {s["subject"]: s["phase"] for s in a["standings"]} for a in listing}
    assert phases["weak"]["secondary"] == "firing"
    assert "acknowledged" in await lab.remsimd.remsimctl("alerts", "ack", "weak")
    assert "is muted for 30 min" in await lab.remsimd.remsimctl("alerts", "mute", "weak", "--for", "30m")
    assert "weak fires" in await lab.remsimd.remsimctl("alerts", "history")
    await lab.router.end(signal.SIGKILL)
    assert (await watched.fires("RouterOffline"))["severity"] == "critical"


async def every_panel_s_query_is_understood(prometheus: Prometheus) -> None:
    """Ask what the dashboards ask; a query that Prometheus does not understand is answered HTTP 400."""
    answered = set()
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "10s").replace("$__range", "1h")
                query = query.replace('="$router"', '=~"$router"').replace("$router", ".*")
                found = await prometheus.ask(f"query?{urllib.parse.urlencode({'query': query})}")
                if found["result"]:
                    answered.add(panel["title"])
    assert answered >= {"Routers online", "RSSI by router", "Modems", "Link in use", "RSRP and RSSI"}


async def test_what_was_recorded_can_be_read_and_outlives_a_kill(lab: Lab) -> None:
    await lab.start_router(config=lab.config() + ALERT)
    await lab.remsimd.until(
        lambda s: any(m["signal"] is not None for m in s["modems"].values()), "a signal is read"
    )
    assert await complaints(lab) == []
    async with asyncio.timeout(20):
        while not (exported := await export(lab, "rsrp")):
            await asyncio.sleep(0.2)
    assert {row["subject"] for row in exported} <= {"primary", "secondary"}
    assert {(row["metric"], row["unit"]) for row in exported} == {("rsrp", "dBm")}
    assert all(-130 < float(row["average"]) < -60 for row in exported)
    overview = await lab.remsimd.remsimctl("history", "--range", "1h")
    assert "connected" in overview
    as_json = json.loads(await lab.remsimd.remsimctl("export", "--metrics", "connected", "--format", "json"))
    assert {row["metric"] for row in as_json} == {"connected"}
    with pytest.raises(ProgramError, match="'rssp' is not recorded"):
        await lab.remsimd.remsimctl("export", "--metrics", "rssp")
    await lab.router.end(signal.SIGKILL)
    await lab.start_router()
    again = await export(lab, "rsrp")
    assert {row["time"] for row in exported} <= {row["time"] for row in again}
    entries = await lab.remsimd.remsimctl(
        "events", "--range", "1h", "--kind", "connected", "--modem", "primary"
    )
    assert "modem on" in entries
    copy = lab.folder / "state" / "history.db"
    copy.unlink(missing_ok=True)
    await lab.router.end(signal.SIGTERM)
    assert copy.exists(), "a stop saves the recording"


async def export(lab: Lab, metric: str) -> list[dict[str, str]]:
    """The lines of an export, none while nothing of that name is recorded."""
    series = await lab.remsimd.call("history.series")
    if not any(each["metric"] == metric for each in series):
        return []
    text = await lab.remsimd.remsimctl("export", "--range", "1h", "--metrics", metric)
    return list(csv.DictReader(io.StringIO(text)))


async def complaints(lab: Lab) -> list[str]:
    """What promtool has against a scrape."""

    def check() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{lab.metrics_port}/metrics", timeout=5) as answer:
            text = answer.read()
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
        return done.stderr.decode()

    lines = (await asyncio.to_thread(check)).splitlines()
    return [line for line in lines if not any(name in line for name in DEPRECATED)]


DEPRECATED = (
    "remsim_connection_latency_ms",
    "remsim_connection_packet_loss_percent",
    "remsim_system_cpu_percent",
)
"""Documented names in units that promtool advises against; each has a twin."""
