"""Proofs that their tenants have made public."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "shared_proofs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("verifying_key", sa.Text(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("shared_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_shared_proofs_job_id"),
        sa.ForeignKeyConstraint(["proof"], ["artifacts.digest"], name="fk_shared_proofs_proof"),
        sa.ForeignKeyConstraint(
            ["verifying_key"], ["artifacts.digest"], name="fk_shared_proofs_verifying_key"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_shared_proofs"),
    )
    op.create_index("ix_shared_proofs_proof", "shared_proofs", ["proof"])
    op.create_index("ix_shared_proofs_verifying_key", "shared_proofs", ["verifying_key"])
