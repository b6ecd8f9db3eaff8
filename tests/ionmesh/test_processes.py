"""Many processes on one database: nobody gets what another has, and no slot is lost."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from ionmesh.db import Database
from ionmesh.models import ProfileStatus, ServiceProfile, Slot, SlotStatus
from tests.ionmesh.conftest import add_slots, url_of
from tests.ionmesh.racer import Place, enrol_all, register_all

PROCESSES = 24
Run = Callable[[str, Any, list[str]], list[Place | None]]


def race(database: Database, client_ids: list[list[str]], run: Run = register_all) -> list[Place | None]:
    """Register from one process for each list, all starting together."""
    # Forked from a process without threads, where everything is imported already.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.ionmesh.racer"])
    with context.Manager() as manager, ProcessPoolExecutor(len(client_ids), context) as pool:
        barrier = manager.Barrier(len(client_ids))
        futures = [pool.submit(run, url_of(database), barrier, mine) for mine in client_ids]
        return [place for future in futures for place in future.result(50)]


@pytest.mark.parametrize("run", [register_all, enrol_all])
def test_processes_share_out_every_slot_exactly_once(stocked: Database, run: Run) -> None:
    add_slots(stocked, "4-60")
    places = race(stocked, [[f"r{process}-{n}" for n in range(3)] for process in range(PROCESSES)], run)
    won = [place for place in places if place is not None]
    assert sorted(won) == [(1, slot) for slot in range(1, 61)], "every slot once"
    assert places.count(None) == 3 * PROCESSES - 60
    with stocked.read() as session:
        active = session.scalars(
            select(ServiceProfile).where(ServiceProfile.status == ProfileStatus.ACTIVE)
        ).all()
        free = session.scalars(select(Slot).where(Slot.status != SlotStatus.ASSIGNED)).all()
    assert sorted((row.bank_id, row.slot_id) for row in active) == sorted(won)
    assert free == []


def test_the_same_client_from_everywhere_at_once_gets_the_one_slot_there_is(stocked: Database) -> None:
    with stocked.write() as session:
        for slot in session.scalars(select(Slot).where(Slot.slot_id > 1)):
            slot.status = SlotStatus.DISABLED
    assert race(stocked, [["router-1"] * 5] * 10) == [(1, 1)] * 50
