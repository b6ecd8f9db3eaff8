"""What each process of a race does; imported once, by the process that all of them are forked from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, configure_mappers

from ionmesh.db import Database
from ionmesh.errors import NoSlot
from ionmesh.models import MappingMode
from ionmesh.services import enrolment, registration
from ionmesh.services.enrolment import Wanted
from ionmesh.services.registration import Registered, Registration
from tests.ionmesh.conftest import START

Place = tuple[int, int]
Result = TypeVar("Result")
_ROUND = 4

configure_mappers()


def _in_turn(database: Database, work: Callable[[Session], Result]) -> Result:
    """Do the work in a transaction; on SQLite again when the file was locked.

    Who waits for SQLite's lock looks now and then, without a queue: with many processes one of them may be
    passed over for longer than the five seconds that it waits, and asks again, as routers do.
    """
    while True:
        try:
            with database.write() as session:
                return work(session)
        except OperationalError:
            if database.engine.dialect.name != "sqlite":
                raise


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
            found = _in_turn(
                database,
                lambda session, request=request: (
                    registration.register(session, 1, request, START, timedelta(seconds=300)).assignment
                ),
            )
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
        answers = _in_turn(database, lambda session, wanted=wanted: enrolment.enrol(session, wanted, START))
        for answer in answers:
            assert answer is not None, "nobody else has these names"
            got = answer.assignment if isinstance(answer, Registered) else None
            places.append((got.bank_id, got.slot_id) if got else None)
    database.close()
    return places
