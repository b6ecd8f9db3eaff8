"""Many clients at once, put into the database without registering each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from ionmesh.models import (
    ClientState,
    Connectivity,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
    SlotKind,
    SlotStatus,
)


def add_clients(
    session: Session, bank_id: int, count: int, now: datetime, *, tenant_id: int = 1, **state: Any
) -> list[str]:
    """Add clients `c-0`.. in new slots of a bank, online since `now`; returns their profiles."""
    places = [{"bank_id": bank_id, "slot_id": 1000 - number} for number in range(count)]
    profiles = [f"{bank_id:08}-0000-0000-0000-{number:012}" for number in range(count)]
    slot = {"kind": SlotKind.PHYSICAL, "status": SlotStatus.ASSIGNED}
    session.execute(insert(Slot), [slot | place for place in places])
    session.execute(
        insert(ServiceProfile),
        [
            {
                "profile_id": profile,
                "tenant_id": tenant_id,
                "client_id": f"c-{number}",
                "status": ProfileStatus.ACTIVE,
                "mapping_mode": MappingMode.ONE_TO_ONE_SWSIM,
                "rspro_client_id": place["bank_id"],
                "rspro_client_slot": place["slot_id"],
                "assignment_version": 1,
                "created_at": now,
                "registered_at": now,
                **place,
            }
            for number, (profile, place) in enumerate(zip(profiles, places, strict=True))
        ],
    )
    usual = {"connectivity": Connectivity.ONLINE, "last_heartbeat": now}
    if "stats" in state:
        usual["stats_at"] = now
    session.execute(insert(ClientState), [usual | state | {"profile_id": profile} for profile in profiles])
    return profiles
