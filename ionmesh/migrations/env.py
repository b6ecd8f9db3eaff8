"""Alembic's entry point: runs migrations on the connection `ionmesh.schema` hands over."""

from alembic import context

from ionmesh.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    # SQLite's DDL is transactional once the driver keeps its hands off transactions, as ionmesh.db arranges.
    transactional_ddl=True,
)
context.run_migrations()
