"""Which slot maps an osmo-remsim-server must hold, and the steps from what it has to that.

IonMesh owns the maps of the banks it knows: a map there that no active assignment asks for is stale. Maps of
other banks on the same server are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from ionmesh.models import Bank, ProfileStatus, ServiceProfile


@dataclass(frozen=True, slots=True, order=True)
class SlotMap:
    """A bank slot joined to an RSPRO client slot; every number is 0..1023."""

    bank_id: int
    slot_nr: int
    client_id: int
    client_slot_nr: int

    def __str__(self) -> str:
        return f"B{self.bank_id}:{self.slot_nr}-C{self.client_id}:{self.client_slot_nr}"


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """What one osmo-remsim-server must hold."""

    url: str
    bank_ids: frozenset[int]
    maps: frozenset[SlotMap]


@dataclass(frozen=True, slots=True)
class Repair:
    """The steps for one server, deletions first: it refuses a map whose slot is still taken."""

    delete: tuple[SlotMap, ...]
    create: tuple[SlotMap, ...]

    def __bool__(self) -> bool:
        return bool(self.delete or self.create)


def wanted(session: Session) -> list[ServerPlan]:
    """Return the plan of every server that has a bank here, ordered by URL."""
    banks: dict[str, set[int]] = {}
    for bank_id, url in session.execute(
        select(Bank.bank_id, Bank.remsim_server_url).where(Bank.remsim_server_url.is_not(None))
    ):
        if url is not None:
            banks.setdefault(url, set()).add(bank_id)
    maps: dict[int, set[SlotMap]] = {}
    for row in session.execute(
        select(
            ServiceProfile.bank_id,
            ServiceProfile.slot_id,
            ServiceProfile.rspro_client_id,
            ServiceProfile.rspro_client_slot,
        ).where(ServiceProfile.status == ProfileStatus.ACTIVE)
    ):
        maps.setdefault(row[0], set()).add(SlotMap(*row))
    return [
        ServerPlan(
            url=url,
            bank_ids=frozenset(bank_ids),
            maps=frozenset(slot_map for bank_id in bank_ids for slot_map in maps.get(bank_id, ())),
        )
        for url, bank_ids in sorted(banks.items())
    ]


def fingerprint(session: Session) -> tuple[object, ...]:
    """Return a value that changes whenever an assignment begins, moves or ends. Cheap enough to poll."""
    active = case((ServiceProfile.status == ProfileStatus.ACTIVE, ServiceProfile.assignment_version))
    return tuple(
        session.execute(
            select(
                func.count(),
                func.sum(active),
                func.max(ServiceProfile.created_at),
                func.max(ServiceProfile.deactivated_at),
            ).select_from(ServiceProfile)
        ).one()
    )


def repair(plan: ServerPlan, actual: Collection[SlotMap]) -> Repair:
    """Return the steps that turn the maps a server has into those it must have."""
    stale = _sorted(
        slot_map for slot_map in actual if slot_map.bank_id in plan.bank_ids and slot_map not in plan.maps
    )
    return Repair(delete=stale, create=_sorted(plan.maps.difference(actual)))


def note_bankd(session: Session, plan: ServerPlan, connected_bank_ids: Collection[int]) -> None:
    """Write down which of the server's bankds are connected."""
    for bank in session.scalars(select(Bank).where(Bank.bank_id.in_(plan.bank_ids))):
        bank.bankd_connected = bank.bank_id in connected_bank_ids


def _sorted(maps: Iterable[SlotMap]) -> tuple[SlotMap, ...]:
    return tuple(sorted(maps))
