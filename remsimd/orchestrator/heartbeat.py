"""One heartbeat at a time, what is in it, and how long until the next."""

import random as random_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from remsimd import clock
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.events import Event
from remsimd.orchestrator import policy
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.commands import Commands
from remsimd.orchestrator.events import HeartbeatSent
from remsimd.orchestrator.policy import Hurry
from remsimd.orchestrator.requests import HeartbeatRequest
from remsimd.orchestrator.wire import HeartbeatAnswer

WHOLE_EVERY = 36
"""Every so many heartbeats say what did not change, too: six hours at the metered interval."""
STATS_EVERY = 6
"""Where bytes cost money the figures are told with every so many heartbeats, and with any news."""
KEPT_OPEN_S = 90.0
"""A connection is not kept for longer waits: carrier NAT forgets it, and closing it later costs packets."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened after a given number: the newest `events`, how many older ones are left out."""

    events: tuple[Mapping[str, Any], ...] = ()
    left_out: int = 0
    last_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a heartbeat says, asked for at that moment; `happened` is given the last number told."""

    stats: Callable[[], Mapping[str, Any]]
    modem_info: Callable[[], Mapping[str, Any]]
    links: Callable[[], Mapping[str, Any]] = dict
    happened: Callable[[int], Happened] = lambda _: Happened()


class Heartbeats:
    """Sends heartbeats and keeps the interval between them."""

    def __init__(
        self,
        config: IonmeshConfig,
        calls: Calls,
        commands: Commands,
        *,
        client_name: str,
        way: Way,
        sources: Sources,
        publish: Callable[[Event], None],
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._config = config
        self._calls = calls
        self._commands = commands
        self._client_name = client_name
        self._way = way
        self._sources = sources
        self._publish = publish
        self._random = random
        self._server_s: int | None = None
        self._operator_s: int | None = None
        self._told: dict[str, Mapping[str, Any]] = {}
        self._told_seq = 0
        self._told_interval_s: int | None = None
        self._since_whole = 0
        self._news = False
        self._hurry = Hurry()
        self._latest_call_s = 0.0

    def registered(self, interval_s: int | None) -> None:
        """After a registration: nothing was told yet, and this interval is wished for."""
        self._told, self._since_whole = {}, 0
        self._told_interval_s = None
        self.server_asks(interval_s)

    def called(self) -> None:
        """Note that a call is made now, which is what a change of state waited for."""
        self._latest_call_s = clock.monotonic()
        if self._news:
            self._news = False
            self._hurry = self._hurry.told(self._latest_call_s, self._plain_interval_s())

    def take(self, event: Event) -> bool:
        """Whether IonMesh should hear of an event before its time."""
        self._news = self._news or policy.is_news(event)
        return self._news

    def news_due_s(self) -> float:
        """When the change of state not told yet is to be told, on the loop's clock; infinity for none."""
        if not self._news:
            return float("inf")
        return self._hurry.earliest_s(self._latest_call_s, clock.monotonic())

    async def send(self, assignment_version: int | None) -> HeartbeatAnswer:
        """Send one, with the results of commands; raises `OrchestratorError`."""
        results = self._commands.results()
        happened = self._sources.happened(self._told_seq)
        parts = {"modem_info": self._sources.modem_info(), "links": self._sources.links()}
        fresh = {name: part for name, part in parts.items() if part and part != self._told.get(name)}
        asked_s, own_s = self._server_s or self._config.interval_s, self._plain_interval_s()
        stats = self._sources.stats() if self._stats_are_due(fresh, happened) else {}
        request = HeartbeatRequest(
            client_id=self._client_name,
            status="active" if stats else None,
            tenant_id=None if self._calls.has_key else self._config.tenant_id,
            stats=stats,
            modem_info=fresh.get("modem_info", {}),
            links=fresh.get("links"),
            events=happened.events,
            events_left_out=happened.left_out,
            assignment_version=assignment_version,
            command_results=results,
            interval_s=None if own_s in (asked_s, self._told_interval_s) else own_s,
        )
        self.called()
        link, started_s = self._way.link(), self._latest_call_s
        answer = await self._calls.heartbeat(request, keep_open=own_s <= KEPT_OPEN_S)
        self._publish(HeartbeatSent(link, clock.monotonic() - started_s))
        self._commands.told(results)
        self._note_told(parts, happened)
        self._told_interval_s = own_s
        self.server_asks(answer.next_interval_s)
        return answer

    def _stats_are_due(self, fresh: Mapping[str, Any], happened: Happened) -> bool:
        if not self._way.metered() or self._news or fresh or happened.events:
            return True
        return self._since_whole % STATS_EVERY == 0

    def _note_told(self, parts: Mapping[str, Mapping[str, Any]], happened: Happened) -> None:
        self._told_seq = max(self._told_seq, happened.last_seq)
        self._told = dict(parts)
        self._since_whole += 1
        if self._since_whole >= WHOLE_EVERY:
            self._told, self._since_whole = {}, 0

    def server_asks(self, interval_s: int | None) -> None:
        """Take over what the latest answer named; None means that it named nothing."""
        self._server_s = interval_s

    def operator_asks(self, params: Mapping[str, Any]) -> str:
        """Carry out `set-interval`: `seconds` 10..3600, or 0 to undo; raises `OrchestratorError`."""
        seconds = params.get("seconds", params.get("interval"))
        allowed = range(policy.INTERVAL_MIN_S, policy.INTERVAL_MAX_S + 1)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds not in (0, *allowed):
            text = f"seconds must be {allowed.start} to {allowed.stop - 1}, or 0 for the usual interval"
            raise OrchestratorError(text, code="params")
        self._operator_s = seconds or None
        return f"heartbeat every {seconds} s" if seconds else "heartbeat at the usual interval"

    def interval_s(self) -> float:
        """Seconds until the next heartbeat."""
        return self._interval_s(self._random())

    def _plain_interval_s(self) -> int:
        return round(self._interval_s(chance=0.5))

    def _interval_s(self, chance: float) -> float:
        return policy.interval_s(
            self._config,
            metered=self._way.metered(),
            server_s=self._server_s,
            operator_s=self._operator_s,
            chance=chance,
        )
