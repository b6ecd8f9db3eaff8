"""What requests about time series, alerts, allowances and web push may contain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from ionmesh.api.admin_schemas import Change, Name, Strict, Tags
from ionmesh.api.schemas import ClientId, PageQuery, storable
from ionmesh.models import AlertKind, Severity, SignalMetric
from ionmesh.services.allowance import BILLING_DAY_MAX
from ionmesh.services.series import METRICS, POINTS_MAX

_DAY_S = 86_400
_BYTES_MAX = 2**60
_ENDPOINT = r"^https?://[!-~]+$"


def _known_metrics(text: str) -> str:
    unknown = set(text.split(",")) - set(METRICS)
    if unknown:
        raise ValueError(f"metrics are {', '.join(METRICS)}, separated by commas")
    return text


Metrics = Annotated[str, Field(max_length=128), AfterValidator(_known_metrics)]
Subject = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(storable)]
Threshold = Annotated[float, Field(ge=-160, le=2_592_000)]
Hysteresis = Annotated[float, Field(ge=0, le=100)]
ForSeconds = Annotated[int, Field(ge=0, le=_DAY_S)]
WindowSeconds = Annotated[int, Field(ge=60, le=30 * _DAY_S)]
Sim = Annotated[str, Field(pattern=r"^([0-9]{10,22}|[0-9]{1,4}/[0-9]{1,4})$")]


class SeriesQuery(Strict):
    """GET clients/<id>/timeseries; the last day of everything when nothing is named."""

    metrics: Metrics = ",".join(METRICS)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    points: Annotated[int, Field(ge=10, le=POINTS_MAX)] = POINTS_MAX


class TagsBody(Strict):
    """POST tags."""

    client_ids: Annotated[list[ClientId], Field(min_length=1, max_length=1000)]
    add: Tags = Field(default_factory=list)
    remove: Tags = Field(default_factory=list)


class AlertsQuery(PageQuery):
    """GET alerts."""

    state: Literal["pending", "firing", "resolved"] = "firing"
    subject: Subject | None = None
    acknowledged: bool | None = None


class RuleBody(Strict):
    """POST alerts/rules."""

    name: Name
    kind: AlertKind
    signal: SignalMetric | None = None
    threshold: Threshold = 0
    hysteresis: Hysteresis = 0
    for_s: ForSeconds = 0
    window_s: WindowSeconds | None = None
    severity: Severity = Severity.WARNING
    enabled: bool = True
    muted_until: AwareDatetime | None = None


class RuleChange(Change):
    """PATCH alerts/rules/<id>; a muted_until of null ends the mute."""

    name: Name = "-"
    threshold: Threshold = 0
    hysteresis: Hysteresis = 0
    for_s: ForSeconds = 0
    window_s: WindowSeconds | None = None
    severity: Severity = Severity.WARNING
    enabled: bool = True
    muted_until: AwareDatetime | None = None


class MuteBody(Strict):
    """POST alerts/mutes."""

    subject: Subject
    until: AwareDatetime


class AllowanceBody(Strict):
    """POST allowances; each SIM as its ICCID, or as bank_id/slot_id while that is not known."""

    sims: Annotated[list[Sim], Field(min_length=1, max_length=1000)]
    limit_bytes: Annotated[int, Field(ge=1, le=_BYTES_MAX)]
    billing_day: Annotated[int, Field(ge=1, le=BILLING_DAY_MAX)] = 1


class DailyQuery(Strict):
    """GET sims/<sim>/traffic."""

    days: Annotated[int, Field(ge=1, le=400)] = 31


class SubscriptionBody(Strict):
    """POST push/subscriptions: what a browser's PushSubscription says."""

    endpoint: Annotated[str, Field(max_length=2048, pattern=_ENDPOINT)]
    p256dh: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_=-]+$")]
    auth: Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9_=-]+$")]
    min_severity: Severity = Severity.WARNING
