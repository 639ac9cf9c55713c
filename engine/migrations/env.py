"""Run catalog migrations on the connection that `engine.database` passes in."""

from alembic import context

from engine.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
