"""Emergency stops beside the one command in flight, and the keys that orders of people came with.

Schema 0005 knows one command in flight per printer and no other: going back to it settles the
emergency stops that nobody has answered yet.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COMMANDS = sa.table(
    "commands",
    *map(sa.column, ("id", "kind", "state", "asked_at", "settled_at", "answer", "idempotency_key")),
)
_FARM = sa.table("farm", sa.column("key"), sa.column("value"))
_KEPT = "kept of schema 0006"
"""Where a downgrade leaves what schema 0005 has no place for; the next upgrade takes it back."""
_IN_FLIGHT = "state IN ('sent', 'unknown')"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _one_in_flight(condition: str) -> None:
    op.drop_index("uq_commands_one_in_flight", "commands")
    op.create_index(
        "uq_commands_one_in_flight", "commands", ["printer_id"], unique=True, **_where(condition)
    )


def upgrade() -> None:
    op.add_column("commands", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.create_index(
        "uq_commands_idempotency_key",
        "commands",
        ["idempotency_key"],
        unique=True,
        **_where("idempotency_key IS NOT NULL"),
    )
    _one_in_flight(f"{_IN_FLIGHT} AND kind <> 'emergency_stop'")
    bind = op.get_bind()
    found = bind.execute(sa.select(_FARM.c.value).where(_FARM.c.key == _KEPT)).scalar()
    op.execute(_FARM.delete().where(_FARM.c.key == _KEPT))
    for id_, key in json.loads(found) if found else ():
        op.execute(_COMMANDS.update().where(_COMMANDS.c.id == id_).values(idempotency_key=key))


def downgrade() -> None:
    keyed = sa.select(_COMMANDS.c.id, _COMMANDS.c.idempotency_key)
    kept = op.get_bind().execute(keyed.where(_COMMANDS.c.idempotency_key.is_not(None))).all()
    if kept:
        value = json.dumps([list(row) for row in kept])
        op.bulk_insert(_FARM, [{"key": _KEPT, "value": value}])
    open_stops = (_COMMANDS.c.kind == "emergency_stop") & sa.text(_IN_FLIGHT)
    op.execute(
        _COMMANDS.update()
        .where(open_stops)
        .values(state="settled", settled_at=_COMMANDS.c.asked_at, answer="never answered")
    )
    _one_in_flight(_IN_FLIGHT)
    op.drop_index("uq_commands_idempotency_key", "commands")
    op.drop_column("commands", "idempotency_key")
