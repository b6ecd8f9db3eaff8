"""Alembic's entry point: runs migrations on the connection `ionmesh.schema` hands over.

That connection is in a transaction, so a migration that fails leaves nothing behind.
"""

from alembic import context

from ionmesh.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
