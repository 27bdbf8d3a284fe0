"""First version of the tables for jobs and parts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT, _COUNT, _SIZE = sa.Text(), sa.Integer(), sa.BigInteger()


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("run_id", sa.String(128)),
        sa.Column("phase", sa.String(9), nullable=False),
        sa.Column("changed", _COUNT, nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("started", sa.Float()),
        sa.Column("ended", sa.Float()),
        sa.Column("destruction", sa.Float(), nullable=False),
        sa.Column("duration", _COUNT, nullable=False),
        sa.Column("spent", sa.Float(), nullable=False),
        sa.Column("parameters", _TEXT, nullable=False),
        sa.Column("source", sa.String(7), nullable=False),
        sa.Column("address", _TEXT),
        sa.Column("input_name", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("input_bytes", _SIZE, nullable=False),
        sa.Column("obtained", sa.Boolean(), nullable=False),
        sa.Column("model_sha256", sa.String(64)),
        sa.Column("recognised", _TEXT),
        sa.Column("rows_total", _SIZE),
        sa.Column("rows_done", _SIZE, nullable=False),
        sa.Column("rows_failed", _SIZE, nullable=False),
        sa.Column("fraction", sa.Float(), nullable=False),
        sa.Column("part_bytes", _SIZE, nullable=False),
        sa.Column("result", sa.String(200)),
        sa.Column("result_type", sa.String(100)),
        sa.Column("result_bytes", _SIZE, nullable=False),
        sa.Column("error", _TEXT),
        sa.Column("worker", sa.String(200)),
        sa.Column("token", _COUNT, nullable=False),
        sa.Column("beat", _COUNT, nullable=False),
        sa.Column("attempts", _COUNT, nullable=False),
        sa.Column("webhook", _TEXT),
        sa.Column("webhook_due", sa.Boolean(), nullable=False),
        sa.Column("webhook_tries", _COUNT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_phase", "jobs", ["phase", "number"])
    op.create_index("jobs_by_owner", "jobs", ["owner", "number"])
    op.create_table(
        "parts",
        sa.Column("job", sa.Integer(), sa.ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("first_row", _SIZE, nullable=False),
        sa.Column("rows", _COUNT, nullable=False),
        sa.Column("failed", _COUNT, nullable=False),
        sa.Column("token", _COUNT, nullable=False),
        sa.Column("bytes", _SIZE, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, and with them all jobs."""
    op.drop_table("parts")
    op.drop_table("jobs")
