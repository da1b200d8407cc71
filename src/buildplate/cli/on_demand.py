"""The commands by name, each loaded when it is asked for.

A server lives for months with whatever the command line has loaded before it, and nobody who asks
for one command should wait for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

MODULES = {
    "serve": "serve",
    "status": "farm",
    "temperature": "farm",
    "events": "farm",
    "drivers": "farm",
    "login": "farm",
    "audit": "records",
    "stats": "records",
    "utilization": "records",
    "history": "records",
    "ended": "endings",
    "outcomes": "endings",
    "lateness": "endings",
    "whoami": "records",
    "log-level": "records",
    "doctor": "doctor",
    "backup": "backup",
    "restore": "backup",
    "command": "farm",
    "backups": "backup",
    "printer": "printers",
    "group": "groups",
    "floor": "floors",
    "file": "files",
    "job": "jobs",
    "print": "prints",
    "queue": "queue",
    "key": "keys",
    "key-file": "key_file",
    "user": "user",
    "db": "db",
}
"""The module of this folder whose `add_to` adds a command, in the order of `--help`."""


def commands_of(module: str) -> dict[str, Any]:
    """The commands that a module adds, by name."""
    holder = typer.Typer()
    import_module(f"buildplate.cli.{module}").add_to(holder)
    return dict(typer.main.get_group(holder).commands)


class Commands(MutableMapping[str, Any]):
    """All commands, as typer keeps those of a group; what asks for one loads its module."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded |= commands_of(MODULES[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)

    def __setitem__(self, name: str, command: Any) -> NoReturn:
        raise NotImplementedError(name)

    def __delitem__(self, name: str) -> NoReturn:
        raise NotImplementedError(name)


class OnDemand(TyperGroup):
    """For `Typer(cls=OnDemand)`: the group of all commands."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.commands = Commands()
