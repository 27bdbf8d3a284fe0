"""Alembic's entry point: runs the migrations on the connection passed by `database`."""

from alembic import context

from app.jobs.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
