"""The control methods about what was recorded, and about alerts."""

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from remsimd import clock
from remsimd.control.methods import Method, Params
from remsimd.errors import ControlError
from remsimd.observe.alerting import Alerting
from remsimd.observe.history import History
from remsimd.observe.queries import Point, Search, Wanted
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
        step_s = _step_s(wanted, params)
        return {
            "metric": params["metric"],
            "unit": METRICS.get(params["metric"]),
            "step_s": step_s,
            "subjects": await self._ask(partial(_points, wanted, step_s)),
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
            {"metric": str, "subject": str, "range_s": int, "step_s": int, "points": int},
            "One recorded metric of each subject, oldest first, thinned to about `points`; the last day"
            " unless said otherwise.",
            serve.history,
            optional=frozenset({"subject", "range_s", "step_s", "points"}),
        ),
        "history.series": Method({}, "Everything recorded: metric, unit and subject.", serve.series),
        "history.points": Method(
            {"metric": str, "subject": str, "range_s": int, "step_s": int, "points": int},
            "One recorded series, oldest first, thinned to about `points`; the last day unless said"
            " otherwise.",
            serve.points,
            optional=frozenset({"range_s", "step_s", "points"}),
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
    """What to read: the coarsest recording that gives the wanted points, so that little is read."""
    range_s, points, step_s = _range_s(params), params.get("points"), params.get("step_s")
    if step_s is not None and step_s not in STEPS_S:
        raise ControlError(f"step_s must be one of {', '.join(map(str, STEPS_S))}")
    if points is not None and points < 1:
        raise ControlError("points must be 1 or more")
    to_s = clock.wall()
    subjects = (params["subject"],) if "subject" in params else ()
    wanted = Wanted(to_s - range_s, to_s, (params["metric"],), subjects, step_s)
    if points is None or step_s is not None:
        return wanted
    coarse_enough = (each for each in STEPS_S[wanted.tier :] if each <= range_s / points)
    return replace(wanted, step_s=max(coarse_enough, default=None))


def _step_s(wanted: Wanted, params: Params) -> int:
    """The seconds of a row: the recorded ones, or a multiple of them that thins to the points."""
    recorded_s = STEPS_S[wanted.tier]
    points = params.get("points")
    return recorded_s if points is None else recorded_s * math.ceil(_range_s(params) / (points * recorded_s))


def _series(archive: "Archive") -> tuple[tuple[str, str], ...]:
    return archive.series()


def _points(wanted: Wanted, step_s: int, archive: "Archive") -> dict[str, list[list[float]]]:
    """By subject, rows of begin (s), minimum, maximum, average, last of each `step_s` seconds.

    Where that is longer than what was recorded, every recorded span weighs the same in the average.
    """
    merged: dict[tuple[str, int], list[Point]] = {}
    for point in archive.points(wanted):
        merged.setdefault((point.subject, point.at_s // step_s), []).append(point)
    subjects: dict[str, list[list[float]]] = {}
    for (subject, number), points in merged.items():
        average = sum(point.average for point in points) / len(points)
        low, high = min(point.low for point in points), max(point.high for point in points)
        row = [number * step_s, low, high, round(average, 3), points[-1].last]
        subjects.setdefault(subject, []).append(row)
    return subjects


def _events(search: Search, archive: "Archive") -> list[dict[str, object]]:
    return archive.events(search)
