"""What watching itself makes happen."""

from dataclasses import dataclass

from remsimd.events import Event


@dataclass(frozen=True, slots=True)
class UsageCounted(Event):
    """Bytes a link carried since its plan's reset day, and how many it may (None: any)."""

    link: str
    used_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class HistoryChanged(Event):
    """Something happened to the recorded values; `lost` when some of them are gone."""

    text: str
    lost: bool


@dataclass(frozen=True, slots=True)
class AlertChanged(Event):
    """An alert began or ended (`firing` false) for what `subject` names; `severity` as configured."""

    alert: str
    subject: str
    firing: bool
    severity: str
    text: str
