"""Recovery in virtual time: real events in, real remedies over fake hardware out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from modems.errors import PortGone, Unsupported
from remsimd import clock
from remsimd.bus import Bus, Stamped
from remsimd.config.model import GpioLine, ModemConfig, RecoveryConfig, SimSource
from remsimd.errors import GpioError, OrchestratorError
from remsimd.events import (
    Event,
    LinkHealth,
    LinkHealthChanged,
    ModemResetRefused,
    ModemResetting,
    RecoveryAction,
    RecoveryEnded,
    RecoveryStarted,
    SimSwitched,
    SimSwitching,
)
from remsimd.failover.recoverer import Recoverer
from remsimd.failover.remedies import RADIO_OFF_S, Remedies
from tests.virtual import run

UP, DOWN = LinkHealth.UP, LinkHealth.DOWN
RESET_LINE, POWER_LINE = GpioLine(name="reset1"), GpioLine(name="5g1")


@dataclass
class Hardware:
    """A modem, its lines, netifd, a slot and an orchestrator that note what is asked of them."""

    done: list[tuple[float, str]] = field(default_factory=list)
    refusal: Exception | None = None

    def note(self, what: str) -> None:
        self.done.append((clock.monotonic(), what))
        if self.refusal is not None:
            raise self.refusal

    async def set_radio(self, on: bool) -> None:
        self.note(f"radio {'on' if on else 'off'}")

    async def reset(self) -> None:
        self.note("reset")

    async def set(self, line: GpioLine, value: bool) -> None:
        self.note(f"{line} = {value:d}")

    async def get(self, line: GpioLine) -> bool:
        raise GpioError("not asked")

    async def close(self) -> None: ...

    async def redial(self, interface: str) -> None:
        self.note(f"ifup {interface}")

    async def other_slot(self) -> None:
        self.note("another slot")

    @property
    def said(self) -> list[str]:
        return [what for _, what in self.done]


def remedies(hardware: Hardware, *, full: bool = True, remote: bool = True) -> Remedies:
    config = ModemConfig(
        name="primary",
        interface="wan5g" if full else None,
        sim=SimSource.REMOTE if remote else SimSource.LOCAL,
        reset_line=RESET_LINE if full else None,
        reset_active_high=False,
        power_line=POWER_LINE if full else None,
    )
    return Remedies(
        config,
        radio=hardware,
        lines=hardware,
        redial=hardware.redial,
        local_card=(lambda: hardware.note("local card")) if full else None,
        remote_card=(lambda: hardware.note("remote card")) if full else None,
        other_slot=hardware.other_slot if full else None,
    )


def test_the_ladder_skips_what_the_hardware_lacks() -> None:
    assert remedies(Hardware(), remote=False).ladder == tuple(RecoveryAction)[:5]
    assert remedies(Hardware()).ladder[5:] == (
        *[RecoveryAction.CARD_AGAIN] * 3,
        RecoveryAction.LOCAL_CARD,
        RecoveryAction.OTHER_CARD,
    )
    bare = remedies(Hardware(), full=False, remote=False)
    assert bare.ladder == (RecoveryAction.RADIO_CYCLE, RecoveryAction.RESET)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (RecoveryAction.REDIAL, ["ifup wan5g"]),
        (RecoveryAction.RADIO_CYCLE, ["radio off", "radio on", "ifup wan5g"]),
        (RecoveryAction.RESET, ["reset"]),
        (RecoveryAction.RESET_LINE, ["reset1 = 0", "reset1 = 1"]),
        (RecoveryAction.POWER_CYCLE, ["5g1 = 0", "5g1 = 1"]),
        (RecoveryAction.CARD_AGAIN, ["radio off", "radio on", "ifup wan5g"]),
        (RecoveryAction.LOCAL_CARD, ["local card"]),
        (RecoveryAction.OTHER_CARD, ["another slot", "remote card"]),
    ],
)
def test_what_each_action_does(action: RecoveryAction, said: list[str]) -> None:
    hardware = Hardware()
    run(remedies(hardware).apply(action))
    assert hardware.said == said


def test_the_pauses_are_those_of_the_hardware() -> None:
    hardware = Hardware()
    run(remedies(hardware).apply(RecoveryAction.POWER_CYCLE))
    assert [at for at, _ in hardware.done] == [0.0, 2.0]
    hardware = Hardware()
    run(remedies(hardware).apply(RecoveryAction.RADIO_CYCLE))
    assert hardware.done[1][0] - hardware.done[0][0] == RADIO_OFF_S


@pytest.mark.parametrize(
    ("action", "last"), [(RecoveryAction.POWER_CYCLE, "5g1 = 1"), (RecoveryAction.RADIO_CYCLE, "radio on")]
)
def test_an_action_cut_short_leaves_the_modem_on(action: RecoveryAction, last: str) -> None:
    hardware = Hardware()

    async def story() -> None:
        task = asyncio.create_task(remedies(hardware).apply(action))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
    assert hardware.said[-1] == last


@dataclass
class Ward:
    """A Recoverer on a bus, and what was published."""

    bus: Bus
    recoverer: Recoverer
    heard: list[tuple[float, Event]] = field(default_factory=list)

    def link(self, health: LinkHealth, cause: str = "no answer", link: str = "primary") -> None:
        self.bus.publish(LinkHealthChanged(link, health, cause))

    def events(self, kind: type[Event]) -> list[Event]:
        return [event for _, event in self.heard if isinstance(event, kind)]


@contextlib.asynccontextmanager
async def ward(
    hardware: Hardware, health: LinkHealth = UP, modems: tuple[str, ...] = ("primary",)
) -> AsyncIterator[Ward]:
    bus = Bus()
    recoverer = Recoverer(
        RecoveryConfig(),
        {modem: remedies(hardware) for modem in modems},
        dict.fromkeys(modems, 1),
        bus=bus,
        health=lambda _: health,
    )
    here = Ward(bus, recoverer)

    def hear(stamped: Stamped) -> None:
        here.heard.append((stamped.mono_s, stamped.event))

    with bus.listen(hear):
        task = asyncio.create_task(recoverer.run())
        try:
            await asyncio.sleep(0)
            yield here
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_link_down_is_brought_back_with_its_story_told() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware) as here:
            here.link(DOWN)
            await asyncio.sleep(90)
            assert hardware.said == ["ifup wan5g", "radio off", "radio on", "ifup wan5g"]
            here.link(UP, "answers come back")
            await asyncio.sleep(1)
            started, ended = here.events(RecoveryStarted), here.events(RecoveryEnded)
            assert started[0] == RecoveryStarted("primary", RecoveryAction.REDIAL, "no answer")
            assert isinstance(ended[-1], RecoveryEnded)
            assert (ended[-1].action, ended[-1].ok) == (RecoveryAction.RADIO_CYCLE, True)
            await asyncio.sleep(3600)
            assert len(here.events(RecoveryStarted)) == 2

    run(story())


def test_the_local_card_is_a_stopgap_of_an_hour() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware) as here:
            here.link(DOWN)
            async with asyncio.timeout(3 * 3600):
                while "local card" not in hardware.said:
                    await asyncio.sleep(1)
            here.link(UP, "answers come back")
            await asyncio.sleep(3590)
            assert hardware.said[-1] == "local card"
            await asyncio.sleep(20)
            assert hardware.said[-1] == "remote card"

    run(story())


def test_a_link_found_down_at_the_start_counts_from_then_on() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware, DOWN):
            await asyncio.sleep(59)
            assert hardware.said == []
            await asyncio.sleep(2)
            assert hardware.said == ["ifup wan5g"]

    run(story())


@pytest.mark.parametrize(
    "refusal",
    [PortGone("ttyUSB2"), Unsupported("reset", "none"), GpioError("no line"), OrchestratorError("no")],
)
def test_refusals_are_told_and_the_hour_s_budget_is_kept(refusal: Exception) -> None:
    async def story() -> None:
        hardware = Hardware(refusal=refusal)
        async with ward(hardware) as here:
            here.link(DOWN)
            await asyncio.sleep(3000)
            ended = here.events(RecoveryEnded)
            assert len(ended) == RecoveryConfig().max_actions_per_hour
            assert all(isinstance(event, RecoveryEnded) and not event.ok for event in ended)
            assert isinstance(ended[0], RecoveryEnded)
            assert ended[0].detail == str(refusal)

    run(story())


def test_our_own_sim_switch_is_not_disturbed() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware) as here:
            here.link(DOWN)
            await asyncio.sleep(59)
            here.bus.publish(SimSwitching("primary", SimSource.LOCAL, "asked"))
            await asyncio.sleep(60)
            assert hardware.said == []
            here.bus.publish(SimSwitched("primary", SimSource.LOCAL, True, "asked", 60.0))
            await asyncio.sleep(1)
            assert hardware.said == ["ifup wan5g"]

    run(story())


def test_a_reset_that_was_refused_is_not_waited_for() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware) as here:
            here.link(DOWN)
            await asyncio.sleep(59)
            here.bus.publish(ModemResetting("primary", "asked for"))
            here.bus.publish(ModemResetRefused("primary", "not supported"))
            await asyncio.sleep(2)
            assert hardware.said == ["ifup wan5g"]

    run(story())


BOTH = ("primary", "secondary")


async def switch_sim(here: Ward, modem: str, took_s: float = 30.0) -> float:
    """A SIM switch as `remsimd.sim.slot` makes it; when it began."""
    async with here.recoverer.in_turn(modem):
        began_s = clock.monotonic()
        here.bus.publish(SimSwitching(modem, SimSource.LOCAL, "asked"))
    await asyncio.sleep(took_s)
    here.bus.publish(SimSwitched(modem, SimSource.LOCAL, True, "asked", took_s))
    return began_s


def test_a_sim_switch_waits_until_the_other_modem_s_recovery_has_settled() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware, modems=BOTH) as here:
            here.link(DOWN, link="secondary")
            await asyncio.sleep(61)
            began_s = await switch_sim(here, "primary")
            assert began_s == 80.0, "20 s are the time of a dial to show"
            await asyncio.sleep(1)
            starts = [at for at, event in here.heard if isinstance(event, RecoveryStarted)]
            assert starts == [60.0, 110.0], "and the ladder waits for the switch"

    run(story())


def test_a_sim_switch_of_the_modem_under_treatment_is_part_of_it() -> None:
    async def story() -> None:
        async with ward(Hardware(), modems=BOTH) as here:
            here.link(DOWN, link="secondary")
            await asyncio.sleep(61)
            assert await switch_sim(here, "secondary", 1.0) == 61.0

    run(story())


def test_a_sim_switch_does_not_wait_for_a_recovery_that_was_stopped() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware, modems=BOTH) as here:
            here.link(DOWN, link="secondary")
            await asyncio.sleep(61)
            waiting = asyncio.create_task(switch_sim(here, "primary"))
            await asyncio.sleep(1)
        async with asyncio.timeout(60):
            assert await waiting == 62.0
        assert hardware.said == ["ifup wan5g"], "and nothing is begun that nobody carries out"

    run(story())


def test_a_recovery_that_runs_again_is_not_stuck_in_the_treatment_before() -> None:
    async def story() -> None:
        hardware = Hardware()
        async with ward(hardware) as here:
            here.link(DOWN)
            await asyncio.sleep(81)
            assert hardware.said[-1] == "radio off", "it is stopped in the middle of an action"
        task = asyncio.create_task(here.recoverer.run())
        await asyncio.sleep(1)
        here.link(DOWN)
        await asyncio.sleep(61)
        assert hardware.said[-2:] == ["radio on", "reset"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
