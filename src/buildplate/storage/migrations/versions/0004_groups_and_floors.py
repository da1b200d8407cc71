"""Printer groups and floors as rows of their own, and which release wrote the schema.

Every group that a printer, a key or a user names becomes a row, each spelling one of its own:
nobody reaches more than before. Jobs name groups in their requirements; where a job's spelling
differs from that of the only group that it can mean, it takes over the group's.
"""

import json
import time
from typing import Any

import sqlalchemy as sa
import uuid_utils
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BOOLEAN = sa.Boolean().with_variant(sa.Integer(), "sqlite")
_FLOAT = sa.Float(53).with_variant(sqlite.REAL(), "sqlite")
_STRICT = {"sqlite_strict": True}
_IN_SERVICE = sa.text("retired_at IS NULL")
_GROUP = "fk_printers_printer_group_printer_groups"
_FLOOR = "fk_printers_floor_id_floors"
_POSITION = "ck_printers_floor_position"
_GROUPS = sa.table(
    "printer_groups",
    *(sa.column(name) for name in ("id", "version", "name", "description", "created_at")),
)
_FLOORS = sa.table(
    "floors",
    *(sa.column(n) for n in ("id", "version", "name", "width_mm", "depth_mm", "created_at")),
)
_PLACE = ("floor_id", "floor_x", "floor_y", "floor_rotation")
_PLACED = sa.table("printers", sa.column("id"), sa.column("printer_group"), *map(sa.column, _PLACE))
_JOBS = sa.table("jobs", sa.column("id"), sa.column("requirements"))
_KEYS = sa.table("api_keys", sa.column("printer_groups"))
_USERS = sa.table("users", sa.column("printer_groups"))
_FARM = sa.table("farm", sa.column("key"), sa.column("value"))
_KEPT = "kept of schema 0004"
"""Where a downgrade leaves what schema 0003 has no place for; the next upgrade takes it back."""


def _printers(*more: sa.schema.SchemaItem) -> sa.Table:
    """The printers as revision 0003 has them: SQLite rebuilds the table from this."""
    return sa.Table(
        "printers",
        sa.MetaData(),
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
        *more,
        sa.CheckConstraint("bed IN ('clear', 'occupied', 'unknown')", name=op.f("ck_printers_bed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printers")),
        sa.UniqueConstraint("number", name=op.f("uq_printers_number")),
        sa.Index(
            "uq_printers_name",
            "name",
            unique=True,
            sqlite_where=_IN_SERVICE,
            postgresql_where=_IN_SERVICE,
        ),
        sqlite_strict=True,
    )


def upgrade() -> None:
    kept = _take_back()
    op.create_table(
        "printer_groups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printer_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_printer_groups_name")),
        **_STRICT,
    )
    op.create_table(
        "floors",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", _INTEGER, server_default=sa.text("1"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("width_mm", _FLOAT, nullable=False),
        sa.Column("depth_mm", _FLOAT, nullable=False),
        sa.Column("created_at", _INTEGER, nullable=False),
        sa.CheckConstraint("width_mm > 0 AND depth_mm > 0", name=op.f("ck_floors_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_floors")),
        sa.UniqueConstraint("name", name=op.f("uq_floors_name")),
        **_STRICT,
    )
    op.add_column("identity", sa.Column("release", sa.Text(), nullable=True))
    _make_groups(kept.get("groups", []))
    if kept.get("floors"):
        op.bulk_insert(_FLOORS, kept["floors"])
    _give_places()
    for place in kept.get("places", []):
        op.execute(
            _PLACED.update()
            .where(_PLACED.c.id == place["id"])
            .values({name: place[name] for name in _PLACE})
        )


def _give_places() -> None:
    with op.batch_alter_table("printers", copy_from=_printers(), table_kwargs=_STRICT) as printers:
        printers.add_column(sa.Column("floor_id", sa.Text(), nullable=True))
        for name in _PLACE[1:]:
            printers.add_column(sa.Column(name, _FLOAT, nullable=True))
        printers.create_foreign_key(
            op.f(_GROUP), "printer_groups", ["printer_group"], ["name"], onupdate="CASCADE"
        )
        printers.create_foreign_key(op.f(_FLOOR), "floors", ["floor_id"], ["id"])
        printers.create_check_constraint(op.f(_POSITION), _WHOLE_OR_NONE)


_WHOLE_OR_NONE = (
    "(floor_id IS NULL AND floor_x IS NULL AND floor_y IS NULL AND floor_rotation IS NULL)"
    " OR (floor_id IS NOT NULL AND floor_x IS NOT NULL AND floor_y IS NOT NULL"
    " AND floor_rotation IS NOT NULL AND floor_x >= 0 AND floor_y >= 0"
    " AND floor_rotation >= 0 AND floor_rotation < 360)"
)


def _make_groups(kept: list[dict[str, Any]]) -> None:
    """Make a row of each name, and let jobs follow the only group that they can mean."""
    made = {group["name"]: group for group in kept}
    now = time.time_ns() // 1000
    for name in sorted(_named() - made.keys()):
        group = {"id": str(uuid_utils.uuid7()), "version": 1, "name": name}
        made[name] = {**group, "description": "", "created_at": now}
    if made:
        op.bulk_insert(_GROUPS, list(made.values()))
    meant: dict[str, list[str]] = {}
    for name in made:
        meant.setdefault(_spelled(name), []).append(name)
    for job_id, text in op.get_bind().execute(sa.select(_JOBS.c.id, _JOBS.c.requirements)).all():
        asked = json.loads(text)
        name = asked.get("group")
        found = [] if name is None or name in made else meant.get(_spelled(name), [])
        if len(found) == 1:
            asked["group"] = found[0]
            new = json.dumps(asked, ensure_ascii=False, separators=(",", ":"))
            op.execute(_JOBS.update().where(_JOBS.c.id == job_id).values(requirements=new))


def _named() -> set[str]:
    """Every group that a printer, a key or a user names."""
    bind = op.get_bind()
    names = {name for (name,) in bind.execute(sa.select(_PLACED.c.printer_group)) if name}
    for table in (_KEYS, _USERS):
        for (text,) in bind.execute(sa.select(table.c.printer_groups)):
            names |= set(json.loads(text)) if text else set()
    return names


def _spelled(name: str) -> str:
    """As the planner compares names."""
    return name.strip().removeprefix("#").casefold()


def _take_back() -> dict[str, Any]:
    """What an earlier downgrade has left; taken out of the farm's row."""
    found = op.get_bind().execute(sa.select(_FARM.c.value).where(_FARM.c.key == _KEPT)).scalar()
    op.execute(_FARM.delete().where(_FARM.c.key == _KEPT))
    kept: dict[str, Any] = json.loads(found) if found else {}
    return kept


def downgrade() -> None:
    bind = op.get_bind()
    placed = sa.select(_PLACED.c.id, *(_PLACED.c[name] for name in _PLACE))
    kept = {
        "groups": [dict(row) for row in bind.execute(sa.select(_GROUPS)).mappings()],
        "floors": [dict(row) for row in bind.execute(sa.select(_FLOORS)).mappings()],
        "places": [
            dict(row)
            for row in bind.execute(placed.where(_PLACED.c.floor_id.is_not(None))).mappings()
        ],
    }
    if any(kept.values()):
        op.bulk_insert(_FARM, [{"key": _KEPT, "value": json.dumps(kept)}])
    place: list[sa.schema.SchemaItem] = [
        sa.Column("floor_id", sa.Text()),
        *(sa.Column(n, _FLOAT) for n in _PLACE[1:]),
    ]
    constraints = (
        sa.ForeignKeyConstraint(
            ["printer_group"], ["printer_groups.name"], name=op.f(_GROUP), onupdate="CASCADE"
        ),
        sa.ForeignKeyConstraint(["floor_id"], ["floors.id"], name=op.f(_FLOOR)),
        sa.CheckConstraint(_WHOLE_OR_NONE, name=op.f(_POSITION)),
    )
    now = _printers(*place, *constraints)
    with op.batch_alter_table("printers", copy_from=now, table_kwargs=_STRICT) as printers:
        printers.drop_constraint(op.f(_POSITION), type_="check")
        printers.drop_constraint(op.f(_FLOOR), type_="foreignkey")
        printers.drop_constraint(op.f(_GROUP), type_="foreignkey")
        for name in _PLACE:
            printers.drop_column(name)
    op.drop_column("identity", "release")
    op.drop_table("floors")
    op.drop_table("printer_groups")
