"""Pools, cards, policies, users, events and webhooks; what operators note about clients and keys.

Revision ID: 0002
Revises: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON_DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
ONLY_PENDING: dict[str, Any] = {
    "sqlite_where": sa.text("state = 'pending'"),
    "postgresql_where": sa.text("state = 'pending'"),
}
ONLY_AVAILABLE: dict[str, Any] = {
    "sqlite_where": sa.text("status = 'available'"),
    "postgresql_where": sa.text("status = 'available'"),
}
IN_RANGE = "{0}_start >= 1 AND {0}_start <= {0}_end AND {0}_end <= 1023"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("last_used_at", MOMENT, nullable=True))
    op.add_column("service_profiles", sa.Column("tags", JSON_DOCUMENT, nullable=False, server_default="[]"))
    op.add_column("service_profiles", sa.Column("notes", sa.String(length=1024), nullable=True))
    op.add_column("service_profiles", sa.Column("heartbeat_interval_s", sa.Integer(), nullable=True))
    op.create_index(
        "ix_sim_bank_slots_unused",
        "sim_bank_slots",
        ["kind", "tenant_id", "released_at", "bank_id", "slot_id"],
        unique=False,
        **ONLY_AVAILABLE,
    )
    _create_users()
    _create_ki_proxy_pools()
    _create_sim_card_metadata()
    _create_slot_assignment_policies()
    _create_events()
    _create_webhooks()


def downgrade() -> None:
    op.drop_index("ix_webhook_deliveries_webhook", table_name="webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_due", table_name="webhook_deliveries")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_config")
    op.drop_index("ix_events_tenant", table_name="events")
    op.drop_table("events")
    op.drop_index("ix_slot_assignment_policies_order", table_name="slot_assignment_policies")
    op.drop_table("slot_assignment_policies")
    op.drop_table("sim_card_metadata")
    op.drop_table("ki_proxy_pools")
    op.drop_table("users")
    op.drop_index("ix_sim_bank_slots_unused", table_name="sim_bank_slots")
    for name in ("heartbeat_interval_s", "notes", "tags"):
        op.drop_column("service_profiles", name)
    op.drop_column("api_keys", "last_used_at")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f(f"fk_{table}_tenant_id"))


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", _enum("role", "owner", "admin", "operator", "viewer"), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _tenant("users"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )


def _create_ki_proxy_pools() -> None:
    op.create_table(
        "ki_proxy_pools",
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("pool_name", sa.String(length=64), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("mcc_mnc", sa.String(length=6), nullable=False),
        sa.Column("bank_id", sa.Integer(), nullable=False),
        sa.Column("slot_range_start", sa.Integer(), nullable=False),
        sa.Column("slot_range_end", sa.Integer(), nullable=False),
        sa.Column("virtual_slot_start", sa.Integer(), nullable=False),
        sa.Column("virtual_slot_end", sa.Integer(), nullable=False),
        sa.Column("max_virtual_sims", sa.Integer(), nullable=False),
        sa.Column(
            "routing_mode", _enum("routingmode", "round-robin", "least-used", "random"), nullable=False
        ),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(IN_RANGE.format("slot_range"), name=op.f("ck_ki_proxy_pools_slot_range")),
        sa.CheckConstraint(IN_RANGE.format("virtual_slot"), name=op.f("ck_ki_proxy_pools_virtual_range")),
        sa.CheckConstraint("max_virtual_sims >= 1", name=op.f("ck_ki_proxy_pools_max_virtual_sims")),
        _tenant("ki_proxy_pools"),
        sa.ForeignKeyConstraint(["bank_id"], ["sim_banks.bank_id"], name=op.f("fk_ki_proxy_pools_bank_id")),
        sa.PrimaryKeyConstraint("pool_id", name=op.f("pk_ki_proxy_pools")),
        sa.UniqueConstraint("tenant_id", "pool_name", name=op.f("uq_ki_proxy_pools_tenant_id_pool_name")),
    )


def _create_sim_card_metadata() -> None:
    op.create_table(
        "sim_card_metadata",
        sa.Column("bank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("physical_iccid", sa.String(length=22), nullable=True),
        sa.Column("physical_imsi", sa.String(length=15), nullable=True),
        sa.Column("carrier", sa.String(length=64), nullable=True),
        sa.Column("mcc_mnc", sa.String(length=6), nullable=True),
        sa.Column("card_type", _enum("cardtype", "KI_PROXY_MASTER", "REGULAR", "VIRTUAL"), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=True),
        sa.Column("ki_pool_priority", sa.Integer(), nullable=False),
        sa.Column("card_metadata", JSON_DOCUMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["bank_id", "slot_id"],
            ["sim_bank_slots.bank_id", "sim_bank_slots.slot_id"],
            name=op.f("fk_sim_card_metadata_bank_id_slot_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["ki_proxy_pools.pool_id"], name=op.f("fk_sim_card_metadata_pool_id")
        ),
        _tenant("sim_card_metadata"),
        sa.PrimaryKeyConstraint("bank_id", "slot_id", name=op.f("pk_sim_card_metadata")),
    )


def _create_slot_assignment_policies() -> None:
    op.create_table(
        "slot_assignment_policies",
        sa.Column("policy_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("carrier_mcc_mnc", sa.String(length=6), nullable=True),
        sa.Column("client_location", sa.String(length=64), nullable=True),
        sa.Column("time_of_day_start", sa.String(length=5), nullable=True),
        sa.Column("time_of_day_end", sa.String(length=5), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("preferred_bank_id", sa.Integer(), nullable=True),
        sa.Column(
            "load_balancing_mode",
            _enum("balancing", "round-robin", "least-loaded", "pack", "random"),
            nullable=False,
        ),
        _tenant("slot_assignment_policies"),
        sa.PrimaryKeyConstraint("policy_id", name=op.f("pk_slot_assignment_policies")),
    )
    op.create_index(
        "ix_slot_assignment_policies_order",
        "slot_assignment_policies",
        ["tenant_id", "priority"],
        unique=False,
    )


def _create_events() -> None:
    types = [
        *("client_registered", "client_unregistered", "client_disconnected", "client_recovered"),
        *("client_expired", "slot_reassigned", "command_finished"),
    ]
    op.create_table(
        "events",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("type", _enum("eventtype", *types), nullable=False),
        sa.Column("severity", _enum("severity", "info", "warning"), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("details", JSON_DOCUMENT, nullable=False),
        _tenant("events"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_tenant", "events", ["tenant_id", "event_id"], unique=False)


def _create_webhooks() -> None:
    op.create_table(
        "webhook_config",
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("events", JSON_DOCUMENT, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _tenant("webhook_config"),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_webhook_config")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", _enum("deliverystate", "pending", "delivered", "failed"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhook_config.webhook_id"],
            name=op.f("fk_webhook_deliveries_webhook_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_due", "webhook_deliveries", ["next_attempt_at"], unique=False, **ONLY_PENDING
    )
    op.create_index(
        "ix_webhook_deliveries_webhook", "webhook_deliveries", ["webhook_id", "created_at"], unique=False
    )
