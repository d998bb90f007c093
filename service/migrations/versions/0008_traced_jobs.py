"""What submitted a job, for traces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("trace", sa.Text(), nullable=True))
