"""Looks at the metrics for the configured alerts, and tells: the timeline, and webhooks."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client.registry import Collector

from remsimd import clock
from remsimd.config.model import AlertConfig
from remsimd.errors import ControlError
from remsimd.events import Event
from remsimd.observe import alerts
from remsimd.observe.alertmemory import AlertMemory
from remsimd.observe.alerts import Board, Change, Growth, Phase, Standing
from remsimd.observe.events import AlertChanged
from remsimd.observe.webhook import Notice, Webhooks

log = logging.getLogger(__name__)

LOOK_S = 5.0
REPEAT_S = 4 * 3600.0
"""A webhook hears of an alert that nobody acknowledges so often."""

UNTOLD_LABELS = frozenset(("router_id", "carrier"))
"""Not part of a subject: the same everywhere, and changing while the thing stays the same."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Where alerts are told: on the bus, and at web addresses by a router of this name."""

    publish: Callable[[Event], None]
    webhooks: Webhooks
    router_id: str


class Alerting:
    """Runs the alerts over every gauge and counter that the collectors export."""

    def __init__(
        self,
        configs: tuple[AlertConfig, ...],
        collectors: tuple[Collector, ...],
        outside: Outside,
        memory: AlertMemory,
    ) -> None:
        self._configs = {config.name: config for config in configs}
        self._collectors = collectors
        self._outside = outside
        self._memory = memory
        self._board = Board()
        self._growths: dict[tuple[str, str], Growth] = {}
        self._told_s: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        self._warn_of_unknown()
        self._restore()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._outside.webhooks.run())
            while True:
                self._look()
                await asyncio.sleep(LOOK_S)

    # What people ask

    def listing(self) -> list[dict[str, Any]]:
        """Every alert with its standings, for people."""
        now_s = clock.monotonic()
        return [
            {
                "alert": config.name,
                "metric": config.metric,
                "severity": config.severity,
                "condition": condition(config),
                "muted_for_s": max(self._board.muted_until_s.get(config.name, now_s) - now_s, 0.0),
                "standings": [
                    {
                        "subject": subject,
                        "phase": standing.phase.value,
                        "for_s": now_s - standing.since_s,
                        "value": standing.value,
                        "acknowledged": standing.acknowledged,
                    }
                    for (name, subject), standing in sorted(self._board.standings.items())
                    if name == config.name
                ],
            }
            for config in self._configs.values()
        ]

    def acknowledge(self, alert: str, subject: str | None) -> str:
        """Take note of a firing alert: its webhook is not told again until it is over."""
        self._config(alert)
        self._board, count = self._board.acknowledge(alert, subject)
        if not count:
            raise ControlError(f"{alert} does not fire" + ("" if subject is None else f" for {subject!r}"))
        self._memory.keep(self._board)
        return f"{alert}: {count} acknowledged"

    def mute(self, alert: str, minutes: int) -> str:
        """Tell no webhook of an alert for so long; 0 ends that."""
        self._config(alert)
        self._board = self._board.with_mute(alert, clock.monotonic() + 60.0 * minutes)
        self._memory.keep(self._board)
        return f"{alert} is muted for {minutes} min" if minutes else f"{alert} is not muted"

    def _config(self, name: str) -> AlertConfig:
        if name not in self._configs:
            raise ControlError(f"no alert {name!r}; alerts: {', '.join(self._configs) or 'none'}")
        return self._configs[name]

    # Looking and telling

    def _warn_of_unknown(self) -> None:
        families = [family for collector in self._collectors for family in collector.collect()]
        names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
        for config in self._configs.values():
            if config.metric not in names:
                log.warning("alert %s never fires: no metric %s is exported", config.name, config.metric)

    def _restore(self) -> None:
        """Go on with what a daemon before this one knew, as far as it is still configured."""
        kept, now_s = self._memory.restore(), clock.monotonic()
        standings = {key: one for key, one in kept.standings.items() if key[0] in self._configs}
        self._board = Board(standings, kept.muted_until_s)
        self._told_s = dict.fromkeys(standings, now_s)

    def _look(self) -> None:
        now_s = clock.monotonic()
        values: dict[str, dict[str, float]] = {}
        for name, subject, value in self._samples(now_s):
            values.setdefault(name, {})[subject] = value
        for config in self._configs.values():
            self._board, changes = alerts.look(self._board, config, values.get(config.metric, {}), now_s)
            for subject, change, standing in changes:
                self._changed(config, subject, change, standing)
        self._memory.keep(self._board)
        self._remind(now_s)

    def _samples(self, now_s: float) -> Iterator[tuple[str, str, float]]:
        """What alerts watch: gauges as they are, counters as what they grew by lately."""
        watched = {config.metric for config in self._configs.values()}
        for family in (family for collector in self._collectors for family in collector.collect()):
            for sample in family.samples:
                if sample.name not in watched:
                    continue
                labels = {k: v for k, v in sample.labels.items() if k not in UNTOLD_LABELS}
                subject = " ".join(labels.values()) or self._outside.router_id
                value = sample.value
                if family.type == "counter":
                    key = sample.name, subject
                    growth = self._growths.get(key, Growth()).read(now_s, value)
                    self._growths[key], value = growth, growth.by
                yield sample.name, subject, value

    def _changed(self, config: AlertConfig, subject: str, change: Change, standing: Standing) -> None:
        firing = change is Change.FIRES
        text = f"{config.metric} is {_number(standing.value)}, alert {condition(config)}"
        self._outside.publish(AlertChanged(config.name, subject, firing, config.severity, text))
        self._tell(config, subject, standing, "firing" if firing else "resolved")

    def _remind(self, now_s: float) -> None:
        for (name, subject), standing in self._board.standings.items():
            due = now_s - self._told_s.get((name, subject), now_s) >= REPEAT_S
            if standing.phase is Phase.FIRING and due and not standing.acknowledged:
                self._tell(self._configs[name], subject, standing, "firing")

    def _tell(self, config: AlertConfig, subject: str, standing: Standing, status: str) -> None:
        now_s = clock.monotonic()
        key = config.name, subject
        self._told_s[key] = now_s
        if config.webhook is None or self._board.muted(config.name, now_s):
            return
        body = {
            "status": status,
            "alert": config.name,
            "severity": config.severity,
            "router_id": self._outside.router_id,
            "subject": subject,
            "metric": config.metric,
            "condition": condition(config),
            "value": standing.value,
            "at": int(clock.wall()),
        }

        def worth_telling() -> bool:
            """A retry for an alert acknowledged or muted meanwhile tells nobody anything."""
            known = self._board.standings.get(key, Standing())
            stale = status == "firing" and known.acknowledged
            return not stale and not self._board.muted(config.name, clock.monotonic())

        self._outside.webhooks.tell(Notice(config.webhook, body, config.webhook_key_file, worth_telling))


def condition(config: AlertConfig) -> str:
    """When an alert fires, in words."""
    bounds = [f"above {config.above:g}"] if config.above is not None else []
    bounds += [f"below {config.below:g}"] if config.below is not None else []
    text = " or ".join(bounds)
    return f"{text} for {config.for_s} s" if config.for_s else text


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
