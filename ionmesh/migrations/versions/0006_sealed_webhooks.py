"""Signing secrets of webhooks are kept sealed.

A migration knows no pepper: secrets that lay in clear are taken over as readable ones, and a sealed one
cannot be given back to the older version.

Revision ID: 0006
Revises: 0005
"""

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

READABLE = "plain:"
OLD_LENGTH = 64


def upgrade() -> None:
    with _deliveries_kept(), op.batch_alter_table("webhook_config") as table:
        table.alter_column(
            "secret",
            new_column_name="sealed",
            type_=sa.Text(),
            existing_type=sa.String(length=OLD_LENGTH),
            existing_nullable=False,
        )
    webhooks = sa.table("webhook_config", sa.column("sealed", sa.Text()))
    op.execute(webhooks.update().values(sealed=sa.literal(READABLE).concat(webhooks.c.sealed)))


def downgrade() -> None:
    webhooks = sa.table(
        "webhook_config",
        sa.column("webhook_id", sa.Integer()),
        sa.column("sealed", sa.Text()),
        sa.column("enabled", sa.Boolean()),
    )
    connection = op.get_bind()
    for number, sealed in connection.execute(sa.select(webhooks.c.webhook_id, webhooks.c.sealed)).all():
        if sealed.startswith(READABLE):
            values = {"sealed": sealed.removeprefix(READABLE)}
        else:
            # Signed with what nobody knows: not at all, and by no stranger either.
            values = {"sealed": _unknown_secret(), "enabled": False}
        connection.execute(webhooks.update().where(webhooks.c.webhook_id == number).values(values))
    with _deliveries_kept(), op.batch_alter_table("webhook_config") as table:
        table.alter_column(
            "sealed",
            new_column_name="secret",
            type_=sa.String(length=OLD_LENGTH),
            existing_type=sa.Text(),
            existing_nullable=False,
        )


def _unknown_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


@contextmanager
def _deliveries_kept() -> Iterator[None]:
    """SQLite copies a table to change it, and the end of the old one would take its deliveries along."""
    if op.get_bind().dialect.name != "sqlite":
        yield
        return
    op.execute("CREATE TEMPORARY TABLE kept_deliveries AS SELECT * FROM webhook_deliveries")
    yield
    op.execute("INSERT INTO webhook_deliveries SELECT * FROM kept_deliveries")
    op.execute("DROP TABLE kept_deliveries")
