"""Several plugins may feed one topic; a person may bring a contract, and decides its policy."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward; who feeds a topic is read from the plugins in force."""
    op.create_table(
        "topic_policy",
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("policy", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("topic"),
    )
    with op.batch_alter_table("topic_config") as table:
        table.drop_index("ix_topic_config_plugin")
        table.drop_column("plugin")
    with op.batch_alter_table("contract") as table:
        table.alter_column("manifest_id", existing_type=sa.Integer(), nullable=True)


def downgrade() -> None:
    """Contracts that a person brought are lost; a topic names the first plugin that feeds it."""
    op.execute("DELETE FROM contract WHERE manifest_id IS NULL")
    with op.batch_alter_table("contract") as table:
        table.alter_column("manifest_id", existing_type=sa.Integer(), nullable=False)
    with op.batch_alter_table("topic_config") as table:
        table.add_column(sa.Column("plugin", sa.String(length=100), nullable=True))
    op.execute(
        "UPDATE topic_config SET plugin = coalesce((SELECT name FROM plugin_manifest,"
        " json_each(plugin_manifest.manifest, '$.topics') AS fed"
        " WHERE status = 'ACTIVE' AND fed.value = topic_config.topic ORDER BY id LIMIT 1), '')"
    )
    with op.batch_alter_table("topic_config") as table:
        table.alter_column("plugin", existing_type=sa.String(length=100), nullable=False)
        table.create_index("ix_topic_config_plugin", ["plugin"])
    op.drop_table("topic_policy")
