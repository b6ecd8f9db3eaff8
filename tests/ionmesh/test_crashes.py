"""What is acknowledged stays: workers killed and PostgreSQL crashed while routers register."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ionmesh.db import Database
from ionmesh.models import ProfileStatus, ServiceProfile, Slot, SlotStatus
from ionmesh.reconcile import reconciler
from tests.ionmesh import postgres
from tests.ionmesh.conftest import add_bank, add_key, add_slots, add_tenant
from tests.ionmesh.load import Load
from tests.ionmesh.postgres import Cluster
from tests.ionmesh.process import GunicornProcess, WebProcess
from tests.ionmesh.remsim import FakeRemsimServer


@pytest.fixture(scope="module")
def durable() -> Iterator[Cluster]:
    """A cluster that may crash: its own, with the settings of production."""
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip(postgres.ABSENT)
    with Cluster(binaries, durable=True) as cluster:
        yield cluster


@pytest.mark.parametrize("what", ["worker", "database"])
@pytest.mark.parametrize("server_type", [WebProcess, GunicornProcess])
def test_every_acknowledged_registration_is_there_after_a_crash(
    durable: Cluster, tmp_path: Path, server_type: type[WebProcess], what: str
) -> None:
    url = durable.create(f"{what}-{server_type.__name__}")
    postgres.migrated(url)
    database = Database(url)
    with FakeRemsimServer() as remsim:
        add_tenant(database)
        add_bank(database, url=remsim.url)
        add_slots(database, "1-1023")
        key = add_key(database)
        with (
            server_type(url, tmp_path / "log") as server,
            Load(server, key, threads=4, retries=True) as load,
        ):
            load.wait_for(40)
            if what == "worker":
                victim = server.workers()[0]
                os.kill(victim, signal.SIGKILL)
            else:
                durable.stop("immediate")
                durable.start()
            load.wait_for(40)
            load.stop()
            if what == "worker":
                assert victim not in server.workers()
        assert load.others == []
        check_consistent(database, load)
        assert reconciler(database, 2).run(), "one round is enough"
        assert {(1, found.slot_nr) for found in remsim.maps} == {
            (answer["bank_id"], answer["slot_id"]) for answer in load.acknowledged.values()
        }
    database.close()


def check_consistent(database: Database, load: Load) -> None:
    """The database holds what routers were told, and nothing else."""
    # The connections of before the crash are of no use.
    database.close()
    with database.read() as session:
        active = {
            row.client_id: (row.profile_id, row.slot_id)
            for row in session.scalars(
                select(ServiceProfile).where(ServiceProfile.status == ProfileStatus.ACTIVE)
            )
        }
        assigned = set(session.scalars(select(Slot.slot_id).where(Slot.status == SlotStatus.ASSIGNED)))
    told = {
        client_id: (answer["profile_id"], answer["slot_id"])
        for client_id, answer in load.acknowledged.items()
    }
    assert active == told
    assert assigned == {slot_id for _, slot_id in told.values()}
