"""A compare-and-set with its event as one statement: for one row, and for many rows at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import BindParameter, Select, Update, bindparam, column, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ClauseElement, ColumnClause
from sqlalchemy.sql.selectable import CTE
from sqlalchemy.types import BigInteger, NullType, TypeEngine

from buildplate.storage.errors import WrongType
from buildplate.storage.model import EventRecord, to_json, to_micros
from buildplate.storage.statements import Arguments, Compiled, Statements, taker
from buildplate.storage.tables import events, outbox

DIALECT: Dialect = PGDialect_asyncpg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
STATEMENTS = Statements(DIALECT)
PLACE = "given_place"
"""The column that says for which of many parameters a row was found, counted from 1."""

EVENT_COLUMNS = ("id", "at", "kind", "printer_id", "job_id", "print_id", "data")
_EVENT_TYPES = {f"event__{name}": events.c[name].type for name in EVENT_COLUMNS}


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """An UPDATE of one row named by its key, with its event where it `records` one.

    `one` takes a value for each of `names`; `many` a list of values for each, and answers a row
    with its `PLACE` for each of them that found its row. `whole`: where integers belong.
    """

    names: tuple[str, ...]
    whole: tuple[int, ...]
    records: bool
    own: int
    take: Callable[[Mapping[str, Any]], Arguments]
    one: Compiled
    many: Compiled

    def values(self, params: Mapping[str, Any], event: EventRecord | None) -> Arguments | None:
        """The values of `names`; None where these are not the statement's parameters."""
        if len(params) != self.own:
            return None
        try:
            own = self.take(params)
        except KeyError:
            return None
        return own if event is None else own + _values(event)

    def ready(self, given: Sequence[Arguments]) -> tuple[str, Arguments]:
        """The text and the arguments for these values, of one or of many. Raises `WrongType`."""
        columns = list(zip(*given, strict=True))
        for place in self.whole:
            # The driver would cut a fraction off.
            if float in map(type, columns[place]):
                message = f"the parameter {self.names[place]} must be a whole number"
                raise WrongType(message)
        if len(given) == 1:
            return self.one.ready(dict(zip(self.names, given[0], strict=True)))
        return self.many.ready(dict(zip(self.names, columns, strict=True)))


def event_columns(event: EventRecord) -> dict[str, Any]:
    """The event as its row."""
    return dict(zip(EVENT_COLUMNS, _values(event), strict=True))


def given_with(event: EventRecord, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a statement that records an event, too."""
    return {**params, **dict(zip(_EVENT_TYPES, _values(event), strict=True))}


def _values(event: EventRecord) -> Arguments:
    at, data = to_micros(event.at), to_json(event.data)
    return (event.id, at, event.kind, event.printer_id, event.job_id, event.print_id, data)


_WITH_EVENT: WeakKeyDictionary[Update, Select[Any]] = WeakKeyDictionary()
_TRANSITIONS: Mapping[bool, WeakKeyDictionary[Update, Transition | None]] = {
    False: WeakKeyDictionary(),
    True: WeakKeyDictionary(),
}


def with_event(statement: Update) -> Select[Any]:
    """The statement, and its event recorded for the row that it found: all in one."""
    known = _WITH_EVENT.get(statement)
    if known is None:
        moved = statement.cte("moved")
        values = [bindparam(name, type_=type_) for name, type_ in _EVENT_TYPES.items()]
        queued = _recording(select(*values).select_from(moved))
        known = _WITH_EVENT[statement] = select(moved).add_cte(queued)
    return known


def transition_of(statement: Update, *, records: bool) -> Transition | None:
    """The statement for one and for many; None where it doesn't name one row by its key."""
    kept = _TRANSITIONS[records]
    try:
        return kept[statement]
    except KeyError:
        return kept.setdefault(statement, _made(statement, records=records))


def _made(statement: Update, *, records: bool) -> Transition | None:
    own = _parameters(statement)
    if own is None or not _names_its_row(statement, own):
        return None
    one: ClauseElement = with_event(statement) if records else statement
    types = own | (_EVENT_TYPES if records else {})
    integers = [isinstance(type_, BigInteger) for type_ in types.values()]
    return Transition(
        names=tuple(types),
        whole=tuple(place for place, is_one in enumerate(integers) if is_one),
        records=records,
        own=len(own),
        take=taker(tuple(own)),
        one=STATEMENTS.compiled(one),
        many=STATEMENTS.compiled(_for_many(statement, own, types, records=records)),
    )


def _parameters(statement: Update) -> dict[str, TypeEngine[Any]] | None:
    """What is to be given, and its types; None where one has no type or is a list."""
    compiler: Any = statement.compile(dialect=DIALECT)
    binds = compiler.binds.values()
    if any(bind.expanding or isinstance(bind.type, NullType) for bind in binds):
        return None
    return {bind.key: bind.type for bind in binds if bind.required}


def _names_its_row(statement: Update, parameters: Mapping[str, Any]) -> bool:
    """Whether each of many would find its own row: else one could find a part of its rows."""
    where = statement.whereclause
    joined = isinstance(where, BooleanClauseList) and where.operator is operators.and_
    key = list(statement.table.primary_key)
    return len(key) == 1 and any(
        isinstance(part, BinaryExpression)
        and part.operator is operators.eq
        and part.left is key[0]
        and isinstance(part.right, BindParameter)
        and part.right.key in parameters
        for part in (where.clauses if joined else (where,))  # type: ignore[union-attr]
    )


def _for_many(
    statement: Update,
    own: Mapping[str, TypeEngine[Any]],
    types: Mapping[str, TypeEngine[Any]],
    *,
    records: bool,
) -> Select[Any]:
    given = (
        func.unnest(*(bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items()))
        .table_valued(
            *(column(name, type_) for name, type_ in types.items()),
            with_ordinality=PLACE,
            name="given",
        )
        .render_derived()
    )

    def taken(part: Any, **_: Any) -> Any:
        return given.c[part.key] if isinstance(part, BindParameter) and part.key in own else None

    # Its overloads know of no statements.
    changed: Update = visitors.replacement_traverse(statement, {}, taken)  # type: ignore[call-overload]
    more = [given.c[name] for name in _EVENT_TYPES] if records else []
    moved = changed.returning(given.c[PLACE], *more).cte("moved")
    # By their names: SQLAlchemy may still know of the first RETURNING alone.
    answered = _named(known.name for known in statement.exported_columns)
    found: Select[Any] = select(*answered, column(PLACE)).select_from(moved)
    if not records:
        return found
    return found.add_cte(_recording(select(*_named(_EVENT_TYPES)).select_from(moved)))


def _named(names: Iterable[str]) -> list[ColumnClause[Any]]:
    return [column(name) for name in names]


def _recording(rows: Select[Any]) -> CTE:
    recorded = (
        insert(events).from_select(EVENT_COLUMNS, rows).returning(events.c.id).cte("recorded")
    )
    return (
        insert(outbox)
        .from_select(["event_id"], select(recorded.c.id))
        .returning(outbox.c.id)
        .cte("queued")
    )
