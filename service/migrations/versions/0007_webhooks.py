"""Webhooks: secrets that are replaced, receivers that fail; when a tenant last put an artifact."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.add_column("webhooks", sa.Column("old_secret", sa.Text(), nullable=True))
    op.add_column("webhooks", sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("disabled_why", sa.Text(), nullable=True))
    # Nothing was ever written to it.
    op.drop_table("deliveries")
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_deliveries_webhook_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_deliveries_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_job_id", "deliveries", ["job_id"])
    op.create_index("ix_deliveries_next_attempt", "deliveries", ["next_attempt"])
    op.create_index("ix_deliveries_listed", "deliveries", ["webhook_id", "id"])
    op.add_column("artifact_owners", sa.Column("put_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE artifact_owners SET put_at = "
        "(SELECT created_at FROM artifacts WHERE artifacts.digest = artifact_owners.digest)"
    )
    with op.batch_alter_table("artifact_owners") as table:
        table.alter_column("put_at", existing_type=sa.DateTime(timezone=True), nullable=False)
