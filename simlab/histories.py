"""Generated hours of trouble for the failover and recovery decisions, checked at every step.

One history is one seed: 1 to 8 links, two hours of faults in simulated time, then everything
heals. Nothing here knows how the decisions are made; only what must hold of them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth, RecoveryAction
from remsimd.failover import health, machine, recovery
from remsimd.failover.health import Evidence, Held, KernelSays, ModemSays, Released, RoundDone, Silence
from remsimd.failover.machine import HealthSeen, Pin, Unpin

SPAN_S = 7200.0
HEALING, STEERING = 0.4, 0.02
FAULT_EVERY_S = (3.0, 20.0, 60.0, 600.0)
MAX_ACTIONS_PER_HOUR = 6
_USED = (LinkHealth.UP, LinkHealth.SUSPECT)
_LADDER = (*tuple(RecoveryAction)[:5], *recovery.CARD_ACTIONS)
_EFFECT_S = 30.0


class Violation(Exception):  # noqa: N818 - what was found, not what went wrong here
    """Something that must hold did not; the text says what, when and with which seed."""


@dataclass
class History:
    """One history; `play` raises Violation."""

    seed: int
    config: FailoverConfig = field(default_factory=FailoverConfig)
    now: float = 0.0
    moves: int = 0
    actions: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.names = "abcdefgh"[: self.chance.choice((1, 2, 2, 2, 2, 3, 4, 8))]
        self.links = {name: health.initial() for name in self.names}
        self.state = machine.initial((name, -place) for place, name in enumerate(self.names))
        patients = [
            recovery.Patient(name, -place, _LADDER[: self.chance.randint(0, len(_LADDER))])
            for place, name in enumerate(self.names)
        ]
        self.recovery = recovery.initial(patients)
        self.treated: dict[str, float] = {}
        self.taken: dict[str, list[float]] = {name: [] for name in self.names}
        self.lost_s: dict[str, float] = {}
        self.moved_s: float | None = None
        self.steered = False

    def play(self) -> None:
        """Two hours of faults, then healing, then the best link must carry the data in bounded time."""
        for name in self.names:
            self.observe(name, KernelSays(None))
        mean_s = self.chance.choice(FAULT_EVERY_S)
        while self.now < SPAN_S:
            # Troubles come in bursts, and some hours are calm.
            self.wait_until(self.now + self.chance.expovariate(1.0 / mean_s))
            self.trouble()
            if self.chance.random() < 0.05:
                mean_s = self.chance.choice(FAULT_EVERY_S)
        self.decide(Unpin())
        self.wait_until(self.now + health.HOLD_LIMIT_S)
        for name in self.names:
            self.heal(name)
        self.wait_until(self.now + self.config.hold_down_max_s + 1.0)
        self.require(self.state.active == self.names[0], "everything is up, but not the best link in use")
        self.require(self.recovery.treatment is None, "everything is up, but a modem is being treated")

    def trouble(self) -> None:
        """Something happens to some link, or the operator steers."""
        name = self.chance.choice(self.names)
        acts: tuple[Callable[[], None], ...] = (
            lambda: self.observe(name, KernelSays("carrier lost")),
            lambda: self.observe(name, KernelSays(None)),
            lambda: self.observe(name, ModemSays(False, "searching")),
            lambda: self.observe(name, ModemSays(True, "registered")),
            lambda: self.rounds(name, passed=False),
            lambda: self.rounds(name, passed=True),
            lambda: self.rounds(name, passed=True),
            lambda: self.observe(name, Silence()),
            lambda: self.own_work(name, Held("SIM switch")),
            lambda: self.own_work(name, Released()),
        )
        if self.chance.random() < HEALING:
            self.heal(name)
        elif self.chance.random() < STEERING:
            self.steer()
        else:
            self.chance.choice(acts)()

    def heal(self, name: str) -> None:
        """Every witness has only good to say of a link."""
        self.own_work(name, Released())
        self.observe(name, KernelSays(None))
        self.observe(name, ModemSays(True, "registered"))
        for _ in range(self.config.up):
            self.observe(name, RoundDone(True, "answers"))

    def rounds(self, name: str, *, passed: bool) -> None:
        """A few rounds of the data plane."""
        for _ in range(self.chance.randint(1, 8)):
            self.observe(name, RoundDone(passed, "round"))
            self.wait_until(self.now + self.config.fast_interval_s)

    def own_work(self, name: str, evidence: Held | Released) -> None:
        """A SIM switch begins or ends."""
        if isinstance(evidence, Held):
            self.recover(recovery.Busy(name, True))
            self.observe(name, evidence)
        else:
            self.observe(name, evidence)
            self.recover(recovery.Busy(name, False))

    def steer(self) -> None:
        """The operator prefers a link, which forgives what it did before, or none."""
        wish = self.chance.choice((Unpin(), Pin(self.chance.choice(self.names))))
        if isinstance(wish, Pin):
            self.lost_s.pop(wish.link, None)
        self.steered = True
        self.decide(wish)
        self.steered = False

    def observe(self, name: str, evidence: Evidence) -> None:
        """One witness says something of a link."""
        old = self.links[name]
        new = self.links[name] = health.observe(old, evidence, self.now, self.config)
        if old.health in _USED and new.health not in _USED and new.held_for is None:
            self.lost_s[name] = self.now
        seen = HealthSeen(
            name,
            new.health,
            new.cause,
            hard=new.objection is not None,
            held=new.held_for is not None,
            verified=new.verified,
        )
        self.decide(seen)
        if new.health is not old.health:
            self.recover(recovery.HealthSeen(name, new.health, new.cause))

    def decide(self, event: machine.FailoverEvent) -> None:
        """Step the machine and check what came of it."""
        before = self.state
        self.state, moves = machine.step(before, event, self.now, self.config)
        self.require(len(moves) == (self.state.active != before.active), "a move lost or told twice")
        for move in moves:
            self.require(
                (move.previous, move.active) == (before.active, self.state.active), "another move told"
            )
            self.check_move(move)
            self.moves += 1
            self.moved_s = self.now
        active = None if self.state.active is None else self.links[self.state.active]
        if active is not None and active.health not in _USED:
            others_up = any(link.health is LinkHealth.UP for link in self.links.values())
            self.require(not others_up, f"the data stays on {self.state.active}, which is {active.health}")

    def check_move(self, move: machine.Move) -> None:
        """A move away from a link that works must have been waited for."""
        self.require(self.links[move.active].health is not LinkHealth.DOWN, "moved to a link that is down")
        if move.previous is None or self.steered or self.links[move.previous].health not in _USED:
            return
        lost_s, window_s = self.lost_s.get(move.active), self.config.hold_down_s
        # The operator's choice goes before every hold-down.
        if lost_s is not None and self.state.pinned is None:
            self.require(self.now - lost_s >= window_s, "moved back within the damping window")

    def recover(self, event: recovery.RecoveryEvent) -> None:
        """Step the ladder and check what came of it."""
        self.recovery, out = recovery.step(self.recovery, event, self.now, MAX_ACTIONS_PER_HOUR)
        for done in out:
            if isinstance(done, recovery.End):
                self.treated.pop(done.name, None)
                continue
            self.require(not self.treated, f"{done.name} is treated while {self.treated} is")
            held = [name for name, link in self.links.items() if link.held_for is not None]
            self.require(not held, f"{done.name} is treated during the SIM switch of {held}")
            hour = [at for at in self.taken[done.name] if self.now < at + 3600.0]
            self.require(len(hour) < MAX_ACTIONS_PER_HOUR, f"{done.name} exceeds its hourly budget")
            self.require(self.links[done.name].health is LinkHealth.DOWN, f"{done.name} is not down")
            self.taken[done.name].append(self.now)
            self.treated[done.name] = self.now + self.chance.uniform(0.0, _EFFECT_S)
            self.actions += 1

    def wait_until(self, end_s: float) -> None:
        """Let time pass, with the ticks that the machines ask for."""
        while (due_s := self.next_due_s()) is not None and due_s <= end_s:
            self.require(due_s >= self.now, "a wake-up in the past")
            self.now = due_s
            self.tick()
        self.now = max(self.now, end_s)

    def next_due_s(self) -> float | None:
        """When something has to be told that time has passed."""
        dues = [
            machine.due_s(self.state, self.now, self.config),
            recovery.due_s(self.recovery, self.now, MAX_ACTIONS_PER_HOUR),
            *(health.due_s(link) for link in self.links.values()),
            *self.treated.values(),
        ]
        treatment = self.recovery.treatment
        if treatment is not None and treatment.settled_s is not None:
            dues = [due for due in dues if due not in self.treated.values()]
        return min((due for due in dues if due is not None), default=None)

    def tick(self) -> None:
        """Tell everyone whose time has come."""
        treatment = self.recovery.treatment
        if treatment is not None and treatment.settled_s is None and self.treated[treatment.name] <= self.now:
            failure = "the modem is gone" if self.chance.random() < 0.2 else None
            self.recover(recovery.EffectDone(failure))
        for name, link in self.links.items():
            due_s = health.due_s(link)
            if due_s is not None and due_s <= self.now:
                self.observe(name, health.Tick())
        self.decide(machine.Tick())
        self.recover(recovery.Tick())

    def require(self, holds: bool, otherwise: str) -> None:
        """Raise Violation where something does not hold."""
        if not holds:
            raise Violation(f"seed {self.seed}, {self.now:.1f} s: {otherwise}")


def play_many(count: int, first_seed: int = 0) -> tuple[int, int]:
    """Moves and recovery actions of so many histories, all of which held; raises Violation."""
    moves = actions = 0
    for seed in range(first_seed, first_seed + count):
        history = History(seed)
        history.play()
        moves, actions = moves + history.moves, actions + history.actions
    return moves, actions
