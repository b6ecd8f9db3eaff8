"""What each process of a race does; imported once, by the process that all of them are forked from."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier

from sqlalchemy.orm import configure_mappers

from ionmesh.db import Database
from ionmesh.errors import NoSlot
from ionmesh.models import MappingMode
from ionmesh.services import registration
from ionmesh.services.registration import Registration
from tests.ionmesh.conftest import START

Place = tuple[int, int]

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
