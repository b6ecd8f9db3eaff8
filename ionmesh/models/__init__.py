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
from ionmesh.models.inventory import ID_MAX, ID_MIN, Bank, BankStatus, Slot, SlotKind, SlotStatus
from ionmesh.models.tenants import ApiKey, Scope, Tenant

__all__ = [
    "ID_MAX",
    "ID_MIN",
    "ApiKey",
    "AuditEntry",
    "Bank",
    "BankStatus",
    "Base",
    "ClientCommand",
    "ClientState",
    "CommandState",
    "Connectivity",
    "MappingMode",
    "ProfileStatus",
    "Scope",
    "ServiceProfile",
    "Slot",
    "SlotKind",
    "SlotStatus",
    "Tenant",
]
