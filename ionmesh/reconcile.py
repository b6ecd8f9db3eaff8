"""Keeping every osmo-remsim-server's slot maps equal to the assignments, through restarts and absences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Protocol

from sqlalchemy.exc import OperationalError

from ionmesh.db import Database
from ionmesh.errors import RemsimServerError, RemsimServerRefused
from ionmesh.remsim_server import RemsimServer
from ionmesh.services import figures, slotmaps
from ionmesh.services.figures import Name
from ionmesh.services.slotmaps import Repair, ServerPlan, SlotMap

log = logging.getLogger(__name__)


class SlotMapServer(Protocol):
    """What reconciling needs of a server; each call may raise RemsimServerError."""

    def connected_banks(self) -> Collection[int]:
        """Return the bank ids whose bankd is connected."""

    def slotmaps(self) -> Collection[SlotMap]:
        """Return the maps held."""

    def create(self, slot_map: SlotMap) -> None:
        """Create a map."""

    def delete(self, bank_id: int, slot_nr: int) -> None:
        """Delete the map of a bank slot."""


class Reconciler:
    """Compares and repairs all servers, one after the other. The only writer of slot maps."""

    def __init__(self, database: Database, connect: Callable[[str], SlotMapServer]) -> None:
        self._database = database
        self._connect = connect
        self._failing: set[str] = set()
        # Steps that repairs needed: in this round, and what was written down last.
        self._found = 0
        self._written: int | None = None
        self._noted: dict[str, tuple[Collection[int], Collection[int]]] = {}

    def run(self) -> bool:
        """Reconcile every server once. Returns whether all of them hold what they must hold."""
        try:
            with self._database.read() as session:
                plans = slotmaps.wanted(session)
        except OperationalError as error:
            self._note_failure("database", str(error.orig))
            return False
        self._note_recovery("database")
        self._failing &= {plan.url for plan in plans}
        # A server that was away last time may cost a timeout again: the others do not wait for it.
        plans.sort(key=lambda plan: plan.url in self._failing)
        self._found = 0
        results = [self._reconcile(plan) for plan in plans]
        return self._note_drift() and all(results)

    def _reconcile(self, plan: ServerPlan) -> bool:
        server = self._connect(plan.url)
        try:
            repair = slotmaps.repair(plan, server.slotmaps())
            self._found += len(repair.delete) + len(repair.create)
            refused = _apply(server, plan, repair)
            self._note_bankds(plan, server.connected_banks())
        except RemsimServerError as error:
            self._note_failure(plan.url, error.reason)
            return False
        except OperationalError as error:
            self._note_failure(plan.url, f"database: {error.orig}")
            return False
        if refused:
            self._note_failure(plan.url, "refused maps " + ", ".join(map(str, refused)))
            return False
        self._note_recovery(plan.url)
        return True

    def _note_bankds(self, plan: ServerPlan, connected: Collection[int]) -> None:
        # Only news is worth the writer lock: a run follows every registration.
        if self._noted.get(plan.url) == (plan.bank_ids, connected):
            return
        with self._database.write() as session:
            slotmaps.note_bankd(session, plan, connected)
        self._noted[plan.url] = (plan.bank_ids, connected)

    def _note_drift(self) -> bool:
        if self._found == self._written:
            return True
        try:
            with self._database.write() as session:
                figures.put(session, Name.SLOTMAP_DRIFT, self._found)
        except OperationalError as error:
            self._note_failure("database", str(error.orig))
            return False
        self._written = self._found
        return True

    def _note_failure(self, what: str, reason: str) -> None:
        level = logging.DEBUG if what in self._failing else logging.WARNING
        self._failing.add(what)
        log.log(level, "slot maps are not reconciled, will try again: %s: %s", what, reason)

    def _note_recovery(self, what: str) -> None:
        if what in self._failing:
            self._failing.discard(what)
            log.info("slot maps are reconciled again: %s", what)


def _apply(server: SlotMapServer, plan: ServerPlan, repair: Repair) -> list[SlotMap]:
    """Repair one server and return the maps it refused; one refusal does not keep the others from it."""
    for slot_map in repair.delete:
        server.delete(slot_map.bank_id, slot_map.slot_nr)
        log.info("unmapped %s at %s", slot_map, plan.url)
    refused = []
    for slot_map in repair.create:
        try:
            server.create(slot_map)
        except RemsimServerRefused:
            refused.append(slot_map)
        else:
            log.info("mapped %s at %s", slot_map, plan.url)
    return refused


def reconciler(database: Database, timeout_s: float, *, loopback_allowed: bool = True) -> Reconciler:
    """Return a reconciler that talks to real servers over HTTP."""
    return Reconciler(database, lambda url: RemsimServer(url, timeout_s, loopback_allowed=loopback_allowed))
