"""The control methods about what was recorded, and about alerts."""

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from remsimd import clock
from remsimd.control.methods import Method, Params
from remsimd.errors import ControlError
from remsimd.observe.alerting import Alerting
from remsimd.observe.history import History
from remsimd.observe.queries import Search, Wanted
from remsimd.observe.readings import METRICS
from remsimd.observe.rollup import DAY_S, STEPS_S

if TYPE_CHECKING:
    from remsimd.observe.archive import Archive

RANGE_MAX_S = 366 * DAY_S
MUTE_MAX_MIN = 30 * 24 * 60


class Observers(Protocol):
    """The parts asked; each raises `ControlError` where it does not run."""

    def history(self) -> History: ...

    def alerts(self) -> Alerting: ...


class Requests:
    """Serves each method of the table."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers

    async def series(self, _: Params) -> Any:
        found: tuple[tuple[str, str], ...] = await self._ask(_series)
        return [{"metric": m, "unit": METRICS.get(m), "subject": s} for m, s in found]

    async def points(self, params: Params) -> Any:
        answer = await self.history(params)
        rows = answer.pop("subjects").get(params["subject"], [])
        return {**answer, "rows": rows}

    async def history(self, params: Params) -> Any:
        wanted = _wanted(params)
        return {
            "metric": params["metric"],
            "unit": METRICS.get(params["metric"]),
            "step_s": STEPS_S[wanted.tier],
            "subjects": await self._ask(partial(_points, wanted)),
        }

    async def events(self, params: Params) -> Any:
        last = params.get("last", 1000)
        if last < 1:
            raise ControlError("last must be 1 or more")
        search = Search(
            clock.wall() - _range_s(params),
            params.get("kind"),
            params.get("severity"),
            params.get("subject"),
            last,
        )
        return await self._ask(partial(_events, search))

    async def usage(self, _: Params) -> Any:
        return await self._observers.history().usage()

    async def alerts(self, _: Params) -> Any:
        return self._observers.alerts().listing()

    async def acknowledge(self, params: Params) -> Any:
        return {"message": self._observers.alerts().acknowledge(params["alert"], params.get("subject"))}

    async def mute(self, params: Params) -> Any:
        if not 0 <= params["minutes"] <= MUTE_MAX_MIN:
            raise ControlError(f"minutes must be 0 to {MUTE_MAX_MIN}")
        return {"message": self._observers.alerts().mute(params["alert"], params["minutes"])}

    async def _ask(self, question: Any) -> Any:
        return await self._observers.history().ask(question)


def table(observers: Observers) -> dict[str, Method]:
    """Every method by name."""
    serve = Requests(observers)
    return {
        "history": Method(
            {"metric": str, "subject": str, "range_s": int, "step_s": int},
            "One recorded metric of each subject, oldest first; the last day unless said otherwise.",
            serve.history,
            optional=frozenset({"subject", "range_s", "step_s"}),
        ),
        "history.series": Method({}, "Everything recorded: metric, unit and subject.", serve.series),
        "history.points": Method(
            {"metric": str, "subject": str, "range_s": int, "step_s": int},
            "One recorded series, oldest first; the last day unless said otherwise.",
            serve.points,
            optional=frozenset({"range_s", "step_s"}),
        ),
        "history.events": Method(
            {"range_s": int, "kind": str, "severity": str, "subject": str, "last": int},
            "The recorded timeline, oldest first.",
            serve.events,
            optional=frozenset({"range_s", "kind", "severity", "subject", "last"}),
        ),
        "history.usage": Method(
            {},
            "Bytes of each link: today, this week, this month, and since the plan's reset day.",
            serve.usage,
        ),
        "alerts.list": Method({}, "The configured alerts, and what they stand at.", serve.alerts),
        "alerts.acknowledge": Method(
            {"alert": str, "subject": str},
            "Take note of a firing alert, so that it is not told again.",
            serve.acknowledge,
            optional=frozenset({"subject"}),
        ),
        "alerts.mute": Method(
            {"alert": str, "minutes": int},
            "Tell no webhook of an alert for so long; 0 ends that.",
            serve.mute,
        ),
    }


def _range_s(params: Params) -> int:
    range_s: int = params.get("range_s", DAY_S)
    if not 1 <= range_s <= RANGE_MAX_S:
        raise ControlError(f"range_s must be 1 to {RANGE_MAX_S}")
    return range_s


def _wanted(params: Params) -> Wanted:
    step_s = params.get("step_s")
    if step_s is not None and step_s not in STEPS_S:
        raise ControlError(f"step_s must be one of {', '.join(map(str, STEPS_S))}")
    to_s = clock.wall()
    subjects = (params["subject"],) if "subject" in params else ()
    return Wanted(to_s - _range_s(params), to_s, (params["metric"],), subjects, step_s)


def _series(archive: "Archive") -> tuple[tuple[str, str], ...]:
    return archive.series()


def _points(wanted: Wanted, archive: "Archive") -> dict[str, list[list[float]]]:
    """By subject, rows of begin (s), minimum, maximum, average, last."""
    subjects: dict[str, list[list[float]]] = {}
    for point in archive.points(wanted):
        row = [point.at_s, point.low, point.high, point.average, point.last]
        subjects.setdefault(point.subject, []).append(row)
    return subjects


def _events(search: Search, archive: "Archive") -> list[dict[str, object]]:
    return archive.events(search)
