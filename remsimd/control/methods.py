"""What can be asked of the running daemon: one table, served on the socket and on ubus."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from remsimd import clock
from remsimd.control import report
from remsimd.errors import ControlError
from remsimd.observe.eventlog import EventLog
from remsimd.store import Store

Params = Mapping[str, Any]

AT_TIMEOUT_S, AT_TIMEOUT_LONGEST_S = 10, 180
"""For an engineer's AT line; the longest in any manual, AT+COPS=?, has 180 s."""


class Actions(Protocol):
    """What the daemon does on request; each raises `ControlError` with a text for the asker."""

    async def failover_to(self, link: str) -> str: ...

    async def failover_auto(self) -> str: ...

    def failover_explain(self) -> dict[str, Any]: ...

    def sim_use(self, modem: str | None, mode: str) -> str: ...

    async def modem_reset(self, modem: str | None) -> str: ...

    async def modem_at(self, modem: str, command: str, timeout_s: int) -> dict[str, Any]: ...

    async def modem_record(self, modem: str, *, raw: bool) -> list[dict[str, str]]: ...

    async def ionmesh_register(self) -> str: ...

    async def ionmesh_unregister(self) -> str: ...

    def ionmesh_commands(self) -> list[dict[str, Any]]: ...

    async def reload(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Method:
    """One request: its parameters with the type each must have, a line of help, and who serves it."""

    params: Mapping[str, type]
    help: str
    serve: Callable[[Params], Awaitable[Any]]
    optional: frozenset[str] = frozenset()

    async def call(self, name: str, params: Params) -> Any:
        """Serve a request whose parameters are what the table says, or raise `ControlError`."""
        for key, value in params.items():
            wanted = self.params.get(key)
            if wanted is None:
                raise ControlError(
                    f"{name} knows no parameter {key!r}; it takes {sorted(self.params) or 'none'}"
                )
            if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                raise ControlError(f"{name}: {key} must be {wanted.__name__}, not {value!r}")
        missing = set(self.params) - self.optional - set(params)
        if missing:
            raise ControlError(f"{name} needs {', '.join(sorted(missing))}")
        return await self.serve(params)


class Requests:
    """Serves each method of the table from the read model, the timeline and the daemon's actions."""

    def __init__(self, store: Store, eventlog: EventLog, actions: Actions) -> None:
        self._store = store
        self._eventlog = eventlog
        self._actions = actions

    async def status(self, _: Params) -> Any:
        return report.status(self._store.now, clock.wall())

    async def events(self, params: Params) -> Any:
        if params.get("last", 1) < 1:
            raise ControlError("last must be 1 or more")
        found = list(self._eventlog.entries(after_seq=params.get("after", 0), kind=params.get("kind")))
        return [report.plain(entry) for entry in found[-params.get("last", len(found)) :]]

    async def failover_to(self, params: Params) -> Any:
        return {"message": await self._actions.failover_to(params["link"])}

    async def failover_auto(self, _: Params) -> Any:
        return {"message": await self._actions.failover_auto()}

    async def failover_explain(self, _: Params) -> Any:
        return report.plain(self._actions.failover_explain())

    async def sim_use(self, params: Params) -> Any:
        return {"message": self._actions.sim_use(params.get("modem"), params["mode"])}

    async def modem_reset(self, params: Params) -> Any:
        return {"message": await self._actions.modem_reset(params.get("modem"))}

    async def modem_at(self, params: Params) -> Any:
        timeout_s = params.get("timeout_s", AT_TIMEOUT_S)
        if not 1 <= timeout_s <= AT_TIMEOUT_LONGEST_S:
            raise ControlError(f"timeout_s must be 1 to {AT_TIMEOUT_LONGEST_S}")
        return await self._actions.modem_at(params["modem"], params["command"], timeout_s)

    async def modem_record(self, params: Params) -> Any:
        return {"exchanges": await self._actions.modem_record(params["modem"], raw=params.get("raw", False))}

    async def ionmesh_register(self, _: Params) -> Any:
        return {"message": await self._actions.ionmesh_register()}

    async def ionmesh_unregister(self, _: Params) -> Any:
        return {"message": await self._actions.ionmesh_unregister()}

    async def ionmesh_commands(self, _: Params) -> Any:
        return self._actions.ionmesh_commands()

    async def reload(self, _: Params) -> Any:
        return {"message": await self._actions.reload()}


def table(store: Store, eventlog: EventLog, actions: Actions) -> dict[str, Method]:
    """Every method by name."""
    serve = Requests(store, eventlog, actions)
    return {
        "status": Method({}, "Everything known now.", serve.status),
        "events": Method(
            {"after": int, "last": int, "kind": str},
            "The timeline, oldest first.",
            serve.events,
            optional=frozenset({"after", "last", "kind"}),
        ),
        "failover.to": Method(
            {"link": str}, "Prefer this link while it is up, until auto.", serve.failover_to
        ),
        "failover.auto": Method({}, "Choose the link by health again.", serve.failover_auto),
        "failover.explain": Method(
            {}, "Why this link is in use, and what would change it.", serve.failover_explain
        ),
        "sim.use": Method(
            {"modem": str, "mode": str},
            "Put a modem on its local card (local) or let the bank decide (auto).",
            serve.sim_use,
            optional=frozenset({"modem"}),
        ),
        "modem.reset": Method(
            {"modem": str},
            "Restart a modem; its link is gone until it has registered again.",
            serve.modem_reset,
            optional=frozenset({"modem"}),
        ),
        "modem.at": Method(
            {"modem": str, "command": str, "timeout_s": int},
            "Send one AT line in its turn, for engineers: it can disturb what remsimd does.",
            serve.modem_at,
            optional=frozenset({"timeout_s"}),
        ),
        "modem.record": Method(
            {"modem": str, "raw": bool},
            "Ask a modem everything and return what was said, identifiers masked unless raw.",
            serve.modem_record,
            optional=frozenset({"raw"}),
        ),
        "ionmesh.register": Method({}, "Register with IonMesh again now.", serve.ionmesh_register),
        "ionmesh.unregister": Method({}, "Give the assigned card back.", serve.ionmesh_unregister),
        "ionmesh.commands": Method(
            {}, "IonMesh's commands and what became of them, oldest first.", serve.ionmesh_commands
        ),
        "reload": Method({}, "Read the configuration again.", serve.reload),
    }
