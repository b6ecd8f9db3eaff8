"""Liveness: what timestamps mean, and what the sweep does about it."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from ionmesh.db import Database
from ionmesh.models import AuditEntry, ClientState, Connectivity, Tenant
from ionmesh.services import liveness
from ionmesh.services.liveness import LeaseClass, LivenessPolicy, judge, offline_after
from ionmesh.sweep import Sweeper
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_key
from tests.ionmesh.services.fleet import add_clients

SILENCE = timedelta(seconds=300)
DAY = 86_400


def sweep(database: Database, clock: ManualClock) -> int:
    with database.write() as session:
        return liveness.sweep(session, clock(), SILENCE)


@given(
    st.integers(-1000, 10**7),
    st.integers(1, 10**5),
    st.none() | st.integers(0, 10**6),
)
def test_judgement(silent_s: int, offline_s: int, release_s: int | None) -> None:
    policy = LivenessPolicy(
        timedelta(seconds=offline_s), None if release_s is None else timedelta(seconds=release_s)
    )
    verdict = judge(START, START + timedelta(seconds=silent_s), policy)
    assert verdict.lease is LeaseClass.HEARTBEAT
    assert (verdict.connectivity is Connectivity.ONLINE) == (silent_s < offline_s)
    if verdict.release:
        assert release_s is not None
        assert silent_s >= max(release_s, offline_s)
    elif release_s is not None:
        assert silent_s < max(release_s, offline_s)


@given(st.integers(0, 10**9))
def test_a_client_that_never_heartbeated_is_never_released(age_s: int) -> None:
    policy = LivenessPolicy(timedelta(seconds=1), timedelta(seconds=1))
    verdict = judge(None, START + timedelta(seconds=age_s), policy)
    assert (verdict.connectivity, verdict.release) == (Connectivity.UNKNOWN, False)


def test_long_intervals_stretch_the_silence() -> None:
    assert offline_after(300, 60) == timedelta(seconds=300)
    assert offline_after(300, 600) == timedelta(seconds=1800)


def test_a_client_that_heartbeats_rarely_is_given_three_of_its_intervals(
    router: Router, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    router.heartbeat(interval=600)

    def connectivity() -> Connectivity:
        sweep(stocked, clock)
        with stocked.read() as session:
            return session.scalars(select(ClientState.connectivity)).one()

    clock.advance(1799)
    assert connectivity() is Connectivity.ONLINE
    clock.advance(1)
    assert connectivity() is Connectivity.OFFLINE


def test_a_longer_interval_brings_no_silent_client_back(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    router.heartbeat()
    clock.advance(300)
    sweep(stocked, clock)
    assert admin.patch("clients/router-1-slot0", {"heartbeat_interval_s": 900}).status_code == 200
    clock.advance(15)
    sweep(stocked, clock)
    assert admin.get("clients/router-1-slot0").json["client"]["connectivity"] == "offline"
    with stocked.read() as session:
        told = session.scalars(select(AuditEntry.action).where(AuditEntry.actor == "sweeper")).all()
    assert told == ["client_offline"]


def test_offline_at_300_s_told_once_and_back(
    router: Router, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    def connectivity() -> str:
        return str(admin.get("clients/router-1-slot0").json["client"]["connectivity"])

    router.register()
    assert connectivity() == "unknown"
    router.heartbeat()
    clock.advance(299)
    sweep(stocked, clock)
    assert connectivity() == "online"
    clock.advance(1)
    for _ in range(3):
        assert sweep(stocked, clock) == 0
    assert connectivity() == "offline"
    router.heartbeat()
    assert connectivity() == "online"
    with stocked.read() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert actions.count("client_offline") == actions.count("client_recovered") == 1


def test_grace_ends_the_lease_and_the_slot_rests(
    http: FlaskClient, router: Router, stocked: Database, clock: ManualClock
) -> None:
    router.register()
    router.heartbeat()
    for other in ("b", "c"):
        Router(http, add_key(stocked), other).register()
    clock.advance(DAY)
    assert sweep(stocked, clock) == 1
    assert router.heartbeat().status_code == 404
    assert router.register().status_code == 503, "the only free slot rests"
    clock.advance(600)
    back = router.register().json
    assert (back["slot_id"], back["assignment_version"]) == (1, 2)


def test_registration_only_clients_and_tenants_without_grace_keep_their_slots(
    http: FlaskClient, router: Router, stocked: Database, clock: ManualClock
) -> None:
    with stocked.write() as session:
        session.get_one(Tenant, 1).release_grace_s = None
    router.register()
    router.heartbeat()
    quiet = Router(http, add_key(stocked), "quiet")
    quiet.register()
    clock.advance(1000 * DAY)
    assert sweep(stocked, clock) == 0
    with stocked.write() as session:
        session.get_one(Tenant, 1).release_grace_s = 1
    assert sweep(stocked, clock) == 1, "only the one that heartbeated"
    assert quiet.unregister().status_code == 200


def test_the_silence_of_many_is_swept_in_a_handful_of_statements(
    admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    admin.post("webhooks", {"url": "https://hooks.example.com/"})
    with stocked.write() as session:
        add_clients(session, 1, 60, START)
    clock.advance(300)
    selects: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        selects.append(statement) if statement.startswith("SELECT") else None

    with stocked.write() as session:
        event.listen(stocked._writing_engine, "before_cursor_execute", note)
        assert liveness.sweep(session, clock(), SILENCE) == 0
    # The silent ones, and the webhooks that are told of them.
    assert len(selects) <= 2
    assert admin.get("audit-log?action=client_offline").json["total"] == 60
    assert len(admin.get("webhooks/1/deliveries").json["deliveries"]) == 60


def test_sweeper_tells_when_slots_came_free(router: Router, stocked: Database, clock: ManualClock) -> None:
    told: list[bool] = []
    sweeper = Sweeper(stocked, SILENCE, clock, lambda: told.append(True))
    router.register()
    router.heartbeat()
    assert sweeper.run()
    clock.advance(DAY)
    assert sweeper.run()
    assert told == [True]
