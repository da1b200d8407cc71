"""Farms of former schemas: rows in every column of every table, as those releases wrote them.

The tables come from the migrations themselves, read back from the database: so a row fits the true
schema of its revision, or is refused.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from argon2 import PasswordHasher
from sqlalchemy import Connection, MetaData, insert, select, update

from buildplate.storage import PostgresAddress
from buildplate.storage.postgres.schema import on_schema
from buildplate.storage.schema import alembic_config, migrating, run_migrations
from buildplate.storage.tables import ACTIVE_STATES, PRINT_STATES, STARTED_STATES

Rows = dict[str, list[dict[str, Any]]]
T = TypeVar("T")

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
KEY = "bp_" + "k" * 43
PASSWORD = "correct horse battery"
HASHED = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
AT = time.time_ns() // 1000 - 86_400_000_000
"""Microseconds since 1970 UTC: yesterday, so that no retention forgets it."""

FILE_BYTES = b"G28\nG1 X10 Y10 Z0.2 E1\n"
DIGEST = sha256(FILE_BYTES).hexdigest()
DONE = tuple(state for state in PRINT_STATES if state not in ACTIVE_STATES)
OWN = {"alembic_version"}


def _id(kind: int, number: int) -> str:
    return f"01941f29-7c00-7{kind:03x}-8000-{number:012x}"


def _printers() -> list[dict[str, Any]]:
    groups = ("Hall", "Hall", "hall", None, "Ätt\"ic's \\ room", None, None)
    found = [_printer(n, groups[n], f"Left {n}", None) for n in range(len(ACTIVE_STATES))]
    return [*found, _printer(7, "Attic", "Left 0", AT + 7)]


def _printer(n: int, group: str | None, name: str, retired: int | None) -> dict[str, Any]:
    return {
        "id": _id(1, n),
        "number": n + 1,
        "version": n + 2,
        "name": name,
        "driver": "octoprint",
        "connection": json.dumps({"url": f"http://127.0.0.1:{9 + n}", "api_key": {"sealed": "x"}}),
        "model": json.dumps({"name": "MK4", "build_volume": {"x": 250, "y": 210, "z": 220}}),
        "plate": "textured",
        "materials": json.dumps([{"tool": 0, "type": "PLA", "color": "black", "variant": None,
                                  "remaining_g": 250.5}]),
        "tags": '["fast"]',
        "location": "by the door",
        "printer_group": group,
        "enabled": False,
        "maintenance": n == 1,
        "bed_policy": '{"clear":"manual","macro":null}',
        "start_policy": "confirm",
        "retired_at": retired,
        "created_at": AT + n,
        "bed": ("clear", "occupied", "unknown")[n % 3],
        "bed_version": n + 3,
        "bed_reason": "a print of ours was started on it",
        "fence": n + 4,
        "owner": "a node",
        "seen_at": AT + 100,
        "fingerprint": "abc",
        "process": "host/1",
    }  # fmt: skip


ASKED = ("Hall", "HALL", "attic", "Ätt\"ic's \\ room", "nowhere", None)
"""The groups that the jobs ask for, by their number."""


def requirements(group: str | None) -> str:
    """As releases have stored them: compact, and in this order."""
    plain = {"materials": [], "nozzle_mm": 0.4, "build_volume": None, "printer_model": None,
             "printers": [], "group": group, "tags_all": ["fast"], "tags_none": [],
             "plate": None}  # fmt: skip
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _job(n: int) -> dict[str, Any]:
    return {
        "id": _id(2, n),
        "number": n + 1,
        "version": n + 1,
        "file_id": _id(4, 0),
        "name": f"bracket {n}",
        "copies": len(PRINT_STATES) if n == 0 else 1,
        "priority": ("low", "normal", "high", "urgent")[n % 4],
        "due": AT + 10**9,
        "requirements": requirements(ASKED[n]),
        "retries": n,
        "hold": n == 1,
        "cancelled": n == 2,
        "customer": "Ada",
        "reference": "order 7",
        "origin": "shop",
        "rank": n + 0.5,
        "created_at": AT + n,
    }


def _print(n: int, state: str) -> dict[str, Any]:
    active, started = state in ACTIVE_STATES, state in STARTED_STATES
    printer = _id(1, ACTIVE_STATES.index(state)) if active else _id(1, 7)
    return {
        "id": _id(3, n),
        "number": n + 1,
        "version": n + 1,
        "job_id": _id(2, 0),
        "copy_no": n + 1,
        "try_no": 1 + n % 2,
        "state": state,
        "printer_id": None if state == "queued" else printer,
        "fence": None if state == "queued" else 5,
        "attempt": n,
        "path": f"bp-{n}.gcode",
        "sent_sha256": DIGEST,
        "sent_size": len(FILE_BYTES),
        "wants_cancel": state == "cancelling",
        "confirmed": True,
        "baseline": '{"epoch":1}',
        "intent_at": AT if started or state in DONE[1:] else None,
        "bed_before": "clear",
        "bed_version": 3,
        "exit_verdict": None if active else "completed",
        "exit_by": None if active else "observation",
        "exit_step": None if active else "evidence",
        "exit_evidence": None if active else '{"seen":true}',
        "resolution": None if active else '{"outcome":"completed","bed":"clear","by":"ann"}',
        "evidence": '{"running":false}',
        "reason": "why",
        "not_before": AT + 1,
        "avoid_printer_id": _id(1, 1),
        "assigned_printer_id": _id(1, 2),
        "created_at": AT + n,
        "claimed_at": AT + 1,
        "started_at": AT + 2,
        "ended_at": AT + 3 if state in DONE[1:] else None,
    }


def _command(n: int, state: str) -> dict[str, Any]:
    return {
        "id": _id(5, n), "printer_id": _id(1, 7), "print_id": _id(3, 11), "kind": "pause",
        "params": '{"a":1}', "state": state, "asked_by": "ann", "asked_at": AT, "sent_at": AT + 1,
        "answered_at": AT + 2, "settled_at": AT + 3, "answer": "done",
    }  # fmt: skip


def _first() -> Rows:
    """Revision 0001."""
    event = {"id": _id(6, 0), "seq": 1, "at": AT, "kind": "print.completed",
             "printer_id": _id(1, 0), "job_id": _id(2, 0), "print_id": _id(3, 0),
             "data": '{"n":1}'}  # fmt: skip
    return {
        "api_keys": [{"id": _id(7, 0), "name": "shop", "sha256": sha256(KEY.encode()).hexdigest(),
                      "role": "admin", "created_at": AT, "expires_at": None, "revoked_at": None,
                      "last_used_at": AT},
                     {"id": _id(7, 1), "name": "old shop", "sha256": "1" * 64, "role": "viewer",
                      "created_at": AT, "expires_at": AT + 5, "revoked_at": AT + 4,
                      "last_used_at": None}],
        "counters": [{"name": "job", "value": 6}, {"name": "print", "value": 12},
                     {"name": "printer", "value": 8}, {"name": "event_seq", "value": 1}],
        "events": [event, event | {"id": _id(6, 1), "seq": None}],
        "farm": [{"key": "stopped", "value": '{"stopped":true,"reason":"a person"}'}],
        "idempotency": [{"key": "k", "scope": "jobs", "body_sha256": "0" * 64,
                         "resource_id": _id(2, 0), "created_at": AT}],
        "identity": [],  # made with the database
        "nodes": [{"id": "n", "name": "here", "started_at": AT, "lease_until": AT}],
        "print_files": [{"id": _id(4, 0), "sha256": DIGEST, "size": len(FILE_BYTES),
                         "printer_sha256": DIGEST, "name": "bracket.gcode", "state": "ready",
                         "analysis": '{"lines":2,"estimated_s":60.5,"layers":1}',
                         "created_at": AT}],
        "printers": _printers(),
        "driver_state": [{"printer_id": _id(1, 0), "data": '{"x":1}'}],
        "jobs": [_job(n) for n in range(len(ASKED))],
        "outbox": [{"id": 5, "event_id": _id(6, 1)}],
        "prints": [_print(n, state) for n, state in enumerate(PRINT_STATES)],
        "commands": [_command(n, state) for n, state in enumerate(
            ("asked", "sent", "answered", "refused", "settled"))],
    }  # fmt: skip


def _second() -> Rows:
    """What revision 0002 has more; of `api_keys` the columns that it adds."""
    return {
        "api_keys": [{"printer_groups": None}, {"printer_groups": '["Shop","hall"]'}],
        "users": [
            {"id": _id(8, 0), "version": 3, "name": "ann", "role": "admin", "printer_groups": None,
             "password": HASHED, "created_at": AT, "password_at": AT},
            {"id": _id(8, 1), "version": 4, "name": "bob", "role": "operator",
             "printer_groups": '["HALL"]', "password": HASHED, "created_at": AT,
             "password_at": AT},
        ],
        "user_sessions": [{"id": _id(9, 0), "user_id": _id(8, 0), "kind": "program",
                           "sha256": "2" * 64, "address": "10.0.0.1", "created_at": AT,
                           "seen_at": AT, "expires_at": AT + 10**9}],
        "spent_tokens": [{"sha256": "3" * 64, "session_id": _id(9, 0), "spent_at": AT}],
        "setup_links": [{"sha256": "4" * 64, "expires_at": AT}],
        "audit": [{"id": _id(10, 0), "at": AT, "who_kind": "user", "who_id": _id(8, 0),
                   "who_name": "ann", "address": "10.0.0.1", "action": "POST /api/v1/jobs",
                   "path": "/api/v1/jobs", "request_id": "r", "asked": '{"copies":1}',
                   "changes": '[{"table":"jobs"}]'}],
    }  # fmt: skip


def _third() -> Rows:
    """What revision 0003 has more."""
    spell = {"id": _id(11, 0), "printer_id": _id(1, 0), "state": "printing", "detail": "x",
             "print_id": _id(3, 3), "began_at": AT, "ended_at": None}  # fmt: skip
    return {
        "status_history": [spell, spell | {"id": _id(11, 1), "ended_at": AT + 1}],
        "temperature_history": [{"printer_id": _id(1, 0), "at": AT,
                                 "readings": '{"tool0":[210.5,215.0]}'}],
        "history_marks": [{"name": "alive", "at": AT}],
    }  # fmt: skip


GROUPS = {"0001": ("Hall", "hall", "Attic", "Ätt\"ic's \\ room"), "0002": ("Shop", "HALL")}
"""Every spelling of a group that a printer has, and that keys and users have as well."""


def groups_of(revision: str) -> set[str]:
    """Every group that a farm of a revision names."""
    return {name for since, names in GROUPS.items() if since <= revision for name in names}


def _fourth(rows: Rows) -> Rows:
    """The rows of revision 0003 with what 0004 has more; groups and floors come first."""
    rows["jobs"][2]["requirements"] = requirements("Attic")  # spelled as the only one it can mean
    place = {"floor_id": _id(13, 0), "floor_x": 1.5, "floor_y": 2.0, "floor_rotation": 90.0}
    none = dict.fromkeys(place)
    rows["printers"] = [row | (none if n else place) for n, row in enumerate(rows["printers"])]
    return {
        "printer_groups": [
            {"id": _id(12, n), "version": 1, "name": name, "description": f"the {name}",
             "created_at": AT}
            for n, name in enumerate(sorted(groups_of("0004")))
        ],
        "floors": [{"id": _id(13, 0), "version": 2, "name": "ground", "width_mm": 9000.0,
                    "depth_mm": 6000.0, "created_at": AT}],
        **rows,
    }  # fmt: skip


def _fifth(rows: Rows) -> Rows:
    """The rows of revision 0004 with the columns that 0005 adds."""
    rows["users"] = [user | {"disabled": user["name"] == "bob"} for user in rows["users"]]
    rows["print_files"] = [file | {"sent_by": "user ann"} for file in rows["print_files"]]
    return rows


def rows_of(revision: str) -> Rows:
    """A farm's rows at a revision, in an order in which they can be inserted."""
    rows = _first()
    if revision >= "0002":
        second = _second()
        more = second.pop("api_keys")
        rows["api_keys"] = [a | b for a, b in zip(rows["api_keys"], more, strict=True)]
        rows |= second
    if revision >= "0003":
        rows |= _third()
    if revision >= "0004":
        rows = _fourth(rows)
    return _fifth(rows) if revision >= "0005" else rows


# --- the databases -------------------------------------------------------------------------------


class Database:
    """One database of either engine, which Alembic can be let at."""

    def __init__(self, where: Path | str) -> None:
        self.where = where

    async def on(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection for Alembic, and commit."""
        found: list[T] = []

        def run(connection: Connection) -> None:
            found.append(work(connection))
            connection.commit()

        if isinstance(self.where, Path):
            await asyncio.to_thread(self._on_file, self.where, run)
        else:
            await on_schema(PostgresAddress.parse(self.where), run)
        return found[0]

    @staticmethod
    def _on_file(path: Path, run: Callable[[Connection], None]) -> None:
        with migrating(path, 1.0) as connection:
            run(connection)

    async def make(self, revision: str) -> None:
        """An empty database of this revision, filled with a farm."""
        await self.up(revision)
        await self.on(lambda connection: fill(connection, rows_of(revision)))

    async def up(self, revision: str) -> None:
        """Migrate up."""
        await self.on(lambda connection: run_migrations(connection, revision))

    async def down(self, revision: str) -> None:
        """Migrate down."""
        await self.on(lambda one: command.downgrade(alembic_config(one), revision))

    async def rows(self) -> Rows:
        """Every row of every table."""
        return await self.on(read)


def reflected(connection: Connection) -> MetaData:
    """The schema as the database itself has it."""
    found = MetaData()
    found.reflect(connection)
    return found


def fill(connection: Connection, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Insert the rows; every table and every column has to get something."""
    schema = reflected(connection)
    assert set(rows) == set(schema.tables) - OWN
    for name, table in schema.tables.items():
        given = rows.get(name, ())
        for row in given:
            assert set(row) == set(table.columns.keys()), name
        empty = {c for c in map(str, table.columns.keys()) if all(row[c] is None for row in given)}
        assert name in {*OWN, "identity"} or not empty, (name, empty)
    for name, given in rows.items():
        table = schema.tables[name]
        for row in given:
            if name == "counters":  # they are made with the database
                of = table.c.name == row["name"]
                connection.execute(update(table).where(of).values(row))
            else:
                connection.execute(insert(table).values(row))


def read(connection: Connection) -> Rows:
    """Every row, in the order of its values; booleans as SQLite has them."""
    found: Rows = {}
    for name, table in reflected(connection).tables.items():
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        found[name] = sorted((plain(row) for row in rows), key=str)
    return found


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with 0 and 1 in the place of booleans."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in row.items()}
