"""What a failed call means, and how long to wait: pure decisions."""

from dataclasses import dataclass, replace
from enum import StrEnum

from remsimd.backoff import Backoff
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.events import ActiveLinkChanged, Event, SimSwitched
from remsimd.orchestrator.events import IonmeshState
from remsimd.orchestrator.wire import RefusedError

INTERVAL_MIN_S = 10
INTERVAL_MAX_S = 3600
"""Bounds for whatever heartbeat interval somebody asks for."""
INTERVAL_SPREAD = 0.05
"""Each interval is shortened or lengthened by up to this share, so that a fleet does not beat as one."""

SOON = Backoff(first_s=2.0, cap_s=150.0, jitter=1.0)
"""After failures that pass by themselves: full jitter, from nothing to twice these, at most 300 s."""
SLOWLY = Backoff(first_s=10.0, cap_s=150.0, jitter=1.0)
"""After refusals that someone must act on; short enough to notice that they did."""
SHORTEST_WAIT_S = 1.0
"""Full jitter may draw nothing at all, which would be a busy loop."""
NO_SLOT_WAIT_S = 60.0
"""Where the orchestrator has no card and does not say when to ask again."""
HURRY_FLOOR_S = 10.0
HURRY_FORGOTTEN_S = 3600.0
ASKED_SPREAD = 0.2
"""A wait the orchestrator asked for is never shortened, only lengthened by up to this share."""

KEY = "key"
"""Code of the error that the key's file cannot be used."""
_NO_SLOT_CODES = frozenset(("no_slot", "no_pool", "pool_full", "unknown"))


class Pace(StrEnum):
    """How soon a failed call is made again."""

    SOON = "soon"
    SLOWLY = "slowly"
    ASKED = "asked"
    """When the orchestrator said, or after its usual time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a failure puts us in, in words too, and how to go on."""

    state: IonmeshState
    detail: str
    pace: Pace
    retry_after_s: float | None = None


def judge(error: OrchestratorError, *, registering: bool) -> Verdict:
    """What a failed registration (`registering`) or heartbeat means."""
    if isinstance(error, RefusedError):
        return _refused(error, registering=registering)
    if error.code == KEY:
        return Verdict(IonmeshState.REFUSED, str(error), Pace.SLOWLY)
    if error.code == "tls":
        detail = f"{error}; check ca_cert and the router's clock"
        return Verdict(IonmeshState.UNREACHABLE, detail, Pace.SOON)
    pace = Pace.SLOWLY if error.code == "protocol" else Pace.SOON
    return Verdict(IonmeshState.UNREACHABLE, str(error), pace)


def _refused(error: RefusedError, *, registering: bool) -> Verdict:
    said = error.message or f"HTTP {error.status}"
    no_slot = registering and error.documented and error.code in _NO_SLOT_CODES
    match error.status or 0:
        case 401:
            detail = f"the API key is not accepted: {said}"
        case 403:
            detail = f"the API key does not allow this: {said}; check tenant_id"
        case 409:
            detail = (
                f"{said}: another router uses this client_name; give this one its own in ionmesh.client_name"
            )
        case 404 if no_slot and error.code != "unknown":
            return Verdict(IonmeshState.NO_SLOT, said, Pace.ASKED, error.retry_after_s)
        case 404:
            detail = f"{said}: there is no IonMesh at this url"
        case 503 if no_slot or error.available_modes:
            free = ", ".join(error.available_modes) or "none"
            detail = f"{said}; mapping modes with a free card: {free}"
            return Verdict(IonmeshState.NO_SLOT, detail, Pace.ASKED, error.retry_after_s)
        case 429:
            return Verdict(IonmeshState.UNREACHABLE, said, Pace.ASKED, error.retry_after_s)
        case status if status >= 500:
            return Verdict(IonmeshState.UNREACHABLE, str(error), Pace.SOON, error.retry_after_s)
        case status if 300 <= status < 400:
            detail = (
                f"HTTP {status}: the url leads elsewhere, and redirects are not followed; correct ionmesh.url"
            )
        case _:
            detail = str(error)
    return Verdict(IonmeshState.REFUSED, detail, Pace.SLOWLY, error.retry_after_s)


def wait_s(verdict: Verdict, failures: int, chance: float) -> float:
    """The wait after the `failures`-th failure in a row; `chance` is a random number in 0..1."""
    if verdict.pace is Pace.ASKED:
        asked_s = NO_SLOT_WAIT_S if verdict.retry_after_s is None else verdict.retry_after_s
        return min(max(asked_s, 1.0), INTERVAL_MAX_S) * (1.0 + ASKED_SPREAD * chance)
    plain = SOON if verdict.pace is Pace.SOON else SLOWLY
    backoff = replace(plain, failures=failures)
    return max(backoff.delay_s(chance), SHORTEST_WAIT_S, min(verdict.retry_after_s or 0.0, INTERVAL_MAX_S))


def interval_s(
    config: IonmeshConfig, *, metered: bool, server_s: int | None, operator_s: int | None, chance: float
) -> float:
    """Seconds to the next heartbeat, within 10..3600 s, give or take the spread.

    An operator's set-interval command comes first. Where bytes cost money the longer of the
    orchestrator's wish and the configuration counts, elsewhere the wish.
    """
    if operator_s is not None:
        wanted_s = operator_s
    elif metered:
        wanted_s = max(server_s or 0, config.metered_interval_s)
    else:
        wanted_s = config.interval_s if server_s is None else server_s
    plain_s = min(max(wanted_s, INTERVAL_MIN_S), INTERVAL_MAX_S)
    return plain_s * (1.0 + INTERVAL_SPREAD * (2.0 * chance - 1.0))


@dataclass(frozen=True, slots=True)
class Hurry:
    """How soon a change of state may be told before its time.

    The first one `HURRY_FLOOR_S` after the latest call. Each one told doubles that floor, up
    to the usual interval, until `HURRY_FORGOTTEN_S` pass without: a link that flaps costs a
    few heartbeats more, not one a flap.
    """

    floor_s: float | None = None
    told_s: float | None = None

    def earliest_s(self, latest_call_s: float, now_s: float) -> float:
        """When the next may be told, on the clock of the arguments."""
        return latest_call_s + self._floor_s(now_s)

    def told(self, now_s: float, interval_s: float) -> "Hurry":
        """After one was told at `now_s`."""
        return Hurry(max(min(2.0 * self._floor_s(now_s), interval_s), HURRY_FLOOR_S), now_s)

    def _floor_s(self, now_s: float) -> float:
        forgotten = self.told_s is not None and now_s - self.told_s >= HURRY_FORGOTTEN_S
        return HURRY_FLOOR_S if forgotten or self.floor_s is None else self.floor_s


def is_news(event: Event) -> bool:
    """Whether IonMesh should hear of it at once: a SIM was switched, or the data moved to another link."""
    if isinstance(event, ActiveLinkChanged):
        return event.previous is not None
    return isinstance(event, SimSwitched)
