"""What memory a job takes, where a worker has left it for that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("memory", sa.BigInteger(), nullable=True))
