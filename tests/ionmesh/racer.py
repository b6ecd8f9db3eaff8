"""What each process of a race does; imported once, by the process that all of them are forked from."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier

from sqlalchemy.orm import configure_mappers

from ionmesh.db import Database
from ionmesh.errors import NoSlot
from ionmesh.models import MappingMode
from ionmesh.services import enrolment, registration
from ionmesh.services.enrolment import Wanted
from ionmesh.services.registration import Registered, Registration
from tests.ionmesh.conftest import START

Place = tuple[int, int]
_ROUND = 4

configure_mappers()


def register_all(url: str, barrier: Barrier, client_ids: list[str]) -> list[Place | None]:
    """Wait for the others, then register the clients one after the other; None: there was no slot."""
    database = Database(url)
    with database.read() as session:
        session.connection()
    barrier.wait(30)
    places: list[Place | None] = []
    for client_id in client_ids:
        request = Registration(client_id, MappingMode.ONE_TO_ONE_SWSIM)
        try:
            with database.write() as session:
                found = registration.register(session, 1, request, START, timedelta(seconds=300)).assignment
        except NoSlot:
            places.append(None)
        else:
            places.append((found.bank_id, found.slot_id))
    database.close()
    return places


def enrol_all(url: str, barrier: Barrier, client_ids: list[str]) -> list[Place | None]:
    """As `register_all`, several clients in each transaction."""
    database = Database(url)
    with database.read() as session:
        session.connection()
    barrier.wait(30)
    places: list[Place | None] = []
    for start in range(0, len(client_ids), _ROUND):
        wanted = [
            Wanted(1, Registration(client_id, MappingMode.ONE_TO_ONE_SWSIM))
            for client_id in client_ids[start : start + _ROUND]
        ]
        with database.write() as session:
            answers = enrolment.enrol(session, wanted, START)
        for answer in answers:
            assert answer is not None, "nobody else has these names"
            got = answer.assignment if isinstance(answer, Registered) else None
            places.append((got.bank_id, got.slot_id) if got else None)
    database.close()
    return places
