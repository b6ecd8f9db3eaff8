"""What the dashboard stands on: sessions, second factors, time series, alerts, allowances and push.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ONLY_OPEN: dict[str, Any] = {
    "sqlite_where": sa.text("state != 'resolved'"),
    "postgresql_where": sa.text("state != 'resolved'"),
}
ONLY_REPORTED: dict[str, Any] = {
    "sqlite_where": sa.text("type = 'client_reported'"),
    "postgresql_where": sa.text("type = 'client_reported'"),
}
OLD_TYPES = (
    *("client_registered", "client_unregistered", "client_disconnected", "client_recovered"),
    *("client_expired", "slot_reassigned", "command_finished"),
)
NEW_TYPES = (
    *("client_reported", "pool_exhausted", "auth_failures"),
    *("alert_fired", "alert_acknowledged", "alert_resolved"),
)
OLD_SEVERITIES = ("info", "warning")
SEVERITIES = (*OLD_SEVERITIES, "error", "critical")
ALERT_KINDS = (
    *("client_offline", "signal_below", "pool_utilisation_above"),
    *("auth_failures", "allowance_reached", "bank_down"),
)
SIGNALS = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db")


def upgrade() -> None:
    op.add_column("client_state", sa.Column("stats_at", MOMENT, nullable=True))
    _allow_in_events((OLD_TYPES, OLD_SEVERITIES), (OLD_TYPES + NEW_TYPES, SEVERITIES))
    op.create_index("ix_events_client", "events", ["tenant_id", "client_id", "event_id"], unique=False)
    op.create_index("ix_events_reported", "events", ["tenant_id", "at"], unique=False, **ONLY_REPORTED)
    _create_secrets()
    _create_user_sessions()
    _create_series()
    _create_samples()
    _create_traffic()
    _create_alert_rules()
    _create_alerts()
    _create_push()


def downgrade() -> None:
    for name in (
        *("push_messages", "push_subscriptions", "alerts", "alert_rules", "alert_mutes"),
        *("sim_allowances", "sim_traffic", "metric_samples_1h", "metric_samples_5m", "metric_samples_raw"),
        *("rollup_progress", "client_series", "user_sessions", "recovery_codes", "totp_secrets"),
        "server_secrets",
    ):
        op.drop_table(name)
    for index in ("ix_events_reported", "ix_events_client"):
        op.drop_index(index, table_name="events")
    events = sa.table("events", sa.column("type", sa.String()), sa.column("severity", sa.String()))
    op.execute(events.delete().where(events.c.type.in_(NEW_TYPES)))
    graver = events.c.severity.not_in(OLD_SEVERITIES)
    op.execute(events.update().where(graver).values(severity=OLD_SEVERITIES[-1]))
    _allow_in_events((OLD_TYPES + NEW_TYPES, SEVERITIES), (OLD_TYPES, OLD_SEVERITIES))
    with op.batch_alter_table("client_state") as table:
        table.drop_column("stats_at")


Allowed = tuple[Sequence[str], Sequence[str]]


def _allow_in_events(old: Allowed, new: Allowed) -> None:
    """Change which types and severities an event may have. SQLite copies the table for that."""
    with op.batch_alter_table("events", copy_from=_events(*old)) as table:
        for column, name, values in (("type", "eventtype", new[0]), ("severity", "severity", new[1])):
            table.drop_constraint(op.f(f"ck_events_{name}"), type_="check")
            table.create_check_constraint(op.f(f"ck_events_{name}"), _one_of(column, values))


def _events(types: Sequence[str], severities: Sequence[str]) -> sa.Table:
    return sa.Table(
        "events",
        sa.MetaData(),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        _tenant("events"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        sa.CheckConstraint(_one_of("type", types), name=op.f("ck_events_eventtype")),
        sa.CheckConstraint(_one_of("severity", severities), name=op.f("ck_events_severity")),
        sa.Index("ix_events_tenant", "tenant_id", "event_id"),
    )


def _one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _enum(name: str, values: Sequence[str]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f(f"fk_{table}_tenant_id"))


def _user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.user_id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"
    )


def _create_secrets() -> None:
    op.create_table(
        "server_secrets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server_secrets")),
    )
    op.create_table(
        "totp_secrets",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        _user("totp_secrets"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_totp_secrets")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        _user("recovery_codes"),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_recovery_codes")),
    )
    op.create_index("ix_recovery_codes_user", "recovery_codes", ["user_id"], unique=False)


def _create_user_sessions() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("password_mark", sa.String(length=64), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("source_ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        _user("user_sessions"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_user_sessions")),
    )
    op.create_index("ix_user_sessions_user", "user_sessions", ["user_id"], unique=False)


def _create_series() -> None:
    op.create_table(
        "client_series",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("sampled_at", MOMENT, nullable=False),
        *(sa.Column(name, sa.Float(), nullable=True) for name in SIGNALS),
        sa.Column("rx_total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("tx_total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("card_rx_total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("card_tx_total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("uptime_s", sa.BigInteger(), nullable=True),
        _tenant("client_series"),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_client_series")),
        sa.UniqueConstraint("tenant_id", "client_id", name=op.f("uq_client_series_tenant_id_client_id")),
    )
    op.create_table(
        "rollup_progress",
        sa.Column("resolution_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("done_until_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resolution_s", name=op.f("pk_rollup_progress")),
    )


def _create_samples() -> None:
    extremes = [f"{name}{end}" for name in SIGNALS for end in ("", "_min", "_max")]
    for table, signals, counts in (
        ("metric_samples_raw", SIGNALS, ()),
        ("metric_samples_5m", extremes, ("samples",)),
        ("metric_samples_1h", extremes, ("samples",)),
    ):
        op.create_table(
            table,
            sa.Column("series_id", sa.Integer(), nullable=False),
            sa.Column("at_s", sa.BigInteger(), autoincrement=False, nullable=False),
            *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
            *(sa.Column(name, sa.Float(), nullable=True) for name in signals),
            sa.Column("rx_bytes", sa.BigInteger(), nullable=True),
            sa.Column("tx_bytes", sa.BigInteger(), nullable=True),
            sa.ForeignKeyConstraint(
                ["series_id"], ["client_series.series_id"], name=op.f(f"fk_{table}_series_id")
            ),
            sa.PrimaryKeyConstraint("series_id", "at_s", name=op.f(f"pk_{table}")),
        )
        op.create_index(f"ix_{table}_at", table, ["at_s"], unique=False, postgresql_using="brin")


def _create_traffic() -> None:
    op.create_table(
        "sim_traffic",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("sim", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rx_bytes", sa.BigInteger(), nullable=False),
        sa.Column("tx_bytes", sa.BigInteger(), nullable=False),
        _tenant("sim_traffic"),
        sa.PrimaryKeyConstraint("tenant_id", "sim", "day", name=op.f("pk_sim_traffic")),
    )
    op.create_table(
        "sim_allowances",
        sa.Column("allowance_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("sim", sa.String(length=32), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger(), nullable=False),
        sa.Column("billing_day", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _tenant("sim_allowances"),
        sa.PrimaryKeyConstraint("allowance_id", name=op.f("pk_sim_allowances")),
        sa.UniqueConstraint("tenant_id", "sim", name=op.f("uq_sim_allowances_tenant_id_sim")),
    )


def _create_alert_rules() -> None:
    op.create_table(
        "alert_rules",
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", _enum("alertkind", ALERT_KINDS), nullable=False),
        sa.Column("signal", _enum("signalmetric", SIGNALS), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("hysteresis", sa.Float(), nullable=False),
        sa.Column("for_s", sa.Integer(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=True),
        sa.Column("severity", _enum("severity", SEVERITIES), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("muted_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _tenant("alert_rules"),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_alert_rules")),
    )
    op.create_index("ix_alert_rules_tenant", "alert_rules", ["tenant_id"], unique=False)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=True),
        sa.Column("rule_name", sa.String(length=64), nullable=False),
        sa.Column("kind", _enum("alertkind", ALERT_KINDS), nullable=False),
        sa.Column("severity", _enum("severity", SEVERITIES), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("state", _enum("alertstate", ("pending", "firing", "resolved")), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("fired_at", MOMENT, nullable=True),
        sa.Column("acknowledged_at", MOMENT, nullable=True),
        sa.Column("acknowledged_by", sa.String(length=160), nullable=True),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["alert_rules.rule_id"], name=op.f("fk_alerts_rule_id"), ondelete="SET NULL"
        ),
        _tenant("alerts"),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_tenant", "alerts", ["tenant_id", "alert_id"], unique=False)
    op.create_index("uq_alerts_open", "alerts", ["rule_id", "subject"], unique=True, **ONLY_OPEN)
    op.create_table(
        "alert_mutes",
        sa.Column("mute_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=160), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _tenant("alert_mutes"),
        sa.PrimaryKeyConstraint("mute_id", name=op.f("pk_alert_mutes")),
        sa.UniqueConstraint("tenant_id", "subject", name=op.f("uq_alert_mutes_tenant_id_subject")),
    )


def _create_push() -> None:
    op.create_table(
        "push_subscriptions",
        sa.Column("subscription_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("endpoint", sa.String(length=2048), nullable=False),
        sa.Column("p256dh", sa.String(length=100), nullable=False),
        sa.Column("auth", sa.String(length=32), nullable=False),
        sa.Column("min_severity", _enum("severity", SEVERITIES), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_sent_at", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _tenant("push_subscriptions"),
        _user("push_subscriptions"),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_push_subscriptions")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_push_subscriptions_endpoint")),
    )
    op.create_index("ix_push_subscriptions_tenant", "push_subscriptions", ["tenant_id"], unique=False)
    op.create_table(
        "push_messages",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("urgency", sa.String(length=16), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["push_subscriptions.subscription_id"],
            name=op.f("fk_push_messages_subscription_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_push_messages")),
    )
    op.create_index("ix_push_messages_due", "push_messages", ["next_attempt_at"], unique=False)
