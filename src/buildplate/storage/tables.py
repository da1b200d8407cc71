"""All tables, with the promises the database itself keeps.

Portable between SQLite and PostgreSQL: ids are text (UUIDv7), times are microseconds since
1970 UTC in integers, JSON is text. So rows need no type processing, and hot statements can run
on the raw drivers. SQLite's tables are STRICT: a value of the wrong type is refused on both.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
    true,
)
from sqlalchemy.dialects.sqlite import REAL
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
_BOOLEAN = Boolean().with_variant(Integer(), "sqlite")
_FLOAT = Float(53).with_variant(REAL(), "sqlite")

BED_STATES = ("clear", "occupied", "unknown")
PRIORITIES = ("low", "normal", "high", "urgent")
ACTIVE_STATES = (
    "claimed",
    "transferring",
    "starting",
    "printing",
    "paused",
    "cancelling",
    "needs_attention",
)
"""States that reserve the printer."""
VOID_STATES = ("failed", "cancelled", "not_started")
"""Ends after which the copy is free for another try."""
STARTED_STATES = ("starting", "printing", "paused", "needs_attention")
"""States that exist only after the intent to start was stored."""
PRINT_STATES = ("queued", *ACTIVE_STATES, "completed", *VOID_STATES)
COMMAND_STATES = ("asked", "sent", "unknown", "answered", "refused", "settled")
IN_FLIGHT_STATES = ("sent", "unknown")
"""States of a command that the printer may still execute."""
UNSETTLED_STATES = ("asked", *IN_FLIGHT_STATES)
"""States of a command that keep the printer from being ready."""
FIRST_OF_ALL = "emergency_stop"
"""The one kind of command that is sent whatever else is in flight."""
ROLES = ("viewer", "operator", "admin")
SESSION_KINDS = ("browser", "program")
COUNTERS = ("job", "print", "printer", "event_seq")


def _one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _is_one_of(column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
    """The same as a condition: by values that stand in the text, not by parameters.

    An index of some rows serves a statement only where the database sees, before it knows any
    parameter, that no other rows are asked for; elsewhere it walks through the whole table.
    """
    return column.in_([literal_column(repr(value), Text) for value in values])


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True, nullable=False)


def _text(name: str, *items: SchemaItem, null: bool = False) -> Column[str]:
    return Column(name, Text, *items, nullable=null)


def _json(name: str, default: str | None = "{}", *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, server_default=default)


def _integer(name: str, default: int | None = None, *, null: bool = False) -> Column[int]:
    value = None if default is None else text(str(default))
    return Column(name, _INTEGER, nullable=null, server_default=value)


def _micros(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, _INTEGER, nullable=null)


def _flag(name: str, *, default: bool | None) -> Column[bool]:
    if default is None:
        return Column(name, _BOOLEAN, nullable=True)
    return Column(name, _BOOLEAN, nullable=False, server_default=true() if default else false())


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _table(name: str, *items: SchemaItem, **options: Any) -> Table:
    return Table(name, metadata, *items, sqlite_strict=True, **options)


printer_groups = _table(
    "printer_groups",
    _id(),
    _integer("version", 1),
    _text("name"),
    _text("description"),
    _micros("created_at"),
    UniqueConstraint("name"),
)
"""Printers name their group; keys, users and jobs do so in their JSON, kept in step by `access`."""

floors = _table(
    "floors",
    _id(),
    _integer("version", 1),
    _text("name"),
    Column("width_mm", _FLOAT, nullable=False),
    Column("depth_mm", _FLOAT, nullable=False),
    _micros("created_at"),
    UniqueConstraint("name"),
    CheckConstraint("width_mm > 0 AND depth_mm > 0", name="size"),
)

printers = _table(
    "printers",
    _id(),
    _integer("number"),
    _integer("version", 1),
    _text("name"),
    _text("driver"),
    _json("connection"),
    _json("model"),
    _text("plate", null=True),
    _json("materials", "[]"),
    _json("tags", "[]"),
    _text("location", null=True),
    _text("printer_group", ForeignKey("printer_groups.name", onupdate="CASCADE"), null=True),
    _flag("enabled", default=True),
    _flag("maintenance", default=False),
    _json("bed_policy"),
    Column("start_policy", Text, nullable=False, server_default="automatic"),
    _micros("retired_at", null=True),
    _micros("created_at"),
    Column("bed", Text, nullable=False, server_default="unknown"),
    _integer("bed_version", 1),
    _text("bed_reason", null=True),
    _integer("fence", 0),
    _text("owner", null=True),
    _micros("seen_at", null=True),
    _text("fingerprint", null=True),
    _text("process", null=True),
    _text("floor_id", ForeignKey("floors.id"), null=True),
    Column("floor_x", _FLOAT, nullable=True),
    Column("floor_y", _FLOAT, nullable=True),
    Column("floor_rotation", _FLOAT, nullable=True),
    UniqueConstraint("number"),
    CheckConstraint(_one_of("bed", BED_STATES), name="bed"),
    CheckConstraint(
        "(floor_id IS NULL AND floor_x IS NULL AND floor_y IS NULL AND floor_rotation IS NULL)"
        " OR (floor_id IS NOT NULL AND floor_x IS NOT NULL AND floor_y IS NOT NULL"
        " AND floor_rotation IS NOT NULL AND floor_x >= 0 AND floor_y >= 0"
        " AND floor_rotation >= 0 AND floor_rotation < 360)",
        name="floor_position",
    ),
    Index("uq_printers_name", "name", unique=True, **_where("retired_at IS NULL")),
)

print_files = _table(
    "print_files",
    _id(),
    _text("sha256"),
    _integer("size"),
    _text("printer_sha256"),
    _text("name"),
    _text("state"),
    _json("analysis"),
    _micros("created_at"),
    _text("sent_by", null=True),
    UniqueConstraint("sha256"),
    CheckConstraint("size >= 0", name="size"),
)

jobs = _table(
    "jobs",
    _id(),
    _integer("number"),
    _integer("version", 1),
    _text("file_id", ForeignKey("print_files.id")),
    _text("name"),
    _integer("copies", 1),
    Column("priority", Text, nullable=False, server_default="normal"),
    _micros("due", null=True),
    _json("requirements"),
    _integer("retries", 1),
    _flag("hold", default=False),
    _flag("cancelled", default=False),
    _text("customer", null=True),
    _text("reference", null=True),
    _text("origin", null=True),
    Column("rank", _FLOAT, nullable=True),
    _micros("created_at"),
    UniqueConstraint("number"),
    CheckConstraint("copies > 0", name="copies"),
    CheckConstraint(_one_of("priority", PRIORITIES), name="priority"),
    CheckConstraint("retries >= 0", name="retries"),
    Index("ix_jobs_file_id", "file_id"),
)

prints = _table(
    "prints",
    _id(),
    _integer("number"),
    _integer("version", 1),
    _text("job_id", ForeignKey("jobs.id")),
    _integer("copy_no"),
    _integer("try_no", 1),
    Column("state", Text, nullable=False, server_default="queued"),
    _text("printer_id", ForeignKey("printers.id"), null=True),
    _integer("fence", null=True),
    _integer("attempt", 0),
    _text("path", null=True),
    _text("sent_sha256", null=True),
    _integer("sent_size", null=True),
    _flag("wants_cancel", default=False),
    _flag("confirmed", default=False),
    _json("baseline", None, null=True),
    _micros("intent_at", null=True),
    _text("bed_before", null=True),
    _integer("bed_version", null=True),
    _text("exit_verdict", null=True),
    _text("exit_by", null=True),
    _text("exit_step", null=True),
    _json("exit_evidence", None, null=True),
    _json("resolution", None, null=True),
    _json("evidence", None, null=True),
    _text("reason", null=True),
    _micros("not_before", null=True),
    _text("avoid_printer_id", null=True),
    _text("assigned_printer_id", null=True),
    _micros("created_at"),
    _micros("claimed_at", null=True),
    _micros("started_at", null=True),
    _micros("ended_at", null=True),
    UniqueConstraint("number"),
    UniqueConstraint("job_id", "copy_no", "try_no"),
    CheckConstraint(_one_of("state", PRINT_STATES), name="state"),
    CheckConstraint("copy_no > 0 AND try_no > 0", name="counted_from_one"),
    CheckConstraint(
        f"NOT ({_one_of('state', ACTIVE_STATES)}) OR printer_id IS NOT NULL",
        name="active_has_printer",
    ),
    CheckConstraint("state <> 'queued' OR printer_id IS NULL", name="queued_has_no_printer"),
    CheckConstraint(
        f"NOT ({_one_of('state', STARTED_STATES)}) OR intent_at IS NOT NULL",
        name="started_has_intent",
    ),
    Index(
        "uq_prints_one_active_per_printer",
        "printer_id",
        unique=True,
        **_where(_one_of("state", ACTIVE_STATES)),
    ),
    Index(
        "uq_prints_one_live_per_copy",
        "job_id",
        "copy_no",
        unique=True,
        **_where(f"NOT ({_one_of('state', VOID_STATES)})"),
    ),
    Index("ix_prints_queue", "created_at", **_where("state = 'queued'")),
    Index("ix_prints_printer_id", "printer_id", "ended_at"),
    Index("ix_prints_ended_at", "ended_at", "id"),
)

PRINT_IS_ACTIVE = _is_one_of(prints.c.state, ACTIVE_STATES)
PRINT_IS_QUEUED = prints.c.state == literal_column("'queued'", Text)

commands = _table(
    "commands",
    _id(),
    _text("printer_id", ForeignKey("printers.id")),
    _text("print_id", ForeignKey("prints.id"), null=True),
    _text("kind"),
    _json("params"),
    Column("state", Text, nullable=False, server_default="asked"),
    _text("asked_by", null=True),
    _micros("asked_at"),
    _micros("sent_at", null=True),
    _micros("answered_at", null=True),
    _micros("settled_at", null=True),
    _text("answer", null=True),
    _text("idempotency_key", null=True),
    CheckConstraint(_one_of("state", COMMAND_STATES), name="state"),
    Index(
        "uq_commands_one_in_flight",
        "printer_id",
        unique=True,
        **_where(f"{_one_of('state', IN_FLIGHT_STATES)} AND kind <> '{FIRST_OF_ALL}'"),
    ),
    Index(
        "uq_commands_idempotency_key",
        "idempotency_key",
        unique=True,
        **_where("idempotency_key IS NOT NULL"),
    ),
    Index("ix_commands_printer_id", "printer_id", "asked_at"),
    Index("ix_commands_unsettled", "printer_id", **_where(_one_of("state", UNSETTLED_STATES))),
)

COMMAND_IS_IN_FLIGHT = _is_one_of(commands.c.state, IN_FLIGHT_STATES)
COMMAND_IS_UNSETTLED = _is_one_of(commands.c.state, UNSETTLED_STATES)

events = _table(
    "events",
    _id(),
    _integer("seq", null=True),
    _micros("at"),
    _text("kind"),
    _text("printer_id", null=True),
    _text("job_id", null=True),
    _text("print_id", null=True),
    _json("data"),
    UniqueConstraint("seq"),
    Index("ix_events_printer_id", "printer_id", **_where("printer_id IS NOT NULL")),
    Index("ix_events_job_id", "job_id", **_where("job_id IS NOT NULL")),
)

outbox = _table(
    "outbox",
    Column("id", _INTEGER, primary_key=True, autoincrement=True, nullable=False),
    _text("event_id", ForeignKey("events.id")),
    sqlite_autoincrement=True,
)

nodes = _table("nodes", _id(), _text("name"), _micros("started_at"), _micros("lease_until"))

identity = _table("identity", _id(), _text("release", null=True))
"""One row, made with the database: what lies beside it, such as print files, tells it by this.

`release` is the newest release that has brought the schema up to its own.
"""

farm = _table("farm", Column("key", Text, primary_key=True, nullable=False), _json("value", None))

api_keys = _table(
    "api_keys",
    _id(),
    _text("name"),
    _text("sha256"),
    _text("role"),
    _micros("created_at"),
    _micros("expires_at", null=True),
    _micros("revoked_at", null=True),
    _micros("last_used_at", null=True),
    _json("printer_groups", None, null=True),
    UniqueConstraint("sha256"),
)

users = _table(
    "users",
    _id(),
    _integer("version", 1),
    _text("name"),
    _text("role"),
    _json("printer_groups", None, null=True),
    _text("password"),
    _micros("created_at"),
    _micros("password_at"),
    _flag("disabled", default=False),
    UniqueConstraint("name"),
    CheckConstraint(_one_of("role", ROLES), name="role"),
)

user_sessions = _table(
    "user_sessions",
    _id(),
    _text("user_id", ForeignKey("users.id")),
    _text("kind"),
    _text("sha256"),
    _text("address", null=True),
    _micros("created_at"),
    _micros("seen_at"),
    _micros("expires_at"),
    UniqueConstraint("sha256"),
    CheckConstraint(_one_of("kind", SESSION_KINDS), name="kind"),
    Index("ix_user_sessions_user_id", "user_id"),
)

spent_tokens = _table(
    "spent_tokens",
    Column("sha256", Text, primary_key=True, nullable=False),
    _text("session_id", ForeignKey("user_sessions.id")),
    _micros("spent_at"),
    Index("ix_spent_tokens_session_id", "session_id"),
)
"""Refresh tokens that were used: whoever shows one again holds a stolen copy, or lost theirs."""

setup_links = _table(
    "setup_links",
    Column("sha256", Text, primary_key=True, nullable=False),
    _micros("expires_at"),
)

audit = _table(
    "audit",
    _id(),
    _micros("at"),
    _text("who_kind"),
    _text("who_id", null=True),
    _text("who_name"),
    _text("address", null=True),
    _text("action"),
    _text("path"),
    _text("request_id", null=True),
    _json("asked", None, null=True),
    _json("changes", "[]"),
    Index("ix_audit_who_id", "who_id", "id", **_where("who_id IS NOT NULL")),
)

idempotency = _table(
    "idempotency",
    Column("key", Text, primary_key=True, nullable=False),
    _text("scope"),
    _text("body_sha256"),
    _text("resource_id"),
    _micros("created_at"),
)

counters = _table(
    "counters",
    Column("name", Text, primary_key=True, nullable=False),
    _integer("value", 0),
)

driver_state = _table(
    "driver_state",
    Column("printer_id", Text, ForeignKey("printers.id"), primary_key=True, nullable=False),
    _json("data"),
)

status_history = _table(
    "status_history",
    _id(),
    _text("printer_id", ForeignKey("printers.id")),
    _text("state"),
    _text("detail"),
    _text("print_id", ForeignKey("prints.id"), null=True),
    _micros("began_at"),
    _micros("ended_at", null=True),
    CheckConstraint("ended_at IS NULL OR ended_at >= began_at", name="ends_after_it_began"),
    Index(
        "uq_status_history_one_open_per_printer",
        "printer_id",
        unique=True,
        **_where("ended_at IS NULL"),
    ),
    Index("ix_status_history_ended_at", "ended_at"),
)
"""What each printer did from when to when."""

temperature_history = _table(
    "temperature_history",
    Column("printer_id", Text, ForeignKey("printers.id"), primary_key=True, nullable=False),
    Column("at", _INTEGER, primary_key=True, nullable=False),
    _json("readings", None),
    Index("ix_temperature_history_at", "at"),
)

history_marks = _table(
    "history_marks",
    Column("name", Text, primary_key=True, nullable=False),
    _micros("at"),
)
"""When something was last so: `alive`, that printers were watched."""
