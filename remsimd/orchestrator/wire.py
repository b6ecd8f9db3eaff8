"""The JSON contract with IonMesh: what its answers mean; what is sent is in `requests`.

Answers are read strictly where a field is known and leniently where it is not: unknown fields
are ignored, a known field of the wrong kind is a protocol error. Errors name the field and
never its value, which may be a card's identity.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.readers import API_BASE
from remsimd.errors import OrchestratorError
from remsimd.http import HttpAnswer

log = logging.getLogger(__name__)

REGISTER = f"{API_BASE}/remsim/register-client"
HEARTBEAT = f"{API_BASE}/remsim/heartbeat"
DISCOVER = f"{API_BASE}/remsim/discover"
UNREGISTER = f"{API_BASE}/remsim/unregister"

BANKD_PORT = 9999
"""What the deployed client assumes where `bankd_endpoint` names no port."""
SERVER_PORT = 9998
RSPRO_ID_MAX = 1023
"""ClientId, BankId and SlotNumber are INTEGER (0..1023) in RSPRO."""

MESSAGE_CHARS = 200

_ICCID = re.compile(r"[0-9]{10,20}[0-9Ff]{0,2}", re.ASCII)
_IMSI = re.compile(r"[0-9]{6,15}", re.ASCII)
_ENDPOINT = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_.-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/.*)?",
    re.ASCII,
)
_COMMAND_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
_COMMAND_TYPE = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Command:
    """Something the orchestrator asks for; `expires_at` is in seconds since the epoch, None = never."""

    id: str
    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class RegisterAnswer:
    """The card we get; `heartbeat_interval_s` as the orchestrator wishes it, unclamped."""

    assignment: Assignment
    heartbeat_interval_s: int | None


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """`assignment` is set only when it changed; `withdrawn` says that we have none any more."""

    next_interval_s: int | None = None
    commands: tuple[Command, ...] = ()
    assignment: Assignment | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class DiscoverAnswer:
    """What the orchestrator says about itself to anyone."""

    service: str
    version: str
    mapping_modes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class RefusedError(OrchestratorError):
    """An answer other than 200, with what it says about trying again.

    `message` is the orchestrator's own text, empty where the answer was not in its error shape
    (`documented` is false then: a proxy or another program answered).
    """

    def __init__(self, call: str, answer: HttpAnswer) -> None:
        self.message = _for_people(_text(answer.body, "message") or "")
        self.documented = answer.body.get("status") == "error"
        self.available_modes = tuple(map(_for_people, _texts(answer.body, "available_modes")))
        self.retry_after_s = _retry_after_s(answer.headers)
        code = _for_people(_text(answer.body, "code") or "unknown")
        super().__init__(
            f"{call}: HTTP {answer.status}{': ' if self.message else ''}{self.message}",
            status=answer.status,
            code=code,
        )


def unregister_path(client_id: str) -> str:
    """The path that gives our card back, the id escaped."""
    return f"{UNREGISTER}/{quote(client_id, safe='')}"


def accepted(call: str, answer: HttpAnswer) -> Mapping[str, Any]:
    """The body of a 200 answer; raises `RefusedError` for every other one."""
    if answer.status != 200 or answer.body.get("status") == "error":
        raise RefusedError(call, answer)
    return answer.body


def parse_register(body: Mapping[str, Any]) -> RegisterAnswer:
    """The answer to a registration; raises `OrchestratorError` (protocol) naming a bad field."""
    return RegisterAnswer(parse_assignment(body), _seconds(body, "heartbeat_interval"))


def parse_heartbeat(body: Mapping[str, Any]) -> HeartbeatAnswer:
    """The answer to a heartbeat; a command that cannot be read is left out with a warning."""
    offered = body.get("assignment")
    if offered is not None and not isinstance(offered, dict):
        raise _wrong("assignment")
    commands = body.get("commands")
    if commands is not None and not isinstance(commands, list):
        raise _wrong("commands")
    return HeartbeatAnswer(
        _seconds(body, "next_heartbeat_interval"),
        tuple(command for item in commands or () if (command := parse_command(item)) is not None),
        None if offered is None else parse_assignment(offered),
        withdrawn="assignment" in body and offered is None,
    )


def parse_discover(body: Mapping[str, Any]) -> DiscoverAnswer:
    """The answer of `discover`; raises `OrchestratorError` where it is another service's."""
    service = _text(body, "service")
    if service is None:
        raise _wrong("service")
    return DiscoverAnswer(
        service,
        _text(body, "version") or "",
        _texts(body, "supported_mapping_modes"),
        _texts(body, "capabilities"),
    )


def parse_assignment(body: Mapping[str, Any]) -> Assignment:
    """The card described by a register answer or by a heartbeat's `assignment`.

    Without `rspro_client_id` and `rspro_client_slot` we announce ourselves by the card's own
    place, as the deployed client does: the slot maps are the identity then.
    """
    bank_id, slot_id = _rspro_id(body, "bank_id"), _rspro_id(body, "slot_id")
    if bank_id is None or slot_id is None:
        raise _wrong("bank_id" if bank_id is None else "slot_id")
    client_id, client_slot = _rspro_id(body, "rspro_client_id"), _rspro_id(body, "rspro_client_slot")
    bankd = _endpoint(body, "bankd_endpoint", BANKD_PORT)
    server = _endpoint(body, "server_endpoint", SERVER_PORT)
    if bankd is None and server is None:
        raise _wrong("bankd_endpoint")
    return Assignment(
        client_id=bank_id if client_id is None else client_id,
        client_slot=slot_id if client_slot is None else client_slot,
        bank_id=bank_id,
        slot_id=slot_id,
        server=server,
        bankd=bankd,
        iccid=_digits(body, "iccid", _ICCID),
        imsi=_digits(body, "imsi", _IMSI),
        mapping_mode=_text(body, "mapping_mode"),
        profile_id=_text(body, "profile_id"),
        version=_whole(body, "assignment_version", 0, 2**53),
    )


def parse_command(item: object) -> Command | None:
    """One command, or None for something that is none, which is warned about."""
    if not isinstance(item, dict):
        log.warning("the orchestrator sent a command that is not an object; ignored")
        return None
    ident, kind, params = item.get("id"), item.get("type"), item.get("params")
    if not isinstance(ident, str) or not _COMMAND_ID.fullmatch(ident):
        log.warning("the orchestrator sent a command without a usable id; ignored")
        return None
    expires_at = item.get("expires_at")
    try:
        deadline = None if expires_at is None else _epoch_s(expires_at)
    except ValueError:
        log.warning("command %s has an expires_at that is no time; ignored", ident)
        return None
    if not isinstance(kind, str) or not _COMMAND_TYPE.fullmatch(kind) or not isinstance(params or {}, dict):
        log.warning("command %s has no usable type or params; ignored", ident)
        return None
    return Command(ident, kind, params or {}, deadline)


def _epoch_s(text: object) -> float:
    """Seconds since the epoch of an RFC 3339 time; one without offset is UTC, as older servers send."""
    if not isinstance(text, str):
        raise ValueError("not a text")
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _wrong(name: str) -> OrchestratorError:
    return OrchestratorError(f"the answer's {name} is missing or not as documented", code="protocol")


def _whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(name)
    return value


def _rspro_id(body: Mapping[str, Any], name: str) -> int | None:
    return _whole(body, name, 0, RSPRO_ID_MAX)


def _seconds(body: Mapping[str, Any], name: str) -> int | None:
    return _whole(body, name, 1, 2**31)


def _digits(body: Mapping[str, Any], name: str, allowed: re.Pattern[str]) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not allowed.fullmatch(value):
        raise _wrong(name)
    return value


def _endpoint(body: Mapping[str, Any], name: str, default_port: int) -> Endpoint | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    matched = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    port = default_port if matched is None or matched["port"] is None else int(matched["port"])
    if matched is None or not 0 < port < 65536:
        raise _wrong(name)
    return Endpoint(matched["v6"] or matched["host"], port)


def _for_people(text: str) -> str:
    """A text of the other side, made fit for a line of a log."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain[:MESSAGE_CHARS]


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3); its form as a date is not used by IonMesh."""
    text = headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None
