"""Recovery with its effects: hears how the links are, climbs the ladders, one modem at a time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping

from modems.errors import ModemError
from remsimd import clock
from remsimd.bus import Bus, Stamped
from remsimd.config.model import RecoveryConfig
from remsimd.errors import RemsimError
from remsimd.events import (
    LinkHealth,
    LinkHealthChanged,
    ModemFound,
    ModemResetRefused,
    ModemResetting,
    RecoveryAction,
    RecoveryEnded,
    RecoveryStarted,
    SimSwitched,
    SimSwitching,
)
from remsimd.failover import recovery
from remsimd.failover.recovery import (
    QUIET_S,
    SETTLE_S,
    START_S,
    Begin,
    Busy,
    EffectDone,
    End,
    HealthSeen,
    Patient,
    RecoveryEvent,
    Tick,
    Waits,
)
from remsimd.failover.remedies import Remedies

_log = logging.getLogger(__name__)

EFFECT_LIMIT_S = 60.0
"""An effect that takes longer hangs; what it leads to has its own time to settle."""


class Recoverer:
    """Brings links back that stay down, for as long as `run` runs.

    `remedies` and `priorities` by modem; `health` is asked once for how each link is at the start.
    """

    def __init__(
        self,
        config: RecoveryConfig,
        remedies: Mapping[str, Remedies],
        priorities: Mapping[str, int],
        *,
        bus: Bus,
        health: Callable[[str], LinkHealth],
        start_s: float = START_S,
        settle_s: Mapping[RecoveryAction, float] = SETTLE_S,
    ) -> None:
        self._config = config
        self._remedies = remedies
        self._bus = bus
        self._health = health
        patients = [Patient(name, priorities[name], cure.ladder) for name, cure in remedies.items()]
        self._state = recovery.initial(patients, start_s=start_s, settle_s=settle_s)
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._begun: Begin | None = None
        self._returns: dict[str, asyncio.TimerHandle] = {}

    async def run(self) -> None:
        """Treat who needs it until cancelled."""
        try:
            with self._bus.listen(self._hear):
                await self._treat()
        finally:
            for timer in self._returns.values():
                timer.cancel()
            self._state, self._begun = recovery.abandoned(self._state), None
            self._over.set()

    @contextlib.asynccontextmanager
    async def in_turn(self, name: str) -> AsyncIterator[None]:
        """Wait until no other modem is under treatment; none is begun for the length of the block.

        For a SIM switch of the modem `name`, up to the moment that the bus is told of it.
        """
        if name not in self._remedies:
            yield
            return
        self._take(Waits(name, True))
        try:
            while (treated := self._state.treatment) is not None and treated.name != name:
                _log.info("%s: its SIM switch waits until the recovery of %s has settled", name, treated.name)
                self._over.clear()
                await self._over.wait()
            yield
        finally:
            self._take(Waits(name, False))

    async def _treat(self) -> None:
        for name in self._remedies:
            self._take(HealthSeen(name, self._health(name), "as found at the start"))
        while True:
            await self._wait()
            begun, self._begun = self._begun, None
            if begun is None:
                self._take(Tick())
            else:
                self._take(EffectDone(await self._carry_out(begun)))

    async def _wait(self) -> None:
        """Until there is something to carry out, or time alone changes something."""
        while self._begun is None:
            self._wake.clear()
            due_s = recovery.due_s(self._state, clock.monotonic(), self._config.max_actions_per_hour)
            try:
                async with asyncio.timeout_at(due_s):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _hear(self, stamped: Stamped) -> None:
        match stamped.event:
            case LinkHealthChanged(link, health, cause) if link in self._remedies:
                self._take(HealthSeen(link, health, cause))
            case SimSwitching(modem=modem) | ModemResetting(modem=modem) if modem in self._remedies:
                self._take(Busy(modem, True))
            case SimSwitched(modem=modem) | ModemFound(modem=modem) | ModemResetRefused(modem=modem) if (
                modem in self._remedies
            ):
                self._take(Busy(modem, False))
            case _:
                pass

    def _take(self, event: RecoveryEvent) -> None:
        now = clock.monotonic()
        self._state, out = recovery.step(self._state, event, now, self._config.max_actions_per_hour)
        for done in out:
            match done:
                case Begin(name, action, cause):
                    _log.warning("%s: %s, because %s", name, action, cause)
                    self._begun = done
                    self._bus.publish(RecoveryStarted(name, action, cause))
                case End(name, action, ok, detail, took_s):
                    _log.info("%s: %s after %.0f s: %s", name, action, took_s, detail)
                    self._over.set()
                    self._bus.publish(RecoveryEnded(name, action, ok, detail, took_s))
                    if ok and action is RecoveryAction.LOCAL_CARD:
                        self._return_later(name)
        self._wake.set()

    def _return_later(self, name: str) -> None:
        """The local card is a stopgap: after a quiet hour the remote one gets another chance."""
        if name in self._returns:
            self._returns[name].cancel()
        give_back = self._remedies[name].back_to_the_remote_card
        self._returns[name] = asyncio.get_running_loop().call_later(QUIET_S, give_back)

    async def _carry_out(self, begun: Begin) -> str | None:
        """None, or why it could not be done."""
        try:
            async with asyncio.timeout(EFFECT_LIMIT_S):
                await self._remedies[begun.name].apply(begun.action)
        except (ModemError, RemsimError) as error:
            return str(error)
        except TimeoutError:
            return f"not done within {EFFECT_LIMIT_S:.0f} s"
        return None
