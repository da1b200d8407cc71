"""A farm of every former schema comes through the upgrade whole, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from buildplate import __version__
from buildplate.storage import SchemaTooNew, Storage
from buildplate.storage.schema import HEAD
from tests import postgres
from tests.contract.old_farms import (
    ASKED,
    PASSWORD,
    REVISIONS,
    Database,
    groups_of,
    plain,
    requirements,
    rows_of,
)
from tests.contract.storage_engines import ENGINES, make_storage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.old_farms import Rows


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def database(engine: str, folder: Path) -> Database:
    if engine == "sqlite":
        return Database(folder / "farm.db")
    (folder / "database-url").write_text(url := postgres.new_database(empty=True))
    return Database(url)


@pytest.fixture
async def old(engine: str, revision: str, tmp_path: Path) -> Database:
    found = database(engine, tmp_path)
    await found.make(revision)
    return found


async def opened(engine: str, folder: Path) -> None:
    """The way of every start."""
    storage: Storage = make_storage(engine, folder)
    await storage.open()
    await storage.close()


def expected(revision: str) -> Rows:
    """The rows of before; only a job's spelling of the one group it can mean is another."""
    rows = rows_of(revision)
    if revision < "0004":
        for number, group in enumerate(ASKED):
            assert rows["jobs"][number]["requirements"] == requirements(group)
    rows["jobs"][2]["requirements"] = requirements("Attic")  # it asked for "attic"
    return {name: sorted((plain(row) for row in given), key=str) for name, given in rows.items()}


def narrowed(rows: Rows, as_: Rows) -> Rows:
    """The rows with the columns of before."""
    found: Rows = {}
    for name, given in as_.items():
        columns = given[0].keys() if given else ()
        found[name] = sorted(({c: row[c] for c in columns} for row in rows[name]), key=str)
    return found


async def test_every_row_survives_the_upgrade(
    engine: str, revision: str, old: Database, tmp_path: Path
) -> None:
    identity = (await old.rows())["identity"]
    await opened(engine, tmp_path)
    found = await old.rows()
    wanted = expected(revision)
    wanted.pop("identity")
    if engine == "postgresql":
        wanted.pop("nodes")  # the one that has just opened it has taken the place of the former
    assert narrowed(found, wanted) == wanted
    assert found["identity"] == [identity[0] | {"release": __version__}]
    assert {group["name"] for group in found["printer_groups"]} == groups_of(revision)
    assert len({group["id"] for group in found["printer_groups"]}) == len(groups_of(revision))
    assert found["alembic_version"] == [{"version_num": HEAD}]


async def test_what_is_stored_after_it_comes_back_from_a_downgrade(
    engine: str, tmp_path: Path
) -> None:
    found = database(engine, tmp_path)
    await found.make("0003")
    await found.up("head")
    await found.on(_furnish)
    before = await found.rows()
    await found.down("0003")
    middle = await found.rows()
    wanted = expected("0003")
    for table in ("identity", "farm", "users"):
        wanted.pop(table)
    assert narrowed(middle, wanted) == wanted
    assert "floors" not in middle
    assert {row["key"] for row in middle["farm"]} == {
        "stopped", "kept of schema 0004", "kept of schema 0005", "kept of schema 0006",
    }  # fmt: skip
    await found.up("head")
    assert await found.rows() == before


def _furnish(connection: Any) -> None:
    floor = (
        "INSERT INTO floors (id, name, width_mm, depth_mm, created_at) VALUES ('f', 'g', 9, 8, 1)"
    )
    place = (
        "UPDATE printers SET floor_id = 'f', floor_x = 1.5, floor_y = 2, floor_rotation = 90"
        " WHERE number = 1"
    )
    said = "UPDATE printer_groups SET description = 'by the door', version = 7 WHERE name = 'Hall'"
    out = "UPDATE users SET disabled = NOT disabled WHERE name = 'bob'"
    sent = "UPDATE print_files SET sent_by = 'user ann'"
    keyed = "UPDATE commands SET idempotency_key = 'k' WHERE state = 'answered'"
    for statement in (floor, place, said, out, sent, keyed):
        connection.exec_driver_sql(statement)


def opens(password: str, rows: Rows, name: str) -> bool:
    """Whether the user gets in with the password."""
    (user,) = [one for one in rows["users"] if one["name"] == name]
    try:
        return PasswordHasher().verify(user["password"], password)
    except VerificationError:
        return False


async def test_a_downgrade_lets_nobody_in_who_was_disabled(engine: str, tmp_path: Path) -> None:
    found = database(engine, tmp_path)
    await found.make("0004")
    await found.up("head")
    await found.on(_disable)
    before = await found.rows()
    assert opens(PASSWORD, before, "bob")
    await found.down("0004")
    middle = await found.rows()
    assert not opens(PASSWORD, middle, "bob")
    assert opens(PASSWORD, middle, "ann")
    await found.up("head")
    after = await found.rows()
    assert after == before
    assert {user["name"]: user["disabled"] for user in after["users"]} == {"ann": 0, "bob": 1}


async def test_whom_the_older_release_lets_in_again_stays_in(engine: str, tmp_path: Path) -> None:
    found = database(engine, tmp_path)
    await found.make("0004")
    await found.up("head")
    await found.on(_disable)
    await found.down("0004")
    given = PasswordHasher(time_cost=1, memory_cost=1024).hash("another good one")
    await found.on(
        lambda one: one.exec_driver_sql(f"UPDATE users SET password = '{given}' WHERE name = 'bob'")  # noqa: S608
    )
    await found.up("head")
    after = await found.rows()
    assert opens("another good one", after, "bob")
    assert {user["disabled"] for user in after["users"]} == {0}


async def test_a_downgrade_settles_a_stop_that_went_beside_another_command(
    engine: str, tmp_path: Path
) -> None:
    found = database(engine, tmp_path)
    await found.make("0005")
    await found.up("head")
    await found.on(_stop)
    await found.down("0005")
    (stop,) = [row for row in (await found.rows())["commands"] if row["kind"] == "emergency_stop"]
    assert (stop["state"], stop["answer"]) == ("settled", "never answered")
    await found.up("head")
    assert [row["state"] for row in (await found.rows())["commands"]].count("sent") == 1


def _stop(connection: Any) -> None:
    """On the printer that a pause was sent to already."""
    connection.exec_driver_sql(
        "INSERT INTO commands (id, printer_id, kind, state, asked_at)"
        " SELECT 'stop', printer_id, 'emergency_stop', 'sent', asked_at FROM commands"
        " WHERE state = 'sent'"
    )


def _disable(connection: Any) -> None:
    connection.exec_driver_sql("UPDATE users SET disabled = NOT disabled WHERE name = 'bob'")


@pytest.mark.parametrize("down_to", ["0002", "0001"])
async def test_a_downgrade_keeps_what_the_older_schema_has(
    engine: str, down_to: str, tmp_path: Path
) -> None:
    found = database(engine, tmp_path)
    await found.make("0003")
    before = await found.rows()
    await found.up("head")
    await found.down(down_to)
    middle = await found.rows()
    kept = rows_of(down_to)
    assert set(middle) == {*kept, "alembic_version"}
    kept = {name: before[name] for name in kept if name not in ("identity", "farm", "jobs")}
    if down_to == "0001":
        for key in kept["api_keys"]:
            del key["printer_groups"]
    assert narrowed(middle, kept) == kept
    await found.up("head")
    again = await found.rows()
    assert narrowed(again, kept) == kept
    assert again["jobs"] == expected("0003")["jobs"]
    assert {group["name"] for group in again["printer_groups"]} == groups_of("0003")


async def test_a_newer_schema_names_the_release_that_is_needed(engine: str, tmp_path: Path) -> None:
    found = database(engine, tmp_path)
    await found.make("0003")
    await found.up("head")
    await found.on(_from_the_future)
    before = await found.rows()
    with pytest.raises(SchemaTooNew, match=r"9999.*Buildplate 7\.8\.9 has upgraded it") as refused:
        await opened(engine, tmp_path)
    assert refused.value.hint == "Install Buildplate 7.8.9 or newer."
    assert await found.rows() == before


def _from_the_future(connection: Any) -> None:
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    connection.exec_driver_sql("UPDATE identity SET release = '7.8.9'")


async def test_a_copy_from_before_the_upgrade_lies_beside_a_file(tmp_path: Path) -> None:
    old = database("sqlite", tmp_path)
    await old.make("0002")
    before = await old.rows()
    await opened("sqlite", tmp_path)
    copy = tmp_path / "farm.db.schema-0002"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert await Database(copy).rows() == before
    await opened("sqlite", tmp_path)  # the newest schema: nothing to copy
    assert copies(tmp_path) == [copy.name]


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("farm.db.*-*"))


async def test_no_copy_takes_the_place_of_another(tmp_path: Path) -> None:
    old = database("sqlite", tmp_path)
    await old.make("0003")
    (tmp_path / "farm.db.schema-0003").write_text("the copy of another day")
    await opened("sqlite", tmp_path)
    assert (tmp_path / "farm.db.schema-0003").read_text() == "the copy of another day"
    assert "printer_groups" not in await Database(tmp_path / "farm.db.schema-0003-2").rows()


async def test_one_transaction_brings_a_server_s_database_to_the_newest(tmp_path: Path) -> None:
    """A failure in the last step takes back the first ones."""
    old = database("postgresql", tmp_path)
    await old.make("0001")
    before = await old.rows()
    assert isinstance(old.where, str)
    postgres.say(old.where, "CREATE TABLE floors (id text)")
    with pytest.raises(Exception, match="already exists"):
        await opened("postgresql", tmp_path)
    postgres.say(old.where, "DROP TABLE floors")
    assert await old.rows() == before


async def test_one_transaction_brings_a_file_to_the_newest(tmp_path: Path) -> None:
    old = database("sqlite", tmp_path)
    await old.make("0001")
    before = await old.rows()
    await old.on(lambda one: one.exec_driver_sql("CREATE TABLE floors (id text)"))
    with pytest.raises(Exception, match="already exists"):
        await opened("sqlite", tmp_path)
    await old.on(lambda one: one.exec_driver_sql("DROP TABLE floors"))
    assert await old.rows() == before


def test_the_fixtures_know_every_schema_but_the_newest() -> None:
    from buildplate.storage.schema import known_revisions  # noqa: PLC0415 (slow to load)

    assert known_revisions() == {*REVISIONS, HEAD}
