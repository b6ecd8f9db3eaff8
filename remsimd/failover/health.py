"""One link's health, from what three witnesses say: the kernel, the modem, the data plane. Pure."""

from dataclasses import dataclass, replace

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth

HOLD_LIMIT_S = 120.0
"""The longest an own reset or SIM switch is waited for: a module that re-enumerates needs up to
two minutes until it is registered again."""

STANDBY_ROUND = 24
"""A working link that carries no data is asked at every so manieth interval: it is often metered,
and as soon as the active link is suspicious everyone is asked at the fast interval."""

_VERIFIED_ROUNDS = 3
_IN_USE = frozenset({LinkHealth.UP, LinkHealth.SUSPECT})


@dataclass(frozen=True, slots=True)
class KernelSays:
    """The network device can carry traffic, or (`objection`) why not."""

    objection: str | None


@dataclass(frozen=True, slots=True)
class ModemSays:
    """The modem is registered (True), is not (False), or nobody knows (None); `detail` for people."""

    registered: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class RoundDone:
    """Enough targets answered through this interface, or payload arrived by itself; or neither did."""

    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Silence:
    """For a second something was sent through the interface and nothing was received."""


@dataclass(frozen=True, slots=True)
class Held:
    """A reset or SIM switch of our own begins: what follows says nothing about the network."""

    cause: str


@dataclass(frozen=True, slots=True)
class Released:
    """The reset or SIM switch ended, whichever way."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; `due_s` says when one is needed."""


Evidence = KernelSays | ModemSays | RoundDone | Silence | Held | Released | Tick


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is known about a link; start with `initial()`.

    `kernel` and `modem` are what that witness said last (None: nothing yet), `objection` the hard
    evidence against the link in words. `good_rounds` and `failed_rounds` count consecutive ones,
    `verified_s` is when something last came back, `silent` that a silent second was the last word.
    """

    health: LinkHealth
    cause: str
    kernel: bool | None = None
    modem: bool | None = None
    kernel_detail: str = ""
    modem_detail: str = ""
    good_rounds: int = 0
    failed_rounds: int = 0
    silent: bool = False
    verified_s: float | None = None
    was_up: bool = False
    held_for: str | None = None
    held_until_s: float | None = None
    modem_only: bool = False

    @property
    def objection(self) -> str | None:
        """The hard evidence against the link, the kernel's before the modem's; None without any."""
        if self.kernel is False:
            return self.kernel_detail
        return self.modem_detail if self.modem is False else None

    @property
    def verified(self) -> bool:
        """Something came back through the link within the last 3 rounds."""
        return self.modem_only or (self.verified_s is not None and self.failed_rounds < _VERIFIED_ROUNDS)


def initial(*, modem_only: bool = False) -> LinkState:
    """A link nothing is known of. `modem_only`: it has no network device, the modem alone decides."""
    return LinkState(LinkHealth.UNKNOWN, "just started", modem_only=modem_only)


def observe(state: LinkState, evidence: Evidence, now: float, config: FailoverConfig) -> LinkState:
    """The state after one piece of evidence; `now` in seconds of any steady clock.

    - DOWN at once when the kernel or the modem objects; after `config.down` consecutive failed
      rounds otherwise.
    - UP when neither objects and `config.up` consecutive rounds passed. Only the very first time
      one good round is enough, so that a router is on line seconds after its start; a modem that
      cannot be read does not hold back a link whose rounds pass.
    - SUSPECT from the first failed round or silent second until a round passes or the link is
      DOWN. A silent second counts as a failed round but never as the last one needed: a sender
      that expects no answer looks the same, and the round that follows tells them apart.
    - UNKNOWN at the start, and while an own reset or SIM switch is under way, for 120 s at most.
    """
    state = _noted(state, evidence, now, config)
    health, cause = _judged(state, config)
    if health is state.health:
        return state
    was_up = state.was_up or health is LinkHealth.UP
    return replace(state, health=health, cause=cause, was_up=was_up)


def due_s(state: LinkState) -> float | None:
    """When a Tick is needed, in seconds of the same clock; None when no time matters."""
    return state.held_until_s


def pause_s(state: LinkState, config: FailoverConfig, *, standby: bool = False) -> float | None:
    """Seconds from the start of one round to the start of the next; None when none makes sense.

    Rounds are fast while something is suspicious, or nearly proven; a link that stays down or up
    is asked at the normal interval, and rarely when it is up and carries no data (`standby`).
    """
    if state.held_for is not None or state.modem_only or state.kernel is None or state.objection is not None:
        return None
    if state.health is LinkHealth.UP:
        return config.interval_s * (STANDBY_ROUND if standby else 1)
    settled = state.health is LinkHealth.DOWN and not state.good_rounds
    return config.interval_s if settled else config.fast_interval_s


def _noted(state: LinkState, evidence: Evidence, now: float, config: FailoverConfig) -> LinkState:
    """The state with the evidence written down, health not yet judged again."""
    if state.held_until_s is not None and now >= state.held_until_s:
        state = replace(_unproven(state), held_for=None, held_until_s=None)
    match evidence:
        case KernelSays(objection):
            state = state if objection is None else _unproven(state)
            return replace(state, kernel=objection is None, kernel_detail=objection or "")
        case ModemSays(registered, detail):
            state = _unproven(state) if registered is False else state
            return replace(state, modem=registered, modem_detail=detail)
        case RoundDone() | Silence() if state.held_for is not None or state.objection is not None:
            return state  # it began before the objection, or under our own reset
        case RoundDone(passed=True):
            good = state.good_rounds + 1
            return replace(state, good_rounds=good, failed_rounds=0, silent=False, verified_s=now)
        case RoundDone():
            return replace(state, good_rounds=0, failed_rounds=state.failed_rounds + 1, silent=False)
        case Silence() if not state.silent and state.health in _IN_USE:
            failed = max(state.failed_rounds, min(state.failed_rounds + 1, config.down - 1))
            return replace(state, good_rounds=0, failed_rounds=failed, silent=True)
        case Held(cause):
            return replace(_unproven(state), held_for=cause, held_until_s=now + HOLD_LIMIT_S)
        case Released():
            return replace(_unproven(state), held_for=None, held_until_s=None)
    return state


def _judged(state: LinkState, config: FailoverConfig) -> tuple[LinkHealth, str]:
    if state.held_for is not None:
        return LinkHealth.UNKNOWN, state.held_for
    if state.objection is not None:
        return LinkHealth.DOWN, state.objection
    if state.modem_only:
        known = state.modem is not None
        return (LinkHealth.UP, state.modem_detail) if known else (state.health, state.cause)
    if state.kernel is None:
        return state.health, state.cause
    if state.failed_rounds >= config.down:
        return LinkHealth.DOWN, f"{state.failed_rounds} rounds without an answer"
    if state.good_rounds >= (config.up if state.was_up else 1):
        return LinkHealth.UP, "answers come back"
    if state.health not in _IN_USE:
        return state.health, state.cause
    if state.silent:
        return LinkHealth.SUSPECT, "sending, nothing comes back"
    if state.failed_rounds:
        return LinkHealth.SUSPECT, "a round without an answer"
    return LinkHealth.UP, "answers come back"


def _unproven(state: LinkState) -> LinkState:
    """Nothing that came back before counts any more."""
    return replace(state, good_rounds=0, failed_rounds=0, silent=False, verified_s=None)
