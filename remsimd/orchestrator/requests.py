"""What is sent to IonMesh: the bodies of the calls, absent fields left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ResultState(StrEnum):
    """How far a command has come."""

    ACKED = "acked"
    """Received, and it will be tried."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command, for the next heartbeat."""

    id: str
    state: ResultState
    detail: str = ""

    def body(self) -> dict[str, Any]:
        """The object in `command_results`."""
        plain = {"id": self.id, "state": self.state.value}
        return plain | {"detail": self.detail} if self.detail else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRequest:
    """Who we are and which card we want; absent wishes are left out of the body."""

    client_id: str
    mapping_mode: str
    tenant_id: int
    mcc_mnc: str | None = None
    carrier: str | None = None
    preferred_bank_id: int | None = None
    hardware_info: Mapping[str, Any] = field(default_factory=dict)
    software_version: str | None = None
    fingerprint: str | None = None

    def body(self) -> dict[str, Any]:
        """The JSON object of the call."""
        fields: dict[str, Any] = {
            "client_id": self.client_id,
            "mapping_mode": self.mapping_mode,
            # Empty means any network, as the deployed client says it.
            "mcc_mnc": self.mcc_mnc or "",
            "tenant_id": self.tenant_id,
            "carrier": self.carrier,
            "preferred_bank_id": self.preferred_bank_id,
            "hardware_info": dict(self.hardware_info) or None,
            "software_version": self.software_version,
            "fingerprint": self.fingerprint,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatRequest:
    """How we are; what is absent stands as it was told last.

    `assignment_version` lets the orchestrator answer only what changed. `tenant_id` is needed
    only without an API key, which says it otherwise. `interval_s` is our own interval where it
    is not the one the orchestrator asked for. `events` are the newest, after `events_left_out`.
    """

    client_id: str
    tenant_id: int | None = None
    status: str | None = "active"
    stats: Mapping[str, Any] = field(default_factory=dict)
    modem_info: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    events_left_out: int = 0
    assignment_version: int | None = None
    command_results: tuple[CommandResult, ...] = ()
    interval_s: int | None = None

    def body(self) -> dict[str, Any]:
        """The JSON object of the call."""
        fields: dict[str, Any] = {
            "client_id": self.client_id,
            "status": self.status,
            "tenant_id": self.tenant_id,
            "stats": dict(self.stats) or None,
            "modem_info": dict(self.modem_info) or None,
            "links": None if self.links is None else dict(self.links),
            "events": [dict(event) for event in self.events] or None,
            "events_left_out": self.events_left_out or None,
            "assignment_version": self.assignment_version,
            "command_results": [result.body() for result in self.command_results] or None,
            "interval": self.interval_s,
        }
        return {name: value for name, value in fields.items() if value is not None}
