"""Commands of the orchestrator: each is delivered at least once and carried out at most once."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remsimd import clock
from remsimd.errors import RemsimError
from remsimd.events import Event
from remsimd.orchestrator.events import CommandDone, CommandReceived
from remsimd.orchestrator.requests import CommandResult, ResultState
from remsimd.orchestrator.store import Store
from remsimd.orchestrator.wire import Command

log = logging.getLogger(__name__)

REMEMBERED = 256
"""Command ids kept; the orchestrator repeats a command only until it hears of it."""
WAITING_MAX = 100
TIMEOUT_S = 300.0
"""The longest a command may take; a SIM switch with a modem restart needs about a minute."""
DETAIL_CHARS = 8000
LOGGED_CHARS = 200
RESULTS_PER_HEARTBEAT = 50
CUT_SHORT = "the daemon was restarted before it ended"

Execute = Callable[[Command], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A command we were given; `state` None means that it waits or runs."""

    id: str
    type: str
    state: ResultState | None = None
    detail: str = ""
    told: ResultState | None = None
    """The last state the orchestrator confirmed to have heard."""
    received_s: float = 0.0
    """Wall clock."""

    @property
    def news(self) -> ResultState | None:
        """What the orchestrator has yet to hear."""
        state = ResultState.ACKED if self.state is None else self.state
        return None if state is self.told else state

    @property
    def result(self) -> CommandResult:
        return CommandResult(self.id, self.state or ResultState.ACKED, self.detail)


class Commands:
    """Takes commands, runs them one after the other, and keeps their results until they are told.

    A command is on the flash before it runs, so a restart in its middle cannot run it again:
    it is reported as failed then. `execute` gives a line about what was done and raises
    `RemsimError` when it was not; `on_result` is called when there is something to report.
    The last `remembered` ids are known, and every one that was not reported yet.
    """

    def __init__(
        self,
        execute: Execute,
        store: Store,
        *,
        publish: Callable[[Event], None],
        on_result: Callable[[], None],
        remembered: int = REMEMBERED,
    ) -> None:
        self._execute = execute
        self._store = store
        self._publish = publish
        self._on_result = on_result
        self._remembered = remembered
        self._entries: dict[str, _Entry] = {}
        self._waiting: deque[Command] = deque()
        self._arrived = asyncio.Event()

    def restore(self) -> None:
        """Take up what was known before a restart; what had not ended by then has failed."""
        self._waiting.clear()
        for kept in self._store.commands():
            entry = _restored(kept)
            if entry is not None:
                self._entries.setdefault(entry.id, entry)
        for ident, entry in self._entries.items():
            if entry.state is None:
                self._entries[ident] = replace(entry, state=ResultState.FAILED, detail=CUT_SHORT)

    def accept(self, commands: Iterable[Command]) -> None:
        """Queue the commands not seen before; one that cannot be remembered is refused.

        Beyond `WAITING_MAX` they are left to the orchestrator, which repeats them.
        """
        new = {command.id: command for command in commands if command.id not in self._entries}
        excess = tuple(new)[max(WAITING_MAX - len(self._waiting), 0) :]
        for ident in excess:
            del new[ident]
        if excess:
            log.warning("%d commands not taken: %d wait already", len(excess), WAITING_MAX)
        if not new:
            return
        self._entries.update(
            {ident: _Entry(ident, command.type, received_s=clock.wall()) for ident, command in new.items()}
        )
        kept = self._keep()
        for command in new.values():
            log.info("command %s: %s", command.id, command.type)
            self._publish(CommandReceived(command.id, command.type))
            if kept:
                self._waiting.append(command)
            else:
                detail = "not tried: it cannot be recorded on this router, so it might run twice"
                self._finish(command, ResultState.FAILED, detail)
        self._arrived.set()

    @property
    def has_results(self) -> bool:
        """Whether a command ended that the orchestrator has not heard of."""
        return any(entry.state is not None and entry.news is not None for entry in self._entries.values())

    def listing(self) -> tuple[Mapping[str, object], ...]:
        """Every command remembered, for people, oldest first; state `waiting` until it ended."""
        return tuple(
            {
                "id": entry.id,
                "type": entry.type,
                "state": "waiting" if entry.state is None else entry.state.value,
                "told": entry.news is None,
                "detail": entry.detail,
                "received_s": entry.received_s,
            }
            for entry in self._entries.values()
        )

    def results(self) -> tuple[CommandResult, ...]:
        """What the next heartbeat has to tell, oldest first."""
        news = [entry.result for entry in self._entries.values() if entry.news is not None]
        return tuple(news[:RESULTS_PER_HEARTBEAT])

    def told(self, results: Iterable[CommandResult]) -> None:
        """Note that the orchestrator has heard these."""
        changed = False
        for result in results:
            entry = self._entries.get(result.id)
            if entry is not None:
                self._entries[result.id] = replace(entry, told=result.state)
                changed = True
        if changed:
            self._keep()

    async def run(self) -> None:
        """Carry out what was accepted, in order, until cancelled."""
        while True:
            while self._waiting:
                await self._carry_out(self._waiting.popleft())
            self._arrived.clear()
            await self._arrived.wait()

    async def _carry_out(self, command: Command) -> None:
        if command.expires_at is not None and command.expires_at <= clock.wall():
            self._finish(command, ResultState.FAILED, "not tried: it had expired")
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                detail = await self._execute(command)
        except TimeoutError:
            self._finish(command, ResultState.FAILED, f"not done within {TIMEOUT_S:g} s")
        except RemsimError as error:
            self._finish(command, ResultState.FAILED, str(error))
        else:
            self._finish(command, ResultState.DONE, detail)

    def _finish(self, command: Command, state: ResultState, detail: str) -> None:
        entry = self._entries[command.id]
        self._entries[command.id] = replace(entry, state=state, detail=detail[:DETAIL_CHARS])
        self._keep()
        level = logging.INFO if state is ResultState.DONE else logging.WARNING
        log.log(level, "command %s (%s) %s: %s", command.id, command.type, state, detail[:LOGGED_CHARS])
        self._publish(CommandDone(command.id, command.type, state is ResultState.DONE, detail))
        self._on_result()

    def _keep(self) -> bool:
        """Write the entries down, forgetting the oldest ones that were told."""
        excess = len(self._entries) - self._remembered
        settled = [entry.id for entry in self._entries.values() if entry.state and entry.news is None]
        for ident in settled[: max(excess, 0)]:
            del self._entries[ident]
        return self._store.keep_commands([_kept(entry) for entry in self._entries.values()])


def _kept(entry: _Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "type": entry.type,
        "state": entry.state,
        "detail": "" if entry.state is entry.told else entry.detail,
        "told": entry.told,
        "received_s": entry.received_s,
    }


def _restored(kept: Any) -> _Entry | None:
    try:
        return _Entry(
            str(kept["id"]),
            str(kept["type"]),
            None if kept["state"] is None else ResultState(kept["state"]),
            str(kept["detail"]),
            None if kept["told"] is None else ResultState(kept["told"]),
            float(kept.get("received_s", 0.0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        log.warning("a remembered command cannot be read: %r", error)
        return None
