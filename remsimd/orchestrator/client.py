"""The IonMesh client: gets this router its card, says how it is, and takes commands."""

import asyncio
import logging
import random as random_module
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from remsimd import clock
from remsimd.assignment import Assignment
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.events import Event, LinkHealthChanged
from remsimd.orchestrator import policy
from remsimd.orchestrator.calls import Caller, Calls, Way
from remsimd.orchestrator.commands import Commands
from remsimd.orchestrator.events import Assigned, IonmeshState, IonmeshStateChanged
from remsimd.orchestrator.heartbeat import Heartbeats, Sources
from remsimd.orchestrator.requests import RegisterRequest
from remsimd.orchestrator.store import Store
from remsimd.orchestrator.wire import Command, DiscoverAnswer, HeartbeatAnswer

log = logging.getLogger(__name__)

FIRST_HEARTBEAT_S = 2.0
"""From a registration to the first heartbeat, which shows the router with its figures."""
FROM_CACHE = "cache"
FROM_ORCHESTRATOR = "ionmesh"

_FORGOTTEN = frozenset((401, 403, 404))
"""Statuses of a heartbeat after which only a registration helps: it reads the key anew, too."""
_FAILURES = frozenset((IonmeshState.NO_SLOT, IonmeshState.REFUSED, IonmeshState.UNREACHABLE))


class OrchestratorClient:
    """Keeps this router registered, as long as `run` runs.

    - `way` says how the next call travels; `find` looks up an orchestrator whose configured url
      says only how to find it.
    - `sources` give what a heartbeat reports, `hardware_info` what a registration does;
      `fingerprint` tells routers of one name apart.
    - `execute` carries out a command and gives a line about it, or raises `RemsimError`.
      `set-interval` is carried out here.
    - `state_dir` keeps the assignment and the commands seen over a restart.
    - `random` gives numbers in 0..1 for the spread of waits.
    """

    def __init__(
        self,
        config: IonmeshConfig,
        *,
        client_name: str,
        hardware_info: Callable[[], Mapping[str, object]],
        software_version: str,
        http: Caller,
        way: Way,
        sources: Sources,
        execute: Callable[[Command], Awaitable[str]],
        state_dir: str | Path,
        publish: Callable[[Event], None],
        random: Callable[[], float] = random_module.random,
        fingerprint: str | None = None,
        find: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        self._publish = publish
        self._random = random
        self._execute = execute
        self.client_name = client_name
        self._hardware_info = hardware_info
        self._request = _wish(config, client_name, software_version, fingerprint)
        self._store = Store(state_dir, owner=f"{config.url} tenant {config.tenant_id} {client_name}")
        self._calls = Calls(config, http, way=way, publish=publish, find=find)
        self._commands = Commands(self._carry_out, self._store, publish=publish, on_result=self._look_up)
        self._heartbeats = Heartbeats(
            config,
            self._calls,
            self._commands,
            client_name=client_name,
            way=way,
            sources=sources,
            publish=publish,
            random=random,
        )
        self._state = (IonmeshState.OFF, "")
        self._assignment: Assignment | None = None
        self._attention = asyncio.Event()
        self._askers: list[asyncio.Future[None]] = []
        self._running = False

    async def run(self) -> None:
        """Tell the assignment of the last time, then register and send heartbeats until cancelled."""
        self._become(IonmeshState.CONNECTING, "")
        self._restore()
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._commands.run())
                tasks.create_task(self._stay_registered())
        finally:
            self._running = False
            self._calls.close()
            self._answer_askers(OrchestratorError("the IonMesh client was stopped", code="stopped"))

    async def reregister(self) -> None:
        """Register anew at once; raises `OrchestratorError` when that attempt fails."""
        if not self._running:
            raise OrchestratorError("the IonMesh client is not running", code="stopped")
        asker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._askers.append(asker)
        self._look_up()
        await asker

    async def unregister(self, timeout_s: float) -> bool:
        """Give the card back, for after `run` was cancelled; returns whether IonMesh confirmed.

        Without a confirmation the assignment is kept for the next start.
        """
        try:
            await self._calls.unregister(self.client_name, timeout_s)
        except OrchestratorError as error:
            log.warning("not unregistered: %s", error)
            return False
        log.info("unregistered %s", self.client_name)
        self._assign(None)
        self._become(IonmeshState.OFF, "unregistered")
        return True

    @property
    def assignment(self) -> Assignment | None:
        """The card this router has, of IonMesh's last word or of the last time."""
        return self._assignment

    def commands(self) -> tuple[Mapping[str, object], ...]:
        """The commands remembered, oldest first: id, type, state, detail, received_s (wall clock)."""
        return self._commands.listing()

    def take(self, event: Event) -> None:
        """Hear of an event; a change of state that IonMesh should know makes the next call sooner."""
        if isinstance(event, LinkHealthChanged):
            self._calls.way_changed()
        if self._heartbeats.take(event):
            self._look_up()

    async def discover(self) -> DiscoverAnswer:
        """What IonMesh says about itself; raises `OrchestratorError`."""
        return await self._calls.discover()

    def _restore(self) -> None:
        self._commands.restore()
        self._assignment = self._store.assignment()
        if self._assignment is not None:
            self._publish(Assigned(self._assignment, FROM_CACHE))

    async def _stay_registered(self) -> None:
        while True:
            await self._register()
            await self._send_heartbeats()

    async def _register(self) -> None:
        """Try until it is accepted."""
        failures = 0
        while True:
            try:
                request = replace(self._request, hardware_info=self._hardware_info())
                self._heartbeats.called()
                answer = await self._calls.register(request)
            except OrchestratorError as error:
                failures += 1
                verdict = policy.judge(error, registering=True)
                self._become(verdict.state, verdict.detail)
                self._answer_askers(error)
                wait_s = policy.wait_s(verdict, failures, self._random())
                await self._pause(wait_s, for_news=verdict.pace is not policy.Pace.ASKED)
                continue
            self._heartbeats.registered(answer.heartbeat_interval_s)
            self._assign(answer.assignment)
            self._become(IonmeshState.REGISTERED, "")
            self._answer_askers(None)
            return

    async def _send_heartbeats(self) -> None:
        """Send them until only a registration helps, or somebody asks for one."""
        wait_s, confirmed, failures = FIRST_HEARTBEAT_S, False, 0
        while True:
            await self._pause(wait_s, for_results=failures == 0, for_news=True)
            if self._askers:
                return
            try:
                answer = await self._heartbeats.send(self._version())
            except OrchestratorError as error:
                failures += 1
                verdict = policy.judge(error, registering=False)
                if error.status in _FORGOTTEN:
                    self._become(IonmeshState.CONNECTING, f"registering again: {error}")
                    if not confirmed:
                        # It accepted us a moment ago and knows us no more: do not ask in a circle.
                        await self._pause(self._heartbeats.interval_s())
                    return
                self._become(verdict.state, verdict.detail)
                # The assignment stands meanwhile, so there is no hurry beyond the usual interval.
                wait_s = min(policy.wait_s(verdict, failures, self._random()), self._heartbeats.interval_s())
            else:
                confirmed, failures, wait_s = True, 0, self._heartbeats.interval_s()
                self._become(IonmeshState.REGISTERED, "")
                self._take(answer)

    def _take(self, answer: HeartbeatAnswer) -> None:
        if answer.assignment is not None or answer.withdrawn:
            self._assign(answer.assignment)
        self._commands.accept(answer.commands)

    async def _carry_out(self, command: Command) -> str:
        if command.type == "set-interval":
            return self._heartbeats.operator_asks(command.params)
        return await self._execute(command)

    def _version(self) -> int | None:
        return None if self._assignment is None else self._assignment.version

    def _assign(self, assignment: Assignment | None) -> None:
        if assignment == self._assignment:
            return
        self._assignment = assignment
        self._store.keep_assignment(assignment)
        if assignment is None:
            log.info("no card is assigned any more")
        else:
            log.info("assigned bank %s slot %s", assignment.bank_id, assignment.slot_id)
        self._publish(Assigned(assignment, FROM_ORCHESTRATOR))

    def _become(self, state: IonmeshState, detail: str) -> None:
        """The only place where the state changes; a repeated failure is told once."""
        before, self._state = self._state, (state, detail)
        if self._state == before:
            log.debug("still %s: %s", state, detail)
            return
        level = logging.WARNING if state in _FAILURES and state is not before[0] else logging.INFO
        log.log(level, "IonMesh: %s%s%s", state, ": " if detail else "", detail)
        self._publish(IonmeshStateChanged(state, detail))

    def _look_up(self) -> None:
        self._attention.set()

    def _answer_askers(self, error: OrchestratorError | None) -> None:
        askers, self._askers = self._askers, []
        for asker in askers:
            if asker.done():
                continue
            if error is None:
                asker.set_result(None)
            else:
                asker.set_exception(error)

    async def _pause(self, seconds: float, *, for_results: bool = False, for_news: bool = False) -> None:
        """Wait; shorter when somebody asks for a registration.

        Also, `for_results`, when a command ended, and, `for_news`, for a change of state.
        """
        until_s = clock.monotonic() + seconds
        while not self._askers and not (for_results and self._commands.has_results):
            self._attention.clear()
            due_s = min(until_s, self._heartbeats.news_due_s()) if for_news else until_s
            try:
                async with asyncio.timeout_at(due_s):
                    await self._attention.wait()
            except TimeoutError:
                return


def _wish(
    config: IonmeshConfig, client_name: str, software_version: str, fingerprint: str | None
) -> RegisterRequest:
    """The registration, but for the hardware, which may be known later."""
    return RegisterRequest(
        client_id=client_name,
        mapping_mode=config.mapping_mode.value,
        tenant_id=config.tenant_id,
        mcc_mnc=config.mcc_mnc,
        carrier=config.carrier,
        preferred_bank_id=config.preferred_bank_id,
        software_version=software_version,
        fingerprint=fingerprint,
    )
