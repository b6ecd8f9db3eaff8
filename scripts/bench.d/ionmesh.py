#!/usr/bin/env python3
"""IonMesh under load: `ionmesh web` with two processes, PostgreSQL and this load generator on one machine.

Prints a JSON line for each figure: name, value, unit, budget. Every request opens a connection of its own, as
the deployed client does. With a number as argument every phase lasts that many seconds instead of 20; with
the word gunicorn its two workers answer.
"""

from __future__ import annotations

import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure
from _load import Load

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
STATS = {"uptime_seconds": 86400, "tpdus_sent": 1204, "tpdus_received": 1204, "errors": 0}
STATS |= {"signal_rssi": -71, "signal_rsrp": -98, "data_rx_bytes": 1048576, "data_tx_bytes": 262144}
MODEM = {"vendor": "Quectel", "model": "RM500Q-GL", "firmware": "RM500QGLABR11A06M4G", "network": "310410"}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: ionmesh\r\nConnection: close\r\n\r\n"


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


def measure(load: Load, duration_s: float) -> None:
    def beats(count: int) -> list[bytes]:
        extra = {"status": "active", "assignment_version": 1, "stats": STATS, "modem_info": MODEM}
        names = (f"known-{random.randrange(CLIENTS)}" for _ in range(count))
        return [load.request("heartbeat", {"client_id": name, **extra}) for name in names]

    def registrations(name: str, count: int) -> list[bytes]:
        return [load.request("register-client", {"client_id": f"{name}-{n}"}) for n in range(count)]

    load.at_rate(beats(200), 100)
    usual_per_s = CLIENTS / 60
    usual = load.at_rate(beats(int(usual_per_s * duration_s)), usual_per_s)
    figure("ionmesh_heartbeat_p95_at_167_per_s", usual.percentile_ms(0.95), "ms", budget=50)
    figure("ionmesh_heartbeat_failures_at_167_per_s", usual.failures, "requests", budget=0)
    most = load.at_once(beats(int(800 * duration_s)), 32)
    figure("ionmesh_heartbeats_sustained", len(most.times_s) / most.took_s, "per s", budget=800)
    figure("ionmesh_heartbeat_p95_at_full_load", most.percentile_ms(0.95), "ms", budget=None)
    figure("ionmesh_heartbeat_failures_at_full_load", most.failures, "requests", budget=0)
    # What the HTTP alone costs, with nothing behind it: no figure of a thousand at once can be below.
    floor = load.at_once([HEALTH] * 1000, 1000)
    figure("ionmesh_1000_health_checks_p95", floor.percentile_ms(0.95), "ms", budget=None)
    # Each process makes and prepares its queries once.
    load.at_once(registrations("first", 50), 10)
    new = registrations("new", 1000)
    first = load.at_once(new, len(new))
    figure("ionmesh_1000_registrations_p95", first.percentile_ms(0.95), "ms", budget=500)
    figure("ionmesh_1000_registrations_took", first.took_s, "s", budget=None)
    figure("ionmesh_1000_registrations_failures", first.failures, "requests", budget=0)
    storm = load.at_once(registrations("known", CLIENTS), 500)
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
            measure(Load(server.port, key), duration_s)
    return 0


if __name__ == "__main__":
    sys.exit(main())
