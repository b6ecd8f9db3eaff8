"""How often a client says it heartbeats.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client_state", sa.Column("reported_interval_s", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("client_state") as table:
        table.drop_column("reported_interval_s")
