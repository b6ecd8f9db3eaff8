"""The worker beside application servers, and how several of them share the work."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

from sqlalchemy import select

from ionmesh.db import Database, add_rows
from ionmesh.models import (
    DeliveryState,
    Event,
    EventType,
    MappingMode,
    Severity,
    Webhook,
    WebhookDelivery,
)
from ionmesh.services import events, housekeeping, registration, slotmaps
from ionmesh.services.events import Happening
from ionmesh.services.registration import Registration
from tests.ionmesh.conftest import START, add_bank, add_slots, add_tenant, url_of
from tests.ionmesh.process import DEADLINE_S, ask_to_end
from tests.ionmesh.remsim import FakeRemsimServer

SILENCE = timedelta(seconds=300)


def register(database: Database, client_id: str) -> None:
    with database.write() as session:
        request = Registration(client_id, MappingMode.ONE_TO_ONE_SWSIM)
        registration.register(session, 1, request, START, SILENCE)


def start_worker(url: str) -> subprocess.Popen[str]:
    program = "from ionmesh.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, "worker", "--database", url],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_workers_map_what_others_assign_and_end_when_told(database: Database) -> None:
    with FakeRemsimServer() as remsim:
        add_tenant(database)
        add_bank(database, url=remsim.url)
        add_slots(database, "1-3")
        # On SQLite there is one worker; on PostgreSQL two share the work.
        number = 1 if database.engine.dialect.name == "sqlite" else 2
        workers: list[subprocess.Popen[str]] = []
        try:
            workers.extend(start_worker(url_of(database)) for _ in range(number))
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "working\n"
            register(database, "r1")
            remsim.wait_for({(1, 1)})
            register(database, "r2")
            remsim.wait_for({(1, 1), (1, 2)})
            with database.write() as session:
                registration.unregister(session, 1, "r1", "test", START)
            remsim.wait_for({(1, 2)})
            for worker in workers:
                ask_to_end(worker.pid)
                assert worker.wait(DEADLINE_S) == 0
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()


def test_one_of_several_is_alone(database: Database) -> None:
    other = Database(url_of(database))
    postgresql = database.engine.dialect.name == "postgresql"
    with database.exclusive("a") as mine, other.exclusive("a") as theirs, other.exclusive("b") as else_:
        assert mine
        assert theirs is not postgresql
        assert else_
    with other.exclusive("a") as theirs:
        assert theirs
    other.close()


def test_every_change_of_assignments_changes_the_fingerprint(stocked: Database) -> None:
    def fingerprint() -> object:
        with stocked.read() as session:
            return slotmaps.fingerprint(session)

    seen = [fingerprint()]
    register(stocked, "r1")
    seen.append(fingerprint())
    with stocked.write() as session:
        registration.reassign(session, 1, "r1", (1, 3), "test", START)
    seen.append(fingerprint())
    with stocked.write() as session:
        registration.unregister(session, 1, "r1", "test", START)
    seen.append(fingerprint())
    assert len(set(seen)) == 4
    assert fingerprint() == seen[-1]


def test_old_rows_are_dropped_and_what_waits_is_kept(stocked: Database) -> None:
    with stocked.write() as session:
        hook = Webhook(
            tenant_id=1,
            url="https://hooks.example.com",
            sealed="plain:whsec_",
            events=[],
            enabled=True,
            failures=0,
            created_at=START,
        )
        session.add(hook)
        session.flush()
        for days in (0, 40):
            registered = Happening(1, EventType.CLIENT_REGISTERED, Severity.INFO, f"r{days}", {})
            add_rows(session, events.rows(session, [registered], START + timedelta(days)))
        for delivery, state in zip(
            session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.created_at)),
            (DeliveryState.DELIVERED, DeliveryState.PENDING),
            strict=True,
        ):
            delivery.state = state
        housekeeping.drop_old(session, START + timedelta(50), timedelta(days=30))
    with stocked.read() as session:
        assert session.scalars(select(Event.client_id)).all() == ["r40"]
        assert session.scalars(select(WebhookDelivery.state)).all() == [DeliveryState.PENDING]


def test_a_job_that_breaks_ends_the_worker_with_a_failure(database: Database) -> None:
    program = """
import sys
from ionmesh.services import housekeeping
del housekeeping.drop_old
from ionmesh.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "worker", "--database", url_of(database)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 1
    assert "the housekeeping thread died" in ended.stderr
