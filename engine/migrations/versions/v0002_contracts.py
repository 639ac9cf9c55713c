"""Contracts as rows of their own; the call that queued a job."""

import sqlalchemy as sa
from alembic import op

import engine.models

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward; each topic's newest deployed contract becomes its first version."""
    op.create_table(
        "contract",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("manifest_id", sa.Integer(), nullable=False),
        sa.Column("agreed", engine.models.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["manifest_id"], ["plugin_manifest.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("topic", "version"),
    )
    op.add_column("processing_job", sa.Column("request", sa.String(length=32), nullable=True))
    op.create_index(
        "ix_job_request",
        "processing_job",
        ["request"],
        sqlite_where=sa.text("request IS NOT NULL"),
    )
    op.execute(
        "INSERT INTO contract (topic, version, terms, manifest_id, agreed)"
        " SELECT entry.key, 1, entry.value, max(manifest.id), manifest.created"
        " FROM plugin_manifest AS manifest, json_each(manifest.contract) AS entry"
        " GROUP BY entry.key"
    )


def downgrade() -> None:
    """Contracts stay in their manifests."""
    op.drop_index("ix_job_request", "processing_job")
    op.drop_column("processing_job", "request")
    op.drop_table("contract")
