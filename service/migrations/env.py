"""What Alembic runs for each command: the revisions, on the connection that `upgrade` gives."""

from __future__ import annotations

from alembic import context

from service.database import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
