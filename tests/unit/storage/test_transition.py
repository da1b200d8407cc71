"""Which statements can be one for many rows, and what they are then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Update, bindparam, func, or_, update

from buildplate.dispatch import transitions
from buildplate.storage import EventRecord
from buildplate.storage.errors import WrongType
from buildplate.storage.postgres.transition import transition_of, with_event
from buildplate.storage.tables import prints

EVENT = EventRecord("e1", datetime(2030, 1, 2, tzinfo=UTC), "print.changed", print_id="p1")
BY_ID = prints.c.id == bindparam("print_id")
BY_VERSION = prints.c.version == bindparam("seen")
SET = update(prints).where(BY_ID, BY_VERSION).values(reason=bindparam("why")).returning(prints.c.id)
PARAMS = {"print_id": "p1", "seen": 1, "why": "because"}

OF_DISPATCH = [
    (name, value)
    for name, value in vars(transitions).items()
    if isinstance(value, Update) and value.exported_columns
]


@pytest.mark.parametrize(("name", "statement"), OF_DISPATCH)
def test_the_transitions_of_a_print_can_share_a_statement(name: str, statement: Update) -> None:
    for records in (False, True):
        found = transition_of(statement, records=records)
        assert found is not None, name
        assert "unnest(" in found.many.sql
        assert ("INSERT INTO outbox" in found.many.sql) is records


def test_there_are_such_transitions() -> None:
    assert len(OF_DISPATCH) >= 6


def test_for_one_it_is_the_plain_statement_and_for_many_it_takes_lists() -> None:
    found = transition_of(SET, records=False)
    assert found is not None
    values = found.values(PARAMS, None)
    assert values is not None
    sql, arguments = found.ready([values])
    assert "unnest" not in sql
    assert set(arguments) == {"p1", 1, "because"}
    sql, arguments = found.ready([values, values])
    assert "given_place" in sql
    assert set(arguments) == {("p1", "p1"), (1, 1), ("because", "because")}


def test_it_is_the_same_whatever_was_made_of_the_statement_before() -> None:
    first = transition_of(SET, records=True)
    again = update(prints).where(BY_ID, BY_VERSION).values(reason=bindparam("why"))
    again = again.returning(prints.c.id)
    with_event(again)
    second = transition_of(again, records=True)
    assert first is not None
    assert second is not None
    assert first.many.sql == second.many.sql


@pytest.mark.parametrize(
    "statement",
    [
        update(prints).where(BY_VERSION),
        update(prints).where(or_(BY_ID, BY_VERSION)),
        update(prints).where(prints.c.id != bindparam("print_id")),
        update(prints).where(prints.c.id == "p1", BY_VERSION),
        update(prints).where(prints.c.number == bindparam("print_id")),
        update(prints).where(BY_ID, prints.c.state.in_(bindparam("states", expanding=True))),
        update(prints).where(BY_ID, func.length(bindparam("text")) == 1),
        update(prints),
    ],
)
def test_a_statement_that_does_not_name_its_row_is_for_itself(statement: Update) -> None:
    changed = statement.values(reason=bindparam("why")).returning(prints.c.id)
    assert transition_of(changed, records=False) is None


@pytest.mark.parametrize(
    "params",
    [
        {"print_id": "p1", "seen": 1},
        {**PARAMS, "more": 1},
        {"print_id": "p1", "seen": 1, "other": 1},
    ],
)
def test_other_parameters_than_its_own_are_not_taken(params: dict[str, object]) -> None:
    found = transition_of(SET, records=True)
    assert found is not None
    assert found.values(params, EVENT) is None


def test_a_fraction_for_a_whole_number_is_refused_without_its_value() -> None:
    found = transition_of(SET, records=True)
    assert found is not None
    good, bad = (found.values({**PARAMS, "seen": seen}, EVENT) for seen in (1, 1.25))
    assert good is not None
    assert bad is not None
    with pytest.raises(WrongType, match="seen") as refused:
        found.ready([good, bad])
    assert "1.25" not in str(refused.value)
