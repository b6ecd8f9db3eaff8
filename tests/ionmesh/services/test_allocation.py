"""The allocator: nobody ever gets a slot that somebody has."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ionmesh.db import Database
from ionmesh.errors import NoSlot, NotFound, ServiceError
from ionmesh.models import (
    Bank,
    BankStatus,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
    SlotKind,
    SlotStatus,
)
from ionmesh.services import allocation, registration
from ionmesh.services.allocation import Demand
from ionmesh.services.assignment import active_profile
from ionmesh.services.registration import Outcome, Registered, Registration
from tests.ionmesh.conftest import START, add_bank, add_slots, add_tenant

SILENCE = timedelta(seconds=300)
SWSIM = MappingMode.ONE_TO_ONE_SWSIM


def claim(database: Database, demand: Demand, minutes: float = 0) -> tuple[int, int]:
    with database.write() as session:
        slot = allocation.claim(session, demand, START + timedelta(minutes=minutes))
        return slot.bank_id, slot.slot_id


def register(database: Database, client_id: str) -> Registered:
    with database.write() as session:
        return registration.register(session, 1, Registration(client_id, SWSIM), START, SILENCE)


def race(database: Database, threads: int, client_ids: list[list[str]]) -> list[Registered | ServiceError]:
    """Register from many threads that start together; each registers its own list of clients."""
    barrier = threading.Barrier(threads)

    def work(mine: list[str]) -> list[Registered | ServiceError]:
        barrier.wait()
        results: list[Registered | ServiceError] = []
        for client_id in mine:
            try:
                results.append(register(database, client_id))
            except ServiceError as error:
                results.append(error)
        return results

    with ThreadPoolExecutor(threads) as pool:
        return [result for results in pool.map(work, client_ids) for result in results]


def test_racing_registrations_never_share_a_slot(stocked: Database) -> None:
    add_bank(stocked, 2)
    add_slots(stocked, "1-97", bank_id=2)
    threads, each = 24, 6
    results = race(stocked, threads, [[f"r{thread}-{n}" for n in range(each)] for thread in range(threads)])
    won = [result.assignment for result in results if isinstance(result, Registered)]
    # 100 slots for 144 clients: every slot is given, each once, and the others are told that none is left.
    assert len(won) == 100
    assert max(Counter((found.bank_id, found.slot_id) for found in won).values()) == 1
    assert sum(isinstance(result, NoSlot) for result in results) == threads * each - 100
    with stocked.read() as session:
        active = session.scalars(
            select(ServiceProfile).where(ServiceProfile.status == ProfileStatus.ACTIVE)
        ).all()
        assigned = session.scalars(select(Slot).where(Slot.status == SlotStatus.ASSIGNED)).all()
    assert {(row.bank_id, row.slot_id) for row in active} == {(row.bank_id, row.slot_id) for row in assigned}
    assert len(active) == 100


def test_one_client_racing_with_itself_gets_one_slot(stocked: Database) -> None:
    results = race(stocked, 24, [["router-1"]] * 24)
    assert all(isinstance(result, Registered) for result in results)
    answers = [result for result in results if isinstance(result, Registered)]
    assert len({answer.assignment.profile_id for answer in answers}) == 1
    assert Counter(answer.outcome for answer in answers) == {Outcome.NEW: 1, Outcome.EXISTING: 23}


def test_the_loser_of_a_race_between_two_sessions_gets_the_winners_slot(
    stocked: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner = register(stocked, "router-1")
    reads = []

    def not_visible_at_first(*arguments: Any, **options: Any) -> ServiceProfile | None:
        # As on PostgreSQL, where the winner can commit between the loser's look and its insert.
        reads.append(arguments)
        return None if len(reads) == 1 else active_profile(*arguments, **options)

    monkeypatch.setattr(registration, "active_profile", not_visible_at_first)
    loser = register(stocked, "router-1")
    assert (loser.outcome, loser.assignment) == (Outcome.EXISTING, winner.assignment)
    with stocked.read() as session:
        free = session.scalars(select(Slot.slot_id).where(Slot.status == SlotStatus.AVAILABLE)).all()
    assert free == [2, 3]


def test_the_database_itself_refuses_a_double_assignment(stocked: Database) -> None:
    register(stocked, "router-1")
    register(stocked, "router-2")
    with stocked.read() as session, pytest.raises(IntegrityError):
        session.execute(update(ServiceProfile).values(slot_id=3))


def test_a_slot_put_back_into_service_is_still_its_clients(stocked: Database) -> None:
    register(stocked, "router-1")
    with stocked.write() as session:
        session.get_one(Slot, (1, 1)).status = SlotStatus.AVAILABLE
    assert register(stocked, "router-2").assignment.slot_id == 2


def test_order_of_preference(database: Database) -> None:
    tenant_id = add_tenant(database)
    add_bank(database, 1)
    add_bank(database, 2, tenant_id)
    add_slots(database, "1-3", 1)
    add_slots(database, "1-2", 2)
    assert claim(database, Demand(1, SWSIM)) == (2, 1), "own slots before shared ones"
    assert claim(database, Demand(1, SWSIM, last_slot=(1, 2))) == (1, 2), "the same SIM again"
    assert claim(database, Demand(1, SWSIM, preferred_bank_id=1, last_slot=(2, 2))) == (1, 1)
    with database.write() as session:
        allocation.release(session.get_one(Slot, (2, 1)), START)
    assert claim(database, Demand(1, SWSIM)) == (2, 2), "never used before released"
    assert claim(database, Demand(1, SWSIM)) == (2, 1)


def test_slots_of_other_tenants_and_banks_in_maintenance_are_not_given(database: Database) -> None:
    add_tenant(database)
    other = add_tenant(database, "other")
    add_bank(database, 1, other)
    add_slots(database, "1", 1)
    with pytest.raises(NoSlot):
        claim(database, Demand(1, SWSIM))
    with database.write() as session:
        session.get_one(Bank, 1).status = BankStatus.MAINTENANCE
    with pytest.raises(NoSlot):
        claim(database, Demand(other, SWSIM))


def test_demand_for_network_and_carrier(stocked: Database) -> None:
    add_slots(stocked, "10", mcc_mnc="310410", carrier="Example")
    assert claim(stocked, Demand(1, SWSIM, mcc_mnc="310410", carrier="Example")) == (1, 10)
    with pytest.raises(NoSlot):
        claim(stocked, Demand(1, SWSIM, mcc_mnc="310410"))


def test_refusal_names_modes_that_have_a_slot_and_takes_none(stocked: Database) -> None:
    add_slots(stocked, "900", kind=SlotKind.KI_VIRTUAL, mcc_mnc="310410")
    for _ in range(2):
        with pytest.raises(NoSlot) as refused:
            claim(stocked, Demand(1, MappingMode.ONE_TO_ONE_VSIM))
        assert refused.value.available_modes == ("ONE_TO_ONE_SWSIM", "KI_PROXY_SWSIM")


def test_ki_proxy_tells_an_unknown_carrier_from_a_full_pool(stocked: Database) -> None:
    add_slots(stocked, "900", kind=SlotKind.KI_VIRTUAL, mcc_mnc="310410")
    demand = Demand(1, MappingMode.KI_PROXY_SWSIM, mcc_mnc="310410")
    assert claim(stocked, demand) == (1, 900)
    with pytest.raises(NoSlot):
        claim(stocked, demand)
    with pytest.raises(NotFound):
        claim(stocked, Demand(1, MappingMode.KI_PROXY_SWSIM, mcc_mnc="26201"))


def test_a_slot_rests_until_its_time(database: Database) -> None:
    add_tenant(database)
    add_bank(database)
    add_slots(database, "1")
    claim(database, Demand(1, SWSIM))
    with database.write() as session:
        allocation.release(session.get_one(Slot, (1, 1)), START, rest_until=START + timedelta(minutes=10))
    with pytest.raises(NoSlot):
        claim(database, Demand(1, SWSIM), minutes=9)
    assert claim(database, Demand(1, SWSIM), minutes=10) == (1, 1)


def test_a_slot_taken_out_of_service_stays_out_when_released(stocked: Database) -> None:
    claim(stocked, Demand(1, SWSIM))
    with stocked.write() as session:
        slot = session.get_one(Slot, (1, 1))
        slot.status = SlotStatus.FAULTY
        allocation.release(slot, START)
    with stocked.read() as session:
        assert session.get_one(Slot, (1, 1)).status is SlotStatus.FAULTY
