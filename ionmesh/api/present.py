"""Rows as the documents operators get."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ionmesh.api import wire
from ionmesh.clock import rfc3339
from ionmesh.models import (
    ApiKey,
    AuditEntry,
    Bank,
    ClientCommand,
    Event,
    KiPool,
    ServiceProfile,
    SimCard,
    Slot,
    SlotPolicy,
    Tenant,
    User,
    Webhook,
    WebhookDelivery,
)
from ionmesh.services import pools
from ionmesh.services.assignment import describe

_IDENTITIES = ("iccid", "imsi", "physical_iccid", "physical_imsi")
_SHOWN_END = 4


def client(profile: ServiceProfile, interval_s: int, *, masked: bool) -> dict[str, Any]:
    """Return a client as the list shows it."""
    assignment = describe(profile)
    return {
        "client_id": profile.client_id,
        "connectivity": profile.state.connectivity.value,
        "reported_status": profile.state.reported_status,
        "last_heartbeat": moment(profile.state.last_heartbeat),
        "registered_at": moment(profile.registered_at),
        "source_ip": profile.state.source_ip or profile.source_ip,
        "tags": profile.tags,
        **_identities(
            wire.assignment_fields(assignment, assignment.heartbeat_interval_s or interval_s), masked
        ),
    }


def command(command: ClientCommand) -> dict[str, Any]:
    """Return a command as operators see it."""
    return {
        "id": command.command_id,
        "type": command.type,
        "params": command.params,
        "state": command.state.value,
        "created_by": command.created_by,
        "created_at": moment(command.created_at),
        "expires_at": moment(command.expires_at),
        "delivered_at": moment(command.delivered_at),
        "finished_at": moment(command.finished_at),
        "detail": command.detail,
    }


def bank(bank: Bank) -> dict[str, Any]:
    """Return a bank."""
    return {
        "bank_id": bank.bank_id,
        "name": bank.name,
        "shared": bank.tenant_id is None,
        "status": bank.status.value,
        "bankd_endpoint": f"http://{bank.bankd_host}:{bank.bankd_port}",
        "server_endpoint": f"{bank.server_host}:{bank.server_port}" if bank.server_host else None,
        "remsim_server_url": bank.remsim_server_url,
        "bankd_connected": bank.bankd_connected,
    }


def slot(slot: Slot, *, masked: bool) -> dict[str, Any]:
    """Return a slot."""
    document = {
        "bank_id": slot.bank_id,
        "slot_id": slot.slot_id,
        "status": slot.status.value,
        "kind": slot.kind.value,
        "iccid": slot.iccid,
        "imsi": slot.imsi,
        "mcc_mnc": slot.mcc_mnc,
        "carrier": slot.carrier,
        "available_after": moment(slot.available_after),
    }
    return _identities(document, masked)


def moment(moment: datetime | None) -> str | None:
    """Return a moment as RFC 3339; None stays."""
    return rfc3339(moment) if moment else None


def card(card: SimCard, pool_name: str | None, *, masked: bool) -> dict[str, Any]:
    """Return a SIM card's record."""
    document = {
        "bank_id": card.bank_id,
        "slot_id": card.slot_id,
        "physical_iccid": card.physical_iccid,
        "physical_imsi": card.physical_imsi,
        "carrier": card.carrier,
        "mcc_mnc": card.mcc_mnc,
        "card_type": card.card_type.value,
        "ki_pool_name": pool_name,
        "ki_pool_priority": card.ki_pool_priority,
        "card_metadata": card.card_metadata,
        "updated_at": moment(card.updated_at),
    }
    return _identities(document, masked)


def pool(pool: KiPool, used: int) -> dict[str, Any]:
    """Return a KI pool with how full it is; `used` is how many of its virtual SIMs are assigned."""
    capacity = pools.capacity(pool)
    return {
        "pool_id": pool.pool_id,
        "pool_name": pool.pool_name,
        "carrier": pool.carrier,
        "mcc_mnc": pool.mcc_mnc,
        "bank_id": pool.bank_id,
        "slot_range_start": pool.slot_range_start,
        "slot_range_end": pool.slot_range_end,
        "virtual_slot_start": pool.virtual_slot_start,
        "virtual_slot_end": pool.virtual_slot_end,
        "routing_mode": pool.routing_mode.value,
        "enabled": pool.enabled,
        "utilization": {
            "current_virtual_sims": used,
            "max_virtual_sims": pool.max_virtual_sims,
            "capacity": capacity,
            "usage_percent": round(100 * used / capacity, 1),
        },
    }


def policy(policy: SlotPolicy) -> dict[str, Any]:
    """Return a policy."""
    return {
        "policy_id": policy.policy_id,
        "name": policy.name,
        "priority": policy.priority,
        "enabled": policy.enabled,
        "carrier_mcc_mnc": policy.carrier_mcc_mnc,
        "client_location": policy.client_location,
        "time_of_day_start": policy.time_of_day_start,
        "time_of_day_end": policy.time_of_day_end,
        "timezone": policy.timezone,
        "preferred_bank_id": policy.preferred_bank_id,
        "load_balancing_mode": policy.load_balancing_mode.value,
    }


def key(key: ApiKey) -> dict[str, Any]:
    """Return a key without its text, which is not known."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
        "last_used_at": moment(key.last_used_at),
    }


def tenant(tenant: Tenant) -> dict[str, Any]:
    """Return a tenant with its settings."""
    return {
        "tenant_id": tenant.tenant_id,
        "slug": tenant.slug,
        "name": tenant.name,
        "enabled": tenant.enabled,
        "legacy_cidrs": tenant.legacy_cidrs,
        "default_hostnames_allowed": tenant.default_hostnames_allowed,
        "release_grace_s": tenant.release_grace_s,
        "created_at": moment(tenant.created_at),
    }


def user(user: User) -> dict[str, Any]:
    """Return a user without the password's hash."""
    return {
        "user_id": user.user_id,
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "enabled": user.enabled,
        "created_at": moment(user.created_at),
    }


def webhook(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook without its secret."""
    return {
        "webhook_id": webhook.webhook_id,
        "url": webhook.url,
        "events": webhook.events,
        "enabled": webhook.enabled,
        "failures": webhook.failures,
        "created_at": moment(webhook.created_at),
    }


def delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return a delivery."""
    return {
        "id": delivery.delivery_id,
        "event_type": delivery.event_type,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "created_at": moment(delivery.created_at),
        "next_attempt_at": moment(delivery.next_attempt_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }


def event(event: Event) -> dict[str, Any]:
    """Return an event."""
    return {
        "id": event.event_id,
        "at": moment(event.at),
        "type": event.type.value,
        "severity": event.severity.value,
        "client_id": event.client_id,
        "details": event.details,
    }


def audit_entry(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry of the audit log."""
    return {
        "id": entry.entry_id,
        "at": moment(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "details": entry.details,
    }


def _identities(document: dict[str, Any], masked: bool) -> dict[str, Any]:
    """Return the document, its IMSI and ICCID cut to their ends for callers that may only read."""
    if not masked:
        return document
    hidden = {name: f"...{document[name][-_SHOWN_END:]}" for name in _IDENTITIES if document.get(name)}
    return document | hidden
