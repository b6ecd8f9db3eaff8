"""The engine over fakes in virtual time: who is told what, when, and in which order."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from modems.facts import Registration, RegistrationState
from remsimd.bus import Bus, Stamped
from remsimd.config.model import FailoverConfig, SecondaryCarries, SimSource
from remsimd.errors import ControlError, RouteError
from remsimd.events import (
    ActiveLinkChanged,
    Event,
    LinkHealth,
    LinkHealthChanged,
    ModemFound,
    ModemGone,
    ModemResetRefused,
    ModemResetting,
    RegistrationRead,
    SimSwitched,
    SimSwitching,
)
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.links import Hop, LinkFacts
from remsimd.orchestrator.events import HeartbeatSent
from tests.failover.fakes import FakeAir, FakeKernel, FakeRouting, facts
from tests.virtual import run

LINKS = (LinkConfig("primary", "wwan0", 2), LinkConfig("secondary", "wwan1", 1, metered=True))
GONE = LinkFacts("wwan0", 100, present=False)


async def nobody(_: str) -> str | None:
    return None


class Router:
    """An engine with everything around it faked, and what it published."""

    def __init__(
        self,
        config: FailoverConfig | None = None,
        links: tuple[LinkConfig, ...] = LINKS,
        *,
        resolve: Callable[[str], Awaitable[str | None]] = nobody,
    ) -> None:
        self.bus = Bus()
        self.air, self.routing = FakeAir(), FakeRouting()
        self.kernel = FakeKernel(facts("wwan0", 0), facts("wwan1", 1))
        self.heard: list[Stamped] = []
        self.engine = FailoverEngine(
            config or FailoverConfig(),
            links,
            routing=self.routing,
            prober=self.air,
            netlink=self.kernel,
            publish=self.bus.publish,
            resolve=resolve,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with self.bus.listen(self.heard.append), self.bus.listen(self.engine.on_event):
            task = asyncio.create_task(self.engine.run())
            try:
                yield
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def events(self, kind: type[Event]) -> list[Any]:
        return [stamped.event for stamped in self.heard if isinstance(stamped.event, kind)]

    @property
    def ways(self) -> list[str | None]:
        return [event.active for event in self.events(ActiveLinkChanged)]


def registration(modem: str, state: RegistrationState) -> RegistrationRead:
    return RegistrationRead(modem, Registration(state))


def story(router: Router, tell: Callable[[Router], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with router.running():
            await asyncio.sleep(1)
            await tell(router)

    run(whole())


def test_starts_on_the_preferred_link_and_leaves_nothing_behind() -> None:
    router = Router()

    async def tell(router: Router) -> None:
        assert router.engine.health("primary") is LinkHealth.UP
        assert router.engine.device("primary") == "wwan0"

    story(router, tell)
    assert router.routing.done == ["install", "move wwan0", "remove"]
    assert router.ways == ["primary"]


@pytest.mark.parametrize(
    "fault",
    [
        lambda router: router.kernel.say(facts("wwan0", 0, carrier=False)),
        lambda router: router.kernel.say(facts("wwan0", 0, address=False)),
        lambda router: router.kernel.say(GONE),
        lambda router: router.bus.publish(ModemGone("primary", "unplugged")),
        lambda router: router.bus.publish(registration("primary", RegistrationState.SEARCHING)),
        lambda router: router.bus.publish(SimSwitching("primary", SimSource.LOCAL, "asked")),
    ],
)
def test_hard_evidence_moves_the_data_without_waiting(fault: Callable[[Router], None]) -> None:
    async def tell(router: Router) -> None:
        before = asyncio.get_running_loop().time()
        fault(router)
        for _ in range(10):
            await asyncio.sleep(0)
        assert router.ways[-1] == "secondary"
        assert asyncio.get_running_loop().time() == before
        assert router.routing.done[-2:] == ["move wwan1", "flush wwan0"]
        assert router.events(ActiveLinkChanged)[-1].took_s == 0.0

    story(Router(), tell)


def test_a_black_hole_is_left_and_returned_from() -> None:
    async def tell(router: Router) -> None:
        router.air.dead.add("wwan0")
        await asyncio.sleep(9)
        assert router.ways == ["primary", "secondary"]
        router.air.dead.clear()
        await asyncio.sleep(60)
        assert router.ways == ["primary", "secondary"]
        await asyncio.sleep(10)
        assert router.ways == ["primary", "secondary", "primary"]

    router = Router()
    story(router, tell)
    healths = [event.health for event in router.events(LinkHealthChanged) if event.link == "primary"]
    assert healths == [LinkHealth.UP, LinkHealth.SUSPECT, LinkHealth.DOWN, LinkHealth.UP]


def test_registration_that_nobody_can_read_is_no_objection() -> None:
    async def tell(router: Router) -> None:
        router.bus.publish(registration("primary", RegistrationState.UNKNOWN))
        router.bus.publish(ModemFound("primary", "/dev/ttyUSB2"))
        await asyncio.sleep(30)
        assert router.engine.health("primary") is LinkHealth.UP

    story(Router(), tell)


def test_a_sim_switch_holds_the_link_until_it_ended() -> None:
    async def tell(router: Router) -> None:
        router.bus.publish(SimSwitching("primary", SimSource.REMOTE, "asked"))
        router.bus.publish(ModemGone("primary", "re-enumerates"))
        assert router.engine.health("primary") is LinkHealth.UNKNOWN
        asked = len(router.air.asked)
        router.bus.publish(ModemFound("primary", "/dev/ttyUSB5"))
        router.bus.publish(SimSwitched("primary", SimSource.REMOTE, True, "asked", 12.0))
        await asyncio.sleep(6)
        assert len(router.air.asked) > asked
        assert router.engine.health("primary") is LinkHealth.UP

    story(Router(), tell)


def test_a_sim_switch_that_never_ends_is_given_up() -> None:
    async def tell(router: Router) -> None:
        router.bus.publish(SimSwitching("primary", SimSource.REMOTE, "asked"))
        await asyncio.sleep(119)
        assert router.engine.health("primary") is LinkHealth.UNKNOWN
        await asyncio.sleep(8)
        assert router.engine.health("primary") is LinkHealth.UP

    story(Router(), tell)


def test_a_sim_switch_costs_no_hold_down() -> None:
    async def tell(router: Router) -> None:
        router.bus.publish(SimSwitching("primary", SimSource.REMOTE, "asked"))
        await asyncio.sleep(1)
        assert router.ways == ["primary", "secondary"]
        router.bus.publish(registration("primary", RegistrationState.SEARCHING))
        router.bus.publish(SimSwitched("primary", SimSource.REMOTE, True, "asked", 12.0))
        router.bus.publish(registration("primary", RegistrationState.HOME))
        await asyncio.sleep(6)
        assert router.ways == ["primary", "secondary", "primary"]

    story(Router(), tell)


def test_a_reset_asked_for_holds_the_link_until_the_modem_is_back() -> None:
    async def tell(router: Router) -> None:
        router.bus.publish(ModemResetting("primary", "asked for"))
        router.bus.publish(ModemGone("primary", "re-enumerates"))
        assert router.engine.health("primary") is LinkHealth.UNKNOWN
        await asyncio.sleep(20)
        router.bus.publish(ModemFound("primary", "/dev/ttyUSB5"))
        await asyncio.sleep(6)
        assert router.ways == ["primary", "secondary", "primary"]

    story(Router(), tell)


def test_a_reset_that_was_refused_holds_nothing() -> None:
    async def tell(router: Router) -> None:
        await asyncio.sleep(10)
        router.bus.publish(ModemResetting("primary", "asked for"))
        router.bus.publish(ModemResetRefused("primary", "not supported"))
        await asyncio.sleep(6)
        assert router.engine.health("primary") is LinkHealth.UP
        assert router.ways[-1] == "primary"

    story(Router(), tell)


def test_a_link_that_stands_by_is_asked_when_the_active_one_is_suspicious() -> None:
    async def tell(router: Router) -> None:
        await asyncio.sleep(20)
        before = [at for at, device in router.air.asked if device == "wwan1"]
        router.air.dead.add("wwan0")
        await asyncio.sleep(9)
        assert router.ways == ["primary", "secondary"]
        since = [at for at, device in router.air.asked if device == "wwan1" and at > before[-1]]
        assert len(before) == 1
        assert since

    story(Router(), tell)


class Refusing:
    """A netlink that the kernel refuses."""

    async def watch(self) -> AsyncGenerator[tuple[LinkFacts, ...], None]:
        raise RouteError("netlink: Operation not permitted")
        yield ()


def test_a_refusal_of_the_kernel_ends_the_engine_in_its_own_words() -> None:
    router = Router()
    router.engine = FailoverEngine(
        FailoverConfig(),
        LINKS,
        routing=router.routing,
        prober=router.air,
        netlink=Refusing(),
        publish=router.bus.publish,
        resolve=nobody,
    )
    with pytest.raises(RouteError, match=r"^netlink: Operation not permitted$"):
        run(router.engine.run())
    assert router.routing.done[-1] == "remove"


def test_the_link_behind_a_device() -> None:
    async def tell(router: Router) -> None:
        assert router.engine.link_of("wwan1") == "secondary"
        assert router.engine.link_of("eth0") is None
        assert router.engine.link_of(None) is None

    story(Router(), tell)


def test_heartbeats_are_rounds() -> None:
    async def tell(router: Router) -> None:
        router.air.dead.add("wwan1")
        for _ in range(20):
            router.bus.publish(HeartbeatSent("secondary", 0.2))
            await asyncio.sleep(1)
        assert router.engine.health("secondary") is not LinkHealth.DOWN
        router.bus.publish(HeartbeatSent(None, 0.2))
        await asyncio.sleep(130)
        assert router.engine.health("secondary") is LinkHealth.DOWN

    story(Router(), tell)


def test_a_refused_move_is_tried_again_until_it_works() -> None:
    router = Router()
    router.routing.refusal = "ip: Network is unreachable"

    async def tell(router: Router) -> None:
        await asyncio.sleep(10)
        assert router.ways == []
        assert router.engine.explain()["route_error"] == "ip: Network is unreachable"
        with pytest.raises(ControlError, match="unreachable"):
            await router.engine.to("secondary")
        router.routing.refusal = None
        await asyncio.sleep(30)
        assert router.ways == ["secondary"]
        assert router.engine.explain()["route_error"] is None

    story(router, tell)


def test_a_route_the_kernel_dropped_is_put_back() -> None:
    async def tell(router: Router) -> None:
        router.kernel.say(replace(facts("wwan1", 1), present=False))
        await asyncio.sleep(1)
        router.kernel.say(facts("wwan0", 0, carrier=False))
        await asyncio.sleep(1)
        router.kernel.say(facts("wwan0", 0))
        await asyncio.sleep(1)
        assert router.routing.done == ["install", "move wwan0", "move wwan0"]
        assert router.ways == ["primary"]

    story(Router(), tell)


def test_a_new_gateway_is_followed() -> None:
    async def tell(router: Router) -> None:
        router.kernel.say(replace(facts("wwan0", 0), ipv4=Hop("10.64.0.9")))
        await asyncio.sleep(1)
        assert router.routing.routes[-1].ipv4 == Hop("10.64.0.9")
        assert router.ways == ["primary"]

    story(Router(), tell)


@pytest.mark.parametrize(
    ("carries", "forwards"),
    [(SecondaryCarries.AUTO, False), (SecondaryCarries.MANAGEMENT, False), (SecondaryCarries.ALL, True)],
)
def test_what_may_use_the_metered_secondary(carries: SecondaryCarries, forwards: bool) -> None:
    async def tell(router: Router) -> None:
        assert router.routing.routes[-1].forwards
        router.kernel.say(GONE)
        await asyncio.sleep(1)
        assert router.routing.routes[-1].device == "wwan1"
        assert router.routing.routes[-1].forwards is forwards

    story(Router(FailoverConfig(secondary_carries=carries)), tell)


def test_the_operator_is_answered_when_the_data_has_moved() -> None:
    async def tell(router: Router) -> None:
        await router.engine.to("secondary")
        assert router.ways == ["primary", "secondary"]
        assert router.engine.explain()["pinned"] == "secondary"
        await router.engine.auto()
        assert router.ways == ["primary", "secondary", "primary"]
        with pytest.raises(ControlError, match="no link 'tertiary', only primary, secondary"):
            await router.engine.to("tertiary")

    story(Router(), tell)


def test_links_without_a_device_follow_the_modem_alone() -> None:
    router = Router(links=tuple(replace(link, interface=None) for link in LINKS))

    async def tell(router: Router) -> None:
        assert router.ways == []
        for modem in ("primary", "secondary"):
            router.bus.publish(registration(modem, RegistrationState.HOME))
        await asyncio.sleep(1)
        router.bus.publish(registration("primary", RegistrationState.DENIED))
        await asyncio.sleep(1)
        assert router.ways == ["primary", "secondary"]
        assert router.engine.device("primary") is None

    story(router, tell)
    assert router.routing.done == ["install", "remove"]
    assert router.air.asked == []


def test_a_logical_interface_is_resolved_when_it_comes_up() -> None:
    answers: dict[str, str] = {}

    async def resolve(interface: str) -> str | None:
        return answers.get(interface)

    router = Router(links=(LinkConfig("primary", "wan5g", 2),), resolve=resolve)

    async def tell(router: Router) -> None:
        assert router.engine.health("primary") is LinkHealth.DOWN
        answers["wan5g"] = "wwan0"
        router.kernel.say(facts("wwan0", 0))
        await asyncio.sleep(10)
        assert router.engine.device("primary") == "wwan0"
        assert router.engine.health("primary") is LinkHealth.UP
        assert router.routing.routes[-1].interface == "wan5g"

    story(router, tell)


def test_management_sockets_follow_the_health() -> None:
    async def tell(router: Router) -> None:
        assert router.engine.bind_device("secondary") == "wwan1"
        assert router.engine.bind_device("any") is None
        router.kernel.say(facts("wwan1", 1, carrier=False))
        await asyncio.sleep(1)
        assert router.engine.bind_device("secondary") == "wwan0"

    story(Router(), tell)


def test_flapping_for_an_hour_changes_the_active_link_at_most_six_times() -> None:
    async def tell(router: Router) -> None:
        for _ in range(90):
            router.kernel.say(facts("wwan0", 0, carrier=False))
            await asyncio.sleep(20)
            router.kernel.say(facts("wwan0", 0))
            await asyncio.sleep(20)
        assert 1 <= len(router.ways) - 1 <= 6

    story(Router(), tell)


def test_events_of_other_modems_are_nobodys_business() -> None:
    async def tell(router: Router) -> None:
        router.bus.publish(ModemGone("tertiary", "unplugged"))
        await asyncio.sleep(1)
        assert router.ways == ["primary"]

    story(Router(), tell)
