"""Figures of the jobs; an audit log that only grows; on PostgreSQL a wall between tenants in each table.

The wall stands for roles that do not own the tables. A session sees the tenant that the setting
`ionmesh.tenant` names, everything when it is `all`, and nothing while it is not set.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Evaluated once a query, not once a row.
SETTING = "(SELECT current_setting('ionmesh.tenant', true))"
ALL = f"{SETTING} = 'all'"
OWN = f"{ALL} OR tenant_id::text = {SETTING}"
SHARED = f"tenant_id IS NULL OR {OWN}"
OWNED = (
    *("tenants", "users", "api_keys", "service_profiles", "sim_card_metadata", "ki_proxy_pools"),
    *("slot_assignment_policies", "gl_audit_log", "events", "webhook_config", "client_series"),
    *("sim_traffic", "sim_allowances", "alert_rules", "alerts", "alert_mutes", "push_subscriptions"),
)
"""Tables whose every row is one tenant's."""
CHILDREN = {
    "client_state": ("service_profiles", "profile_id"),
    "client_commands": ("service_profiles", "profile_id"),
    "webhook_deliveries": ("webhook_config", "webhook_id"),
    "metric_samples_raw": ("client_series", "series_id"),
    "metric_samples_5m": ("client_series", "series_id"),
    "metric_samples_1h": ("client_series", "series_id"),
    "push_messages": ("push_subscriptions", "subscription_id"),
    "user_sessions": ("users", "user_id"),
    "totp_secrets": ("users", "user_id"),
    "recovery_codes": ("users", "user_id"),
}
"""Tables whose rows belong to whom a row of another one belongs to, and the column that names it."""
WALLED = (*OWNED, *CHILDREN, "sim_banks", "sim_bank_slots")


def upgrade() -> None:
    op.create_table(
        "figures",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_figures")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _seal_audit_log_of_sqlite()
    else:
        _seal_audit_log()
        _build_walls()


def downgrade() -> None:
    op.drop_table("figures")
    if op.get_bind().dialect.name == "sqlite":
        for event in ("update", "delete"):
            op.execute(f"DROP TRIGGER gl_audit_log_no_{event}")
        return
    op.execute("DROP TRIGGER gl_audit_log_only_grows ON gl_audit_log")
    op.execute("DROP TRIGGER gl_audit_log_is_kept ON gl_audit_log")
    op.execute("DROP FUNCTION gl_audit_log_refuse()")
    for table in WALLED:
        for action in ("select", "insert", "update", "delete"):
            op.execute(f"DROP POLICY IF EXISTS tenant_{action} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def _seal_audit_log_of_sqlite() -> None:
    for event in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER gl_audit_log_no_{event} BEFORE {event.upper()} ON gl_audit_log"
            " BEGIN SELECT RAISE(ABORT, 'gl_audit_log only grows'); END"
        )


def _seal_audit_log() -> None:
    op.execute(
        "CREATE FUNCTION gl_audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'gl_audit_log only grows' USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    op.execute(
        "CREATE TRIGGER gl_audit_log_only_grows BEFORE UPDATE OR DELETE ON gl_audit_log"
        " FOR EACH ROW EXECUTE FUNCTION gl_audit_log_refuse()"
    )
    op.execute(
        "CREATE TRIGGER gl_audit_log_is_kept BEFORE TRUNCATE ON gl_audit_log"
        " FOR EACH STATEMENT EXECUTE FUNCTION gl_audit_log_refuse()"
    )


def _build_walls() -> None:
    for table in OWNED:
        _build_wall(table, seen=OWN, changed=OWN, made=OWN)
    for table, (parent, column) in CHILDREN.items():
        # The parent's own wall decides which of its rows are seen here.
        theirs = f"SELECT 1 FROM {parent} WHERE {parent}.{column} = {table}.{column}"  # noqa: S608  from above
        own = f"{ALL} OR EXISTS ({theirs})"
        _build_wall(table, seen=own, changed=own, made=own)
    _build_wall("sim_banks", seen=SHARED, changed=OWN, made=OWN)
    # A tenant's client takes and gives back shared slots too.
    _build_wall("sim_bank_slots", seen=SHARED, changed=SHARED, made=OWN)


def _build_wall(table: str, *, seen: str, changed: str, made: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant_select ON {table} FOR SELECT USING ({seen})")
    op.execute(f"CREATE POLICY tenant_insert ON {table} FOR INSERT WITH CHECK ({made})")
    op.execute(f"CREATE POLICY tenant_update ON {table} FOR UPDATE USING ({changed}) WITH CHECK ({changed})")
    op.execute(f"CREATE POLICY tenant_delete ON {table} FOR DELETE USING ({made})")
