"""What is known of a version, which job made it, and its layers and drawing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ARTIFACTS = ("layers", "drawing")


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("versions") as table:
        table.add_column(sa.Column("made_by", sa.Text(), nullable=True))
        table.add_column(sa.Column("summary", sa.JSON(), nullable=False, server_default="{}"))
        for name in ARTIFACTS:
            table.add_column(sa.Column(name, sa.Text(), nullable=True))
            table.create_foreign_key(f"fk_versions_{name}", "artifacts", [name], ["digest"])
            table.create_index(f"ix_versions_{name}", [name])
        table.create_unique_constraint("uq_versions_made_by", ["made_by"])
    with op.batch_alter_table("versions") as table:
        table.alter_column("summary", server_default=None)
