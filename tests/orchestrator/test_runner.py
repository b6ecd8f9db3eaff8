"""What commands do on this router, through doers that say what they were asked."""

from collections.abc import Mapping
from typing import Any

import pytest

from remsimd.commands import LOG_LINES, CommandRunner
from remsimd.errors import ControlError


class Doer:
    """Answers with what it was asked."""

    async def failover_to(self, link: str) -> str:
        return f"to {link}"

    async def failover_auto(self) -> str:
        return "auto"

    def sim_use(self, modem: str | None, mode: str) -> str:
        return f"{modem} {mode}"

    async def ionmesh_register(self) -> str:
        return "registering"

    async def modem_reset(self, modem: str | None) -> str:
        return f"reset {modem}"

    def restart(self) -> str:
        return "restarting"

    async def config_set(self, wanted: Mapping[str, object]) -> str:
        return f"set {dict(wanted)}"

    def log_tail(self, lines: int) -> str:
        return f"{lines} lines"


async def ran(kind: str, **params: Any) -> str:
    return await CommandRunner(Doer()).execute(kind, params)


@pytest.mark.parametrize(
    ("kind", "params", "answer"),
    [
        ("restart", {}, "restarting"),
        ("log-tail", {}, f"{LOG_LINES} lines"),
        ("log-tail", {"lines": 5}, "5 lines"),
        ("config-set", {"values": {"ionmesh.interval": 90}}, "set {'ionmesh.interval': 90}"),
        (
            "config-set",
            {"section": "ionmesh", "option": "interval", "value": 90},
            "set {'ionmesh.interval': 90}",
        ),
        ("config-set", {"option": "ionmesh.interval", "value": None}, "set {'ionmesh.interval': None}"),
        ("failover", {"link": "secondary"}, "to secondary"),
        ("failover", {}, "auto"),
        ("sim-switch", {"modem": "primary", "mode": "local"}, "primary local"),
        ("modem-reset", {}, "reset None"),
        ("reregister", {}, "registering"),
    ],
)
async def test_each_type(kind: str, params: dict[str, Any], answer: str) -> None:
    assert await ran(kind, **params) == answer


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("format-disk", {}),
        ("log-tail", {"lines": 0}),
        ("log-tail", {"lines": "5"}),
        ("log-tail", {"lines": 100_000}),
        ("log-tail", {"lines": True}),
        ("config-set", {}),
        ("config-set", {"values": ["a"]}),
        ("config-set", {"option": 5}),
        ("failover", {"link": 5}),
    ],
)
async def test_what_is_refused(kind: str, params: dict[str, Any]) -> None:
    with pytest.raises(ControlError):
        await ran(kind, **params)
