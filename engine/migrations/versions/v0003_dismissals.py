"""Quarantined records that a person dismissed, with a note."""

import sqlalchemy as sa
from alembic import op

import engine.models

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward; nothing is dismissed yet."""
    op.create_table(
        "dismissal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=110), nullable=False),
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("at", engine.models.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["processing_job.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("topic", "job_id"),
    )


def downgrade() -> None:
    """What was dismissed is in quarantine again."""
    op.drop_table("dismissal")
