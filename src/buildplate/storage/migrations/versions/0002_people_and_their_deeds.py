"""Users, their sessions, set-up links, the audit, and the groups of keys."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("printer_groups", sa.Text(), nullable=True))
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("printer_groups", sa.Text(), nullable=True),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.Column("password_at", _INTEGER, nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.Column("seen_at", _INTEGER, nullable=False),
        sa.Column("expires_at", _INTEGER, nullable=False),
        sa.CheckConstraint("kind IN ('browser', 'program')", name=op.f("ck_user_sessions_kind")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("sha256", name=op.f("uq_user_sessions_sha256")),
        sqlite_strict=True,
    )
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"], unique=False)
    op.create_table(
        "spent_tokens",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("spent_at", _INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["user_sessions.id"],
            name=op.f("fk_spent_tokens_session_id_user_sessions"),
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_spent_tokens")),
        sqlite_strict=True,
    )
    op.create_index("ix_spent_tokens_session_id", "spent_tokens", ["session_id"], unique=False)
    op.create_table(
        "setup_links",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("expires_at", _INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_setup_links")),
        sqlite_strict=True,
    )
    _audit()


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", _INTEGER, nullable=False),
        sa.Column("who_kind", sa.Text(), nullable=False),
        sa.Column("who_id", sa.Text(), nullable=True),
        sa.Column("who_name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.Column("changes", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_audit_who_id",
        "audit",
        ["who_id", "id"],
        unique=False,
        **_where("who_id IS NOT NULL"),
    )


def downgrade() -> None:
    for table in ("audit", "setup_links", "spent_tokens", "user_sessions", "users"):
        op.drop_table(table)
    op.drop_column("api_keys", "printer_groups")
