#!/usr/bin/env python3
"""IonMesh under load: `ionmesh web` with two processes, PostgreSQL and this load generator on one machine.

Prints a JSON line for each figure: name, value, unit, budget. Every request opens a connection of its own, as
the deployed client does; arrivals are random and independent of answers, and a request's time begins when it
was due. With a number as argument every phase lasts that many seconds instead of 20; with the word gunicorn
its two workers answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure

from ionmesh.db import Database
from ionmesh.models import (
    Bank,
    BankStatus,
    ClientState,
    Connectivity,
    MappingMode,
    ProfileStatus,
    Scope,
    ServiceProfile,
    Slot,
    SlotKind,
    SlotStatus,
)
from ionmesh.services import keys, tenants
from tests.ionmesh import postgres
from tests.ionmesh.postgres import Cluster
from tests.ionmesh.process import GunicornProcess, WebProcess

CLIENTS = 10_000
SLOTS_A_BANK = 1000
FREE_BANKS = 2
# What the deployed client waits for an answer.
CLIENT_TIMEOUT_S = 10.0
STATS = {"uptime_seconds": 86400, "tpdus_sent": 1204, "tpdus_received": 1204, "errors": 0}
STATS |= {"signal_rssi": -71, "signal_rsrp": -98, "data_rx_bytes": 1048576, "data_tx_bytes": 262144}
MODEM = {"vendor": "Quectel", "model": "RM500Q-GL", "firmware": "RM500QGLABR11A06M4G", "network": "310410"}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: ionmesh\r\nConnection: close\r\n\r\n"


@dataclass
class Outcome:
    """What came of one phase; times are in seconds."""

    times_s: list[float] = field(default_factory=list)
    failures: int = 0
    took_s: float = 0.0

    def percentile_ms(self, share: float) -> float:
        """Return the time below which that share of the answers came; infinity when there were none."""
        if not self.times_s:
            return float("inf")
        return 1000 * sorted(self.times_s)[min(len(self.times_s) - 1, int(share * len(self.times_s)))]


class Exchange(asyncio.Protocol):
    """One request on one connection; `done` gets the HTTP status."""

    def __init__(self, request: bytes, done: asyncio.Future[int]) -> None:
        self._request = request
        self._done = done
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            status = self._answer[9:12]
            self._done.set_result(int(status) if status.isdigit() and exc is None else 0)


class Load:
    """Sends requests to one port."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key

    def request(self, call: str, body: dict[str, object]) -> bytes:
        """Return the bytes of a POST."""
        payload = json.dumps(body, separators=(",", ":"))
        return (
            f"POST /api/backend/v1/remsim/{call} HTTP/1.1\r\nHost: ionmesh\r\nX-API-Key: {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
            f"{payload}"
        ).encode()

    async def at_rate(self, requests: list[bytes], per_s: float) -> Outcome:
        """Send requests at random moments, `per_s` a second on average."""
        outcome, started = Outcome(), time.perf_counter()
        due_s, tasks = 0.0, []
        for request in requests:
            due_s += random.expovariate(per_s)
            ahead_s = started + due_s - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            tasks.append(asyncio.create_task(self._send(request, started + due_s, outcome)))
        await asyncio.gather(*tasks)
        outcome.took_s = time.perf_counter() - started
        return outcome

    async def at_once(self, requests: list[bytes], in_flight: int) -> Outcome:
        """Send requests as fast as they are answered, `in_flight` at a time."""
        outcome, started = Outcome(), time.perf_counter()
        places = asyncio.Semaphore(in_flight)

        async def one(request: bytes) -> None:
            async with places:
                await self._send(request, time.perf_counter(), outcome)

        await asyncio.gather(*(one(request) for request in requests))
        outcome.took_s = time.perf_counter() - started
        return outcome

    async def _send(self, request: bytes, due: float, outcome: Outcome) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                await loop.create_connection(lambda: Exchange(request, done), "127.0.0.1", self._port)
                status = await done
        except (OSError, TimeoutError):
            status = 0
        if status == 200:
            outcome.times_s.append(time.perf_counter() - due)
        else:
            outcome.failures += 1


def stock(url: str) -> str:
    """Fill a database with known clients and some free slots; returns a key."""
    database, now = Database(url), datetime.now(UTC)
    banks = CLIENTS // SLOTS_A_BANK + FREE_BANKS
    with database.write() as session:
        tenant = tenants.create(session, slug="bench", name="bench", now=now)
        _, key = keys.issue(session, tenant, name="bench", scopes=[Scope.REMSIM], now=now)
        for bank_id in range(1, banks + 1):
            bank = Bank(bank_id=bank_id, name="", status=BankStatus.ONLINE, bankd_host="bank", created_at=now)
            bank.bankd_port, bank.server_port = 9999, 9998
            session.add(bank)
        session.flush()
        for number in range(banks * SLOTS_A_BANK):
            status = SlotStatus.ASSIGNED if number < CLIENTS else SlotStatus.AVAILABLE
            session.add(Slot(**place(number), kind=SlotKind.PHYSICAL, status=status))
        session.flush()
        for number in range(CLIENTS):
            session.add(known_client(number, tenant.tenant_id, now))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    database.close()
    return key


def place(number: int) -> dict[str, int]:
    return {"bank_id": number // SLOTS_A_BANK + 1, "slot_id": number % SLOTS_A_BANK + 1}


def known_client(number: int, tenant_id: int, now: datetime) -> ServiceProfile:
    where = place(number)
    return ServiceProfile(
        profile_id=f"00000000-0000-0000-0000-{number:012}",
        tenant_id=tenant_id,
        client_id=f"known-{number}",
        status=ProfileStatus.ACTIVE,
        mapping_mode=MappingMode.ONE_TO_ONE_SWSIM,
        rspro_client_id=where["bank_id"],
        rspro_client_slot=where["slot_id"],
        assignment_version=1,
        source_ip="127.0.0.1",
        created_at=now,
        registered_at=now,
        state=ClientState(connectivity=Connectivity.UNKNOWN),
        **where,
    )


async def measure(load: Load, duration_s: float) -> None:
    def beats(count: int) -> list[bytes]:
        extra = {"status": "active", "assignment_version": 1, "stats": STATS, "modem_info": MODEM}
        names = (f"known-{random.randrange(CLIENTS)}" for _ in range(count))
        return [load.request("heartbeat", {"client_id": name, **extra}) for name in names]

    def registrations(name: str, count: int) -> list[bytes]:
        return [load.request("register-client", {"client_id": f"{name}-{n}"}) for n in range(count)]

    await load.at_rate(beats(200), 100)
    usual_per_s = CLIENTS / 60
    usual = await load.at_rate(beats(int(usual_per_s * duration_s)), usual_per_s)
    figure("ionmesh_heartbeat_p95_at_167_per_s", usual.percentile_ms(0.95), "ms", budget=50)
    figure("ionmesh_heartbeat_failures_at_167_per_s", usual.failures, "requests", budget=0)
    most = await load.at_once(beats(int(800 * duration_s)), 32)
    figure("ionmesh_heartbeats_sustained", len(most.times_s) / most.took_s, "per s", budget=800)
    figure("ionmesh_heartbeat_p95_at_full_load", most.percentile_ms(0.95), "ms", budget=None)
    figure("ionmesh_heartbeat_failures_at_full_load", most.failures, "requests", budget=0)
    # What the HTTP alone costs, with nothing behind it: no figure of a thousand at once can be below.
    floor = await load.at_once([HEALTH] * 1000, 1000)
    figure("ionmesh_1000_health_checks_p95", floor.percentile_ms(0.95), "ms", budget=None)
    # Each process makes and prepares its queries once.
    await load.at_once(registrations("first", 50), 10)
    new = registrations("new", 1000)
    first = await load.at_once(new, len(new))
    figure("ionmesh_1000_registrations_p95", first.percentile_ms(0.95), "ms", budget=500)
    figure("ionmesh_1000_registrations_took", first.took_s, "s", budget=None)
    figure("ionmesh_1000_registrations_failures", first.failures, "requests", budget=0)
    storm = await load.at_once(registrations("known", CLIENTS), 500)
    figure("ionmesh_storm_of_10000_took", storm.took_s, "s", budget=None)
    figure("ionmesh_storm_of_10000_refused", storm.failures, "requests", budget=0)


def main() -> int:
    arguments = sys.argv[1:]
    server_type = GunicornProcess if "gunicorn" in arguments else WebProcess
    duration_s = next((float(word) for word in arguments if word != "gunicorn"), 20.0)
    binaries = postgres.programs()
    if binaries is None:
        print(postgres.ABSENT, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, Cluster(binaries, durable=True) as cluster:
        url = cluster.create("bench")
        postgres.migrated(url)
        key = stock(url)
        settings = {"IONMESH_CLIENT_REQUESTS_PER_MIN": "100000"}
        with server_type(url, Path(folder) / "log", **settings) as server:
            asyncio.run(measure(Load(server.port, key), duration_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
