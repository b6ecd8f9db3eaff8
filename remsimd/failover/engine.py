"""Failover with its effects: hears the witnesses, lets the machine decide, moves the route."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from modems.facts import Registration, RegistrationState
from remsimd import clock
from remsimd.bus import Stamped
from remsimd.config.model import FailoverConfig, SecondaryCarries
from remsimd.errors import ControlError, RouteError
from remsimd.events import (
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
from remsimd.failover import explanation, health, machine, via
from remsimd.failover.devices import Devices
from remsimd.failover.health import Evidence, Held, KernelSays, LinkState, ModemSays, Released, RoundDone
from remsimd.failover.links import LinkFacts, LinkSource
from remsimd.failover.machine import FailoverEvent, HealthSeen, Pin, Unpin
from remsimd.failover.mover import Mover, Wanted
from remsimd.failover.probe import Prober
from remsimd.failover.rounds import Purse, Rounds
from remsimd.failover.routes import Routing, route_over
from remsimd.netifd import device_of
from remsimd.orchestrator.events import HeartbeatSent

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """A link to watch, named like its modem; `interface` carries its data: a device or netifd's name.

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
        purse: Purse | None = None,
        resolve: Callable[[str], Awaitable[str | None]] = device_of,
    ) -> None:
        self._config = config
        self._links = {link.name: link for link in links}
        self._publish = publish
        self._state = machine.initial((link.name, link.priority) for link in links)
        self._health = {link.name: health.initial(modem_only=link.interface is None) for link in links}
        interfaces = [link.interface for link in links if link.interface is not None]
        self._devices = Devices(interfaces, netlink, resolve=resolve, changed=self._hear_kernel)
        self._mover = Mover(routing, wanted=self._wanted, publish=publish)
        self._purse = purse
        self._rounds = {link.name: self._rounds_of(link.name, prober) for link in links if link.interface}
        self._restarting: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._evidence_s = 0.0

    # What others ask

    def health(self, name: str) -> LinkHealth:
        """The link's health now; KeyError when there is no such link."""
        return self._health[name].health

    def device(self, name: str) -> str | None:
        """The link's network device if the kernel has it now; KeyError when there is no such link."""
        facts = self._facts(self._links[name])
        return None if facts is None else facts.name

    def link_of(self, device: str | None) -> str | None:
        """The link whose network device this is now; None for none of them."""
        found = (name for name in self._links if device is not None and self.device(name) == device)
        return next(found, None)

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
            "carrying": self._mover.carrying,
            "device": self._mover.route.device if self._mover.route is not None else None,
            "route_error": self._mover.failure,
        }

    async def to(self, name: str) -> None:
        """Prefer this link to all others until `auto()`; returns when the data moved, if it has to.

        Raises ControlError for an unknown link, or when the route cannot be moved.
        """
        if name not in self._links:
            raise ControlError(f"there is no link {name!r}, only {', '.join(self._links)}")
        self._decide(Pin(name), clock.monotonic())
        await self._mover.arrived(self._state.active)

    async def auto(self) -> None:
        """Leave the choice to the machine again. Raises ControlError when the route cannot be moved."""
        self._decide(Unpin(), clock.monotonic())
        await self._mover.arrived(self._state.active)

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
                self._restarted(modem, stamped.mono_s)
            case ModemResetRefused(modem):
                self._restarted(modem, stamped.mono_s)
            case ModemResetting(modem, cause):
                self._restarting.add(modem)
                self._observe(modem, Held(f"restarting: {cause}"), stamped.mono_s)
            case SimSwitching(modem, to, _):
                self._observe(modem, Held(f"switching to the {to} SIM"), stamped.mono_s)
            case SimSwitched(modem):
                self._observe(modem, Released(), stamped.mono_s)
            case HeartbeatSent(str(link), _):
                if link in self._rounds:
                    self._rounds[link].counted()
                self._observe(link, RoundDone(True, "a heartbeat was answered"), stamped.mono_s)
            case _:
                pass

    # The work

    async def run(self) -> None:
        """Watch, decide and move until cancelled. RouteError when netlink cannot be used."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._devices.run())
                group.create_task(self._mover.run())
                for rounds in self._rounds.values():
                    group.create_task(rounds.run())
        except BaseExceptionGroup as failed:
            refusals, others = failed.split(RouteError)
            if refusals is None or others is not None:
                raise
            raise RouteError(str(_first(refusals))) from failed
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _restarted(self, modem: str, at_s: float) -> None:
        if modem in self._restarting:
            self._restarting.discard(modem)
            self._observe(modem, Released(), at_s)

    def _rounds_of(self, name: str, prober: Prober) -> Rounds:
        return Rounds(
            name,
            self._config,
            prober,
            state=lambda: self._health[name],
            device=lambda: self.device(name),
            hurried=self._anything_suspect,
            report=lambda evidence: self._observe(name, evidence, clock.monotonic()),
            publish=self._publish,
            standby=lambda: self._state.active not in (None, name),
            purse=self._purse,
        )

    def _anything_suspect(self) -> bool:
        return any(state.health is LinkHealth.SUSPECT for state in self._health.values())

    def _facts(self, link: LinkConfig) -> LinkFacts | None:
        return self._devices.facts(link.interface) if link.interface is not None else None

    def _hear_kernel(self) -> None:
        now = clock.monotonic()
        for link in self._links.values():
            if link.interface is not None:
                self._hear_kernel_on(link, now)
        self._mover.wake()

    def _hear_kernel_on(self, link: LinkConfig, now: float) -> None:
        facts = self._facts(link)
        objection = f"no device {link.interface}" if facts is None else facts.objection
        was_fine = self._health[link.name].kernel is True
        if objection is None and was_fine:
            return
        if objection is None:
            self._rounds[link.name].restart()
        elif facts is not None:
            self._mover.lost(facts.name)
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
            self._mover.wake()
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

    def _wanted(self) -> Wanted | None:
        """What the mover should make true; None while nothing is chosen or the chosen one has no device."""
        if self._state.active is None:
            return None
        link = self._links[self._state.active]
        if link.interface is None:
            return Wanted(link.name, None, self._state.cause, self._evidence_s)
        facts = self._facts(link)
        if facts is None or facts.objection is not None:
            return None
        others = [self._facts(other) for other in self._links.values() if other is not link]
        route = route_over(
            facts,
            link.interface,
            forwards=_forwards(link, self._state.members[0].name, self._config.secondary_carries),
            others=[other for other in others if other is not None],
        )
        return Wanted(link.name, route, self._state.cause, self._evidence_s)


def _first(group: BaseExceptionGroup[RouteError]) -> RouteError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


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
