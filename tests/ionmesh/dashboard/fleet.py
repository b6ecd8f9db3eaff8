"""A fleet in a database: banks, clients of every grade, what they reported, alerts, people of every role."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from ionmesh.db import Database
from ionmesh.models import (
    Alert,
    AlertKind,
    AlertState,
    AuditEntry,
    Bank,
    BankStatus,
    CardType,
    ClientSeries,
    ClientState,
    Connectivity,
    Event,
    EventType,
    FiveMinuteSample,
    HourSample,
    MappingMode,
    ProfileStatus,
    RawSample,
    Role,
    RollupProgress,
    Scope,
    ServiceProfile,
    Severity,
    SimTraffic,
    Slot,
    SlotKind,
    SlotStatus,
    Tenant,
    User,
)
from ionmesh.services import alert_rules, allowance, cards, keys, pools, tenants, users, webhooks
from ionmesh.services.cards import CardRecord
from ionmesh.services.pools import NewPool

PASSWORD = "correct-horse-battery"
BANK_SIZE = 256
POOL_BANK = 90
_KINDS = ("tram", "bus", "kiosk", "buoy")
_CARRIERS = (("Example Mobile", "26201"), ("Sample Telecom", "26202"), ("Nordnet", "24001"))
_MODEMS = (("Quectel", "RM500Q-GL"), ("Sierra Wireless", "EM7455"), ("Fibocom", "FM150-AE"))


@dataclass(frozen=True)
class Fleet:
    """What a test needs to know of the fleet."""

    tenant_id: int
    key: str
    """Of scope remsim."""
    names: tuple[str, ...]

    def email(self, role: Role) -> str:
        """Who has that role; the password is PASSWORD."""
        return f"{role.value}@example.com"


def stock(database: Database, clients: int = 1000, *, now: datetime | None = None, charted: int = 4) -> Fleet:
    """Fill an empty database; `charted` clients have a month of samples."""
    now, chance = now or datetime.now(UTC), random.Random(7)
    with database.write() as session:
        tenant = tenants.create(session, slug="metro", name="Metro Transport", now=now, release_grace_s=None)
        _, key = keys.issue(session, tenant, name="routers", scopes=[Scope.REMSIM], now=now)
        keys.issue(session, tenant, name="reporting", scopes=[Scope.READ], now=now)
        for role in Role:
            users.create(
                session,
                tenant.tenant_id,
                email=f"{role.value}@example.com",
                name=role.value.title(),
                role=role,
                password=PASSWORD,
                actor="cli",
                now=now,
            )
        _banks(session, tenant.tenant_id, clients, now, chance)
        names = _clients(session, tenant, clients, now, chance)
        _pool(session, tenant.tenant_id, now)
        _series(session, tenant.tenant_id, names[:charted], now, chance)
        _traffic(session, tenant.tenant_id, min(clients, 12), now, chance)
        _alerts(session, tenant.tenant_id, names, now)
        _events(session, tenant.tenant_id, names, now, chance)
        hook, _ = webhooks.create(
            session, tenant.tenant_id, "https://ops.example.com/hooks/ionmesh", [], "cli", now
        )
        webhooks.test(session, tenant.tenant_id, hook.webhook_id, now)
        # Nobody is to be told: the address is nobody's.
        hook.enabled = False
    return Fleet(tenant.tenant_id, key, tuple(names))


def is_offline(number: int) -> bool:
    """Whether the client of that number is offline."""
    return number % 97 == 11


def place(number: int) -> tuple[int, int]:
    """The bank and slot of the client of that number."""
    return number // (BANK_SIZE - 32) + 1, number % (BANK_SIZE - 32) + 1


def iccid(bank_id: int, slot_id: int) -> str:
    """The ICCID of the card at a place."""
    return f"89490200001{bank_id:04}{slot_id:04}"


def _banks(session: Session, tenant_id: int, clients: int, now: datetime, chance: random.Random) -> None:
    towns = ("Amsterdam", "Berlin", "Copenhagen", "Dublin", "Espoo", "Florence", "Ghent", "Hamburg")
    count = place(max(clients - 1, 0))[0]
    for bank_id in range(1, count + 1):
        bank = Bank(
            bank_id=bank_id,
            tenant_id=tenant_id,
            name=f"{towns[(bank_id - 1) % len(towns)]} {(bank_id - 1) // len(towns) + 1}",
            status=BankStatus.ONLINE,
            bankd_host=f"bankd{bank_id}.example.com",
            bankd_port=9999,
            server_host="remsim.example.com",
            server_port=9998,
            bankd_connected=bank_id != 4,
            created_at=now,
        )
        session.add(bank)
    session.flush()
    held = {place(number) for number in range(clients)}
    rows = []
    for bank_id in range(1, count + 1):
        for slot_id in range(1, BANK_SIZE + 1):
            status = SlotStatus.ASSIGNED if (bank_id, slot_id) in held else SlotStatus.AVAILABLE
            if slot_id > BANK_SIZE - 6:
                status = chance.choice((SlotStatus.RESERVED, SlotStatus.FAULTY, SlotStatus.DISABLED))
            carrier, mcc_mnc = _CARRIERS[slot_id % 3]
            rows.append(
                {
                    "bank_id": bank_id,
                    "slot_id": slot_id,
                    "tenant_id": tenant_id,
                    "kind": SlotKind.PHYSICAL,
                    "status": status,
                    "iccid": iccid(bank_id, slot_id),
                    "imsi": f"26201{bank_id:04}{slot_id:06}",
                    "mcc_mnc": mcc_mnc,
                    "carrier": carrier,
                }
            )
    session.execute(insert(Slot), rows)


def _clients(session: Session, tenant: Tenant, count: int, now: datetime, chance: random.Random) -> list[str]:
    names = [f"{_KINDS[number % 4]}-{number // 4 + 1:04}-slot0" for number in range(count)]
    profiles, states = [], []
    for number, name in enumerate(names):
        bank_id, slot_id = place(number)
        profile_id = f"00000000-0000-4000-8000-{number:012}"
        began = now - timedelta(days=chance.randint(1, 200), minutes=number)
        vendor, model = _MODEMS[number % 3]
        profiles.append(
            {
                "profile_id": profile_id,
                "tenant_id": tenant.tenant_id,
                "client_id": name,
                "status": ProfileStatus.ACTIVE,
                "mapping_mode": MappingMode.ONE_TO_ONE_SWSIM,
                "bank_id": bank_id,
                "slot_id": slot_id,
                "rspro_client_id": bank_id,
                "rspro_client_slot": slot_id,
                "assignment_version": 1,
                "fingerprint": f"{number:016x}",
                "source_ip": f"198.51.100.{number % 250 + 1}",
                "software_version": "0.9.0",
                "hardware_info": {"modem_vendor": vendor, "modem_model": model},
                "created_at": began,
                "registered_at": began,
                "tags": [("depot-north", "depot-south", "pilot")[number % 3]] if number % 5 == 0 else [],
                "notes": None,
            }
        )
        states.append(_state(profile_id, number, now, chance))
    session.execute(insert(ServiceProfile), profiles)
    session.execute(insert(AuditEntry), [entry for row in profiles for entry in _history(row, chance)])
    session.execute(insert(ClientState), states)
    return names


def _history(row: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    """Who had the card before, and how its client got it."""
    place = {"bank_id": row["bank_id"], "slot_id": row["slot_id"]}
    entries = []
    for back in range(chance.choice((0, 0, 0, 1, 2, 4)) if row["slot_id"] % 3 == 0 else 0, 0, -1):
        began = row["created_at"] - timedelta(days=9 * back)
        name = f"spare-{(row['slot_id'] + back) % 40:03}-slot0"
        for action, at in (("client_registered", began), ("client_unregistered", began + timedelta(days=5))):
            entries.append((action, at, name))
    entries.append(("client_registered", row["created_at"], row["client_id"]))
    return [
        {
            "tenant_id": row["tenant_id"],
            "at": at,
            "actor": name,
            "action": action,
            "subject": name,
            "details": place,
        }
        for action, at, name in entries
    ]


def _state(profile_id: str, number: int, now: datetime, chance: random.Random) -> dict[str, Any]:
    connectivity, status = Connectivity.ONLINE, "active"
    age_s = chance.randint(1, 70)
    if is_offline(number):
        connectivity, age_s = Connectivity.OFFLINE, 700 + 997 * (number // 97)
    elif number % 23 == 7:
        status = "warning"
    elif number % 31 == 5:
        connectivity = Connectivity.UNKNOWN
    beat = None if connectivity is Connectivity.UNKNOWN else now - timedelta(seconds=age_s)
    vendor, model = _MODEMS[number % 3]
    rsrp = round(chance.gauss(-95, 8))
    link = {"role": "primary", "interface": "wwan0", "health": "up", "active": True, "registered": True}
    return {
        "profile_id": profile_id,
        "connectivity": connectivity,
        "first_heartbeat": beat and beat - timedelta(days=20),
        "last_heartbeat": beat,
        "reported_status": beat and status,
        "source_ip": f"198.51.100.{number % 250 + 1}",
        "stats": beat
        and {
            "uptime_seconds": 86_400 * (number % 40 + 1),
            "tpdus_sent": 1204,
            "tpdus_received": 1204,
            "errors": 0,
            "signal_rssi": rsrp + 28,
            "signal_rsrp": rsrp,
            "signal_rsrq": -11.0,
            "signal_sinr": 9.5,
            "data_rx_bytes": 8_200_000_000,
            "data_tx_bytes": 1_100_000_000,
        },
        "modem_info": beat
        and {"vendor": vendor, "model": model, "firmware": "R11A06", "imei": "490154203237518"},
        "links": beat
        and {
            "primary": link | {"sim": "remote"},
            "iot": link | {"role": "secondary", "interface": "wwan1", "active": False, "sim": "local"},
        },
    }


def _pool(session: Session, tenant_id: int, now: datetime) -> None:
    bank = Bank(
        bank_id=POOL_BANK,
        tenant_id=tenant_id,
        name="KI proxy",
        status=BankStatus.ONLINE,
        bankd_host="ki.example.com",
        bankd_port=9999,
        server_host="remsim.example.com",
        server_port=9998,
        bankd_connected=True,
        created_at=now,
    )
    session.add(bank)
    session.flush()
    for slot_id in range(1, 9):
        session.add(Slot(bank_id=POOL_BANK, slot_id=slot_id, tenant_id=tenant_id, kind=SlotKind.PHYSICAL))
    session.flush()
    new = NewPool("example-pool", "Example Mobile", "26201", POOL_BANK, (1, 8), (101, 164), 64)
    pools.create(session, tenant_id, new, "cli", now)
    for slot_id in range(1, 5):
        record = CardRecord(
            POOL_BANK,
            slot_id,
            iccid(POOL_BANK, slot_id),
            f"26201009{slot_id:07}",
            "Example Mobile",
            "26201",
            CardType.KI_PROXY_MASTER,
            "example-pool",
        )
        cards.put(session, tenant_id, record, "cli", now)


def _series(session: Session, tenant_id: int, names: list[str], now: datetime, chance: random.Random) -> None:
    end_s = int(now.timestamp()) // 60 * 60
    rolled_until_s = end_s // 300 * 300 - 300
    hourly_until_s = rolled_until_s // 3600 * 3600
    session.merge(RollupProgress(resolution_s=300, done_until_s=rolled_until_s))
    session.merge(RollupProgress(resolution_s=3600, done_until_s=hourly_until_s))
    for name in names:
        row = ClientSeries(tenant_id=tenant_id, client_id=name, sampled_at=now)
        row.rsrp_dbm = -96.0
        session.add(row)
        session.flush()
        raw = [_sample(row.series_id, at_s, 120, chance) for at_s in range(end_s - 86_400, end_s, 120)]
        session.execute(insert(RawSample), raw)
        rolled = [
            _sample(row.series_id, at_s, 300, chance) | {"samples": 5}
            for at_s in range(rolled_until_s - 3 * 86_400, rolled_until_s, 300)
        ]
        session.execute(insert(FiveMinuteSample), rolled)
        hourly = [
            _sample(row.series_id, at_s, 3600, chance) | {"samples": 60}
            for at_s in range(hourly_until_s - 30 * 86_400, hourly_until_s, 3600)
        ]
        session.execute(insert(HourSample), hourly)


def _sample(series_id: int, at_s: int, length_s: int, chance: random.Random) -> dict[str, Any]:
    day = 2 * math.pi * (at_s % 86_400) / 86_400
    rsrp = -97 + 5 * math.sin(day) + chance.gauss(0, 1.6)
    busy = max(0.05, 0.55 - 0.45 * math.cos(day)) * chance.uniform(0.85, 1.15)
    return {
        "series_id": series_id,
        "at_s": at_s,
        "rssi_dbm": rsrp + 28 + chance.gauss(0, 0.5),
        "rsrp_dbm": rsrp,
        "rsrq_db": -11 + chance.gauss(0, 0.8),
        "sinr_db": 9 + 3 * math.sin(day) + chance.gauss(0, 1),
        "rx_bytes": int(30_000 * busy * length_s),
        "tx_bytes": int(4_600 * busy * length_s),
    }


def _traffic(session: Session, tenant_id: int, count: int, now: datetime, chance: random.Random) -> None:
    today = now.date()
    epoch = date(1970, 1, 1)
    for number in range(count):
        sim = iccid(*place(number))
        days = [
            {
                "tenant_id": tenant_id,
                "sim": sim,
                "day": (today - timedelta(days=back) - epoch).days,
                "rx_bytes": int(chance.uniform(0.8, 1.1) * 150_000_000),
                "tx_bytes": int(chance.uniform(0.8, 1.1) * 25_000_000),
            }
            for back in range(28)
        ]
        session.execute(insert(SimTraffic), days)
        if number < 6:
            limit = int((4.2, 5.1, 5.6, 8, 12, 20)[number] * 1e9)
            allowance.set_limit(session, tenant_id, [sim], limit, 1, "cli", now)


def _alerts(session: Session, tenant_id: int, names: list[str], now: datetime) -> None:
    rules = {rule.kind: rule for rule in alert_rules.add_usual(session, tenant_id, "cli", now)}
    session.flush()
    found: list[tuple[AlertKind, str, float | None, int]] = [(AlertKind.BANK_DOWN, "bank 4", None, 43)]
    for number, name in enumerate(names):
        if is_offline(number):
            silent_s = 700 + 997 * (number // 97)
            found.append((AlertKind.CLIENT_OFFLINE, name, float(silent_s), (silent_s - 600) // 60))
    # The latest has the largest number.
    for kind, subject, value, minutes in sorted(found, key=lambda alert: -alert[3]):
        rule = rules[kind]
        fired_at = now - timedelta(minutes=minutes)
        session.add(
            Alert(
                tenant_id=tenant_id,
                rule_id=rule.rule_id,
                rule_name=rule.name,
                kind=kind,
                severity=rule.severity,
                subject=subject,
                state=AlertState.FIRING,
                value=value,
                since=fired_at - timedelta(minutes=1),
                fired_at=fired_at,
                told=True,
            )
        )
        session.flush()


def _events(session: Session, tenant_id: int, names: list[str], now: datetime, chance: random.Random) -> None:
    kinds: tuple[tuple[EventType, Severity, dict[str, Any]], ...] = (
        (EventType.CLIENT_RECOVERED, Severity.INFO, {}),
        (EventType.CLIENT_DISCONNECTED, Severity.WARNING, {}),
        (EventType.SLOT_REASSIGNED, Severity.INFO, {"bank_id": 2, "slot_id": 17}),
        (EventType.COMMAND_FINISHED, Severity.INFO, {"type": "restart", "state": "done"}),
        (
            EventType.CLIENT_REPORTED,
            Severity.WARNING,
            {"kind": "failover", "text": "primary to iot: no answer"},
        ),
    )
    for back in range(60, 0, -1):
        kind, severity, details = kinds[back % len(kinds)]
        session.add(
            Event(
                tenant_id=tenant_id,
                at=now - timedelta(minutes=3 * back),
                type=kind,
                severity=severity,
                client_id=names[chance.randrange(min(len(names), 8))],
                details=details,
            )
        )


def other_tenant(database: Database, email: str, now: datetime) -> tuple[int, User]:
    """Make a tenant beside the fleet's; returns its id and its owner, whose password is PASSWORD."""
    with database.write() as session:
        tenant_id = tenants.create(session, slug="other", name="Other", now=now).tenant_id
        owner = users.create(
            session,
            tenant_id,
            email=email,
            name="",
            role=Role.OWNER,
            password=PASSWORD,
            actor="cli",
            now=now,
        )
    return tenant_id, owner
