"""What administrative requests may contain; keys that are not named here are refused."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ionmesh.api.schemas import JsonObject, MccMnc, PageQuery, RsproId, Text64, storable
from ionmesh.models import Balancing, BankStatus, CardType, EventType, MappingMode, Role, RoutingMode, Scope
from ionmesh.services import users
from ionmesh.services.tags import TAGS_MAX

_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_KEY_OVERLAP_MAX_S = 604_800


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("no such time zone") from error
    return name


def _each_once(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(storable)]
LongName = Annotated[str, Field(max_length=255), AfterValidator(storable)]
Endpoint = Annotated[str, Field(max_length=255)]
Network = Annotated[str, Field(pattern=r"^[0-9]{5,6}$")]
Email = Annotated[str, Field(max_length=254, pattern=users.ADDRESS_PATTERN), AfterValidator(storable)]
Password = Annotated[
    str,
    Field(min_length=users.PASSWORD_MIN, max_length=users.PASSWORD_MAX),
    AfterValidator(storable),
]
TimeOfDay = Annotated[str, Field(pattern=_TIME)]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_timezone)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,32}$")]
Tags = Annotated[list[Tag], Field(max_length=TAGS_MAX), AfterValidator(_each_once)]
Priority = Annotated[int, Field(ge=0, le=100_000)]
Seconds = Annotated[int, Field(ge=1, le=315_360_000)]


class Strict(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Change(Strict):
    """A PATCH: at least one member; those that cannot be null must not be."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing to change")
        return self


class ClientChange(Change):
    """PATCH clients/<id>; null takes notes or interval away."""

    tags: Tags = []
    notes: Annotated[Annotated[str, Field(max_length=1024)] | None, AfterValidator(storable)] = None
    heartbeat_interval_s: Annotated[int, Field(ge=10, le=900)] | None = None


class BankChange(Change):
    """PATCH simbank/banks/<id>; null takes server or remsim_server_url away."""

    name: LongName = ""
    status: BankStatus = BankStatus.ONLINE
    bankd: Endpoint = ""
    server: Endpoint | None = None
    remsim_server_url: Endpoint | None = None


class CardBody(Strict):
    """POST sim-cards."""

    bank_id: RsproId
    slot_id: RsproId
    tenant_id: int | None = None
    physical_iccid: Annotated[str, Field(pattern=r"^[0-9]{18,22}$")] | None = None
    physical_imsi: Annotated[str, Field(pattern=r"^[0-9]{6,15}$")] | None = None
    carrier: Text64 = None
    mcc_mnc: MccMnc = None
    card_type: CardType = CardType.REGULAR
    ki_pool_name: Text64 = None
    ki_pool_priority: Priority = 0
    card_metadata: JsonObject = Field(default_factory=dict)


class CardsQuery(Strict):
    """GET sim-cards."""

    carrier: Text64 = None
    ki_pool_name: Text64 = None
    card_type: CardType | None = None


class PoolBody(Strict):
    """POST ki-proxy-pools."""

    pool_name: Name
    carrier: Name
    mcc_mnc: Network
    bank_id: RsproId
    tenant_id: int | None = None
    slot_range_start: RsproId
    slot_range_end: RsproId
    virtual_slot_start: RsproId
    virtual_slot_end: RsproId
    max_virtual_sims: Annotated[int, Field(ge=1, le=1_000_000)] = 1023
    routing_mode: RoutingMode = RoutingMode.ROUND_ROBIN


class PoolChange(Change):
    """PATCH ki-proxy-pools/<id>."""

    max_virtual_sims: Annotated[int, Field(ge=1, le=1_000_000)] = 1023
    routing_mode: RoutingMode = RoutingMode.ROUND_ROBIN
    enabled: bool = True


class PolicyBody(Strict):
    """POST slot-policies."""

    name: Name
    priority: Priority = 100
    enabled: bool = True
    carrier_mcc_mnc: Network | None = None
    client_location: Text64 = None
    time_of_day_start: TimeOfDay | None = None
    time_of_day_end: TimeOfDay | None = None
    timezone: TimeZone = "UTC"
    preferred_bank_id: RsproId | None = None
    load_balancing_mode: Balancing = Balancing.ROUND_ROBIN


class PolicyChange(PolicyBody, Change):
    """PATCH slot-policies/<id>."""

    name: Name = "-"


class SimulateBody(Strict):
    """POST slot-policies/simulate."""

    mapping_mode: MappingMode = MappingMode.ONE_TO_ONE_SWSIM
    mcc_mnc: MccMnc = None
    carrier: Text64 = None
    region: Text64 = None
    at: AwareDatetime | None = None


class KeyBody(Strict):
    """POST api-keys."""

    name: LongName = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    expires_at: AwareDatetime | None = None


class RotateBody(Strict):
    """POST api-keys/<id>/rotate."""

    overlap_s: Annotated[int, Field(ge=0, le=_KEY_OVERLAP_MAX_S)] = 86_400


class TenantBody(Strict):
    """POST tenants."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: LongName = ""
    legacy_cidrs: Annotated[list[Annotated[str, Field(max_length=43)]], Field(max_length=64)] = []
    default_hostnames_allowed: bool = False
    release_grace_s: Seconds | None = 86_400


class TenantChange(Change):
    """PATCH tenants/<id>; a release_grace_s of null means never, enabled is the platform's."""

    name: LongName = ""
    enabled: bool = True
    legacy_cidrs: Annotated[list[Annotated[str, Field(max_length=43)]], Field(max_length=64)] = []
    default_hostnames_allowed: bool = False
    release_grace_s: Seconds | None = 86_400


class UserBody(Strict):
    """POST users."""

    email: Email
    name: LongName = ""
    role: Role = Role.VIEWER
    password: Password


class UserChange(Change):
    """PATCH users/<id>."""

    name: LongName = ""
    role: Role = Role.VIEWER
    enabled: bool = True
    password: Password = "-" * users.PASSWORD_MIN


class WebhookBody(Strict):
    """POST webhooks. No events named: all."""

    url: Annotated[str, Field(max_length=2048)]
    events: Annotated[list[EventType], Field(max_length=32)] = []


class WebhookChange(Change):
    """PATCH webhooks/<id>."""

    url: Annotated[str, Field(max_length=2048)] = ""
    events: Annotated[list[EventType], Field(max_length=32)] = []
    enabled: bool = True


class AuditQuery(PageQuery):
    """GET audit-log."""

    action: Text64 = None
    subject: Annotated[Annotated[str, Field(max_length=160)] | None, AfterValidator(storable)] = None


class EventsQuery(Strict):
    """GET events and events/stream. With `after` the events behind that number, else the latest."""

    after: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class ExportQuery(Strict):
    """GET export.csv and export.json."""

    what: Literal["clients", "slots"] = "clients"
