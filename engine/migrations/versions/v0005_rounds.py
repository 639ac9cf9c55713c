"""A reprocess is a round: its rows come into view together, and can be taken back."""

import sqlalchemy as sa
from alembic import op

import engine.models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward; what was reprocessed before is in view already and of no round."""
    op.create_table(
        "round",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("manifest_id", sa.Integer(), nullable=False),
        sa.Column("created", engine.models.UtcDateTime(), nullable=False),
        sa.Column("ended", engine.models.UtcDateTime(), nullable=True),
        sa.Column("undone", engine.models.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["manifest_id"], ["plugin_manifest.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("processing_job", sa.Column("round_id", sa.Integer(), nullable=True))
    op.create_index(
        "ix_job_round",
        "processing_job",
        ["round_id"],
        sqlite_where=sa.text("round_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Every generation is in view as it ends."""
    op.drop_index("ix_job_round", "processing_job")
    op.drop_column("processing_job", "round_id")
    op.drop_table("round")
