"""What is tried, and when, to bring back a link that stays down: a pure ladder per modem."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from remsimd.events import LinkHealth, RecoveryAction

START_S = 60.0
"""A link is left alone for so long: most outages of a mobile network end by themselves."""

QUIET_S = 3600.0
"""After so long without an action the ladder starts again from the top."""

BUSY_LIMIT_S = 120.0
"""The longest that somebody else's reset or SIM switch of a modem is waited for."""

SETTLE_S = {
    RecoveryAction.REDIAL: 20.0,
    RecoveryAction.RADIO_CYCLE: 45.0,
    RecoveryAction.RESET: 120.0,
    RecoveryAction.RESET_LINE: 120.0,
    RecoveryAction.POWER_CYCLE: 120.0,
    RecoveryAction.CARD_AGAIN: 45.0,
    RecoveryAction.LOCAL_CARD: 120.0,
    RecoveryAction.OTHER_CARD: 180.0,
}
"""How long each may take to show: dialling, searching a network, and re-enumerating (up to two
minutes on the slowest modules)."""

CARD_ACTIONS = (*[RecoveryAction.CARD_AGAIN] * 3, RecoveryAction.LOCAL_CARD, RecoveryAction.OTHER_CARD)
"""The rungs for a remote card, after those for the modem."""

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Patient:
    """One modem; `ladder` holds the actions its hardware allows, in their order.

    `rung` is the next one, `taken_s` when each one of the last hour was begun, `down_s` since when
    the link is DOWN without a break, `busy_until_s` how long somebody else's work on the modem is
    waited for at most, `waits` that its SIM switch waits for another modem's treatment to end.
    """

    name: str
    priority: int
    ladder: tuple[RecoveryAction, ...]
    health: LinkHealth = LinkHealth.UNKNOWN
    cause: str = ""
    down_s: float | None = None
    rung: int = 0
    taken_s: tuple[float, ...] = ()
    busy_until_s: float | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Treatment:
    """The one action under way; `settled_s` is None until its effect is done."""

    name: str
    action: RecoveryAction
    started_s: float
    settled_s: float | None = None


@dataclass(frozen=True, slots=True)
class RecoveryState:
    """All modems, and the treatment that one of them is under."""

    patients: tuple[Patient, ...]
    start_s: float
    settle_s: Mapping[RecoveryAction, float]
    treatment: Treatment | None = None

    def patient(self, name: str) -> Patient:
        """The modem of this name; KeyError when there is none."""
        for patient in self.patients:
            if patient.name == name:
                return patient
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """A link's health as of now."""

    name: str
    health: LinkHealth
    cause: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else resets the modem or moves it to another card; or (`on` false) has ended."""

    name: str
    on: bool


@dataclass(frozen=True, slots=True)
class Waits:
    """A SIM switch of the modem waits for another one's treatment to end; or (`on` false) no longer."""

    name: str
    on: bool


@dataclass(frozen=True, slots=True)
class EffectDone:
    """The action's effect was carried out, or (`failure`) could not be."""

    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; `due_s` says when one is needed."""


RecoveryEvent = HealthSeen | Busy | Waits | EffectDone | Tick


@dataclass(frozen=True, slots=True)
class Begin:
    """Carry out this action now, and tell with EffectDone how it went."""

    name: str
    action: RecoveryAction
    cause: str


@dataclass(frozen=True, slots=True)
class End:
    """The action is over; `ok`: the link is up."""

    name: str
    action: RecoveryAction
    ok: bool
    detail: str
    took_s: float


def initial(
    patients: Iterable[Patient],
    *,
    start_s: float = START_S,
    settle_s: Mapping[RecoveryAction, float] = SETTLE_S,
) -> RecoveryState:
    """Nobody is treated yet."""
    return RecoveryState(tuple(patients), start_s, settle_s)


def step(
    state: RecoveryState, event: RecoveryEvent, now: float, max_actions_per_hour: int
) -> tuple[RecoveryState, tuple[Begin | End, ...]]:
    """Take one event in. `now` in seconds of any steady clock.

    - A modem whose link is DOWN for 60 s gets the next action of its ladder, and waits for what
      becomes of it. Only one modem is under treatment at any time, and none while another one is
      being reset or moved to another card by somebody else, or waits for that: a ladder of many
      rungs lets a SIM switch of another modem in between two of them.
    - Where several are down, the one that has had the fewest actions comes first, then the one
      of the lowest priority: the secondary keeps the router reachable.
    - Each action counts against the hour of its modem; one that could not be carried out (the
      modem is gone, or refuses) has no time to settle, the next follows at once.
    - The link UP ends the treatment. The next failure goes on where the last one stopped, and
      from the top after a quiet hour.
    """
    out: list[Begin | End] = []
    match event:
        case HealthSeen():
            state = _with(state, _seen(state.patient(event.name), event, now))
        case Busy(name, on):
            until_s = now + BUSY_LIMIT_S if on else None
            state = _with(state, replace(state.patient(name), busy_until_s=until_s))
            state = state if on else _proving(state, name, now)
        case Waits(name, on):
            state = _with(state, replace(state.patient(name), waits=on))
        case EffectDone():
            state = _effect_done(state, event.failure, now, out)
        case Tick():
            pass
    state = _judged(state, now, out)
    if state.treatment is None:
        state = _begun(state, now, max_actions_per_hour, out)
    return state, tuple(out)


def abandoned(state: RecoveryState) -> RecoveryState:
    """Nobody is treated and no link's health is known, but what was tried is; for when nobody carries out."""
    patients = tuple(replace(each, health=LinkHealth.UNKNOWN, down_s=None) for each in state.patients)
    return replace(state, patients=patients, treatment=None)


def due_s(state: RecoveryState, now: float, max_actions_per_hour: int) -> float | None:
    """When a Tick is needed; None when only events change anything."""
    if state.treatment is not None:
        settled_s, busy_s = state.treatment.settled_s, state.patient(state.treatment.name).busy_until_s
        return settled_s if settled_s is None or busy_s is None else max(settled_s, busy_s)
    times = [patient.busy_until_s for patient in state.patients if _is_busy(patient, now)]
    for patient in state.patients:
        ready_s = _ready_s(state, patient, max_actions_per_hour)
        if ready_s is not None and ready_s > now:
            times.append(ready_s)
    return min((time for time in times if time is not None), default=None)


def _seen(patient: Patient, event: HealthSeen, now: float) -> Patient:
    down_s = None
    if event.health is LinkHealth.DOWN:
        down_s = now if patient.down_s is None else patient.down_s
    return replace(patient, health=event.health, cause=event.cause, down_s=down_s)


def _proving(state: RecoveryState, name: str, now: float) -> RecoveryState:
    """After a SIM switch that an action led to, the link has the time of a dial to come up."""
    treatment = state.treatment
    if treatment is None or treatment.name != name or treatment.settled_s is None:
        return state
    settled_s = max(treatment.settled_s, now + state.settle_s[RecoveryAction.REDIAL])
    return replace(state, treatment=replace(treatment, settled_s=settled_s))


def _effect_done(
    state: RecoveryState, failure: str | None, now: float, out: list[Begin | End]
) -> RecoveryState:
    treatment = state.treatment
    if treatment is None or treatment.settled_s is not None:
        return state
    if failure is None:
        settled_s = now + state.settle_s[treatment.action]
        return replace(state, treatment=replace(treatment, settled_s=settled_s))
    out.append(End(treatment.name, treatment.action, False, failure, now - treatment.started_s))
    return replace(state, treatment=None)


def _judged(state: RecoveryState, now: float, out: list[Begin | End]) -> RecoveryState:
    """The state once the treatment has shown what it did, or has had its time."""
    treatment = state.treatment
    if treatment is None or treatment.settled_s is None:
        return state
    patient, took_s = state.patient(treatment.name), now - treatment.started_s
    if patient.health is LinkHealth.UP:
        out.append(End(patient.name, treatment.action, True, "the link is up", took_s))
    elif now >= treatment.settled_s and not _is_busy(patient, now):
        detail = f"the link is still {patient.health}: {patient.cause}"
        out.append(End(patient.name, treatment.action, False, detail, took_s))
    else:
        return state
    return replace(state, treatment=None)


def _begun(state: RecoveryState, now: float, most: int, out: list[Begin | End]) -> RecoveryState:
    if any(patient.waits or _is_busy(patient, now) for patient in state.patients):
        return state
    ready = [
        patient
        for patient in state.patients
        if (ready_s := _ready_s(state, patient, most)) is not None and ready_s <= now
    ]
    if not ready:
        return state
    patient = min(ready, key=lambda patient: (_rung(patient, now), patient.priority))
    rung = _rung(patient, now)
    action = patient.ladder[rung]
    taken_s = (*patient.taken_s[-most:], now)
    out.append(Begin(patient.name, action, patient.cause))
    state = _with(state, replace(patient, rung=rung + 1, taken_s=taken_s))
    return replace(state, treatment=Treatment(patient.name, action, now))


def _rung(patient: Patient, now: float) -> int:
    """The next rung: the first one again after a quiet hour."""
    quiet = not patient.taken_s or now >= patient.taken_s[-1] + QUIET_S
    return 0 if quiet else patient.rung


def _ready_s(state: RecoveryState, patient: Patient, most: int) -> float | None:
    """When the modem may get its next action; None while it needs or has none."""
    if patient.down_s is None or not patient.ladder or most < 1:
        return None
    ready_s = patient.down_s + state.start_s
    if len(patient.taken_s) >= most:
        ready_s = max(ready_s, patient.taken_s[-most] + _HOUR_S)
    if patient.rung >= len(patient.ladder):
        ready_s = max(ready_s, patient.taken_s[-1] + QUIET_S)
    return ready_s


def _is_busy(patient: Patient, now: float) -> bool:
    return patient.busy_until_s is not None and now < patient.busy_until_s


def _with(state: RecoveryState, patient: Patient) -> RecoveryState:
    patients = tuple(patient if old.name == patient.name else old for old in state.patients)
    return replace(state, patients=patients)
