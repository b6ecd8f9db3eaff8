"""The deployed C client's orchestrator on this router: its contract here, key and TLS from here on.

That client speaks plain HTTP to 127.0.0.1:5000, registers once at its start, gives up after
10 s, and never sends a heartbeat. Under this router's own name it is given the card that the
IonMesh client has, which retries, caches and heartbeats already. Under another name it is
registered on its behalf, and heartbeats go out for it from then on.
"""

import asyncio
import json
import logging
import random as random_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from remsimd import clock
from remsimd.assignment import Assignment
from remsimd.config.model import IonmeshConfig, MappingMode
from remsimd.config.options import CLIENT_NAME
from remsimd.config.readers import MCC_MNC, NotAllowedError
from remsimd.errors import OrchestratorError
from remsimd.orchestrator import policy, wire
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.listener import Listener, Reply, Request
from remsimd.orchestrator.requests import CommandResult, HeartbeatRequest, RegisterRequest, ResultState
from remsimd.orchestrator.store import Store
from remsimd.orchestrator.wire import RefusedError

log = logging.getLogger(__name__)

PORT = 5000
ANSWER_WITHIN_S = 8.0
"""Less than the 10 s after which the C client goes on with its static configuration."""
RETRY_S = 2.0
LOOK_S = 0.5
"""How often it is looked whether our own card has come."""
GUESTS_MAX = 8
NO_COMMANDS = "the older client takes no commands"
_STATUSES = frozenset(("active", "warning", "error"))


@dataclass(slots=True)
class _Guest:
    """A client under another name than ours; `results` are owed to IonMesh.

    Its heartbeats begin, at `due_s`, once it has an assignment.
    """

    request: RegisterRequest
    assignment: Assignment | None = None
    status: str = "active"
    results: tuple[CommandResult, ...] = ()
    wish_s: int | None = None
    due_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a C client asked for, checked."""

    client_id: str
    mapping_mode: MappingMode
    mcc_mnc: str | None


class LegacyProxy:
    """Serves the contract until cancelled; `own` gives the IonMesh client, None while none runs."""

    def __init__(
        self,
        config: IonmeshConfig,
        calls: Calls,
        store: Store,
        *,
        way: Way,
        own: Callable[[], OrchestratorClient | None],
        software_version: str,
        random: Callable[[], float] = random_module.random,
        port: int = PORT,
    ) -> None:
        self._config = config
        self._calls = calls
        self._store = store
        self._way = way
        self._own = own
        self._software_version = software_version
        self._random = random
        self._guests: dict[str, _Guest] = {}
        self._woken = asyncio.Event()
        self.listener = Listener(port, self._answer)

    async def run(self) -> None:
        """Listen, and send the guests' heartbeats."""
        for client_id, assignment in self._store.guests().items():
            mode = next((m for m in MappingMode if m == assignment.mapping_mode), self._config.mapping_mode)
            wish = self._wish(_Asked(client_id, mode, None))
            self._guests[client_id] = _Guest(wish, assignment, due_s=clock.monotonic())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.listener.run())
                tasks.create_task(self._heartbeats())
        except ExceptionGroup as group:
            taken = group.subgroup(OSError)
            if taken is None:
                raise
            text = f"port {self.listener.port} of this router: {taken.exceptions[0]}"
            raise OrchestratorError(text, code="listen") from group
        finally:
            self._calls.close()

    async def _answer(self, request: Request) -> Reply:
        path, unregister = unquote(request.path), f"{wire.UNREGISTER}/"
        try:
            match request.method, path.rstrip("/"):
                case "POST", wire.REGISTER:
                    return await self._register(_asked(request.body, self._config))
                case "POST", wire.HEARTBEAT:
                    return self._heartbeat(_document(request.body))
                case "GET", wire.DISCOVER:
                    return await self._discover()
                case "DELETE", _ if path.startswith(unregister):
                    return await self._unregister(path.removeprefix(unregister))
        except NotAllowedError as error:
            return _error(400, str(error), "invalid_request")
        except RefusedError as error:
            extra = {"available_modes": list(error.available_modes)} if error.available_modes else {}
            return _error(error.status or 503, error.message or str(error), error.code, **extra)
        except OrchestratorError as error:
            return _error(503, f"IonMesh is not reachable: {error}", error.code)
        return _error(404, "no such call", "not_found")

    async def _register(self, asked: _Asked) -> Reply:
        own = self._own()
        if own is not None and asked.client_id == own.client_name:
            assignment = await self._own_card()
        else:
            assignment = await self._guest_card(asked)
        return c_answer(assignment, self._config.interval_s)

    async def _own_card(self) -> Assignment:
        """Our own, which may come while the C client still waits."""
        until_s = clock.monotonic() + ANSWER_WITHIN_S
        while True:
            own = self._own()
            if own is not None and own.assignment is not None:
                return own.assignment
            if clock.monotonic() >= until_s:
                raise OrchestratorError("this router has no card yet", code="no_slot")
            await asyncio.sleep(LOOK_S)

    async def _guest_card(self, asked: _Asked) -> Assignment:
        guest = self._guests.get(asked.client_id)
        if guest is None and len(self._guests) >= GUESTS_MAX:
            raise OrchestratorError(f"this router registers {GUESTS_MAX} other clients already", code="full")
        if guest is None:
            guest = self._guests[asked.client_id] = _Guest(self._wish(asked))
        guest.request = self._wish(asked)
        until_s = clock.monotonic() + ANSWER_WITHIN_S
        try:
            async with asyncio.timeout_at(until_s):
                return await self._register_patiently(asked.client_id, guest)
        except (TimeoutError, OrchestratorError) as error:
            if guest.assignment is None:
                self._guests.pop(asked.client_id, None)
                if isinstance(error, OrchestratorError):
                    raise
                raise OrchestratorError(f"no answer within {ANSWER_WITHIN_S:g} s", code="timeout") from error
            if isinstance(error, RefusedError) and error.status not in (429, 500, 502, 503, 504):
                raise
            log.info("%s is given the card of the last time: %s", asked.client_id, error or "timeout")
            return guest.assignment

    async def _register_patiently(self, client_id: str, guest: _Guest) -> Assignment:
        while True:
            try:
                return await self._register_guest(client_id, guest)
            except RefusedError:
                raise
            except OrchestratorError as error:
                log.debug("registering %s: %s", client_id, error)
                await asyncio.sleep(RETRY_S)

    async def _register_guest(self, client_id: str, guest: _Guest) -> Assignment:
        answer = await self._calls.register(guest.request)
        if guest.assignment not in (None, answer.assignment):
            log.warning("%s has another card; it learns that when it is started anew", client_id)
        guest.assignment, guest.wish_s = answer.assignment, answer.heartbeat_interval_s
        guest.due_s = clock.monotonic() + self._interval_s(guest)
        self._guests[client_id] = guest
        self._remember()
        self._woken.set()
        return answer.assignment

    def _heartbeat(self, document: Mapping[str, Any]) -> Reply:
        client_id, own = document.get("client_id"), self._own()
        guest = self._guests.get(client_id) if isinstance(client_id, str) else None
        if guest is None and (own is None or client_id != own.client_name):
            return _error(404, "Client not registered", "client_not_registered")
        status = document.get("status")
        if guest is not None and status in _STATUSES:
            guest.status = str(status)
        interval_s = self._config.interval_s
        return Reply(200, {"status": "ok", "next_heartbeat_interval": interval_s, "commands": []})

    async def _discover(self) -> Reply:
        found = await self._calls.discover()
        body = {"service": found.service, "version": found.version, "capabilities": list(found.capabilities)}
        return Reply(200, body | {"supported_mapping_modes": list(found.mapping_modes)})

    async def _unregister(self, client_id: str) -> Reply:
        if client_id not in self._guests:
            own = self._own()
            if own is None or client_id != own.client_name:
                return _error(404, "Client not found", "client_not_found")
            return Reply(200, {"status": "ok", "message": "the router keeps its registration"})
        await self._calls.unregister(client_id, ANSWER_WITHIN_S)
        self._guests.pop(client_id, None)
        self._remember()
        return Reply(200, {"status": "ok", "message": "Client unregistered and slot released"})

    async def _heartbeats(self) -> None:
        """Each guest's in its time."""
        while True:
            self._woken.clear()
            served = {name: guest for name, guest in self._guests.items() if guest.assignment is not None}
            due_s = min((guest.due_s for guest in served.values()), default=None)
            try:
                async with asyncio.timeout_at(due_s):
                    await self._woken.wait()
            except TimeoutError:
                for client_id, guest in served.items():
                    if guest.due_s <= clock.monotonic() and self._guests.get(client_id) is guest:
                        await self._speak_for(client_id, guest)

    async def _speak_for(self, client_id: str, guest: _Guest) -> None:
        guest.due_s = clock.monotonic() + self._interval_s(guest)
        request = HeartbeatRequest(
            client_id=client_id,
            tenant_id=None if self._calls.has_key else self._config.tenant_id,
            status=guest.status,
            assignment_version=guest.assignment.version if guest.assignment else None,
            command_results=guest.results,
        )
        keep_open = not self._way.metered()
        try:
            answer = await self._calls.heartbeat(request, keep_open=keep_open)
            guest.results = tuple(
                CommandResult(command.id, ResultState.FAILED, NO_COMMANDS) for command in answer.commands
            )
            guest.wish_s = answer.next_interval_s
            if answer.assignment is not None:
                guest.assignment = answer.assignment
                self._remember()
        except OrchestratorError as error:
            log.debug("heartbeat for %s: %s", client_id, error)
            # One that has left meanwhile is not known any more by its own wish.
            if error.status == 404 and self._guests.get(client_id) is guest:
                await self._register_again(client_id, guest)

    async def _register_again(self, client_id: str, guest: _Guest) -> None:
        try:
            await self._register_guest(client_id, guest)
        except OrchestratorError as error:
            log.warning("%s cannot be registered again: %s", client_id, error)

    def _interval_s(self, guest: _Guest) -> float:
        return policy.interval_s(
            self._config,
            metered=self._way.metered(),
            server_s=guest.wish_s,
            operator_s=None,
            chance=self._random(),
        )

    def _wish(self, asked: _Asked) -> RegisterRequest:
        return RegisterRequest(
            client_id=asked.client_id,
            mapping_mode=asked.mapping_mode.value,
            tenant_id=self._config.tenant_id,
            mcc_mnc=asked.mcc_mnc,
            software_version=self._software_version,
        )

    def _remember(self) -> None:
        cards = {
            name: guest.assignment for name, guest in self._guests.items() if guest.assignment is not None
        }
        self._store.keep_guests(cards)


def c_answer(assignment: Assignment, interval_s: int) -> Reply:
    """The answer to a registration as the C client's search for texts can read it.

    Ids first and never 0, the endpoint with scheme, host and port, no IPv6 literal.
    """
    endpoint = assignment.bankd or assignment.server
    if not assignment.bank_id or not assignment.slot_id or endpoint is None or ":" in endpoint.host:
        text = "the older client cannot use bank 0, slot 0, or a bankd with an IPv6 address"
        return _error(503, text, "unusable_assignment")
    body: dict[str, Any] = {
        "status": "ok",
        "bank_id": assignment.bank_id,
        "slot_id": assignment.slot_id,
        "iccid": assignment.iccid or "",
        "imsi": assignment.imsi or "",
        "bankd_endpoint": f"http://{endpoint.host}:{endpoint.port}",
        "mapping_mode": assignment.mapping_mode or "",
        "profile_id": assignment.profile_id or "",
        "heartbeat_interval": interval_s,
        "ki_proxy_enabled": assignment.mapping_mode == MappingMode.KI_PROXY_SWSIM,
    }
    return Reply(200, body)


def _asked(body: bytes, config: IonmeshConfig) -> _Asked:
    document = _document(body)
    client_id, mode = document.get("client_id"), document.get("mapping_mode") or config.mapping_mode
    if not isinstance(client_id, str) or not client_id:
        raise NotAllowedError("client_id is required")
    CLIENT_NAME.read(client_id)
    if mode not in tuple(MappingMode):
        raise NotAllowedError(f"mapping_mode must be one of {', '.join(MappingMode)}")
    wanted = document.get("mcc_mnc")
    return _Asked(client_id, MappingMode(mode), MCC_MNC.read(str(wanted)) if wanted else None)


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAllowedError("the body is not JSON") from error
    if not isinstance(document, dict):
        raise NotAllowedError("the body is not a JSON object")
    return document


def _error(status: int, message: str, code: str, **extra: Any) -> Reply:
    return Reply(status, {"status": "error", "message": message, "code": code, **extra})
