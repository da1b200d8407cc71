"""The promises that the tables keep themselves, each broken once, on every engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, update

from buildplate.storage import ConstraintViolated, Storage, Tx, script
from buildplate.storage.tables import (
    ACTIVE_STATES,
    PRINT_STATES,
    STARTED_STATES,
    VOID_STATES,
    metadata,
)
from tests.contract.storage_engines import ENGINES, add, add_farm, all_rows, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

ACTIVE = {"state": "printing", "printer_id": "printer", "intent_at": 1}


@dataclass(frozen=True)
class Broken:
    """A constraint, a row that breaks it, and a first row that it stands against."""

    constraint: str
    table: str
    row: Mapping[str, Any]
    first: Mapping[str, Any] = field(default_factory=dict)


_PRINT = {"id": "x", "number": 99, "job_id": "job", "copy_no": 99}
_COMMAND = {"id": "x", "printer_id": "printer"}
_SPELL = {"id": "x", "printer_id": "printer", "began_at": 10}
_ENDED_SPELL = {**_SPELL, "ended_at": 11}
_SAMPLE = {"printer_id": "printer", "at": 1}
_SESSION = {"id": "x", "sha256": "1"}
_GROUP = {"id": "g", "name": "hall"}
_FLOOR = {"id": "f", "name": "ground"}
_PLACED = {
    "id": "x",
    "number": 9,
    "name": "x",
    "floor_id": "f",
    "floor_x": 1.0,
    "floor_y": 1.0,
    "floor_rotation": 0.0,
}
_SPENT = {"sha256": "1", "session_id": "none"}

BROKEN = [
    Broken("pk_printers", "printers", {"id": "printer", "number": 9, "name": "x"}),
    Broken("uq_printers_number", "printers", {"id": "x", "number": 1, "name": "x"}),
    Broken("uq_printers_name", "printers", {"id": "x", "number": 9}),
    Broken("ck_printers_bed", "printers", {"id": "x", "number": 9, "name": "x", "bed": "dirty"}),
    *(
        Broken("ck_printers_floor_position", "printers", {**_PLACED, **wrong}, first=_FLOOR)
        for wrong in (
            {"floor_id": None},
            {"floor_x": None},
            {"floor_y": None},
            {"floor_rotation": None},
            {"floor_x": -1.0},
            {"floor_y": -1.0},
            {"floor_rotation": -1.0},
            {"floor_rotation": 360.0},
        )
    ),
    Broken("fk_printers_floor_id_floors", "printers", {**_PLACED, "floor_id": "none"}),
    Broken(
        "fk_printers_printer_group_printer_groups",
        "printers",
        {"id": "x", "number": 9, "name": "x", "printer_group": "none"},
    ),
    Broken("pk_printer_groups", "printer_groups", _GROUP, first={**_GROUP, "name": "other"}),
    Broken("uq_printer_groups_name", "printer_groups", _GROUP, first={**_GROUP, "id": "other"}),
    Broken("pk_floors", "floors", _FLOOR, first={**_FLOOR, "name": "other"}),
    Broken("uq_floors_name", "floors", _FLOOR, first={**_FLOOR, "id": "other"}),
    Broken("ck_floors_size", "floors", {**_FLOOR, "width_mm": 0.0}),
    Broken("ck_floors_size", "floors", {**_FLOOR, "depth_mm": 0.0}),
    Broken("printers.name", "printers", {"id": "x", "number": 9, "name": None}),
    Broken("pk_print_files", "print_files", {"id": "file", "sha256": "x"}),
    Broken("uq_print_files_sha256", "print_files", {"id": "x", "sha256": "0"}),
    Broken("ck_print_files_size", "print_files", {"id": "x", "sha256": "x", "size": -1}),
    Broken("pk_jobs", "jobs", {"id": "job", "number": 9, "file_id": "file"}),
    Broken("uq_jobs_number", "jobs", {"id": "x", "number": 1, "file_id": "file"}),
    Broken("ck_jobs_copies", "jobs", {"id": "x", "number": 9, "file_id": "file", "copies": 0}),
    Broken("ck_jobs_retries", "jobs", {"id": "x", "number": 9, "file_id": "file", "retries": -1}),
    Broken(
        "ck_jobs_priority", "jobs", {"id": "x", "number": 9, "file_id": "file", "priority": "top"}
    ),
    Broken("fk_jobs_file_id_print_files", "jobs", {"id": "x", "number": 9, "file_id": "none"}),
    Broken("pk_prints", "prints", {**_PRINT, "id": "p1"}),
    Broken("uq_prints_number", "prints", {**_PRINT, "number": 1}),
    Broken(
        "uq_prints_job_id_copy_no_try_no",
        "prints",
        {**_PRINT, "state": "failed"},
        first={**_PRINT, "id": "y", "number": 98, "state": "failed"},
    ),
    Broken("ck_prints_state", "prints", {**_PRINT, "state": "done"}),
    Broken("ck_prints_counted_from_one", "prints", {**_PRINT, "copy_no": 0}),
    Broken("ck_prints_counted_from_one", "prints", {**_PRINT, "try_no": 0}),
    *(
        Broken("ck_prints_active_has_printer", "prints", {**_PRINT, "state": state, "intent_at": 1})
        for state in ACTIVE_STATES
    ),
    Broken("ck_prints_queued_has_no_printer", "prints", {**_PRINT, "printer_id": "printer"}),
    *(
        Broken(
            "ck_prints_started_has_intent",
            "prints",
            {**_PRINT, "state": state, "printer_id": "printer"},
        )
        for state in STARTED_STATES
    ),
    *(
        Broken(
            "uq_prints_one_active_per_printer",
            "prints",
            {**_PRINT, **ACTIVE, "state": state},
            first={**_PRINT, **ACTIVE, "id": "y", "number": 98, "copy_no": 98},
        )
        for state in ACTIVE_STATES
    ),
    *(
        Broken(
            "uq_prints_one_live_per_copy",
            "prints",
            {**_PRINT, "try_no": 2},
            first={**_PRINT, **ACTIVE, "id": "y", "number": 98, "state": state},
        )
        for state in PRINT_STATES
        if state != "queued" and state not in VOID_STATES
    ),
    Broken("fk_prints_job_id_jobs", "prints", {**_PRINT, "job_id": "none"}),
    Broken("fk_prints_printer_id_printers", "prints", {**_PRINT, **ACTIVE, "printer_id": "none"}),
    Broken("pk_commands", "commands", _COMMAND, first=_COMMAND),
    Broken("ck_commands_state", "commands", {**_COMMAND, "state": "lost"}),
    Broken(
        "uq_commands_idempotency_key",
        "commands",
        {**_COMMAND, "state": "settled", "idempotency_key": "k"},
        first={**_COMMAND, "id": "y", "state": "settled", "idempotency_key": "k"},
    ),
    *(
        Broken(
            "uq_commands_one_in_flight",
            "commands",
            {**_COMMAND, "state": second},
            first={**_COMMAND, "id": "y", "state": first},
        )
        for first in ("sent", "unknown")
        for second in ("sent", "unknown")
    ),
    Broken("fk_commands_printer_id_printers", "commands", {**_COMMAND, "printer_id": "none"}),
    Broken("fk_commands_print_id_prints", "commands", {**_COMMAND, "print_id": "none"}),
    Broken("pk_events", "events", {"id": "e"}, first={"id": "e"}),
    Broken("uq_events_seq", "events", {"id": "e", "seq": 1}, first={"id": "d", "seq": 1}),
    Broken("fk_outbox_event_id_events", "outbox", {"event_id": "none"}),
    Broken("pk_nodes", "nodes", {"id": "n"}, first={"id": "n"}),
    Broken("pk_identity", "identity", {"id": "d"}, first={"id": "d"}),
    Broken("pk_farm", "farm", {"key": "stopped"}, first={"key": "stopped"}),
    Broken("pk_api_keys", "api_keys", {"id": "k", "sha256": "1"}, first={"id": "k", "sha256": "2"}),
    Broken(
        "uq_api_keys_sha256",
        "api_keys",
        {"id": "k", "sha256": "1"},
        first={"id": "l", "sha256": "1"},
    ),
    Broken("pk_users", "users", {"id": "user", "name": "x"}),
    Broken("uq_users_name", "users", {"id": "x", "name": "me"}),
    Broken("ck_users_role", "users", {"id": "x", "name": "x", "role": "king"}),
    Broken("pk_user_sessions", "user_sessions", _SESSION, first={**_SESSION, "sha256": "2"}),
    Broken("uq_user_sessions_sha256", "user_sessions", _SESSION, first={**_SESSION, "id": "y"}),
    Broken("ck_user_sessions_kind", "user_sessions", {**_SESSION, "kind": "eternal"}),
    Broken("fk_user_sessions_user_id_users", "user_sessions", {**_SESSION, "user_id": "none"}),
    Broken("fk_spent_tokens_session_id_user_sessions", "spent_tokens", _SPENT),
    Broken("pk_setup_links", "setup_links", {"sha256": "1"}, first={"sha256": "1"}),
    Broken("pk_audit", "audit", {"id": "a"}, first={"id": "a"}),
    Broken("pk_idempotency", "idempotency", {"key": "k"}, first={"key": "k"}),
    Broken("pk_counters", "counters", {"name": "job"}),
    Broken(
        "pk_driver_state",
        "driver_state",
        {"printer_id": "printer"},
        first={"printer_id": "printer"},
    ),
    Broken("fk_driver_state_printer_id_printers", "driver_state", {"printer_id": "none"}),
    Broken("pk_status_history", "status_history", _ENDED_SPELL, first=_ENDED_SPELL),
    Broken("ck_status_history_ends_after_it_began", "status_history", {**_SPELL, "ended_at": 9}),
    Broken(
        "uq_status_history_one_open_per_printer",
        "status_history",
        _SPELL,
        first={**_SPELL, "id": "y"},
    ),
    Broken(
        "fk_status_history_printer_id_printers",
        "status_history",
        {**_SPELL, "printer_id": "none"},
    ),
    Broken("fk_status_history_print_id_prints", "status_history", {**_SPELL, "print_id": "none"}),
    Broken("pk_history_marks", "history_marks", {"name": "m"}, first={"name": "m"}),
    Broken("pk_temperature_history", "temperature_history", _SAMPLE, first=_SAMPLE),
    Broken(
        "fk_temperature_history_printer_id_printers",
        "temperature_history",
        {**_SAMPLE, "printer_id": "none"},
    ),
]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def storage(engine: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(engine, tmp_path) as storage:
        await storage.write(add_farm, 1)
        yield storage


@pytest.mark.parametrize("broken", BROKEN, ids=lambda b: f"{b.constraint}-{b.row.get('state')}")
async def test_the_database_refuses(engine: str, storage: Storage, broken: Broken) -> None:
    if broken.first:
        table = "floors" if broken.first is _FLOOR else broken.table
        await storage.write(add, table, **broken.first)
    with pytest.raises(ConstraintViolated) as refusal:
        await storage.write(add, broken.table, **broken.row)
    # SQLite does not say which foreign key it was.
    unsaid = engine == "sqlite" and broken.constraint.startswith("fk_")
    expected = None if unsaid else broken.constraint
    assert refusal.value.constraint == expected


def test_every_constraint_of_the_tables_is_broken_once() -> None:
    named: set[str] = set()
    for table in metadata.tables.values():
        named |= {str(constraint.name) for constraint in table.constraints}
        named |= {str(index.name) for index in table.indexes if index.unique}
    assert "None" not in named
    # The outbox gives out its ids itself; a spent token needs a session, and has its own test.
    assert named - {broken.constraint for broken in BROKEN} == {"pk_outbox", "pk_spent_tokens"}


async def test_a_refresh_token_is_spent_once(storage: Storage) -> None:
    await storage.write(add, "user_sessions", id="s", sha256="1")
    await storage.write(add, "spent_tokens", sha256="2", session_id="s")
    with pytest.raises(ConstraintViolated) as refusal:
        await storage.write(add, "spent_tokens", sha256="2", session_id="s")
    assert refusal.value.constraint == "pk_spent_tokens"


async def test_a_copy_may_be_tried_again_after_each_void_end(storage: Storage) -> None:
    for n, state in enumerate(VOID_STATES, start=1):
        row = {**_PRINT, "id": f"x{n}", "number": 100 + n, "try_no": n, "state": state}
        await storage.write(add, "prints", **row)
    await storage.write(add, "prints", **{**_PRINT, "try_no": 9})


async def test_a_retired_printer_gives_its_name_free(storage: Storage) -> None:
    await storage.write(retire)
    await storage.write(add, "printers", id="x", number=9)


async def test_a_renamed_group_takes_its_printers_along(storage: Storage) -> None:
    await storage.write(add, "printer_groups", **_GROUP)
    await storage.write(add, "printers", id="x", number=9, name="x", printer_group="hall")
    await storage.write(rename, "attic")
    rows = await storage.read(all_rows, metadata.tables["printers"])
    assert {row["id"]: row["printer_group"] for row in rows} == {"printer": None, "x": "attic"}
    with pytest.raises(ConstraintViolated):
        await storage.write(ungroup)


async def test_a_floor_on_which_something_stands_stays(storage: Storage) -> None:
    await storage.write(add, "floors", **_FLOOR)
    await storage.write(add, "printers", **_PLACED)
    with pytest.raises(ConstraintViolated):
        await storage.write(raze)


async def test_a_printer_takes_the_next_print_once_the_last_has_ended(storage: Storage) -> None:
    ended = {**_PRINT, **ACTIVE, "id": "y", "number": 98, "copy_no": 98, "state": "completed"}
    await storage.write(add, "prints", **ended)
    await storage.write(add, "prints", **{**_PRINT, **ACTIVE})


async def test_a_command_may_be_asked_while_another_is_in_flight(storage: Storage) -> None:
    await storage.write(add, "commands", **_COMMAND, state="unknown")
    await storage.write(add, "commands", **{**_COMMAND, "id": "y"}, state="asked")
    await storage.write(add, "commands", **{**_COMMAND, "id": "z"}, state="settled")


@script
async def retire(tx: Tx) -> None:
    printers = metadata.tables["printers"]
    await tx.change(update(printers).values(retired_at=1))


@script
async def rename(tx: Tx, name: str) -> None:
    await tx.change(update(metadata.tables["printer_groups"]).values(name=name))


@script
async def ungroup(tx: Tx) -> None:
    await tx.change(delete(metadata.tables["printer_groups"]))


@script
async def raze(tx: Tx) -> None:
    await tx.change(delete(metadata.tables["floors"]))
