"""What printers did, and how warm they were."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "status_history",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("print_id", sa.Text(), nullable=True),
        sa.Column("began_at", _INTEGER, nullable=False),
        sa.Column("ended_at", _INTEGER, nullable=True),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= began_at",
            name=op.f("ck_status_history_ends_after_it_began"),
        ),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printers.id"], name=op.f("fk_status_history_printer_id_printers")
        ),
        sa.ForeignKeyConstraint(
            ["print_id"], ["prints.id"], name=op.f("fk_status_history_print_id_prints")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_history")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_status_history_one_open_per_printer",
        "status_history",
        ["printer_id"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index("ix_status_history_ended_at", "status_history", ["ended_at"])
    op.create_table(
        "temperature_history",
        sa.Column("printer_id", sa.Text(), nullable=False),
        sa.Column("at", _INTEGER, nullable=False),
        sa.Column("readings", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["printer_id"],
            ["printers.id"],
            name=op.f("fk_temperature_history_printer_id_printers"),
        ),
        sa.PrimaryKeyConstraint("printer_id", "at", name=op.f("pk_temperature_history")),
        sqlite_strict=True,
    )
    op.create_index("ix_temperature_history_at", "temperature_history", ["at"])
    op.create_table(
        "history_marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", _INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_history_marks")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("history_marks")
    op.drop_table("temperature_history")
    op.drop_table("status_history")
