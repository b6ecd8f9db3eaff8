"""Taking over what another orchestrator knew, as far as it makes sense here; again changes nothing."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from ionmesh.db import continue_numbers
from ionmesh.errors import InvalidRequest, ServiceError
from ionmesh.legacy_source import Legacy
from ionmesh.models import (
    Bank,
    CardType,
    ClientState,
    Connectivity,
    KiPool,
    MappingMode,
    ProfileStatus,
    RoutingMode,
    ServiceProfile,
    SimCard,
    Slot,
    SlotKind,
    SlotStatus,
    Tenant,
)
from ionmesh.services import audit, cards, inventory, pools
from ionmesh.services.cards import CardRecord
from ionmesh.services.inventory import NewBank, NewSlots
from ionmesh.services.pools import NewPool

_CLIENT_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}\Z")
_OUT_OF_SERVICE = {status.value: status for status in (SlotStatus.FAULTY, SlotStatus.DISABLED)}
_DAY_S = 86_400
_NOT_TAKEN = "not_taken"

Row = dict[str, Any]


@dataclass(slots=True)
class Report:
    """What was taken over, by kind; and line by line what was not, with the reason."""

    added: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


class Adoption:
    """One import into one transaction. Without `tenant_id` banks keep their owners."""

    def __init__(self, session: Session, actor: str, now: datetime, tenant_id: int | None = None) -> None:
        self._session = session
        self._actor = actor
        self._now = now
        self._owner = tenant_id
        self._tenants: dict[Any, int] = {}
        self.report = Report()

    def adopt(self, legacy: Legacy) -> Report:
        """Take everything over, what others stand on first."""
        bankds = {row.get("id", row.get("bankd_instance_id")): row for row in legacy.bankds}
        self._each("tenant", legacy.tenants, self._tenant)
        continue_numbers(self._session, Tenant)
        self._each("bank", legacy.banks, lambda row: self._bank(row, bankds))
        self._each("slot", legacy.slots, self._slot)
        self._each("pool", legacy.pools, self._pool)
        self._each("card", legacy.cards, self._card)
        # The newest of two that claim the same client or slot is the one whose SIM answers now.
        newest = sorted(legacy.profiles, key=lambda row: str(row.get("created_at") or ""), reverse=True)
        active = [row for row in newest if str(row.get("status")).lower() == "active"]
        self._each("client", active, self._profile)
        if any(self.report.added.values()):
            audit.record(
                self._session,
                tenant_id=self._owner,
                actor=self._actor,
                action="imported",
                subject="import",
                now=self._now,
                **self.report.added,
            )
        return self.report

    def _each(self, kind: str, rows: list[Row], take: Callable[[Row], bool]) -> None:
        """Take rows one by one; `take` returns whether there was anything to do."""
        self.report.added[kind] = self.report.known[kind] = 0
        for row in rows:
            try:
                with self._session.begin_nested():
                    counted = self.report.added if take(row) else self.report.known
                    self._session.flush()
            except ServiceError as error:
                self._leave_out(kind, row, error.message)
            except (KeyError, ValueError, TypeError) as error:
                self._leave_out(kind, row, f"{type(error).__name__}: {error}")
            except (DataError, IntegrityError) as error:
                self._leave_out(kind, row, str(error.orig).partition("\n")[0])
            else:
                counted[kind] += 1

    def _leave_out(self, kind: str, row: Row, reason: str) -> None:
        names = ("client_id", "bank_id", "slot_id", "pool_name", "slug", "name")
        shown = " ".join(f"{name}={row[name]}" for name in names if row.get(name) is not None)
        self.report.left_out.append(f"{kind} {shown}: {reason}")

    def _tenant(self, row: Row) -> bool:
        number, name = int(row["tenant_id"]), str(row.get("name") or f"tenant-{row['tenant_id']}")
        slug = (
            row.get("slug") or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63] or f"tenant-{number}"
        )
        known = self._session.scalar(select(Tenant).where(Tenant.slug == slug))
        if known is not None:
            self._tenants[number] = known.tenant_id
            return False
        tenant = Tenant(slug=slug, name=name, legacy_cidrs=[], release_grace_s=_DAY_S, created_at=self._now)
        # Deployed clients name their tenant by its number.
        if self._session.get(Tenant, number) is None:
            tenant.tenant_id = number
        self._session.add(tenant)
        self._session.flush()
        self._tenants[number] = tenant.tenant_id
        return True

    def _bank(self, row: Row, bankds: dict[Any, Row]) -> bool:
        number = int(row["bank_id"])
        if self._session.get(Bank, number) is not None:
            return False
        bankd = bankds.get(row.get("bankd_instance_id"), {}) | row
        host = bankd.get("bankd_host") or bankd.get("host") or _bare(bankd.get("endpoint"))
        if not host:
            raise InvalidRequest(_NOT_TAKEN, "no bankd endpoint is known")
        port = bankd.get("bankd_port") or bankd.get("port")
        url = bankd.get("remsim_server_url")
        endpoint = f"{host}:{port}" if port and ":" not in host else host
        new = NewBank(number, endpoint, row.get("server_host"), url, str(row.get("name") or ""))
        inventory.add_bank(self._session, self._tenant_of(row), new, self._actor, self._now)
        return True

    def _slot(self, row: Row) -> bool:
        place = (int(row["bank_id"]), int(row["slot_id"]))
        if self._session.get(Slot, place) is not None:
            return False
        kind = SlotKind(str(row.get("kind") or SlotKind.PHYSICAL.value).lower())
        if kind is SlotKind.KI_VIRTUAL:
            # Its pool makes it anew.
            return False
        iccid, imsi = row.get("iccid"), row.get("imsi")
        new = NewSlots(
            bank_id=place[0],
            slot_ids=(place[1],),
            kind=kind,
            iccids=(str(iccid),) if iccid else (),
            imsis=(str(imsi),) if imsi else (),
            mcc_mnc=row.get("mcc_mnc") or None,
            carrier=row.get("carrier") or None,
        )
        (slot,) = inventory.add_slots(self._session, None, new, self._actor, self._now)
        slot.status = _OUT_OF_SERVICE.get(str(row.get("status")).lower(), SlotStatus.AVAILABLE)
        return True

    def _pool(self, row: Row) -> bool:
        tenant_id = self._required_tenant_of(row)
        query = select(KiPool).where(KiPool.tenant_id == tenant_id, KiPool.pool_name == row["pool_name"])
        if self._session.scalar(query) is not None:
            return False
        if row.get("virtual_slot_start") is None or row.get("virtual_slot_end") is None:
            raise InvalidRequest(_NOT_TAKEN, "it has no range of virtual slots: create it anew")
        new = NewPool(
            pool_name=str(row["pool_name"]),
            carrier=str(row["carrier"]),
            mcc_mnc=str(row["mcc_mnc"]),
            bank_id=int(row["bank_id"]),
            physical=(int(row["slot_range_start"]), int(row["slot_range_end"])),
            virtual=(int(row["virtual_slot_start"]), int(row["virtual_slot_end"])),
            max_virtual_sims=int(row["max_virtual_sims"]),
            routing_mode=RoutingMode(row.get("routing_mode") or RoutingMode.ROUND_ROBIN),
        )
        pools.create(self._session, tenant_id, new, self._actor, self._now)
        return True

    def _card(self, row: Row) -> bool:
        place = (int(row["bank_id"]), int(row["slot_id"]))
        if self._session.get(SimCard, place) is not None:
            return False
        record = CardRecord(
            *place,
            physical_iccid=row.get("physical_iccid"),
            physical_imsi=row.get("physical_imsi"),
            carrier=row.get("carrier"),
            mcc_mnc=row.get("mcc_mnc"),
            card_type=CardType(row.get("card_type") or CardType.REGULAR),
            ki_pool_name=row.get("ki_pool_name"),
            ki_pool_priority=int(row.get("ki_pool_priority") or 0),
            card_metadata=_document(row.get("card_metadata")),
        )
        cards.put(self._session, self._required_tenant_of(row), record, self._actor, self._now)
        return True

    def _profile(self, row: Row) -> bool:
        tenant_id, client_id = self._required_tenant_of(row), str(row["client_id"])
        if not _CLIENT_ID.match(client_id):
            raise InvalidRequest(_NOT_TAKEN, "no client can have this name here")
        place = (int(row["bank_id"]), int(row.get("slot_id", row.get("physical_slot_id"))))  # type: ignore[arg-type]  # None is a TypeError, which is told
        held = self._session.scalars(
            select(ServiceProfile).where(
                ServiceProfile.status == ProfileStatus.ACTIVE,
                ((ServiceProfile.tenant_id == tenant_id) & (ServiceProfile.client_id == client_id))
                | ((ServiceProfile.bank_id == place[0]) & (ServiceProfile.slot_id == place[1])),
            )
        ).all()
        if held:
            if [(one.client_id, one.bank_id, one.slot_id) for one in held] == [(client_id, *place)]:
                return False
            raise InvalidRequest(_NOT_TAKEN, "the client or the slot has another assignment")
        profile_id = str(row.get("profile_id") or uuid.uuid4())
        earlier = self._session.get(ServiceProfile, profile_id)
        if earlier is not None:
            if (earlier.tenant_id, earlier.client_id) != (tenant_id, client_id):
                raise InvalidRequest(_NOT_TAKEN, f"profile {profile_id} is another client's")
            # It was taken over before and has been given back since.
            return False
        slot = self._session.get(Slot, place)
        if slot is None or slot.tenant_id not in (None, tenant_id) or slot.status is not SlotStatus.AVAILABLE:
            raise InvalidRequest(_NOT_TAKEN, "the slot is not there or not free for this tenant")
        slot.status = SlotStatus.ASSIGNED
        profile = ServiceProfile(
            profile_id=profile_id,
            tenant_id=tenant_id,
            client_id=client_id,
            status=ProfileStatus.ACTIVE,
            mapping_mode=MappingMode(row.get("mapping_mode") or MappingMode.ONE_TO_ONE_SWSIM),
            bank_id=place[0],
            slot_id=place[1],
            rspro_client_id=place[0],
            rspro_client_slot=place[1],
            assignment_version=int(row.get("assignment_version") or 1),
            created_at=_moment(row.get("created_at")) or self._now,
            registered_at=self._now,
            state=ClientState(connectivity=Connectivity.UNKNOWN),
        )
        self._session.add(profile)
        return True

    def _tenant_of(self, row: Row) -> int | None:
        if self._owner is not None:
            return self._owner
        number = row.get("tenant_id")
        if number is None:
            return None
        if number not in self._tenants:
            raise InvalidRequest(_NOT_TAKEN, f"its tenant {number} is not there")
        return self._tenants[number]

    def _required_tenant_of(self, row: Row) -> int:
        tenant_id = self._tenant_of(row)
        if tenant_id is None:
            raise InvalidRequest(_NOT_TAKEN, "it names no tenant: use --tenant")
        return tenant_id


def _bare(endpoint: Any) -> str | None:
    return str(endpoint).partition("://")[2] or str(endpoint) if endpoint else None


def _document(value: Any) -> dict[str, Any]:
    """Return a JSON object, which some databases keep as text."""
    found = json.loads(value) if isinstance(value, str) else value or {}
    if not isinstance(found, dict):
        raise TypeError("card_metadata is no object")
    return found


def _moment(value: Any) -> datetime | None:
    """Return a moment as databases give it; naive ones are UTC."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(found, datetime):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
