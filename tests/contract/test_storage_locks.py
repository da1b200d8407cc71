"""Two scripts at the same time end as if one had come after the other, on every engine.

Each race holds the first script between what it read and what it writes, and lets the second
run. With its lock taken out, each race must be seen to end wrongly on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildplate.access.errors import UserChanged
from buildplate.access.group_repository import add_group, edit_group, remove_group
from buildplate.access.model import ApiKey, Group, Role, Session, SessionKind, User
from buildplate.access.repository import add_first_key, add_key, revoke_key
from buildplate.access.user_repository import (
    edit_user,
    remove_user,
    start_session,
    take_setup,
)
from buildplate.core.jobs import Requirements
from buildplate.core.print_table import PrintState
from buildplate.core.printers import FloorPosition
from buildplate.dispatch import ranking, repository, transitions
from buildplate.dispatch.grouping import OrdersOfGroups
from buildplate.dispatch.model import NewJob
from buildplate.dispatch.transitions import Stamp
from buildplate.files.model import FileState, PrintFile
from buildplate.files.repository import add_file, delete_file
from buildplate.fleet import ledger
from buildplate.fleet import repository as fleet
from buildplate.fleet.floor_repository import edit_floor
from buildplate.fleet.model import CommandRecord, CommandState, Floor
from buildplate.storage import (
    EventRecord,
    Storage,
    Tx,
    from_json,
    script,
    tables,
    to_json,
    to_micros,
)
from buildplate.storage.postgres.transaction import PostgresTx
from tests.contract.storage_engines import ENGINES, NOW, Gate, add, all_rows, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

Call = tuple[Any, ...]
"""A script and its arguments."""
LOOK_S = 0.4
"""For the second script to do what nothing keeps it from."""

_ids = iter(range(10**9))


def fresh() -> str:
    return f"00000000-0000-7000-8000-{next(_ids):012}"


def stamp(ids: int = 8) -> Stamp:
    return Stamp(NOW, tuple(fresh() for _ in range(ids)))


def event(kind: str = "test.happened") -> EventRecord:
    return EventRecord(fresh(), NOW, kind)


class HeldTx:
    """Hands everything on; holds the script before its n-th write."""

    def __init__(self, tx: Tx, gate: Gate, before: int) -> None:
        self._tx = tx
        self._gate = gate
        self._left = before

    async def rows(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        return await self._tx.rows(statement, params)

    async def row(self, statement: Any, params: Mapping[str, Any] | None = None) -> Any:
        return await self._tx.row(statement, params)

    async def change(self, statement: Any, params: Mapping[str, Any] | None = None) -> int:
        self._left -= 1
        if not self._left:
            await self._gate.hold(self._tx)
        return await self._tx.change(statement, params)

    async def change_each(self, statement: Any, params: Sequence[Mapping[str, Any]]) -> None:
        for one in params:
            await self.change(statement, one)

    async def compare_and_set(
        self, statement: Any, params: Mapping[str, Any], event: EventRecord | None
    ) -> Any:
        return await self._tx.compare_and_set(statement, params, event)

    async def record(self, record: EventRecord) -> None:
        await self._tx.record(record)

    async def next_number(self, name: str) -> int:
        return await self._tx.next_number(name)


@script
async def held(tx: Tx, gate: Gate, before: int, call: Call) -> Any:
    work, *arguments = call
    return await work(HeldTx(tx, gate, before), *arguments)


class Steward:
    """The half of dispatch that joins the fleet's transactions."""

    async def release(self, tx: Tx, printer_id: str) -> bool:
        return await transitions.is_free(tx, printer_id)

    async def take_over(self, tx: Tx, printer_id: str, fence: int) -> None:
        await transitions.take_over(tx, printer_id, fence)


@dataclass(frozen=True)
class Race:
    """Two scripts, and what must hold afterwards; `lock` finds the lock's statement."""

    name: str
    lock: str
    prepare: Callable[[Storage], Awaitable[tuple[Call, Call]]]
    right: Callable[[Storage, Sequence[Any]], Awaitable[bool]]
    before: int = 1


async def rows(storage: Storage, table: str) -> Sequence[Any]:
    return await storage.read(all_rows, tables.metadata.tables[table])


async def add_printer(storage: Storage) -> None:
    model = to_json({"name": "Paper"})
    await storage.write(
        add, "printers", id="printer", number=1, model=model, bed="clear", fence=1, enabled=True
    )


async def add_job(storage: Storage, number: int = 1, **values: Any) -> str:
    if number == 1:
        await storage.write(add, "print_files", id="file", sha256="0")
    job = f"job{number}"
    more = {"copies": 3, "requirements": "{}", **values}
    await storage.write(add, "jobs", id=job, number=1000 + number, file_id="file", **more)
    return job


async def add_print(storage: Storage, job: str, **values: Any) -> Any:
    await storage.write(add, "prints", id="print", number=1000, job_id=job, **values)
    return await storage.read(transitions.get_print, "print")


async def the_print(storage: Storage) -> Any:
    return await storage.read(transitions.get_print, "print")


ON_PRINTER = {"printer_id": "printer", "fence": 1}


# --- claims and what stands against them ---------------------------------------------------------


async def queued(storage: Storage) -> Call:
    await add_printer(storage)
    print_ = await add_print(storage, await add_job(storage))
    record = await storage.read(fleet.get_printer, "printer")
    return (transitions.claim, print_, record, stamp())


async def claim_and_hold(storage: Storage) -> tuple[Call, Call]:
    claim = await queued(storage)
    return claim, (repository.hold_job, "job1", True, stamp())


async def claim_and_retire(storage: Storage) -> tuple[Call, Call]:
    claim = await queued(storage)
    return claim, (fleet.retire_printer, "printer", Steward(), event())


async def claim_and_take_over(storage: Storage) -> tuple[Call, Call]:
    claim = await queued(storage)
    return claim, (fleet.take_over, "node", Steward(), {"printer": event()})


async def claim_and_stop(storage: Storage) -> tuple[Call, Call]:
    claim = await queued(storage)
    return claim, (repository.stop_farm, True, "test", stamp())


async def the_second_came_later(_: Storage, outcomes: Sequence[Any]) -> bool:
    """What was answered while the first was under way must not have been true already."""
    return bool(outcomes[2])


async def no_print_on_a_retired_printer(storage: Storage, _: Sequence[Any]) -> bool:
    (printer,) = await rows(storage, "printers")
    return not (printer["retired_at"] and (await the_print(storage)).printer_id)


async def the_print_has_the_printers_fence(storage: Storage, _: Sequence[Any]) -> bool:
    (printer,) = await rows(storage, "printers")
    return (await the_print(storage)).fence in (printer["fence"], None)


# --- cancelling ----------------------------------------------------------------------------------


async def carried(storage: Storage) -> Call:
    await add_printer(storage)
    job = await add_job(storage)
    print_ = await add_print(storage, job, state="transferring", **ON_PRINTER)
    return (transitions.give_back, print_, "test", None, stamp())


async def cancel_print_and_give_back(storage: Storage) -> tuple[Call, Call]:
    back = await carried(storage)
    return (repository.cancel_print, "print", stamp()), back


async def cancel_job_and_give_back(storage: Storage) -> tuple[Call, Call]:
    back = await carried(storage)
    return (repository.cancel_job, "job1", stamp()), back


async def the_print_is_cancelled_or_will_be(storage: Storage, _: Sequence[Any]) -> bool:
    print_ = await the_print(storage)
    return print_.state is PrintState.CANCELLED or print_.wants_cancel


async def failed_and_cancel(storage: Storage) -> tuple[Call, Call]:
    await add_printer(storage)
    job = await add_job(storage)
    print_ = await add_print(storage, job, state="printing", intent_at=1, **ON_PRINTER)
    record = await storage.read(fleet.get_printer, "printer")
    end = transitions.End(PrintState.FAILED, "observation", "test", {})
    return (
        (transitions.end_print, print_, record, end, stamp()),
        (repository.cancel_job, job, stamp()),
    )


async def nothing_waits_of_a_cancelled_job(storage: Storage, outcomes: Sequence[Any]) -> bool:
    assert not isinstance(outcomes[1], BaseException), outcomes
    return not [row for row in await rows(storage, "prints") if row["state"] == "queued"]


async def confirm_and_assign(storage: Storage) -> tuple[Call, Call]:
    await queued(storage)
    return (
        (repository.confirm_print, "print", stamp()),
        (repository.assign_print, "print", "printer", stamp()),
    )


async def both_took_place(_: Storage, outcomes: Sequence[Any]) -> bool:
    return not any(isinstance(outcome, BaseException) for outcome in outcomes[:2])


# --- beds and commands ---------------------------------------------------------------------------


async def clear_and_claim(storage: Storage) -> tuple[Call, Call]:
    claim = await queued(storage)
    return (fleet.clear_bed, "printer", 1, Steward(), event()), claim


async def no_bed_was_cleared_under_a_print(storage: Storage, _: Sequence[Any]) -> bool:
    (printer,) = await rows(storage, "printers")
    print_ = await the_print(storage)
    return not (print_.printer_id and printer["bed_version"] != 1)


def command(kind: str, state: CommandState = CommandState.ASKED, by: str | None = "Ada") -> Any:
    return CommandRecord(fresh(), "printer", "print", kind, state, by, NOW, None, None, None, None)


async def ask_twice(storage: Storage) -> tuple[Call, Call]:
    await carried(storage)
    return (
        (ledger.ask_command, command("pause"), event()),
        (ledger.ask_command, command("resume"), event()),
    )


async def one_command_waits(storage: Storage, _: Sequence[Any]) -> bool:
    return len(await rows(storage, "commands")) == 1


async def order_and_take_over(storage: Storage) -> tuple[Call, Call]:
    await carried(storage)
    record = await storage.read(fleet.get_printer, "printer")
    order = command("cancel", CommandState.SENT, None)
    return (
        (ledger.store_order, record, order, event()),
        (fleet.take_over, "node", Steward(), {"printer": event()}),
    )


# --- files and jobs ------------------------------------------------------------------------------


def new_job(**values: Any) -> NewJob:
    return NewJob("file", copies=1, **values)


async def order_and_delete(storage: Storage) -> tuple[Call, Call]:
    job = await add_job(storage)
    await add_print(storage, job, state="cancelled")
    order = (repository.create_job, fresh(), new_job(), None, stamp())
    return order, (delete_file, "file")


async def no_job_waits_for_a_deleted_file(storage: Storage, _: Sequence[Any]) -> bool:
    (file,) = await rows(storage, "print_files")
    waiting = [row for row in await rows(storage, "prints") if row["state"] == "queued"]
    return not (waiting and file["state"] == "deleted")


async def order_twice(storage: Storage) -> tuple[Call, Call]:
    await storage.write(add, "print_files", id="file", sha256="0")
    key = repository.Key("key", "jobs", "0")
    first, second = ((repository.create_job, fresh(), new_job(), key, stamp()) for _ in range(2))
    return first, second


async def both_name_one_job(storage: Storage, outcomes: Sequence[Any]) -> bool:
    (job, made), (same, again) = outcomes[:2]
    return job.id == same.id and made and not again and len(await rows(storage, "jobs")) == 1


def a_file(file_id: str) -> PrintFile:
    return PrintFile(file_id, "abc", 1, "abc", "cube.gcode", NOW, FileState.ANALYSING, None)


async def bring_back_twice(storage: Storage) -> tuple[Call, Call]:
    await storage.write(add, "print_files", id="file", sha256="abc:file", state="deleted")
    return (add_file, a_file("x")), (add_file, a_file("y"))


async def one_brought_it_back(_: Storage, outcomes: Sequence[Any]) -> bool:
    return len([one for one in outcomes[:2] if isinstance(one, BaseException)]) == 1


# --- the farm as a whole -------------------------------------------------------------------------


async def place_twice(storage: Storage) -> tuple[Call, Call]:
    for number in (1, 2, 3):
        job = await add_job(storage, number)
        await storage.write(add, "prints", id=f"print{number}", number=number, job_id=job)
    return (
        (ranking.place_before, "job2", "job1", stamp()),
        (ranking.place_before, "job3", "job1", stamp()),
    )


async def every_rank_is_there_once(storage: Storage, _: Sequence[Any]) -> bool:
    ranks = [row["rank"] for row in await rows(storage, "jobs") if row["rank"] is not None]
    return len(ranks) == len(set(ranks)) == 2


def key(name: str) -> ApiKey:
    return ApiKey(name, name, name, Role.ADMIN, NOW, None, None)


async def two_admins(storage: Storage) -> tuple[Call, Call]:
    for name in ("a", "b"):
        await storage.write(add, "api_keys", id=name, sha256=name)
    return (revoke_key, "a", NOW, fresh()), (revoke_key, "b", NOW, fresh())


async def an_admin_is_left(storage: Storage, _: Sequence[Any]) -> bool:
    return any(row["revoked_at"] is None for row in await rows(storage, "api_keys"))


async def two_first_keys(_: Storage) -> tuple[Call, Call]:
    return (add_first_key, key("a"), fresh()), (add_first_key, key("b"), fresh())


async def there_is_one_key(storage: Storage, _: Sequence[Any]) -> bool:
    return len(await rows(storage, "api_keys")) == 1


def person(name: str, hashed: str = "x") -> User:
    return User(name, 1, name, Role.ADMIN, None, hashed, NOW, NOW)


async def two_admin_users(storage: Storage) -> tuple[Call, Call]:
    for name in ("a", "b"):
        await storage.write(add, "users", id=name, name=name)
    return (remove_user, "a", fresh(), NOW), (remove_user, "b", fresh(), NOW)


async def an_admin_user_is_left(storage: Storage, _: Sequence[Any]) -> bool:
    return any(row["role"] == "admin" for row in await rows(storage, "users"))


async def two_passwords(storage: Storage) -> tuple[Call, Call]:
    for name in ("a", "b"):
        await storage.write(add, "users", id=name, name=name)
    return (
        (edit_user, person("a", "one"), fresh(), NOW),
        (edit_user, person("a", "two"), fresh(), NOW),
    )


async def one_was_told_of_the_other(_: Storage, outcomes: Sequence[Any]) -> bool:
    return sum(isinstance(outcome, UserChanged) for outcome in outcomes[:2]) == 1


async def one_link_twice(storage: Storage) -> tuple[Call, Call]:
    await storage.write(add, "setup_links", sha256="link", expires_at=2**52)
    return (take_setup, "link", person("a"), fresh()), (take_setup, "link", person("b"), fresh())


async def there_is_one_user(storage: Storage, _: Sequence[Any]) -> bool:
    return len(await rows(storage, "users")) == 1


async def new_password_and_login(storage: Storage) -> tuple[Call, Call]:
    await storage.write(add, "users", id="a", name="a", password_at=to_micros(NOW))
    await storage.write(add, "user_sessions", id="old", sha256="0", user_id="a")
    later = NOW + timedelta(seconds=1)
    edited = replace(person("a", "new"), password_at=later)
    begun = Session("s", "a", SessionKind.BROWSER, "1", None, NOW, NOW, later)
    return (edit_user, edited, fresh(), NOW), (start_session, begun, None, NOW)


async def no_session_of_the_old_password(storage: Storage, _: Sequence[Any]) -> bool:
    return not await rows(storage, "user_sessions")


# --- groups and floors ---------------------------------------------------------------------------


def group(name: str, group_id: str = "group") -> Group:
    return Group(group_id, 1, name, "", NOW)


async def rename_and_order(storage: Storage) -> tuple[Call, Call]:
    await storage.write(add, "printer_groups", id="group", name="old")
    await storage.write(add, "print_files", id="file", sha256="0")
    order = new_job(requirements=Requirements(group="old"))
    followers = [OrdersOfGroups(lambda: None)]
    return (
        (repository.create_job, fresh(), order, None, stamp()),
        (edit_group, group("new"), followers, fresh(), NOW),
    )


async def the_job_asks_for_the_new_name(storage: Storage, _: Sequence[Any]) -> bool:
    (job,) = await rows(storage, "jobs")
    return bool(from_json(job["requirements"])["group"] == "new")


async def confine_and_remove(storage: Storage) -> tuple[Call, Call]:
    await storage.write(add, "printer_groups", id="group", name="hall")
    confined = ApiKey("k", "k", "0", Role.VIEWER, NOW, groups=frozenset({"hall"}))
    return (
        (add_key, confined, fresh(), (fresh(), fresh())),
        (remove_group, group("hall"), [], fresh(), NOW),
    )


async def the_key_s_group_is_there(storage: Storage, _: Sequence[Any]) -> bool:
    (key_,) = await rows(storage, "api_keys")
    there = {row["name"] for row in await rows(storage, "printer_groups")}
    return set(from_json(key_["printer_groups"])) <= there


async def two_groups_alike(_: Storage) -> tuple[Call, Call]:
    return (add_group, group("Hall", "a"), fresh()), (add_group, group("hall", "b"), fresh())


async def there_is_one_group(storage: Storage, _: Sequence[Any]) -> bool:
    return len(await rows(storage, "printer_groups")) == 1


async def move_and_shrink(storage: Storage) -> tuple[Call, Call]:
    await add_printer(storage)
    await storage.write(add, "floors", id="floor", name="ground")
    record = await storage.read(fleet.get_printer, "printer")
    spec = replace(record.spec, floor_position=FloorPosition("floor", 900, 10))
    smaller = Floor("floor", 1, "ground", 500, 500, NOW)
    return (
        (fleet.edit_printer, spec, {}, record.version, event()),
        (edit_floor, smaller, fresh(), NOW),
    )


async def the_printer_stands_on_its_floor(storage: Storage, _: Sequence[Any]) -> bool:
    (printer,), (floor,) = await rows(storage, "printers"), await rows(storage, "floors")
    return bool(printer["floor_x"] <= floor["width_mm"])


FLOOR = "FROM floors"
FARM = "FROM identity"
PRINTER = "FROM printers"
JOB = "FROM jobs"
PRINT = "FROM prints"
RACES = [
    Race("claim, hold", JOB, claim_and_hold, the_second_came_later),
    Race("claim, retire", PRINTER, claim_and_retire, no_print_on_a_retired_printer),
    Race("claim, take over", PRINTER, claim_and_take_over, the_print_has_the_printers_fence),
    Race("claim, stop", FARM, claim_and_stop, the_second_came_later),
    Race(
        "cancel print, give back",
        PRINT,
        cancel_print_and_give_back,
        the_print_is_cancelled_or_will_be,
        before=2,
    ),
    Race(
        "cancel job, give back",
        PRINT,
        cancel_job_and_give_back,
        the_print_is_cancelled_or_will_be,
        before=3,
    ),
    Race(
        "fail, cancel job",
        "FROM (jobs|prints)",
        failed_and_cancel,
        nothing_waits_of_a_cancelled_job,
        before=3,
    ),
    Race("confirm, assign", PRINT, confirm_and_assign, both_took_place),
    Race("clear, claim", PRINTER, clear_and_claim, no_bed_was_cleared_under_a_print),
    Race("ask, ask", PRINTER, ask_twice, one_command_waits),
    Race("send, take over", PRINTER, order_and_take_over, the_second_came_later),
    Race(
        "order, delete file", "FROM print_files", order_and_delete, no_job_waits_for_a_deleted_file
    ),
    Race("bring back, bring back", "FROM print_files", bring_back_twice, one_brought_it_back),
    Race("place, place", FARM, place_twice, every_rank_is_there_once),
    Race("revoke, revoke", FARM, two_admins, an_admin_is_left),
    Race("first key, first key", FARM, two_first_keys, there_is_one_key),
    Race("remove user, remove user", FARM, two_admin_users, an_admin_user_is_left),
    Race("edit user, edit user", FARM, two_passwords, one_was_told_of_the_other),
    Race("set up, set up", FARM, one_link_twice, there_is_one_user),
    Race("order, rename group", FARM, rename_and_order, the_job_asks_for_the_new_name),
    Race("confine, remove group", FARM, confine_and_remove, the_key_s_group_is_there),
    Race("add group, add group", FARM, two_groups_alike, there_is_one_group),
    Race("move, shrink floor", FLOOR, move_and_shrink, the_printer_stands_on_its_floor),
    Race(
        "new password, log in",
        FARM,
        new_password_and_login,
        no_session_of_the_old_password,
        before=3,
    ),
]


async def run(storage: Storage, engine: str, race: Race) -> list[Any]:
    """The outcomes of both, and whether the second had to wait for the first."""
    first, second = await race.prepare(storage)
    gate = Gate(engine)
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(_outcome(storage.write(held, gate, race.before, first)))
        await gate.until_entered()
        two = tasks.create_task(_outcome(storage.write(second[0], *second[1:])))
        await asyncio.wait([two], timeout=LOOK_S)
        waited = not two.done()
        gate.go_on.set()
    return [one.result(), two.result(), waited]


async def _outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 (an outcome, too)
        return error


@pytest.fixture
async def storage(engine: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(engine, tmp_path) as storage:
        yield storage


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
async def test_two_at_once_end_as_one_after_the_other(
    storage: Storage, engine: str, race: Race
) -> None:
    outcomes = await run(storage, engine, race)
    assert await race.right(storage, outcomes), outcomes


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
async def test_without_its_lock_the_race_ends_wrongly(
    storage: Storage, engine: str, race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = re.compile(rf"({race.lock}\b.*) FOR (UPDATE|SHARE)$", re.DOTALL)
    through = PostgresTx._run

    async def unlocked(tx: PostgresTx, call: Any, sql: str, arguments: Any) -> Any:
        return await through(tx, call, lock.sub(r"\1", sql), arguments)

    monkeypatch.setattr(PostgresTx, "_run", unlocked)
    outcomes = await run(storage, engine, race)
    assert not await race.right(storage, outcomes), outcomes


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_same_order_twice_at_once_makes_one_job(storage: Storage, engine: str) -> None:
    race = Race("order, order", "", order_twice, both_name_one_job, before=2)
    outcomes = await run(storage, engine, race)
    assert await both_name_one_job(storage, outcomes), outcomes
