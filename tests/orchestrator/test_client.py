"""The client over hours of virtual time."""

import asyncio
import logging
from itertools import pairwise
from pathlib import Path

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.errors import OrchestratorError
from remsimd.events import LinkHealth, LinkHealthChanged
from remsimd.http import HttpAnswer
from remsimd.orchestrator.events import (
    Assigned,
    HeartbeatSent,
    IonmeshCallDone,
    IonmeshState,
    IonmeshStateChanged,
)
from remsimd.orchestrator.store import ASSIGNMENT_FILE
from tests.orchestrator.fake import (
    BEAT,
    CARD,
    FORGOTTEN,
    REFUSED_CONNECTION,
    REGISTERED,
    UNAUTHORIZED,
    FakeIonmesh,
    Router,
)
from tests.virtual import run

ASSIGNMENT = Assignment(
    client_id=1,
    client_slot=42,
    bank_id=1,
    slot_id=42,
    bankd=Endpoint("bankd1.example.com", 9999),
    iccid="8901260123456789012",
    imsi="310410123456789",
    mapping_mode="ONE_TO_ONE_SWSIM",
    version=1,
)
NO_SLOT = HttpAnswer(
    503,
    {
        "status": "error",
        "message": "No available slots",
        "code": "no_slot",
        "available_modes": ["ONE_TO_ONE_VSIM"],
    },
    {"retry-after": "90"},
)


def test_a_start(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path, mcc_mnc="310410", tenant_id=4)
    run(router.run_for(130))
    assert [event for _, event in router.events[:4]] == [
        IonmeshStateChanged(IonmeshState.CONNECTING, ""),
        IonmeshCallDone("register", 0.0, None),
        Assigned(ASSIGNMENT, "ionmesh"),
        IonmeshStateChanged(IonmeshState.REGISTERED, ""),
    ]
    assert router.states() == ["connecting", "registered"]
    assert ionmesh.bodies("register-client") == [
        {
            "client_id": "router-17-slot0",
            "mapping_mode": "ONE_TO_ONE_SWSIM",
            "mcc_mnc": "310410",
            "tenant_id": 4,
            "hardware_info": {"modem_model": "RM500Q-GL"},
            "software_version": "0.1.0",
        }
    ]
    assert ionmesh.times("heartbeat") == [2, 62, 122]
    assert ionmesh.bodies("heartbeat")[0] == {
        "client_id": "router-17-slot0",
        "status": "active",
        "tenant_id": 4,
        "stats": {"uptime_seconds": 5},
        "modem_info": {"vendor": "Quectel"},
        "assignment_version": 1,
    }
    assert router.of(HeartbeatSent) == [HeartbeatSent("secondary", 0.0)] * 3
    assert {call.interface for call in ionmesh.calls} == {"wwan1"}


@pytest.mark.parametrize(
    ("answered", "metered", "interval"),
    [
        ({}, False, 60),
        ({}, True, 600),
        ({"next_heartbeat_interval": 120}, True, 600),
        ({"next_heartbeat_interval": 900}, True, 900),
        ({"next_heartbeat_interval": 120}, False, 120),
        ({"next_heartbeat_interval": 1}, False, 10),
        ({"next_heartbeat_interval": 99999}, False, 3600),
    ],
)
def test_the_interval_over_a_day(
    tmp_path: Path, answered: dict[str, int], metered: bool, interval: int
) -> None:
    ionmesh = FakeIonmesh(heartbeat=[HttpAnswer(200, {"status": "ok", **answered})])
    router = Router(ionmesh, tmp_path)
    router.metered = metered
    run(router.run_for(86_400))
    beats = ionmesh.times("heartbeat")
    assert {round(later - earlier, 6) for earlier, later in pairwise(beats)} == {interval}
    assert ionmesh.times("register-client") == [0]


def test_a_restart_goes_on_with_the_same_card(tmp_path: Path) -> None:
    run(Router(FakeIonmesh(), tmp_path).run_for(10))
    away = FakeIonmesh(register=[REFUSED_CONNECTION] * 4 + [REGISTERED])
    router = Router(away, tmp_path)
    run(router.run_for(100))
    assert router.events[1] == (0.0, Assigned(ASSIGNMENT, "cache"))
    assert router.of(Assigned) == [Assigned(ASSIGNMENT, "cache")]
    assert away.times("register-client") == [0, 2, 6, 14, 30]
    assert router.states() == ["connecting", "unreachable", "registered"]


@pytest.mark.parametrize("change", [{"tenant_id": 2}, {"url": "https://ionmesh.example.com:5000/other"}])
def test_a_card_given_to_another_identity_is_not_used(tmp_path: Path, change: dict[str, object]) -> None:
    run(Router(FakeIonmesh(), tmp_path).run_for(10))
    router = Router(FakeIonmesh(register=[REFUSED_CONNECTION]), tmp_path, **change)
    run(router.run_for(10))
    assert router.of(Assigned) == []


def test_a_broken_memory_is_a_fresh_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ASSIGNMENT_FILE).write_text('{"format": 1, "owner"')
    router = Router(FakeIonmesh(), tmp_path)
    run(router.run_for(10))
    assert router.of(Assigned) == [Assigned(ASSIGNMENT, "ionmesh")]
    assert "cannot read" in caplog.text


def test_attempts_on_a_dead_server_slow_down_and_never_end(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(register=[REFUSED_CONNECTION])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(86_400))
    times = ionmesh.times("register-client")
    assert times[:9] == [0, 2, 6, 14, 30, 62, 126, 254, 404]
    assert len(times) == pytest.approx(86_400 / 150, abs=10)
    assert router.states() == ["connecting", "unreachable"]


def test_a_failure_is_warned_about_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(Router(FakeIonmesh(register=[REFUSED_CONNECTION]), tmp_path).run_for(3600))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1


def test_a_corrected_key_takes_effect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = tmp_path / "key"
    ionmesh = FakeIonmesh(register=[UNAUTHORIZED])
    router = Router(ionmesh, tmp_path, api_key_file=str(key))

    async def story() -> None:
        running = asyncio.create_task(router.run_for(1000))
        await asyncio.sleep(60)
        assert ionmesh.calls == []  # there is no file yet, and nothing is sent without a key
        key.write_text("wrong-key\n")
        await asyncio.sleep(60)
        assert ionmesh.times("register-client") != []
        key.write_text("right-key\n")
        ionmesh.register = [REGISTERED]
        await running

    run(story())
    assert router.states() == ["connecting", "refused", "refused", "registered"]
    keys = [call.headers["X-API-Key"] for call in ionmesh.calls]
    first_right = keys.index("right-key")
    assert set(keys[:first_right]) == {"wrong-key"}
    assert set(keys[first_right:]) == {"right-key"}
    assert "tenant_id" not in ionmesh.bodies("heartbeat")[0]
    for text in (caplog.text, repr(router.events)):
        assert "wrong-key" not in text
        assert "right-key" not in text


@pytest.mark.parametrize("content", ["", "two words", "k" * 257, "schlüssel", "a\nb"])
def test_a_file_without_a_key_is_said_so(tmp_path: Path, content: str) -> None:
    key = tmp_path / "key"
    key.write_text(content)
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path, api_key_file=str(key))
    run(router.run_for(5))
    assert router.states() == ["connecting", "refused"]
    assert ionmesh.calls == []
    detail = str(router.of(IonmeshStateChanged)[-1])
    assert "does not hold an API key" in detail
    assert not content or content not in detail


def test_a_refused_router_gets_well_by_itself(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(register=[*[UNAUTHORIZED] * 3, REGISTERED])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(300))
    assert ionmesh.times("register-client") == [0, 10, 30, 70]
    assert router.states() == ["connecting", "refused", "registered"]


def test_a_forgotten_router_registers_again_at_once(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[BEAT, FORGOTTEN, BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(100))
    assert ionmesh.times("register-client") == [0, 62]
    assert ionmesh.times("heartbeat") == [2, 62, 64]
    assert router.states() == ["connecting", "registered", "connecting", "registered"]
    assert router.of(Assigned) == [Assigned(ASSIGNMENT, "ionmesh")]


@pytest.mark.parametrize("reply", [FORGOTTEN, UNAUTHORIZED])
def test_registering_and_being_forgotten_is_no_fast_circle(tmp_path: Path, reply: HttpAnswer) -> None:
    ionmesh = FakeIonmesh(heartbeat=[reply])
    run(Router(ionmesh, tmp_path).run_for(600))
    assert ionmesh.times("register-client") == [62 * turn for turn in range(10)]


def test_no_free_card(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(register=[NO_SLOT, NO_SLOT, REGISTERED])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(300))
    assert ionmesh.times("register-client") == pytest.approx([0, 99, 198])
    assert router.states() == ["connecting", "no-slot", "registered"]
    assert "ONE_TO_ONE_VSIM" in str(router.of(IonmeshStateChanged)[1])


def test_a_card_in_use_is_kept_while_there_is_no_other(tmp_path: Path) -> None:
    run(Router(FakeIonmesh(), tmp_path).run_for(10))
    router = Router(FakeIonmesh(register=[NO_SLOT]), tmp_path)
    run(router.run_for(1000))
    assert router.of(Assigned) == [Assigned(ASSIGNMENT, "cache")]


def test_lost_heartbeats_need_no_registration(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[BEAT, *[REFUSED_CONNECTION] * 7, BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(400))
    assert ionmesh.times("heartbeat")[:9] == [2, 62, 64, 68, 76, 92, 124, 184, 244]
    assert ionmesh.times("register-client") == [0]
    assert router.states() == ["connecting", "registered", "unreachable", "registered"]


def test_a_call_over_a_link_that_is_lost_is_made_over_the_other(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)

    async def story() -> None:
        task = asyncio.create_task(router.client.run())
        await asyncio.sleep(61)
        ionmesh.dead.add("wwan1")
        await asyncio.sleep(2)
        router.device = "wwan0"
        router.client.take(LinkHealthChanged("secondary", LinkHealth.DOWN, "no carrier"))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])

    run(story())
    ways = [(call.at_s, call.path, call.interface) for call in ionmesh.calls[-2:]]
    assert ways == [(62, "heartbeat", "wwan1"), (63, "heartbeat", "wwan0")]
    assert router.states() == ["connecting", "registered"]


def test_a_client_that_is_stopped_does_not_ask_again(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(dead={"wwan1"})
    router = Router(ionmesh, tmp_path)

    async def story() -> None:
        task = asyncio.create_task(router.client.run())
        await asyncio.sleep(2)
        router.device = "wwan0"
        task.cancel()
        await asyncio.wait([task])

    run(story())
    assert [call.interface for call in ionmesh.calls] == ["wwan1"]


def test_the_orchestrator_may_give_another_card_or_take_it_away(tmp_path: Path) -> None:
    moved = HttpAnswer(200, {**BEAT.body, "assignment": {**CARD, "slot_id": 43, "assignment_version": 2}})
    taken = HttpAnswer(200, {**BEAT.body, "assignment": None})
    ionmesh = FakeIonmesh(heartbeat=[moved, BEAT, taken, BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(200))
    assigned = [event.assignment for event in router.of(Assigned) if isinstance(event, Assigned)]
    assert [card and card.slot_id for card in assigned] == [42, 43, None]
    versions = [body.get("assignment_version") for body in ionmesh.bodies("heartbeat")]
    assert versions == [1, 2, 2, None]
    assert not (tmp_path / ASSIGNMENT_FILE).exists()


def test_the_assignment_is_for_its_owner_only(tmp_path: Path) -> None:
    run(Router(FakeIonmesh(), tmp_path / "new").run_for(10))
    assert (tmp_path / "new" / ASSIGNMENT_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == [ASSIGNMENT_FILE]


def test_a_full_disk_does_not_stop_the_router(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    router = Router(FakeIonmesh(), tmp_path / "file")
    run(router.run_for(100))
    assert router.states() == ["connecting", "registered"]
    assert "cannot write" in caplog.text


def test_registering_again_on_request(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(register=[REGISTERED, UNAUTHORIZED, REGISTERED])
    router = Router(ionmesh, tmp_path)

    async def story() -> None:
        running = asyncio.create_task(router.run_for(1000))
        await asyncio.sleep(10)
        with pytest.raises(OrchestratorError, match="Unauthorized"):
            await router.client.reregister()
        await asyncio.sleep(5)
        await router.client.reregister()
        await running
        with pytest.raises(OrchestratorError, match="not running"):
            await router.client.reregister()

    run(story())
    assert ionmesh.times("register-client") == [0, 10, 15]


def test_a_request_ends_with_the_client(tmp_path: Path) -> None:
    router = Router(FakeIonmesh(register=[REFUSED_CONNECTION]), tmp_path)

    async def story() -> None:
        running = asyncio.create_task(router.client.run())
        await asyncio.sleep(1)
        asking = asyncio.create_task(router.client.reregister())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(OrchestratorError):
            await asking
        with pytest.raises(asyncio.CancelledError):
            await running

    run(story())


def test_a_clean_stop_gives_the_card_back(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh()
    router = Router(ionmesh, tmp_path)

    async def story() -> None:
        await router.run_for(10)
        assert await router.client.unregister(2.0)

    run(story())
    assert [(call.method, call.path) for call in ionmesh.calls][-1] == ("DELETE", "unregister")
    assert router.of(Assigned)[-1] == Assigned(None, "ionmesh")
    assert router.states()[-1] == "off"
    assert not (tmp_path / ASSIGNMENT_FILE).exists()


@pytest.mark.parametrize(("reply", "confirmed"), [(FORGOTTEN, True), (REFUSED_CONNECTION, False)])
def test_giving_back_what_is_gone_or_unreachable(
    tmp_path: Path, reply: HttpAnswer | OrchestratorError, confirmed: bool
) -> None:
    router = Router(FakeIonmesh(unregister=[reply]), tmp_path)

    async def story() -> None:
        await router.run_for(10)
        assert await router.client.unregister(2.0) is confirmed

    run(story())
    assert (tmp_path / ASSIGNMENT_FILE).exists() is not confirmed
