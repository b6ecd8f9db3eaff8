"""The jobs together: from a report to a message in a browser, and what happens while the database is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.jobs import Jobs
from ionmesh.models import Bank
from ionmesh.services import series
from ionmesh.services.series import Series
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_bank
from tests.ionmesh.remsim import FakeRemsimServer
from tests.ionmesh.services.browser import Browser

DEADLINE_S = 20


@pytest.fixture
def config() -> Config:
    return Config(private_webhooks=1)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def test_a_report_becomes_a_sample_and_an_alert_a_message(
    router: Router, admin: Admin, stocked: Database, config: Config, clock: ManualClock, browser: Browser
) -> None:
    router.register()
    router.heartbeat(stats={"signal_rsrp": -98})
    admin.post("push/subscriptions", browser.subscription())
    admin.post("alerts/rules", {"name": "bank", "kind": "bank_down", "severity": "critical"})
    with stocked.write() as session:
        session.execute(update(Bank).values(bankd_connected=False))
    died = threading.Event()
    jobs = Jobs(stocked, config, died.set, clock)
    jobs.start()
    try:
        assert browser.arrived.wait(DEADLINE_S)
        points = recorded(stocked)
        while not points.times_s:
            assert not died.wait(0.05)
            points = recorded(stocked)
    finally:
        jobs.stop(DEADLINE_S)
    assert browser.message()["kind"] == "bank_down"
    assert points.values["rsrp_dbm"] == [-98]
    assert not died.is_set()


@pytest.mark.parametrize("allowed", [1, 0])
def test_whether_banks_on_this_machine_are_called_is_a_setting(
    stocked: Database, remsim: FakeRemsimServer, clock: ManualClock, allowed: int
) -> None:
    add_bank(stocked, 2, url=remsim.url)
    jobs = Jobs(stocked, Config(loopback_banks=allowed), lambda: None, clock)
    jobs.start()
    try:
        assert jobs.slot_maps.wake(DEADLINE_S) is bool(allowed)
    finally:
        jobs.stop(DEADLINE_S)
    assert bool(remsim.requests) is bool(allowed)


def recorded(database: Database) -> Series:
    until = START.replace(hour=1)
    with database.read() as session:
        return series.read(session, 1, "router-1-slot0", ["rsrp_dbm"], START, until)


def test_an_absence_of_the_database_is_warned_of_once(
    stocked: Database, config: Config, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> bool:
        raise OperationalError("SELECT 1", None, Exception("server closed the connection"))

    jobs = Jobs(stocked, config, lambda: None, clock)
    run = jobs._alone("alerts", away)
    with caplog.at_level(logging.DEBUG, "ionmesh.jobs"):
        assert [run(), run(), run()] == [False] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "DEBUG"]
    assert "the job alerts is not done" in caplog.messages[0]
