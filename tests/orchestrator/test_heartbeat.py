"""What a heartbeat says, what it leaves out, and when it goes out before its time."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.facts import Identity, Signal
from remsimd.bus import Bus
from remsimd.config.load import parse
from remsimd.config.model import SimSource
from remsimd.events import (
    ActiveLinkChanged,
    Event,
    LinkHealth,
    LinkHealthChanged,
    ModemFound,
    ModemIdentified,
    SignalRead,
    SimSwitched,
    TrafficRead,
)
from remsimd.http import HttpAnswer
from remsimd.observe import heartbeat as report
from remsimd.observe.eventlog import EventLog
from remsimd.orchestrator.heartbeat import Happened
from remsimd.orchestrator.policy import HURRY_FLOOR_S, Hurry, is_news
from remsimd.state import start
from remsimd.store import Store
from tests.orchestrator.fake import BEAT, FORGOTTEN, FakeIonmesh, Router
from tests.virtual import run

FAILOVER = ActiveLinkChanged("primary", "secondary", "no answer", 0.4)
SWITCHED = SimSwitched("primary", SimSource.REMOTE, ok=True, cause="assigned", took_s=12.0)
CONFIG = """
config modem 'primary'
	option interface 'wwan0'
	list match 'usb:1-1'
config modem 'secondary'
	option role 'secondary'
	option interface 'wwan1'
	list match 'usb:1-2'
"""


def keys(ionmesh: FakeIonmesh) -> list[set[str]]:
    return [set(body) & {"stats", "modem_info", "links", "events"} for body in ionmesh.bodies("heartbeat")]


def test_what_did_not_change_is_said_once(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)
    router.links = {"primary": {"health": "up"}}
    run(router.run_for(60 * 40))
    assert keys(ionmesh)[0] == {"stats", "modem_info", "links"}
    assert keys(ionmesh)[1:36] == [{"stats"}] * 35
    assert keys(ionmesh)[36] == {"stats", "modem_info", "links"}


def test_what_changed_is_said_again_and_what_was_lost_too(tmp_path: Path) -> None:
    lost = HttpAnswer(500, {})
    ionmesh = FakeIonmesh(heartbeat=[BEAT, lost, BEAT])
    router = Router(ionmesh, tmp_path)

    def then(seq: int) -> Happened:
        router.links = {"primary": {"health": "down"}} if len(ionmesh.times("heartbeat")) else {}
        return Happened()

    router.happened = then
    run(router.run_for(190))
    assert [("links" in beat) for beat in keys(ionmesh)] == [False, True, True, False, False]


def test_after_a_registration_everything_is_said_again(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[BEAT, BEAT, FORGOTTEN, BEAT])
    router = Router(ionmesh, tmp_path)
    router.links = {"primary": {"health": "up"}}
    run(router.run_for(200))
    assert [("links" in beat) for beat in keys(ionmesh)] == [True, False, False, True, False]


def test_events_are_told_until_they_are_heard(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[HttpAnswer(500, {}), BEAT])
    router = Router(ionmesh, tmp_path)
    asked: list[int] = []

    def happened(after_seq: int) -> Happened:
        asked.append(after_seq)
        return Happened(({"kind": "failover"},), 3, 17) if after_seq < 17 else Happened(last_seq=17)

    router.happened = happened
    run(router.run_for(130))
    bodies = ionmesh.bodies("heartbeat")
    assert asked == [0, 0, 17, 17][: len(asked)]
    assert [body.get("events_left_out") for body in bodies][:3] == [3, 3, None]
    assert bodies[1]["events"] == [{"kind": "failover"}]


def test_where_bytes_cost_money_figures_come_with_every_sixth(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)
    router.metered = True
    run(router.run_for(600 * 12 + 10))
    assert [("stats" in beat) for beat in keys(ionmesh)] == [n % 6 == 0 for n in range(13)]


def test_an_interval_of_our_own_is_said_once(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)
    router.metered = True
    run(router.run_for(2000))
    assert [body.get("interval") for body in ionmesh.bodies("heartbeat")] == [600, None, None, None]
    usual = FakeIonmesh()
    run(Router(usual, tmp_path).run_for(200))
    assert [body.get("interval") for body in usual.bodies("heartbeat")] == [None] * 4


@pytest.mark.parametrize("event", [FAILOVER, SWITCHED])
def test_a_change_of_state_is_told_at_once(tmp_path: Path, event: Event) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)
    router.metered = True
    run(told_at(router, [(300.0, event)], 700.0))
    assert ionmesh.times("heartbeat") == [2, 300]


def test_a_change_right_after_a_heartbeat_waits_for_the_floor(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)
    router.metered = True
    run(told_at(router, [(3.0, FAILOVER)], 100.0))
    assert ionmesh.times("heartbeat") == [2, 2 + HURRY_FLOOR_S]


def test_other_events_are_no_news() -> None:
    assert not is_news(ActiveLinkChanged(None, "primary", "start", 0.0))
    assert not is_news(LinkHealthChanged("primary", LinkHealth.DOWN, "x"))


def test_a_failover_has_an_unreachable_orchestrator_tried_at_once(tmp_path: Path) -> None:
    gone = HttpAnswer(500, {})
    ionmesh = FakeIonmesh(register=[gone])
    router = Router(ionmesh, tmp_path)
    quiet = FakeIonmesh(register=[gone])
    run(told_at(router, [(1000.0, FAILOVER)], 1001.0))
    run(Router(quiet, tmp_path).run_for(1001.0))
    assert ionmesh.times("register-client")[-1] == 1000.0
    assert quiet.times("register-client")[-1] < 1000.0


def test_one_failover_does_not_end_the_backoff(tmp_path: Path) -> None:
    gone = HttpAnswer(500, {})
    ionmesh, quiet = FakeIonmesh(register=[gone]), FakeIonmesh(register=[gone])
    run(told_at(Router(ionmesh, tmp_path), [(1000.0, FAILOVER)], 86_400.0))
    run(Router(quiet, tmp_path).run_for(86_400.0))
    assert len(ionmesh.calls) <= len(quiet.calls) + 2


def test_a_flapping_link_is_no_storm(tmp_path: Path) -> None:
    """A flap every 5 s for a day: 17,280 events, and little more than the heartbeats of a quiet day."""
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)
    router.metered = True
    flaps = [(5.0 * number, FAILOVER) for number in range(1, 17_280)]
    run(told_at(router, flaps, 86_400))
    beats = ionmesh.times("heartbeat")
    assert 144 <= len(beats) <= 144 + 10
    assert min(later - earlier for earlier, later in pairwise(beats)) >= HURRY_FLOOR_S


@given(st.lists(st.floats(0.1, 7200), min_size=1, max_size=200), st.floats(10, 3600))
def test_hurry_keeps_its_floor(gaps_s: list[float], interval_s: float) -> None:
    hurry, now_s, told = Hurry(), 0.0, []
    for gap_s in gaps_s:
        now_s = max(now_s + gap_s, hurry.earliest_s(now_s, now_s))
        hurry = hurry.told(now_s, interval_s)
        told.append(now_s)
        assert hurry.floor_s is not None
        assert HURRY_FLOOR_S <= hurry.floor_s <= max(interval_s, HURRY_FLOOR_S)
    assert all(later - earlier >= HURRY_FLOOR_S * 0.999 for earlier, later in pairwise(told))


async def told_at(router: Router, events: list[tuple[float, Event]], until_s: float) -> None:
    """Run the client and hand it events at their times."""
    running = asyncio.create_task(router.run_for(until_s))
    started_s = asyncio.get_running_loop().time()
    for at_s, event in events:
        delay_s = started_s + at_s - asyncio.get_running_loop().time()
        if at_s >= until_s:
            break
        await asyncio.sleep(delay_s)
        router.client.take(event)
    await running


def told_about(*events: Event) -> tuple[Store, EventLog]:
    store, eventlog, bus = Store(start(parse(CONFIG, "test"), 0.0)), EventLog(), Bus()

    async def publish() -> None:
        with bus.listen(store.take), bus.listen(eventlog.take):
            for event in events:
                bus.publish(event)

    run(publish())
    return store, eventlog


def test_links_from_the_state() -> None:
    store, _ = told_about(
        ModemFound("primary", "/dev/ttyUSB2"),
        LinkHealthChanged("primary", LinkHealth.UP, "answers"),
        ActiveLinkChanged(None, "primary", "start", 0.0),
    )
    assert report.links(store.now) == {
        "primary": {
            "role": "primary",
            "interface": "wwan0",
            "health": "up",
            "active": True,
            "present": True,
            "registered": False,
        },
        "secondary": {
            "role": "secondary",
            "interface": "wwan1",
            "health": "unknown",
            "active": False,
            "present": False,
            "registered": False,
        },
    }


def test_stats_and_modem_info_from_the_state() -> None:
    store, _ = told_about(
        SignalRead("primary", Signal(rssi_dbm=-71.0, rsrp_dbm=-101.4)),
        SignalRead("secondary", Signal(rsrp_dbm=-112.0)),
        TrafficRead("primary", 5, 7),
        ModemIdentified("primary", "quectel", Identity("Quectel", "RM500Q-GL", "A11", "867123456789012")),
    )
    stats = report.stats(store.now)
    assert (stats["signal_rssi"], stats["signal_rsrp"], stats["data_tx_bytes"]) == (-71, -101, 7)
    assert stats["modems"] == [{"name": "secondary", "rsrp": -112}]
    assert report.modem_info(store.now)["model"] == "RM500Q-GL"


def test_happened_tells_what_an_operator_wants_to_see_and_no_more() -> None:
    flaps: list[Event] = [FAILOVER, ActiveLinkChanged("secondary", "primary", "x" * 500, 0.1)] * 10
    _, eventlog = told_about(ModemFound("primary", "/dev/ttyUSB2"), SWITCHED, *flaps)
    found = report.happened(eventlog, 0)
    assert (len(found.events), found.left_out) == (report.MAX_EVENTS, 21 - report.MAX_EVENTS)
    assert {event["kind"] for event in found.events} == {"failover"}
    assert all(len(event["text"]) <= report.EVENT_CHARS for event in found.events)
    later = report.happened(eventlog, found.last_seq)
    assert later == Happened((), 0, found.last_seq)
    only: Any = report.happened(eventlog, found.last_seq - 1)
    assert len(only.events) == 1
