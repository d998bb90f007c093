"""What was chosen of a version's keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the keys there are were made with nothing chosen."""
    with op.batch_alter_table("version_keys") as table:
        table.add_column(sa.Column("choices", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("version_keys") as table:
        table.alter_column("choices", server_default=None)
