"""The register of transaction scripts: every durable step of the program has a name."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from buildplate.storage.errors import AmbiguousScript, UnregisteredScript

_Script = TypeVar("_Script", bound=Callable[..., Awaitable[Any]])

SCRIPTS: dict[str, Callable[..., Awaitable[Any]]] = {}
"""All scripts that may write, by name; the kill sweep takes its kill points from here."""

_NAMES: dict[Callable[..., Awaitable[Any]], str] = {}


def script(function: _Script) -> _Script:
    """Register a transaction script under `<room>.<module>.<function>`; returns it unchanged.

    A script is `async def f(tx, ...)`, awaits nothing but its `tx` and other scripts with the
    same `tx`, and decides from its arguments and what it reads: no clock, no ids of its own.
    Raises `AmbiguousScript` if a function elsewhere has the name.
    """
    name = f"{function.__module__.removeprefix('buildplate.')}.{function.__qualname__}"
    known = SCRIPTS.get(name)
    if known is not None and known.__code__.co_filename != function.__code__.co_filename:
        raise AmbiguousScript(name)
    SCRIPTS[name] = function
    _NAMES[function] = name
    return function


_ONE_STATEMENT: set[Callable[..., Awaitable[Any]]] = set()


def one_statement(function: _Script) -> _Script:
    """Mark a script that runs exactly one statement, whatever it finds; returns it unchanged.

    On PostgreSQL such a script needs no BEGIN and no COMMIT: its statement is the transaction,
    or, with `Tx.compare_and_set`, part of one that it shares with those that wait with it. So it
    raises only where the statement changed nothing, and a second statement is refused with
    `ScriptError`. Should the connection break meanwhile, its caller hears `OutcomeUnknown`.
    """
    _ONE_STATEMENT.add(function)
    return function


def is_one_statement(function: Callable[..., Awaitable[Any]]) -> bool:
    """Whether the script is marked with `one_statement`."""
    return function in _ONE_STATEMENT


def name_of(function: Callable[..., Awaitable[Any]]) -> str:
    """The script's registered name. Raises `UnregisteredScript`."""
    name = _NAMES.get(function)
    if name is None:
        raise UnregisteredScript(function)
    return name
