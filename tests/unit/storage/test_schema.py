from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from buildplate import __version__
from buildplate.storage import SchemaTooNew
from buildplate.storage.schema import HEAD, alembic_config, migrating, run_migrations
from buildplate.storage.sqlite.upgrading import upgrade
from buildplate.storage.tables import COUNTERS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "farm.db"
    upgrade(path, 1.0)
    return path


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    path = tmp_path / "migrated.db"
    with migrating(path, 1.0) as connection:
        run_migrations(connection, "head")
    return path


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row; ids, which are drawn, by their length."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        found = {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 (our tables)
            for (name,) in tables.fetchall()
        }
    found["identity"] = [(len(id_), release) for id_, release in found["identity"]]
    return found


def schema_of(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: _parts(sql) for name, sql in rows}


def _parts(sql: str) -> str:
    """The same for the same schema, whatever order its constraints and columns come in."""
    lines = (line.strip() for line in re.split(r"[,\n]", sql.replace('"', "")))
    return "\n".join(sorted(line for line in lines if line))


def test_a_first_start_makes_exactly_what_the_migrations_make(
    database: Path, migrated: Path
) -> None:
    assert schema_of(database) == schema_of(migrated)
    assert rows_of(database) == rows_of(migrated)
    assert rows_of(database)["alembic_version"] == [(HEAD,)]
    assert rows_of(database)["identity"] == [(36, __version__)]


@pytest.mark.parametrize("made", ["database", "migrated"])
def test_alembic_finds_nothing_to_change(made: str, request: pytest.FixtureRequest) -> None:
    with migrating(request.getfixturevalue(made), 1.0) as connection:
        command.check(alembic_config(connection))


def test_the_newest_revision_is_the_one_the_program_knows(database: Path) -> None:
    with migrating(database, 1.0) as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection))
    assert scripts.get_heads() == [HEAD]


def test_the_counters_begin_at_nothing(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        rows = dict(connection.execute("SELECT name, value FROM counters").fetchall())
    assert rows == dict.fromkeys(COUNTERS, 0)


def test_every_database_has_an_id_of_its_own(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    upgrade(other, 1.0)
    found = set()
    for path in (database, other):
        with closing(sqlite3.connect(path)) as connection:
            found.add(connection.execute("SELECT id FROM identity").fetchone())
    assert len(found) == 2


def test_an_upgrade_of_the_newest_changes_nothing(database: Path) -> None:
    before = database.read_bytes()
    upgrade(database, 1.0)
    assert database.read_bytes() == before


def test_a_newer_schema_is_refused_untouched(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = schema_of(database)
    with pytest.raises(SchemaTooNew, match="9999"):
        upgrade(database, 1.0)
    assert schema_of(database) == before


@pytest.mark.parametrize("made", ["database", "migrated"])
def test_the_first_migration_can_be_undone(made: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(made)
    before = schema_of(path)
    with migrating(path, 1.0) as connection:
        command.downgrade(alembic_config(connection), "base")
    assert set(schema_of(path)) <= {"alembic_version", "sqlite_sequence"}
    upgrade(path, 1.0)
    assert schema_of(path) == before
