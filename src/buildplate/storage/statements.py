"""SQLAlchemy Core statements as text and arguments for a raw driver, compiled once each.

SQLAlchemy's own execution costs several times what the database needs for a small statement.
So a statement is compiled to its dialect's SQL, kept for as long as the statement object lives
(module-level constants: for ever), and run on the driver itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast
from weakref import ReferenceType, ref

from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ClauseElement

from buildplate.storage.errors import MissingParameter, UnknownParameter

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

Arguments = tuple[Any, ...]
_NOTHING: Mapping[str, Any] = {}


def _no_arguments(_: Mapping[str, Any]) -> Arguments:
    return ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement in its dialect's words, and how its arguments are taken from parameters."""

    sql: str
    names: frozenset[str]
    literals: Mapping[str, Any]
    take: Callable[[Mapping[str, Any]], Arguments]

    def ready(self, params: Mapping[str, Any] | None) -> tuple[str, Arguments]:
        """The text and the positional arguments. Raises `MissingParameter`, `UnknownParameter`."""
        given = params or _NOTHING
        if len(given) + len(self.literals) != len(self.names):
            self._check(given)
        try:
            return self.sql, self.take({**self.literals, **given} if self.literals else given)
        except KeyError as missing:
            raise MissingParameter(str(missing), self.sql) from None

    def _check(self, given: Mapping[str, Any]) -> None:
        for name in given:
            if name not in self.names:
                raise UnknownParameter(name, self.sql)


@dataclass(frozen=True, slots=True)
class _WithLists:
    """A statement whose text depends on how long the lists among its parameters are."""

    compiler: "SQLCompiler"

    def ready(self, params: Mapping[str, Any] | None) -> tuple[str, Arguments]:
        try:
            state = self.compiler.construct_expanded_state(dict(params or _NOTHING))
        except InvalidRequestError as missing:
            raise MissingParameter(str(missing), self.compiler.string) from None
        return state.statement, tuple(state.positional_parameters)


@dataclass(frozen=True, slots=True)
class _Kept:
    statement: "ReferenceType[ClauseElement]"
    variants: dict[Arguments | None, Compiled | _WithLists]


class Statements:
    """The compiled statements of one dialect. Any thread may use it.

    The dialect's `paramstyle` is positional. Values reach the driver as they are: no type
    processing (`tables.py` needs none).
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._kept: dict[int, _Kept] = {}

    def ready(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> tuple[str, Arguments]:
        """The statement's text and positional arguments for these parameters.

        An INSERT takes columns without a value of their own from the parameters; a list fills
        an expanding `bindparam`. Raises `MissingParameter`, `UnknownParameter`.
        """
        variant = tuple(params) if params and isinstance(statement, Insert) else None
        kept = self._kept.get(id(statement))
        known = None
        if kept is not None and kept.statement() is statement:
            known = kept.variants.get(variant)
        if known is None:
            known = self._compile(statement, variant)
            self._keep(statement, variant, known)
        return known.ready(params)

    def compiled(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> Compiled:
        """A statement without lists among its parameters; `columns` those an INSERT fills.

        Raises `InvalidRequestError` of SQLAlchemy where there are lists.
        """
        compiler = self._compiler(statement, columns, render_postcompile=True)
        names = tuple(compiler.positiontup or ())
        literals = {
            name: value
            for name, value in compiler.params.items()
            if name in names and not (name in compiler.binds and compiler.binds[name].required)
        }
        return Compiled(compiler.string, frozenset(names), literals, taker(names))

    def _compile(
        self, statement: ClauseElement, columns: Sequence[str] | None
    ) -> Compiled | _WithLists:
        try:
            return self.compiled(statement, columns)
        except InvalidRequestError:
            return _WithLists(self._compiler(statement, columns, render_postcompile=False))

    def _compiler(
        self, statement: ClauseElement, columns: Sequence[str] | None, *, render_postcompile: bool
    ) -> "SQLCompiler":
        compiler = statement.compile(
            dialect=self._dialect,
            column_keys=None if columns is None else list(columns),
            compile_kwargs={"render_postcompile": render_postcompile},
        )
        return cast("SQLCompiler", compiler)

    def _keep(
        self, statement: ClauseElement, variant: Arguments | None, compiled: Compiled | _WithLists
    ) -> None:
        key = id(statement)
        kept = self._kept.get(key)
        if kept is None or kept.statement() is not statement:
            # The entry goes with its statement, so an id that is used again is never mistaken.
            kept = _Kept(ref(statement, lambda _: self._kept.pop(key, None)), {})
            self._kept[key] = kept
        kept.variants[variant] = compiled


def taker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Arguments]:
    """A function that takes the values of these names, in their order, from parameters."""
    if not names:
        return _no_arguments
    if len(names) == 1:
        only = names[0]
        return lambda params: (params[only],)
    return itemgetter(*names)
