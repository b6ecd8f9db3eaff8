"""What can be asked of the running daemon: one table, served on the socket and on ubus."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from remsimd import clock
from remsimd.control import report
from remsimd.errors import ControlError
from remsimd.observe.eventlog import EventLog
from remsimd.state import Store

Params = Mapping[str, Any]


class Actions(Protocol):
    """What the daemon does on request; each raises `ControlError` with a text for the asker."""

    async def failover_to(self, link: str) -> str: ...

    async def failover_auto(self) -> str: ...

    def failover_explain(self) -> dict[str, Any]: ...

    def sim_use(self, modem: str | None, mode: str) -> str: ...

    async def ionmesh_register(self) -> str: ...

    async def ionmesh_unregister(self) -> str: ...

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


def table(store: Store, eventlog: EventLog, actions: Actions) -> dict[str, Method]:
    """Every method by name."""

    async def status(_: Params) -> Any:
        return report.status(store.now, clock.wall())

    async def events(params: Params) -> Any:
        found = list(eventlog.entries(after_seq=params.get("after", 0), kind=params.get("kind")))
        return [report.plain(entry) for entry in found[-params.get("last", len(found) or 1) :]]

    async def failover_to(params: Params) -> Any:
        return {"message": await actions.failover_to(params["link"])}

    async def failover_auto(_: Params) -> Any:
        return {"message": await actions.failover_auto()}

    async def failover_explain(_: Params) -> Any:
        return actions.failover_explain()

    async def sim_use(params: Params) -> Any:
        return {"message": actions.sim_use(params.get("modem"), params["mode"])}

    async def ionmesh_register(_: Params) -> Any:
        return {"message": await actions.ionmesh_register()}

    async def ionmesh_unregister(_: Params) -> Any:
        return {"message": await actions.ionmesh_unregister()}

    async def reload(_: Params) -> Any:
        return {"message": await actions.reload()}

    return {
        "status": Method({}, "Everything known now.", status),
        "events": Method(
            {"after": int, "last": int, "kind": str},
            "The timeline, oldest first.",
            events,
            frozenset({"after", "last", "kind"}),
        ),
        "failover.to": Method({"link": str}, "Use this link whatever its health, until auto.", failover_to),
        "failover.auto": Method({}, "Choose the link by health again.", failover_auto),
        "failover.explain": Method(
            {}, "Why this link is in use, and what would change it.", failover_explain
        ),
        "sim.use": Method(
            {"modem": str, "mode": str},
            "Put a modem on its local card (local) or let the bank decide (auto).",
            sim_use,
            frozenset({"modem"}),
        ),
        "ionmesh.register": Method({}, "Register with IonMesh again now.", ionmesh_register),
        "ionmesh.unregister": Method({}, "Give the assigned card back.", ionmesh_unregister),
        "reload": Method({}, "Read the configuration again.", reload),
    }
