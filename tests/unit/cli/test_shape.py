"""Every command answers as JSON where asked, and says what it is for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import typer

from buildplate.cli.main import app

WITHOUT_JSON = {"serve"}


def commands(group: typer.Typer) -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield command.name or command.callback.__name__, command.callback
    for below in group.registered_groups:
        assert below.typer_instance is not None
        for name, callback in commands(below.typer_instance):
            yield f"{below.name} {name}", callback


def test_every_command_answers_as_json_where_asked() -> None:
    found = dict(commands(app))
    assert len(found) > 40
    silent = {
        name for name, call in found.items() if "json" not in inspect.signature(call).parameters
    }
    assert silent == WITHOUT_JSON


def test_every_command_says_what_it_is_for() -> None:
    assert [name for name, call in commands(app) if not inspect.getdoc(call)] == []
