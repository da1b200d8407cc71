"""The first schema."""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BOOLEAN = sa.Boolean().with_variant(sa.Integer(), "sqlite")
_FLOAT = sa.Float(53).with_variant(sqlite.REAL(), "sqlite")
_COUNTERS = sa.table("counters", sa.column("name"), sa.column("value"))
_IDENTITY = sa.table("identity", sa.column("id"))
_ACTIVE = (
    "state IN ('claimed', 'transferring', 'starting', 'printing', 'paused', "
    "'cancelling', 'needs_attention')"
)
_STARTED = "state IN ('starting', 'printing', 'paused', 'needs_attention')"
_VOID = "state IN ('failed', 'cancelled', 'not_started')"
_PRINT_STATES = (
    "state IN ('queued', 'claimed', 'transferring', 'starting', 'printing', "
    "'paused', 'cancelling', 'needs_attention', 'completed', 'failed', 'cancelled', "
    "'not_started')"
)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.Column("expires_at", _INTEGER, nullable=True),
        sa.Column("revoked_at", _INTEGER, nullable=True),
        sa.Column("last_used_at", _INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_keys_sha256")),
        sqlite_strict=True,
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", _INTEGER, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
        sqlite_strict=True,
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", _INTEGER, nullable=True),
        sa.Column("at", _INTEGER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("print_id", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("seq", name=op.f("uq_events_seq")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_events_job_id", "events", ["job_id"], unique=False, **_where("job_id IS NOT NULL")
    )
    op.create_index(
        "ix_events_printer_id",
        "events",
        ["printer_id"],
        unique=False,
        **_where("printer_id IS NOT NULL"),
    )
    op.create_table(
        "farm",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_farm")),
        sqlite_strict=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency")),
        sqlite_strict=True,
    )
    op.create_table(
        "identity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        sqlite_strict=True,
    )
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", _INTEGER, nullable=False),
        sa.Column("lease_until", _INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sqlite_strict=True,
    )
    op.create_table(
        "print_files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", _INTEGER, nullable=False),
        sa.Column("printer_sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("analysis", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.CheckConstraint("size >= 0", name=op.f("ck_print_files_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_print_files_sha256")),
        sqlite_strict=True,
    )
    op.create_table(
        "printers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", _INTEGER, nullable=False),
        sa.Column("version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("driver", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), server_default="{}", nullable=False),
        sa.Column("model", sa.Text(), server_default="{}", nullable=False),
        sa.Column("plate", sa.Text(), nullable=True),
        sa.Column("materials", sa.Text(), server_default="[]", nullable=False),
        sa.Column("tags", sa.Text(), server_default="[]", nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("printer_group", sa.Text(), nullable=True),
        sa.Column("enabled", _BOOLEAN, server_default=sa.true(), nullable=False),
        sa.Column("maintenance", _BOOLEAN, server_default=sa.false(), nullable=False),
        sa.Column("bed_policy", sa.Text(), server_default="{}", nullable=False),
        sa.Column("start_policy", sa.Text(), server_default="automatic", nullable=False),
        sa.Column("retired_at", _INTEGER, nullable=True),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.Column("bed", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("bed_version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("bed_reason", sa.Text(), nullable=True),
        sa.Column("fence", _INTEGER, server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("seen_at", _INTEGER, nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("process", sa.Text(), nullable=True),
        sa.CheckConstraint("bed IN ('clear', 'occupied', 'unknown')", name=op.f("ck_printers_bed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printers")),
        sa.UniqueConstraint("number", name=op.f("uq_printers_number")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_printers_name", "printers", ["name"], unique=True, **_where("retired_at IS NULL")
    )
    op.create_table(
        "driver_state",
        sa.Column("printer_id", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printers.id"], name=op.f("fk_driver_state_printer_id_printers")
        ),
        sa.PrimaryKeyConstraint("printer_id", name=op.f("pk_driver_state")),
        sqlite_strict=True,
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", _INTEGER, nullable=False),
        sa.Column("version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("copies", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("priority", sa.Text(), server_default="normal", nullable=False),
        sa.Column("due", _INTEGER, nullable=True),
        sa.Column("requirements", sa.Text(), server_default="{}", nullable=False),
        sa.Column("retries", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("hold", _BOOLEAN, server_default=sa.false(), nullable=False),
        sa.Column("cancelled", _BOOLEAN, server_default=sa.false(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("rank", _FLOAT, nullable=True),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.CheckConstraint(
            "priority IN ('low', 'normal', 'high', 'urgent')", name=op.f("ck_jobs_priority")
        ),
        sa.CheckConstraint("copies > 0", name=op.f("ck_jobs_copies")),
        sa.CheckConstraint("retries >= 0", name=op.f("ck_jobs_retries")),
        sa.ForeignKeyConstraint(
            ["file_id"], ["print_files.id"], name=op.f("fk_jobs_file_id_print_files")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("number", name=op.f("uq_jobs_number")),
        sqlite_strict=True,
    )
    op.create_index("ix_jobs_file_id", "jobs", ["file_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", _INTEGER, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_outbox_event_id_events")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "prints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", _INTEGER, nullable=False),
        sa.Column("version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("copy_no", _INTEGER, nullable=False),
        sa.Column("try_no", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=True),
        sa.Column("fence", _INTEGER, nullable=True),
        sa.Column("attempt", _INTEGER, server_default=sa.text("0"), nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("sent_sha256", sa.Text(), nullable=True),
        sa.Column("sent_size", _INTEGER, nullable=True),
        sa.Column("wants_cancel", _BOOLEAN, server_default=sa.false(), nullable=False),
        sa.Column("confirmed", _BOOLEAN, server_default=sa.false(), nullable=False),
        sa.Column("baseline", sa.Text(), nullable=True),
        sa.Column("intent_at", _INTEGER, nullable=True),
        sa.Column("bed_before", sa.Text(), nullable=True),
        sa.Column("bed_version", _INTEGER, nullable=True),
        sa.Column("exit_verdict", sa.Text(), nullable=True),
        sa.Column("exit_by", sa.Text(), nullable=True),
        sa.Column("exit_step", sa.Text(), nullable=True),
        sa.Column("exit_evidence", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("not_before", _INTEGER, nullable=True),
        sa.Column("avoid_printer_id", sa.Text(), nullable=True),
        sa.Column("assigned_printer_id", sa.Text(), nullable=True),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.Column("claimed_at", _INTEGER, nullable=True),
        sa.Column("started_at", _INTEGER, nullable=True),
        sa.Column("ended_at", _INTEGER, nullable=True),
        sa.CheckConstraint(
            f"NOT ({_ACTIVE}) OR printer_id IS NOT NULL", name=op.f("ck_prints_active_has_printer")
        ),
        sa.CheckConstraint(
            f"NOT ({_STARTED}) OR intent_at IS NOT NULL", name=op.f("ck_prints_started_has_intent")
        ),
        sa.CheckConstraint(
            "state <> 'queued' OR printer_id IS NULL", name=op.f("ck_prints_queued_has_no_printer")
        ),
        sa.CheckConstraint(_PRINT_STATES, name=op.f("ck_prints_state")),
        sa.CheckConstraint("copy_no > 0 AND try_no > 0", name=op.f("ck_prints_counted_from_one")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_prints_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printers.id"], name=op.f("fk_prints_printer_id_printers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prints")),
        sa.UniqueConstraint(
            "job_id", "copy_no", "try_no", name=op.f("uq_prints_job_id_copy_no_try_no")
        ),
        sa.UniqueConstraint("number", name=op.f("uq_prints_number")),
        sqlite_strict=True,
    )
    op.create_index("ix_prints_printer_id", "prints", ["printer_id", "ended_at"], unique=False)
    op.create_index(
        "ix_prints_queue", "prints", ["created_at"], unique=False, **_where("state = 'queued'")
    )
    op.create_index(
        "uq_prints_one_active_per_printer", "prints", ["printer_id"], unique=True, **_where(_ACTIVE)
    )
    op.create_index(
        "uq_prints_one_live_per_copy",
        "prints",
        ["job_id", "copy_no"],
        unique=True,
        **_where(f"NOT ({_VOID})"),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=False),
        sa.Column("print_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), server_default="{}", nullable=False),
        sa.Column("state", sa.Text(), server_default="asked", nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=True),
        sa.Column("asked_at", _INTEGER, nullable=False),
        sa.Column("sent_at", _INTEGER, nullable=True),
        sa.Column("answered_at", _INTEGER, nullable=True),
        sa.Column("settled_at", _INTEGER, nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'sent', 'unknown', 'answered', 'refused', 'settled')",
            name=op.f("ck_commands_state"),
        ),
        sa.ForeignKeyConstraint(
            ["print_id"], ["prints.id"], name=op.f("fk_commands_print_id_prints")
        ),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printers.id"], name=op.f("fk_commands_printer_id_printers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sqlite_strict=True,
    )
    op.create_index("ix_commands_printer_id", "commands", ["printer_id", "asked_at"], unique=False)
    op.create_index(
        "ix_commands_unsettled",
        "commands",
        ["printer_id"],
        unique=False,
        **_where("state IN ('asked', 'sent', 'unknown')"),
    )
    op.create_index(
        "uq_commands_one_in_flight",
        "commands",
        ["printer_id"],
        unique=True,
        **_where("state IN ('sent', 'unknown')"),
    )
    op.bulk_insert(
        _COUNTERS, [{"name": name, "value": 0} for name in ("job", "print", "printer", "event_seq")]
    )
    # What lies beside the database, such as print files, is told by this whose it is.
    op.bulk_insert(_IDENTITY, [{"id": str(uuid4())}])


def downgrade() -> None:
    op.drop_table("commands")
    op.drop_table("prints")
    op.drop_table("outbox")
    op.drop_table("jobs")
    op.drop_table("driver_state")
    op.drop_table("printers")
    op.drop_table("print_files")
    op.drop_table("nodes")
    op.drop_table("idempotency")
    op.drop_table("identity")
    op.drop_table("farm")
    op.drop_table("events")
    op.drop_table("counters")
    op.drop_table("api_keys")
