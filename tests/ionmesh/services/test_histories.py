"""Generated histories of clients that come, move, go quiet and leave: what must hold after every step."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from ionmesh import schema
from ionmesh.db import Database
from ionmesh.errors import NoSlot, NotFound
from ionmesh.models import MappingMode, ProfileStatus, ServiceProfile, Slot, SlotKind, SlotStatus
from ionmesh.services import heartbeat, liveness, registration, slotmaps
from ionmesh.services.heartbeat import Heartbeat
from ionmesh.services.registration import Outcome, Registration
from tests.ionmesh.conftest import START, add_bank, add_slots, add_tenant

SILENCE = timedelta(seconds=300)
clients = st.sampled_from(["a", "b", "c", "d"])
modes = st.sampled_from([MappingMode.ONE_TO_ONE_SWSIM, MappingMode.ONE_TO_ONE_VSIM])


class Histories(RuleBasedStateMachine):
    """Three physical and one virtual slot for four clients, so that slots run out."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.database = Database(f"sqlite:///{self.folder}/history.db")
        schema.upgrade(self.database)
        add_tenant(self.database, release_grace_s=3600)
        add_bank(self.database, url="http://remsim1.example.com:9997")
        add_slots(self.database, "1-3")
        add_slots(self.database, "900", kind=SlotKind.VIRTUAL)
        self.now = START
        self.versions: dict[str, int] = {}

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(client=clients, mode=modes)
    def register(self, client: str, mode: MappingMode) -> None:
        known = self.versions.get(client, 0)
        free: tuple[str, ...] = ()
        got = None
        try:
            with self.database.write() as session:
                got = registration.register(session, 1, Registration(client, mode), self.now, SILENCE)
        except NoSlot as error:
            free = error.available_modes
        assert mode.value not in free
        if got is None:
            return
        assert got.assignment.mapping_mode is mode
        if got.outcome is Outcome.EXISTING:
            assert got.assignment.version == known
        else:
            assert got.assignment.version == known + 1
        self.versions[client] = got.assignment.version

    @rule(client=clients)
    def beat(self, client: str) -> None:
        try:
            with self.database.write() as session:
                heartbeat.receive(session, 1, Heartbeat(client, "active", None), self.now)
        except NotFound:
            assert client not in self.holders()

    @rule(client=clients)
    def unregister(self, client: str) -> None:
        held = client in self.holders()
        try:
            with self.database.write() as session:
                registration.unregister(session, 1, client, client, self.now)
        except NotFound:
            assert not held
        else:
            assert held

    @rule(seconds=st.sampled_from([1, 299, 300, 601, 3600]))
    def wait_and_sweep(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        before = self.holders()
        with self.database.write() as session:
            released = liveness.sweep(session, self.now, SILENCE)
        assert len(before) - len(self.holders()) == released

    def holders(self) -> dict[str, tuple[int, int]]:
        with self.database.read() as session:
            active = session.scalars(
                select(ServiceProfile).where(ServiceProfile.status == ProfileStatus.ACTIVE)
            ).all()
        assert len(active) == len({row.client_id for row in active})
        return {row.client_id: (row.bank_id, row.slot_id) for row in active}

    @invariant()
    def every_slot_has_one_holder_and_its_map(self) -> None:
        held = list(self.holders().values())
        assert len(held) == len(set(held))
        with self.database.read() as session:
            slots = session.scalars(select(Slot).where(Slot.status == SlotStatus.ASSIGNED)).all()
            (plan,) = slotmaps.wanted(session)
        assert {(slot.bank_id, slot.slot_id) for slot in slots} == set(held)
        assert {(wanted.bank_id, wanted.slot_nr) for wanted in plan.maps} == set(held)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
