"""What the orchestrator may ask of this router, carried out through the same ways as a person's wish."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modems.errors import ModemError
from remsimd.errors import ControlError, RemsimError

LOG_LINES = 50
LOG_LINES_MAX = 200


class Doers(Protocol):
    """The ways a command takes; see `remsimd.daemon`."""

    async def failover_to(self, link: str) -> str: ...

    async def failover_auto(self) -> str: ...

    def sim_use(self, modem: str | None, mode: str) -> str: ...

    async def ionmesh_register(self) -> str: ...

    async def modem_reset(self, modem: str | None) -> str: ...

    def restart(self) -> str: ...

    async def config_set(self, wanted: Mapping[str, object]) -> str: ...

    def log_tail(self, lines: int) -> str: ...


@dataclass(frozen=True, slots=True)
class CommandRunner:
    """Runs one orchestrator command; unknown types and bad parameters are refused by name."""

    doers: Doers

    async def execute(self, kind: str, params: Mapping[str, Any]) -> str:
        """A line about what was done. Raises `RemsimError` when it was not."""
        table: dict[str, Callable[[Mapping[str, Any]], Awaitable[str]]] = {
            "config-set": self._config_set,
            "failover": self._failover,
            "log-tail": self._log_tail,
            "modem-reset": self._modem_reset,
            "reregister": self._reregister,
            "restart": self._restart,
            "sim-switch": self._sim_switch,
        }
        command = table.get(kind)
        if command is None:
            raise ControlError(f"this router knows no command {kind!r}; it knows {', '.join(sorted(table))}")
        try:
            return await command(params)
        except ModemError as error:
            raise RemsimError(str(error)) from error

    async def _config_set(self, params: Mapping[str, Any]) -> str:
        """`values` maps `section.option` to a text, a list or null; or one `option` and its `value`."""
        wanted = params.get("values")
        if wanted is None and isinstance(params.get("option"), str):
            section = _text(params, "section")
            place = params["option"] if section is None else f"{section}.{params['option']}"
            wanted = {place: params.get("value")}
        if not isinstance(wanted, Mapping):
            raise ControlError("config-set needs values, an object of section.option and value")
        return await self.doers.config_set(wanted)

    async def _log_tail(self, params: Mapping[str, Any]) -> str:
        lines = params.get("lines", LOG_LINES)
        if isinstance(lines, bool) or not isinstance(lines, int) or not 0 < lines <= LOG_LINES_MAX:
            raise ControlError(f"parameter lines must be a number from 1 to {LOG_LINES_MAX}")
        return self.doers.log_tail(lines)

    async def _failover(self, params: Mapping[str, Any]) -> str:
        link = _text(params, "link")
        return await (self.doers.failover_auto() if link in (None, "auto") else self.doers.failover_to(link))

    async def _modem_reset(self, params: Mapping[str, Any]) -> str:
        return await self.doers.modem_reset(_text(params, "modem"))

    async def _reregister(self, _: Mapping[str, Any]) -> str:
        return await self.doers.ionmesh_register()

    async def _restart(self, _: Mapping[str, Any]) -> str:
        return self.doers.restart()

    async def _sim_switch(self, params: Mapping[str, Any]) -> str:
        return self.doers.sim_use(_text(params, "modem"), _text(params, "mode") or "auto")


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise ControlError(f"parameter {name} must be a text, not {value!r}")
    return value
