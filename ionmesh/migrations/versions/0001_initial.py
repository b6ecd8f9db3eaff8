"""The first schema: tenants, keys, inventory, clients, commands, audit log.

Revision ID: 0001
Revises:
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON_DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
ONLY_ACTIVE: dict[str, Any] = {
    "sqlite_where": sa.text("status = 'active'"),
    "postgresql_where": sa.text("status = 'active'"),
}
ONLY_OPEN: dict[str, Any] = {
    "sqlite_where": sa.text("state IN ('queued', 'delivered')"),
    "postgresql_where": sa.text("state IN ('queued', 'delivered')"),
}


def upgrade() -> None:
    _create_tenants()
    _create_api_keys()
    _create_gl_audit_log()
    _create_sim_banks()
    _create_sim_bank_slots()
    _create_service_profiles()
    _index_service_profiles()
    _create_client_commands()
    _create_client_state()


def downgrade() -> None:
    op.drop_table("client_state")
    op.drop_index("ix_client_commands_open", table_name="client_commands")
    op.drop_table("client_commands")
    op.drop_index("uq_service_profiles_active_slot", table_name="service_profiles")
    op.drop_index("uq_service_profiles_active_client", table_name="service_profiles")
    op.drop_index("ix_service_profiles_history", table_name="service_profiles")
    op.drop_table("service_profiles")
    op.drop_index("ix_sim_bank_slots_free", table_name="sim_bank_slots")
    op.drop_table("sim_bank_slots")
    op.drop_table("sim_banks")
    op.drop_index("ix_gl_audit_log_subject", table_name="gl_audit_log")
    op.drop_table("gl_audit_log")
    op.drop_table("api_keys")
    op.drop_table("tenants")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("legacy_cidrs", JSON_DOCUMENT, nullable=False),
        sa.Column("default_hostnames_allowed", sa.Boolean(), nullable=False),
        sa.Column("release_grace_s", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("prefix", sa.String(length=24), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON_DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_api_keys_tenant_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )


def _create_gl_audit_log() -> None:
    op.create_table(
        "gl_audit_log",
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("details", JSON_DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_gl_audit_log_tenant_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_gl_audit_log")),
    )
    op.create_index("ix_gl_audit_log_subject", "gl_audit_log", ["tenant_id", "subject"], unique=False)


def _create_sim_banks() -> None:
    op.create_table(
        "sim_banks",
        sa.Column("bank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("status", _enum("bankstatus", "online", "maintenance"), nullable=False),
        sa.Column("bankd_host", sa.String(length=200), nullable=False),
        sa.Column("bankd_port", sa.Integer(), nullable=False),
        sa.Column("server_host", sa.String(length=200), nullable=True),
        sa.Column("server_port", sa.Integer(), nullable=False),
        sa.Column("remsim_server_url", sa.String(length=255), nullable=True),
        sa.Column("bankd_connected", sa.Boolean(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("bank_id BETWEEN 1 AND 1023", name=op.f("ck_sim_banks_bank_id")),
        sa.CheckConstraint("bankd_port BETWEEN 1 AND 65535", name=op.f("ck_sim_banks_bankd_port")),
        sa.CheckConstraint("server_port BETWEEN 1 AND 65535", name=op.f("ck_sim_banks_server_port")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_sim_banks_tenant_id")),
        sa.PrimaryKeyConstraint("bank_id", name=op.f("pk_sim_banks")),
    )


def _create_sim_bank_slots() -> None:
    op.create_table(
        "sim_bank_slots",
        sa.Column("bank_id", sa.Integer(), nullable=False),
        sa.Column("slot_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=True),
        sa.Column("kind", _enum("slotkind", "physical", "virtual", "ki-virtual"), nullable=False),
        sa.Column(
            "status",
            _enum("slotstatus", "available", "assigned", "reserved", "faulty", "disabled"),
            nullable=False,
        ),
        sa.Column("iccid", sa.String(length=22), nullable=True),
        sa.Column("imsi", sa.String(length=15), nullable=True),
        sa.Column("mcc_mnc", sa.String(length=6), nullable=True),
        sa.Column("carrier", sa.String(length=64), nullable=True),
        sa.Column("released_at", MOMENT, nullable=True),
        sa.Column("available_after", MOMENT, nullable=True),
        sa.CheckConstraint("slot_id BETWEEN 1 AND 1023", name=op.f("ck_sim_bank_slots_slot_id")),
        sa.ForeignKeyConstraint(["bank_id"], ["sim_banks.bank_id"], name=op.f("fk_sim_bank_slots_bank_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_sim_bank_slots_tenant_id")
        ),
        sa.PrimaryKeyConstraint("bank_id", "slot_id", name=op.f("pk_sim_bank_slots")),
    )
    op.create_index(
        "ix_sim_bank_slots_free", "sim_bank_slots", ["kind", "status", "tenant_id", "mcc_mnc"], unique=False
    )


def _create_service_profiles() -> None:
    op.create_table(
        "service_profiles",
        sa.Column("profile_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("status", _enum("profilestatus", "active", "released", "expired"), nullable=False),
        sa.Column(
            "mapping_mode",
            _enum("mappingmode", "ONE_TO_ONE_SWSIM", "ONE_TO_ONE_VSIM", "KI_PROXY_SWSIM"),
            nullable=False,
        ),
        sa.Column("bank_id", sa.Integer(), nullable=False),
        sa.Column("slot_id", sa.Integer(), nullable=False),
        sa.Column("rspro_client_id", sa.Integer(), nullable=False),
        sa.Column("rspro_client_slot", sa.Integer(), nullable=False),
        sa.Column("assignment_version", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=True),
        sa.Column("source_ip", sa.String(length=45), nullable=True),
        sa.Column("software_version", sa.String(length=64), nullable=True),
        sa.Column("hardware_info", JSON_DOCUMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("deactivated_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "rspro_client_id BETWEEN 0 AND 1023", name=op.f("ck_service_profiles_rspro_client_id")
        ),
        sa.CheckConstraint(
            "rspro_client_slot BETWEEN 0 AND 1023", name=op.f("ck_service_profiles_rspro_client_slot")
        ),
        sa.ForeignKeyConstraint(
            ["bank_id", "slot_id"],
            ["sim_bank_slots.bank_id", "sim_bank_slots.slot_id"],
            name=op.f("fk_service_profiles_bank_id_slot_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_service_profiles_tenant_id")
        ),
        sa.PrimaryKeyConstraint("profile_id", name=op.f("pk_service_profiles")),
    )


def _index_service_profiles() -> None:
    op.create_index(
        "ix_service_profiles_history",
        "service_profiles",
        ["tenant_id", "client_id", "assignment_version"],
        unique=False,
    )
    op.create_index(
        "uq_service_profiles_active_client",
        "service_profiles",
        ["tenant_id", "client_id"],
        unique=True,
        **ONLY_ACTIVE,
    )
    op.create_index(
        "uq_service_profiles_active_slot",
        "service_profiles",
        ["bank_id", "slot_id"],
        unique=True,
        **ONLY_ACTIVE,
    )


def _create_client_commands() -> None:
    op.create_table(
        "client_commands",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("profile_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("params", JSON_DOCUMENT, nullable=False),
        sa.Column(
            "state",
            _enum("commandstate", "queued", "delivered", "acked", "done", "failed", "expired"),
            nullable=False,
        ),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("delivered_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("detail", sa.String(length=1024), nullable=True),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["service_profiles.profile_id"], name=op.f("fk_client_commands_profile_id")
        ),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_client_commands")),
    )
    op.create_index("ix_client_commands_open", "client_commands", ["profile_id"], unique=False, **ONLY_OPEN)


def _create_client_state() -> None:
    op.create_table(
        "client_state",
        sa.Column("profile_id", sa.String(length=36), nullable=False),
        sa.Column("connectivity", _enum("connectivity", "unknown", "online", "offline"), nullable=False),
        sa.Column("first_heartbeat", MOMENT, nullable=True),
        sa.Column("last_heartbeat", MOMENT, nullable=True),
        sa.Column("reported_status", sa.String(length=16), nullable=True),
        sa.Column("source_ip", sa.String(length=45), nullable=True),
        sa.Column("stats", JSON_DOCUMENT, nullable=True),
        sa.Column("modem_info", JSON_DOCUMENT, nullable=True),
        sa.Column("links", JSON_DOCUMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["service_profiles.profile_id"], name=op.f("fk_client_state_profile_id")
        ),
        sa.PrimaryKeyConstraint("profile_id", name=op.f("pk_client_state")),
    )
