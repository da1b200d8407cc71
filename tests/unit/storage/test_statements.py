from __future__ import annotations

import gc
import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import Executable

import buildplate
from buildplate.storage.statements import Statements
from buildplate.storage.tables import farm, metadata, prints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table

POSTGRESQL = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


@pytest.fixture
def statements() -> Statements:
    return Statements(sqlite.dialect(paramstyle="qmark"))


def test_arguments_come_in_the_order_of_the_text(statements: Statements) -> None:
    statement = (
        update(prints)
        .where(prints.c.id == bindparam("which"), prints.c.state == "queued")
        .values(reason=bindparam("why"))
    )
    assert statements.ready(statement, {"which": "p1", "why": "because"}) == (
        "UPDATE prints SET reason=? WHERE prints.id = ? AND prints.state = ?",
        ("because", "p1", "queued"),
    )


def test_each_statement_object_is_compiled_once(
    statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []
    original = ClauseElement.compile

    def counting(self: ClauseElement, *args: object, **kwargs: object) -> object:
        compiled.append(self)
        return original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ClauseElement, "compile", counting)
    query = select(prints.c.id).where(prints.c.id == bindparam("which"))
    row = insert(farm)
    for _ in range(3):
        statements.ready(query, {"which": "p1"})
        statements.ready(row, {"key": "a", "value": "b"})
    assert compiled == [query, row]


def test_a_statement_made_of_a_kept_one_is_not_taken_for_it(statements: Statements) -> None:
    query = select(prints.c.id)
    assert "WHERE" not in statements.ready(query)[0]
    assert "WHERE" in statements.ready(query.where(prints.c.number == 1))[0]


def test_nothing_is_kept_of_a_statement_that_is_gone(statements: Statements) -> None:
    for n in range(100):
        statements.ready(select(prints.c.id).where(prints.c.number == n))
    gc.collect()
    assert len(statements._kept) == 0


def test_an_insert_without_values_takes_its_columns_from_the_parameters(
    statements: Statements,
) -> None:
    row = insert(prints)
    assert statements.ready(row, {"id": "p", "number": 1}) == (
        "INSERT INTO prints (id, number) VALUES (?, ?)",
        ("p", 1),
    )
    assert statements.ready(row, {"id": "p"}) == ("INSERT INTO prints (id) VALUES (?)", ("p",))


def test_lists_of_any_length_fill_one_statement(statements: Statements) -> None:
    query = select(prints.c.id).where(
        prints.c.id.in_(bindparam("ids", expanding=True)), prints.c.state == bindparam("state")
    )
    for ids in (["a"], ["a", "b", "c"], []):
        sql, arguments = statements.ready(query, {"ids": ids, "state": "queued"})
        assert arguments == (*ids, "queued")
        assert sql.count("?") == len(ids) + 1


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_is_portable(table: Table) -> None:
    ddl = str(CreateTable(table).compile(dialect=POSTGRESQL))
    assert "STRICT" not in ddl
    for index in table.indexes:
        both = [
            str(CreateIndex(index).compile(dialect=dialect))
            for dialect in (POSTGRESQL, sqlite.dialect())
        ]
        assert both[0] == both[1]


def module_statements() -> Iterator[tuple[str, ClauseElement]]:
    for info in pkgutil.walk_packages(buildplate.__path__, "buildplate."):
        if ".migrations" in info.name or info.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, Executable) and isinstance(value, ClauseElement):
                yield f"{info.name}.{name}", value


def test_every_statement_of_the_program_is_portable() -> None:
    checked = 0
    for name, statement in module_statements():
        assert not isinstance(statement, type(text(""))), f"{name} is raw SQL"
        for dialect in (POSTGRESQL, sqlite.dialect(paramstyle="qmark")):
            assert str(statement.compile(dialect=dialect)), name
        checked += 1
    assert checked >= 5
