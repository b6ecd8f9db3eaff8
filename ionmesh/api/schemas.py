"""What requests may contain. `remsim/*` ignores keys it does not know; the admin API refuses them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from ionmesh.models import ID_MAX, ID_MIN, MappingMode, Severity, SlotKind, SlotStatus
from ionmesh.services.commands import CommandType

CLIENT_ID_PATTERN = r"^[A-Za-z0-9._:@-]{1,128}$"
_COMMAND_LIFE_MAX_S = 604_800
_INTERVAL_MAX_S = 86_400
# The end of the year 9999, after which there is no datetime.
_MOMENT_MAX_S = 253_402_300_799


def storable(value: Any) -> Any:
    """Refuse what a JSON column cannot keep: non-finite numbers and, on PostgreSQL, NUL characters."""
    if r"\u0000" in json.dumps(value, allow_nan=False):
        raise ValueError("NUL characters cannot be kept")
    return value


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _plain(value: Any) -> Any:
    # A client repeats what it got no answer to: what a modem put into a text must not be refused for ever.
    return value.replace("\0", "") if isinstance(value, str) else value


def _plain_mcc_mnc(value: Any) -> Any:
    # `310-410` is how people write it; the C client sends "" for any.
    return (value.replace("-", "", 1) or None) if isinstance(value, str) else value


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(storable)]
ClientId = Annotated[str, Field(min_length=1, pattern=CLIENT_ID_PATTERN)]
RsproId = Annotated[int, Field(ge=ID_MIN, le=ID_MAX)]
MccMnc = Annotated[
    Annotated[str, Field(pattern=r"^[0-9]{5,6}$")] | None,
    BeforeValidator(_plain_mcc_mnc),
]
Text64 = Annotated[
    Annotated[str, Field(max_length=64)] | None,
    BeforeValidator(_blank_is_none),
    AfterValidator(storable),
]
Text128 = Annotated[
    Annotated[str, Field(max_length=128)] | None,
    BeforeValidator(_blank_is_none),
    AfterValidator(storable),
]
Detail = Annotated[
    Annotated[str, Field(max_length=16_384)] | None,
    BeforeValidator(_blank_is_none),
    AfterValidator(storable),
]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RegisterBody(_Lenient):
    """POST remsim/register-client."""

    client_id: ClientId
    mapping_mode: MappingMode = MappingMode.ONE_TO_ONE_SWSIM
    mcc_mnc: MccMnc = None
    carrier: Text64 = None
    tenant_id: int | None = None
    hardware_info: JsonObject | None = None
    preferred_bank_id: RsproId | None = None
    region: Text64 = None
    fingerprint: Text128 = None
    software_version: Text64 = None


class CommandResultBody(_Lenient):
    """One element of a heartbeat's command_results."""

    id: Annotated[str, Field(max_length=64)]
    state: Literal["acked", "done", "failed"] = Field(validation_alias=AliasChoices("state", "status"))
    detail: Detail = None


class ReportBody(_Lenient):
    """One element of a heartbeat's events."""

    at: Annotated[int, Field(ge=0, le=_MOMENT_MAX_S)]
    kind: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    severity: Severity = Severity.INFO
    subject: Annotated[str, Field(max_length=64), BeforeValidator(_plain)] = ""
    text: Annotated[str, Field(max_length=1024), BeforeValidator(_plain)] = ""


class HeartbeatBody(_Lenient):
    """POST remsim/heartbeat."""

    client_id: ClientId
    status: Literal["active", "warning", "error"] = "active"
    tenant_id: int | None = None
    stats: JsonObject | None = None
    modem_info: JsonObject | None = None
    links: Annotated[JsonValue, AfterValidator(storable)] = None
    interval: Annotated[int, Field(ge=1, le=_INTERVAL_MAX_S)] | None = None
    assignment_version: Annotated[int, Field(ge=0)] | None = None
    command_results: list[CommandResultBody] = Field(default_factory=list, max_length=100)
    events: list[ReportBody] = Field(default_factory=list, max_length=100)
    events_left_out: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class CommandBody(_Strict):
    """POST clients/<id>/commands."""

    type: CommandType
    params: JsonObject = Field(default_factory=dict)
    expires_in_s: Annotated[int, Field(ge=10, le=_COMMAND_LIFE_MAX_S)] | None = None


class ReassignBody(_Strict):
    """POST clients/<id>/reassign."""

    bank_id: RsproId
    slot_id: RsproId


class BankBody(_Strict):
    """POST simbank/banks."""

    bank_id: RsproId
    bankd: Annotated[str, Field(max_length=255)]
    server: Annotated[str, Field(max_length=255)] | None = None
    remsim_server_url: Annotated[str, Field(max_length=255)] | None = None
    name: Annotated[str, Field(max_length=255), AfterValidator(storable)] = ""


class SlotsBody(_Strict):
    """POST simbank/banks/<id>/slots."""

    slots: Annotated[str, Field(max_length=4096)]
    kind: SlotKind = SlotKind.PHYSICAL
    iccids: list[str] = Field(default_factory=list, max_length=ID_MAX)
    imsis: list[str] = Field(default_factory=list, max_length=ID_MAX)
    mcc_mnc: MccMnc = None
    carrier: Text64 = None


class PageQuery(_Strict):
    """Paging, as the documented slot list has it."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=500)] = 100

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * self.per_page


class SlotsQuery(PageQuery):
    """GET simbank/slots."""

    status: SlotStatus | None = None
    bank_id: RsproId | None = None
    mcc_mnc: MccMnc = None
    carrier: Text64 = None


class ClientsQuery(PageQuery):
    """GET clients."""

    connectivity: Literal["unknown", "online", "offline"] | None = None
    mapping_mode: MappingMode | None = None
    q: Text128 = None
