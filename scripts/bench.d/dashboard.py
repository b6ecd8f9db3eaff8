#!/usr/bin/env python3
"""The dashboard with 10,000 clients: its pages in Chromium, what is live, and what 200 open ones cost.

Two processes of `ionmesh web`, PostgreSQL, the browser and the load generator share the machine. The first
page is loaded with nothing in the browser's cache. A live change is counted from the heartbeat's answer to
the row on the screen. An open dashboard is what the browser's script is: a stream, or where a process has
none left, a question every two seconds; and the first page anew every two minutes. With a number as argument
each phase with heartbeats lasts that many seconds instead of 20.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import multiprocessing
import random
import re
import statistics
import sys
import tempfile
import time
from http.cookiejar import CookieJar
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure
from _load import Load
from playwright.sync_api import Page

from ionmesh.db import Database
from ionmesh.models import Connectivity, Role
from ionmesh.services import clients
from ionmesh.services.clients import ClientFilter
from tests.ionmesh import postgres
from tests.ionmesh.conftest import API
from tests.ionmesh.dashboard import chromium
from tests.ionmesh.dashboard.fleet import PASSWORD, Fleet, stock
from tests.ionmesh.postgres import Cluster
from tests.ionmesh.process import WebProcess, request

CLIENTS = 10_000
DASHBOARDS = 200
HEARTBEATS_PER_S = CLIENTS / 60
CHANGES = 8
POLL_S = 2.0
REFRESH_S = 120.0
TURNS = 5
PAGE_S, PAGE_KB, LIVE_S, SLOWER_PERCENT = 2.0, 300.0, 1.0, 20.0
LOADED = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const parts = [page, ...performance.getEntriesByType("resource")];
  return [page.loadEventEnd / 1000, parts.reduce((sum, part) => sum + part.transferSize, 0) / 1000];
}"""


def neighbour(name: str) -> ModuleType:
    """Another bench as a module; one of them is called as the package it measures."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


load_of = neighbour("ionmesh")


def pages(port: int, database: Database, fleet: Fleet) -> None:
    """Load the first page and the table of clients, then watch rows change."""
    with chromium.chromium() as browser:
        for name, path in (("first page", "/"), ("clients page", "/clients")):
            page = browser.new_page(viewport=chromium.DESKTOP)
            sign_in(page, port)
            fresh = browser.new_context(viewport=chromium.DESKTOP, storage_state=page.context.storage_state())
            page.close()
            page = fresh.new_page()
            page.goto(f"http://127.0.0.1:{port}{path}", wait_until="load")
            took_s, size_kb = page.evaluate(LOADED)
            figure(f"dashboard {name} with {CLIENTS} clients", took_s, "s", budget=PAGE_S)
            figure(f"dashboard {name} with {CLIENTS} clients, size", size_kb, "KB", budget=PAGE_KB)
            fresh.close()
        figure(
            "dashboard live change, longest", max(changes(browser, port, database, fleet)), "s", budget=LIVE_S
        )


def changes(browser: Any, port: int, database: Database, fleet: Fleet) -> list[float]:
    """How long after its heartbeat each of some offline clients is shown as online."""
    with database.read() as session:
        wanted = ClientFilter(connectivity=Connectivity.OFFLINE)
        found, _ = clients.list_active(session, fleet.tenant_id, wanted, offset=0, limit=CHANGES)
        names = [profile.client_id for profile in found]
    page = browser.new_page(viewport=chromium.DESKTOP)
    sign_in(page, port)
    took_s = []
    for name in names:
        page.goto(f"http://127.0.0.1:{port}/clients?q={name}")
        page.locator(".side [data-connection].live").wait_for()
        row = page.locator(f"tr[data-client='{name}'] .state.ok, tr[data-client='{name}'] .state.problem")
        body = {"client_id": name, "status": "active"}
        assert request(port, "POST", f"{API}/remsim/heartbeat", body, fleet.key)[0] == 200
        started = time.perf_counter()
        row.wait_for()
        took_s.append(time.perf_counter() - started)
    page.close()
    return took_s


def sign_in(page: Page, port: int) -> None:
    page.goto(f"http://127.0.0.1:{port}/sign-in")
    page.fill("[name=email]", f"{Role.OWNER.value}@example.com")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("[data-connection]")


def cookie(port: int) -> str:
    """A session without a browser."""
    jar = CookieJar()
    opener = build_opener(HTTPCookieProcessor(jar))
    base = f"http://127.0.0.1:{port}"
    match = re.search(r'name="csrf" value="(\w+)"', opener.open(f"{base}/sign-in").read().decode())
    assert match
    form = {"csrf": match[1], "email": f"{Role.VIEWER.value}@example.com", "password": PASSWORD}
    opener.open(f"{base}/sign-in", urlencode(form).encode())
    return "; ".join(f"{entry.name}={entry.value}" for entry in jar)


def dashboards(port: int, session: str, streams: Any) -> None:
    """Be all open dashboards, in a process of its own as browsers are, until killed."""
    asyncio.run(_dashboards(port, session, streams))


async def _dashboards(port: int, session: str, streams: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(DASHBOARDS):
            group.create_task(look_again(port, session))
            group.create_task(follow(port, session, streams))


async def look_again(port: int, session: str) -> None:
    await asyncio.sleep(random.random() * REFRESH_S)
    while True:
        reader, writer = await ask(port, session, "/", "text/html")
        await reader.read()
        writer.close()
        await asyncio.sleep(REFRESH_S)


async def follow(port: int, session: str, streams: Any) -> None:
    reader, writer = await ask(port, session, "/live/stream", "text/event-stream")
    try:
        if b" 200 " in await reader.readline():
            with streams.get_lock():
                streams.value += 1
            while await reader.read(4096):
                pass
            return
    finally:
        writer.close()
    after = 0
    while True:
        await asyncio.sleep(POLL_S * (0.5 + random.random()))
        reader, writer = await ask(port, session, f"/live/events.json?after={after}", "application/json")
        answer = await reader.read()
        writer.close()
        match = re.search(rb'"after":(\d+)', answer)
        after = int(match[1]) if match else after


async def ask(
    port: int, session: str, path: str, accepted: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (f"GET {path} HTTP/1.1", "Host: ionmesh", f"Accept: {accepted}", f"Cookie: {session}")
    writer.write("\r\n".join((*lines, "Connection: close", "", "")).encode())
    return reader, writer


def cost(port: int, fleet: Fleet, duration_s: float) -> None:
    """Compare heartbeats with and without dashboards, in turns, as the machine's mood changes."""
    load = Load(port, fleet.key)
    names = itertools.cycle(fleet.names)
    session = cookie(port)
    processes = multiprocessing.get_context("spawn")
    streams = processes.Value("i", 0)

    def heartbeats() -> float:
        said = {
            "status": "active",
            "assignment_version": 1,
            "stats": load_of.STATS,
            "modem_info": load_of.MODEM,
        }
        count = int(HEARTBEATS_PER_S * duration_s)
        beats = [load.request("heartbeat", {"client_id": next(names), **said}) for _ in range(count)]
        outcome = load.at_rate(beats, HEARTBEATS_PER_S)
        assert not outcome.failures, f"{outcome.failures} heartbeats failed"
        return float(outcome.percentile_ms(0.95))

    # Those that were offline are online after a minute: only then it is the same in each turn.
    for _ in range(int(60 / duration_s) + 1):
        heartbeats()
    alone, watched = [], []
    for _ in range(TURNS):
        alone.append(heartbeats())
        streams.value = 0
        browsers = processes.Process(target=dashboards, args=(port, session, streams))
        browsers.start()
        while streams.value < DASHBOARDS / 4:
            time.sleep(0.1)
        time.sleep(POLL_S)
        watched.append(heartbeats())
        browsers.kill()
        browsers.join()
        time.sleep(2 * POLL_S)
    before, after = statistics.median(alone), statistics.median(watched)
    figure("heartbeat p95, nobody looking", before, "ms", budget=50)
    figure(f"heartbeat p95, {DASHBOARDS} dashboards open", after, "ms", budget=50)
    figure("heartbeat p95, slower by", 100 * (after / before - 1), "%", budget=SLOWER_PERCENT)
    figure("dashboards with a stream", streams.value, f"of {DASHBOARDS}", budget=None)


def main() -> int:
    """Measure everything; exit status 1 without PostgreSQL."""
    duration_s = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    binaries = postgres.programs()
    if binaries is None:
        print(postgres.ABSENT, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, Cluster(binaries, durable=True) as cluster:
        url = cluster.create("bench")
        postgres.migrated(url)
        database = Database(url)
        fleet = stock(database, CLIENTS)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        settings = {"IONMESH_CLIENT_REQUESTS_PER_MIN": "100000", "IONMESH_KEY_REQUESTS_PER_MIN": "100000"}
        with WebProcess(url, Path(folder) / "log", **settings) as server:
            pages(server.port, database, fleet)
            cost(server.port, fleet, duration_s)
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
