"""One heartbeat at a time, and how long until the next."""

import random as random_module
from collections.abc import Callable, Mapping
from typing import Any

from remsimd import clock
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.events import Event, HeartbeatSent
from remsimd.orchestrator import policy
from remsimd.orchestrator.calls import Calls
from remsimd.orchestrator.commands import Commands
from remsimd.orchestrator.wire import HeartbeatAnswer, HeartbeatRequest


class Heartbeats:
    """Sends heartbeats and keeps the interval between them.

    `stats` and `modem_info` give what to report now; `metered` says whether the present way
    costs money by the byte.
    """

    def __init__(
        self,
        config: IonmeshConfig,
        calls: Calls,
        commands: Commands,
        *,
        client_name: str,
        via: Callable[[], str | None],
        metered: Callable[[], bool],
        stats: Callable[[], Mapping[str, object]],
        modem_info: Callable[[], Mapping[str, object]],
        publish: Callable[[Event], None],
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._config = config
        self._calls = calls
        self._commands = commands
        self._client_name = client_name
        self._via = via
        self._metered = metered
        self._stats = stats
        self._modem_info = modem_info
        self._publish = publish
        self._random = random
        self._server_s: int | None = None
        self._operator_s: int | None = None

    async def send(self, assignment_version: int | None) -> HeartbeatAnswer:
        """Send one, with the results of commands; raises `OrchestratorError`."""
        results = self._commands.results()
        request = HeartbeatRequest(
            client_id=self._client_name,
            tenant_id=None if self._calls.has_key else self._config.tenant_id,
            stats=self._stats(),
            modem_info=self._modem_info(),
            assignment_version=assignment_version,
            command_results=results,
        )
        started_s, link = clock.monotonic(), self._via()
        answer = await self._calls.heartbeat(request)
        self._publish(HeartbeatSent(link, clock.monotonic() - started_s))
        self._commands.told(results)
        self.server_asks(answer.next_interval_s)
        return answer

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
        return policy.interval_s(
            self._config,
            metered=self._metered(),
            server_s=self._server_s,
            operator_s=self._operator_s,
            chance=self._random(),
        )
