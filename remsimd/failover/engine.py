"""Failover with its effects: hears the witnesses, lets the machine decide, moves the route."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from modems.facts import Registration, RegistrationState
from remsimd import clock
from remsimd.backoff import Backoff
from remsimd.bus import Stamped
from remsimd.config.model import FailoverConfig, SecondaryCarries
from remsimd.errors import ControlError, RouteError
from remsimd.events import (
    ActiveLinkChanged,
    Event,
    HeartbeatSent,
    LinkHealth,
    LinkHealthChanged,
    ModemFound,
    ModemGone,
    RegistrationRead,
    SimSwitched,
    SimSwitching,
)
from remsimd.failover import explanation, health, machine, via
from remsimd.failover.health import Evidence, Held, KernelSays, LinkState, ModemSays, Released, RoundDone
from remsimd.failover.links import LinkFacts, LinkSource
from remsimd.failover.machine import FailoverEvent, HealthSeen, Pin, Unpin
from remsimd.failover.probe import Prober
from remsimd.failover.rounds import Rounds
from remsimd.failover.routes import Route, Routing, route_over

_log = logging.getLogger(__name__)

_ANSWER_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """A link to watch: named like its modem; `interface` is the network device that carries its data.

    Without an interface the modem is the only witness. The higher `priority` is preferred.
    `metered`: its data is counted against a monthly limit.
    """

    name: str
    interface: str | None
    priority: int
    metered: bool = False


class FailoverEngine:
    """One per daemon; `run()` works until it is cancelled and leaves no rule behind."""

    def __init__(
        self,
        config: FailoverConfig,
        links: Sequence[LinkConfig],
        *,
        routing: Routing,
        prober: Prober,
        netlink: LinkSource,
        publish: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._links = {link.name: link for link in links}
        self._routing = routing
        self._netlink = netlink
        self._publish = publish
        self._state = machine.initial((link.name, link.priority) for link in links)
        self._health = {link.name: health.initial(0.0, modem_only=link.interface is None) for link in links}
        self._devices: dict[str, LinkFacts] = {}
        self._rounds = {link.name: self._rounds_of(link, prober) for link in links if link.interface}
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._evidence_s = 0.0
        self._route: Route | None = None
        self._route_stands = False
        self._carrying: str | None = None
        self._failure: str | None = None
        self._waiting: list[asyncio.Future[str | None]] = []
        self._installed = False

    # What others ask

    def health(self, name: str) -> LinkHealth:
        """The link's health now; KeyError when there is no such link."""
        return self._health[name].health

    def device(self, name: str) -> str | None:
        """The link's network device if the kernel has it now; KeyError when there is no such link."""
        facts = self._facts(self._links[name])
        return None if facts is None else facts.name

    def bind_device(self, wanted: str) -> str | None:
        """The device for a management socket whose `via` is `wanted`; None for normal routing."""
        return via.choose(
            wanted,
            [
                via.Candidate(link.name, link.priority, self.health(link.name), self.device(link.name))
                for link in self._links.values()
            ],
        )

    def explain(self) -> dict[str, Any]:
        """Why the active link is the active one and what would change it, ready for JSON."""
        told = asdict(explanation.explain(self._state, clock.monotonic(), self._config))
        return {
            **told,
            "carrying": self._carrying,
            "device": self._route.device if self._route is not None else None,
            "route_error": self._failure,
        }

    async def to(self, name: str) -> None:
        """Prefer this link to all others until `auto()`; returns when the data moved, if it has to.

        Raises ControlError for an unknown link, or when the route cannot be moved.
        """
        if name not in self._links:
            raise ControlError(f"there is no link {name!r}, only {', '.join(self._links)}")
        self._decide(Pin(name), clock.monotonic())
        await self._arrived()

    async def auto(self) -> None:
        """Leave the choice to the machine again. Raises ControlError when the route cannot be moved."""
        self._decide(Unpin(), clock.monotonic())
        await self._arrived()

    # What others tell

    def on_event(self, stamped: Stamped) -> None:
        """Take in what the bus says about modems; never blocks."""
        match stamped.event:
            case RegistrationRead(modem, registration):
                self._observe(modem, _modem_says(registration), stamped.mono_s)
            case ModemGone(modem, reason):
                self._observe(modem, ModemSays(False, f"modem gone: {reason}"), stamped.mono_s)
            case ModemFound(modem, _):
                self._observe(modem, ModemSays(None, "modem found"), stamped.mono_s)
            case SimSwitching(modem, to, _):
                self._observe(modem, Held(f"switching to the {to} SIM"), stamped.mono_s)
            case SimSwitched(modem):
                self._observe(modem, Released(), stamped.mono_s)
            case HeartbeatSent(str(link), _):
                self._observe(link, RoundDone(True, "a heartbeat was answered"), stamped.mono_s)
            case _:
                pass

    # The work

    async def run(self) -> None:
        """Watch, decide and move until cancelled. RouteError (in a group) when netlink cannot be used."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_kernel())
                group.create_task(self._carry_out_for_ever())
                for rounds in self._rounds.values():
                    group.create_task(rounds.run())
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._route_stands = False
            try:
                await self._routing.remove()
            except RouteError as error:
                _log.warning("routes and rules could not be removed: %s", error)

    def _rounds_of(self, link: LinkConfig, prober: Prober) -> Rounds:
        name = link.name
        return Rounds(
            name,
            self._config,
            prober,
            state=lambda: self._health[name],
            device=lambda: self.device(name),
            hurried=self._anything_suspect,
            report=lambda evidence: self._observe(name, evidence, clock.monotonic()),
            publish=self._publish,
        )

    def _anything_suspect(self) -> bool:
        return any(state.health is LinkHealth.SUSPECT for state in self._health.values())

    async def _follow_kernel(self) -> None:
        async with contextlib.aclosing(self._netlink.watch()) as changes:
            async for batch in changes:
                now = clock.monotonic()
                self._devices.update({facts.name: facts for facts in batch})
                for link in self._links.values():
                    self._hear_kernel(link, now)
                self._wake.set()

    def _facts(self, link: LinkConfig) -> LinkFacts | None:
        facts = self._devices.get(link.interface) if link.interface is not None else None
        return facts if facts is not None and facts.present else None

    def _hear_kernel(self, link: LinkConfig, now: float) -> None:
        if link.interface is None:
            return
        facts = self._facts(link)
        objection = f"no device {link.interface}" if facts is None else facts.objection
        if objection is not None and self._route is not None and self._route.interface == link.interface:
            # The kernel dropped the route with the device's address or the device itself.
            self._route_stands = False
        was_fine = self._health[link.name].kernel is True
        if was_fine and objection is None:
            return
        if not was_fine and objection is None:
            self._rounds[link.name].restart()
        self._observe(link.name, KernelSays(objection), now)

    def _observe(self, name: str, evidence: Evidence, at_s: float) -> None:
        """Take in what a witness says of a link at that time."""
        old = self._health.get(name)
        if old is None:
            return
        new = health.observe(old, evidence, at_s, self._config)
        self._health[name] = new
        if new.health is not old.health:
            _log.info("link %s is %s: %s", name, new.health, new.cause)
            self._publish(LinkHealthChanged(name, new.health, new.cause))
        self._decide(_seen(name, new), at_s)
        for rounds in self._rounds.values():
            rounds.poke()

    def _decide(self, event: FailoverEvent, at_s: float) -> None:
        self._state, moves = machine.step(self._state, event, at_s, self._config)
        for move in moves:
            _log.info("data moves from %s to %s: %s", move.previous or "none", move.active, move.cause)
            self._evidence_s = at_s
            self._wake.set()
        self._set_timer(at_s)

    def _set_timer(self, now: float) -> None:
        """Wake up once, when time alone next changes something."""
        if self._timer is not None:
            self._timer.cancel()
        dues_s = [machine.due_s(self._state, now, self._config), *map(health.due_s, self._health.values())]
        soonest = min((due_s for due_s in dues_s if due_s is not None), default=None)
        self._timer = None
        if soonest is not None:
            self._timer = asyncio.get_running_loop().call_at(soonest, self._tick)

    def _tick(self) -> None:
        now = clock.monotonic()
        for name, state in self._health.items():
            due_s = health.due_s(state)
            if due_s is not None and due_s <= now:
                self._observe(name, health.Tick(), now)
        self._decide(machine.Tick(), now)

    async def _carry_out_for_ever(self) -> None:
        """Keep the routes as decided; a refusal is tried again, later each time, or at the next change."""
        backoff = Backoff(first_s=0.5, cap_s=30.0, jitter=0.0)
        self._installed = False
        while True:
            self._wake.clear()
            backoff = backoff.succeeded() if await self._carried_out() else backoff.failed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.delay_s(0.5) or None):
                    await self._wake.wait()

    async def _carried_out(self) -> bool:
        """One attempt; whoever waits for it in `to` or `auto` is told how it ended."""
        try:
            if not self._installed:
                await self._routing.install()
                self._installed = True
            await self._carry_out()
            self._failure = None
        except RouteError as error:
            self._route_stands = False
            level = logging.DEBUG if str(error) == self._failure else logging.WARNING
            self._failure = str(error)
            _log.log(level, "the route cannot be moved: %s", error)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(self._failure)
        self._waiting.clear()
        return self._failure is None

    async def _carry_out(self) -> None:
        if self._state.active is None:
            return
        link = self._links[self._state.active]
        left, facts = self._route, self._facts(link)
        if link.interface is not None:
            if facts is None or facts.objection is not None:
                return
            route = self._route_over(link, facts)
            if not self._route_stands or route != self._route:
                # Noted before it is done: the kernel may take the route away again meanwhile.
                self._route, self._route_stands = route, True
                await self._routing.move(route)
        if link.name != self._carrying:
            previous, self._carrying = self._carrying, link.name
            took_s = clock.monotonic() - self._evidence_s
            self._publish(ActiveLinkChanged(previous, link.name, self._state.cause, took_s))
        if left is not None and self._route is not None and left.device != self._route.device:
            await self._routing.flush(left)

    def _route_over(self, link: LinkConfig, facts: LinkFacts) -> Route:
        others = [self._facts(other) for other in self._links.values() if other is not link]
        return route_over(
            facts,
            link.interface or facts.name,
            forwards=_forwards(link, self._state.members[0].name, self._config.secondary_carries),
            others=[other for other in others if other is not None],
        )

    async def _arrived(self) -> None:
        """Wait until the data goes where the machine wants it."""
        if self._carrying == self._state.active:
            return
        waiter: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                failure = await waiter
        except TimeoutError as error:
            raise ControlError(f"the route was not moved within {_ANSWER_LIMIT_S:.0f} s") from error
        if failure is not None:
            raise ControlError(failure)


def _seen(name: str, state: LinkState) -> HealthSeen:
    return HealthSeen(
        name,
        state.health,
        state.cause,
        hard=state.objection is not None,
        held=state.held_for is not None,
        verified=state.verified,
    )


def _modem_says(registration: Registration) -> ModemSays:
    state = registration.state
    known = state is not RegistrationState.UNKNOWN
    return ModemSays(state.registered if known else None, "registered" if state.registered else f"{state}")


def _forwards(link: LinkConfig, first: str, carries: SecondaryCarries) -> bool:
    """Whether traffic of others may leave over the link: over the most preferred one always."""
    if link.name == first or carries is SecondaryCarries.ALL:
        return True
    return carries is SecondaryCarries.AUTO and not link.metered
