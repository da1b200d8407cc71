"""Users who are disabled, who sent a print file, and prints in the order in which they ended.

Schema 0004 knows no disabled users: going back to it gives each a password that nobody has, so that
nobody gets in who should not. The way forward gives them their own back.
"""

import json
import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op
from argon2 import PasswordHasher

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BOOLEAN = sa.Boolean().with_variant(sa.Integer(), "sqlite")
_USERS = sa.table("users", *map(sa.column, ("id", "password", "disabled")))
_FILES = sa.table("print_files", sa.column("id"), sa.column("sent_by"))
_FARM = sa.table("farm", sa.column("key"), sa.column("value"))
_KEPT = "kept of schema 0005"
"""Where a downgrade leaves what schema 0004 has no place for; the next upgrade takes it back."""


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("disabled", _BOOLEAN, server_default=sa.false(), nullable=False)
    )
    op.add_column("print_files", sa.Column("sent_by", sa.Text(), nullable=True))
    op.create_index("ix_prints_ended_at", "prints", ["ended_at", "id"])
    kept = _take_back()
    for user in kept.get("disabled", []):
        # Whom schema 0004 was told another password for was let in again on purpose.
        locked = (_USERS.c.id == user["id"]) & (_USERS.c.password == user["locked"])
        op.execute(
            _USERS.update().where(locked).values(password=user["password"], disabled=sa.true())
        )
    for file in kept.get("sent", []):
        op.execute(_FILES.update().where(_FILES.c.id == file["id"]).values(sent_by=file["sent_by"]))


def _take_back() -> dict[str, Any]:
    """What an earlier downgrade has left; taken out of the farm's row."""
    found = op.get_bind().execute(sa.select(_FARM.c.value).where(_FARM.c.key == _KEPT)).scalar()
    op.execute(_FARM.delete().where(_FARM.c.key == _KEPT))
    kept: dict[str, Any] = json.loads(found) if found else {}
    return kept


def downgrade() -> None:
    bind = op.get_bind()
    disabled = sa.select(_USERS.c.id, _USERS.c.password).where(_USERS.c.disabled == sa.true())
    sent = sa.select(_FILES).where(_FILES.c.sent_by.is_not(None))
    kept = {
        "disabled": [_locked(dict(row)) for row in bind.execute(disabled).mappings().all()],
        "sent": [dict(row) for row in bind.execute(sent).mappings()],
    }
    if any(kept.values()):
        op.bulk_insert(_FARM, [{"key": _KEPT, "value": json.dumps(kept)}])
    op.drop_index("ix_prints_ended_at", "prints")
    op.drop_column("print_files", "sent_by")
    op.drop_column("users", "disabled")


def _locked(user: dict[str, Any]) -> dict[str, Any]:
    """The user with a password that nobody has, which is stored."""
    locked = PasswordHasher(time_cost=1, memory_cost=1024).hash(secrets.token_urlsafe(32))
    op.execute(_USERS.update().where(_USERS.c.id == user["id"]).values(password=locked))
    return {**user, "locked": locked}
