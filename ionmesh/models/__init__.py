"""The database's tables. Importing this package registers all of them on `Base.metadata`."""

from ionmesh.models.alerts import Alert, AlertKind, AlertMute, AlertRule, AlertState, SignalMetric
from ionmesh.models.audit import AuditEntry
from ionmesh.models.base import Base
from ionmesh.models.clients import (
    ClientCommand,
    ClientState,
    CommandState,
    Connectivity,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
)
from ionmesh.models.events import (
    DeliveryState,
    Event,
    EventType,
    Severity,
    Webhook,
    WebhookDelivery,
)
from ionmesh.models.figures import Figure
from ionmesh.models.inventory import ID_MAX, ID_MIN, Bank, BankStatus, Slot, SlotKind, SlotStatus
from ionmesh.models.policies import Balancing, SlotPolicy
from ionmesh.models.pools import CardType, KiPool, RoutingMode, SimCard
from ionmesh.models.push import PushMessage, PushSubscription
from ionmesh.models.secrets import RecoveryCode, ServerSecret, TotpSecret
from ionmesh.models.series import (
    ClientSeries,
    FiveMinuteSample,
    HourSample,
    RawSample,
    RollupProgress,
    SimAllowance,
    SimTraffic,
)
from ionmesh.models.sessions import UserSession
from ionmesh.models.tenants import ApiKey, Role, Scope, Tenant, User

__all__ = [
    "ID_MAX",
    "ID_MIN",
    "Alert",
    "AlertKind",
    "AlertMute",
    "AlertRule",
    "AlertState",
    "ApiKey",
    "AuditEntry",
    "Balancing",
    "Bank",
    "BankStatus",
    "Base",
    "CardType",
    "ClientCommand",
    "ClientSeries",
    "ClientState",
    "CommandState",
    "Connectivity",
    "DeliveryState",
    "Event",
    "EventType",
    "Figure",
    "FiveMinuteSample",
    "HourSample",
    "KiPool",
    "MappingMode",
    "ProfileStatus",
    "PushMessage",
    "PushSubscription",
    "RawSample",
    "RecoveryCode",
    "Role",
    "RollupProgress",
    "RoutingMode",
    "Scope",
    "ServerSecret",
    "ServiceProfile",
    "Severity",
    "SignalMetric",
    "SimAllowance",
    "SimCard",
    "SimTraffic",
    "Slot",
    "SlotKind",
    "SlotPolicy",
    "SlotStatus",
    "Tenant",
    "TotpSecret",
    "User",
    "UserSession",
    "Webhook",
    "WebhookDelivery",
]
