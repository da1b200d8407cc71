"""SQLAlchemy Core statements as text and arguments for a raw driver, compiled once each.

SQLAlchemy's own execution costs several times what the database needs for a small statement.
So a statement is compiled to its dialect's SQL, kept for as long as the statement object lives
(module-level constants: for ever), and run on the driver itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast
from weakref import ReferenceType, ref

from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ClauseElement

from buildplate.storage.errors import MissingParameter

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
    names: tuple[str, ...]
    literals: Mapping[str, Any]
    take: Callable[[Mapping[str, Any]], Arguments]

    def arguments(self, params: Mapping[str, Any] | None) -> Arguments:
        """The positional arguments. Raises `MissingParameter`."""
        given = params or _NOTHING
        try:
            return self.take({**self.literals, **given} if self.literals else given)
        except KeyError as missing:
            raise MissingParameter(str(missing), self.sql) from None


@dataclass(frozen=True, slots=True)
class _Kept:
    statement: "ReferenceType[ClauseElement]"
    variants: dict[Arguments | None, Compiled]


class Statements:
    """The compiled statements of one dialect. Any thread may use it.

    The dialect's `paramstyle` is positional. Values reach the driver as they are: no type
    processing (`tables.py` needs none).
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._kept: dict[int, _Kept] = {}

    def compiled(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Compiled:
        """The statement's text for these parameters.

        An INSERT without `values()` takes its columns from the parameters. A list given for an
        expanding `bindparam` is compiled at each call.
        """
        variant = tuple(params) if params and isinstance(statement, Insert) else None
        kept = self._kept.get(id(statement))
        if kept is not None and kept.statement() is statement:
            known = kept.variants.get(variant)
            if known is not None:
                return known
        return self._compile(statement, params, variant)

    def _compile(
        self,
        statement: ClauseElement,
        params: Mapping[str, Any] | None,
        variant: Arguments | None,
    ) -> Compiled:
        keys = None if variant is None else list(variant)
        try:
            compiled = self._text(statement, keys)
        except InvalidRequestError:
            # A list is among the parameters: its length decides the text.
            return self._text(statement.params(dict(params or {})), keys)
        self._keep(statement, variant, compiled)
        return compiled

    def _text(self, statement: ClauseElement, keys: list[str] | None) -> Compiled:
        compiler = cast(
            "SQLCompiler",
            statement.compile(
                dialect=self._dialect,
                column_keys=keys,
                compile_kwargs={"render_postcompile": True},
            ),
        )
        names = tuple(compiler.positiontup or ())
        required = {name for name, bind in compiler.binds.items() if bind.required}
        literals = {
            name: value
            for name, value in (compiler.params or {}).items()
            if name in names and name not in required
        }
        return Compiled(compiler.string, names, literals, _taker(names))

    def _keep(
        self, statement: ClauseElement, variant: Arguments | None, compiled: Compiled
    ) -> None:
        key = id(statement)
        kept = self._kept.get(key)
        if kept is None or kept.statement() is not statement:
            # The entry goes with its statement, so an id that is used again is never mistaken.
            kept = _Kept(ref(statement, lambda _: self._kept.pop(key, None)), {})
            self._kept[key] = kept
        kept.variants[variant] = compiled


def _taker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Arguments]:
    if not names:
        return _no_arguments
    if len(names) == 1:
        only = names[0]
        return lambda params: (params[only],)
    return itemgetter(*names)
