"""The database's tables. Importing this package registers all of them on `Base.metadata`."""

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
from ionmesh.models.inventory import ID_MAX, ID_MIN, Bank, BankStatus, Slot, SlotKind, SlotStatus
from ionmesh.models.policies import Balancing, SlotPolicy
from ionmesh.models.pools import CardType, KiPool, RoutingMode, SimCard
from ionmesh.models.tenants import ApiKey, Role, Scope, Tenant, User

__all__ = [
    "ID_MAX",
    "ID_MIN",
    "ApiKey",
    "AuditEntry",
    "Balancing",
    "Bank",
    "BankStatus",
    "Base",
    "CardType",
    "ClientCommand",
    "ClientState",
    "CommandState",
    "Connectivity",
    "DeliveryState",
    "Event",
    "EventType",
    "KiPool",
    "MappingMode",
    "ProfileStatus",
    "Role",
    "RoutingMode",
    "Scope",
    "ServiceProfile",
    "Severity",
    "SimCard",
    "Slot",
    "SlotKind",
    "SlotPolicy",
    "SlotStatus",
    "Tenant",
    "User",
    "Webhook",
    "WebhookDelivery",
]
