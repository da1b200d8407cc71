"""Writes the parts of docs/ that the program knows: state tables, paths, reasons, commands."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import orjson
import typer
from fastapi.routing import APIRoute, APIWebSocketRoute

from buildplate import __version__
from buildplate.access.model import Role
from buildplate.api.application import ROUTES, openapi_document
from buildplate.api.guard import is_open, role_needed
from buildplate.api.problems import FAMILIES, INSIDE, OWN, status_of
from buildplate.api.scopes import CHECKS, SORTED_OUT, SORTED_SOCKETS
from buildplate.app.settings import FOR_THE_COMMAND_LINE, Settings, environment_name
from buildplate.cli.main import app as command_line
from buildplate.core.print_table import AFTER_INTENT, TABLE, TERMINAL, Event, PrintState
from buildplate.core.reasons import ACTIONS, DOCUMENTATION, REQUESTS, Reason, UnblockAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
START = PrintState.QUEUED


def _label(events: Iterable[Event]) -> str:
    """Edge labels: Mermaid ends a label at a colon."""
    return " / ".join(event.value.replace(":", " –") for event in events)


def _edges() -> tuple[dict[tuple[str, str], list[Event]], dict[str, list[Event]]]:
    """The edges between two states, and those that leave every state after the intent alike."""
    sources: dict[tuple[Event, PrintState], set[PrintState]] = defaultdict(set)
    for row in TABLE:
        sources[row.event, row.next].add(row.state)
    single: dict[tuple[str, str], list[Event]] = defaultdict(list)
    common: dict[str, list[Event]] = defaultdict(list)
    for (event, to), states in sources.items():
        if states == AFTER_INTENT:
            common[to.value].append(event)
            continue
        for state in PrintState:
            if state in states and state != to:
                single[state.value, to.value].append(event)
    return single, common


def print_diagram() -> str:
    """The life of a print as a Mermaid state diagram."""
    single, common = _edges()
    inside = {s.value for s in AFTER_INTENT}
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {START.value}"]
    lines += [
        f"    {a} --> {b} : {_label(events)}"
        for (a, b), events in single.items()
        if not {a, b} <= inside
    ]
    lines += ['    state "after the intent" as after_intent {']
    lines += [
        f"        {a} --> {b} : {_label(events)}"
        for (a, b), events in single.items()
        if {a, b} <= inside
    ]
    lines += ["    }"]
    lines += [f"    after_intent --> {to} : {_label(events)}" for to, events in common.items()]
    lines += [f"    {s.value} --> [*]" for s in PrintState if s in TERMINAL]
    return "\n".join([*lines, "```"])


def print_table() -> str:
    """Every change of a print's state; what is not listed here raises."""
    grouped: dict[tuple[Event, PrintState], list[str]] = defaultdict(list)
    for row in TABLE:
        grouped[row.event, row.next].append(f"`{row.state.value}`")
    lines = ["| from | what happened | to |", "|---|---|---|"]
    lines += [
        f"| {', '.join(states)} | {event.value} | `{to.value}` |"
        for (event, to), states in grouped.items()
    ]
    return "\n".join(lines)


def _role(route: APIRoute | APIWebSocketRoute) -> str:
    """The role a path needs; the highest one named decides."""
    if is_open(route.path):
        return "–"
    # A websocket names none: the gate lets in whoever is known.
    return (role_needed(route) or Role.VIEWER).value


def api_paths() -> str:
    """Every path with the role it needs and what it does."""
    lines = ["| | path | role | what it does |", "|---|---|---|---|"]
    for route in ROUTES:
        if isinstance(route, APIRoute) and route.include_in_schema:
            does = (route.description or "").partition("\n")[0]
            method = next(iter(route.methods or {"GET"}))
            lines.append(f"| {method} | `{route.path}` | {_role(route)} | {does} |")
    return "\n".join(lines)


def access_table() -> str:
    """Who may call what: for each path and role whether it is let in."""
    lines = [
        "| | path | nobody | viewer | operator | admin | confined to groups |",
        "|---|---|---|---|---|---|---|",
    ]
    for route in ROUTES:
        for method in sorted(getattr(route, "methods", None) or ()) or ["websocket"]:
            if isinstance(route, APIRoute | APIWebSocketRoute):
                cells = " | ".join(_let_in(route, method))
                lines.append(f"| {method} | `{route.path}` | {cells} |")
    return "\n".join(lines)


def _let_in(route: APIRoute | APIWebSocketRoute, method: str) -> list[str]:
    if is_open(route.path):
        return ["yes"] * 5
    needed = _role(route)
    roles = ["yes" if role.covers(Role(needed)) else "–" for role in Role]
    return ["–", *roles, _confined(route, method, needed)]


def _confined(route: APIRoute | APIWebSocketRoute, method: str, needed: str) -> str:
    if needed == Role.ADMIN.value:
        return "–"
    if {field.name for field in route.dependant.path_params} & set(CHECKS):
        return "own"
    if method == "websocket":
        return "own" if route.path in SORTED_SOCKETS else "–"
    return "own" if (method, route.path.rstrip("/")) in SORTED_OUT else "–"


def api_problems() -> str:
    """Every code that a request can meet, with its status and what to do."""
    found: dict[tuple[int, str], Any] = {}
    for kind, status in _problems():
        if "code" in vars(kind) and status not in NOT_FOR_CLIENTS and kind not in INSIDE:
            found[status, kind.code] = kind
    lines = ["| status | code | when | what to do |", "|---|---|---|---|"]
    told = {
        key: ((kind.__doc__ or "").partition("\n")[0], getattr(kind, "hint", AS_SAID))
        for key, kind in found.items()
    }
    told |= {key: (when, AS_SAID) for key, when in OWN.items()}
    lines += [
        f"| {s} | `{code}` | {when} | {hint} |" for (s, code), (when, hint) in sorted(told.items())
    ]
    return "\n".join(lines)


# the server's own mistakes, and what a printer's host answers to the server
NOT_FOR_CLIENTS = {500, 502}
AS_SAID = "The answer says it."


def _problems() -> Iterator[tuple[Any, int]]:
    """Each error class that is raised, with its status: families stand for nothing themselves."""
    for family in FAMILIES:
        pending = list(family.__subclasses__()) or [family]
        while pending:
            kind = pending.pop()
            pending += kind.__subclasses__()
            yield kind, status_of(kind)


def reasons() -> str:
    """Every reason why a print waits."""
    lines = ["| code | meaning |", "|---|---|"]
    lines += [f"| `{reason.value}` | {DOCUMENTATION[reason]} |" for reason in Reason]
    return "\n".join(lines)


def unblocks() -> str:
    """Every action that removes a reason, with its request."""
    lines = ["| action | request |", "|---|---|"]
    for action in UnblockAction:
        request = REQUESTS[action]
        shown = "–" if request is None else f"`{request.method} {request.path}`"
        lines.append(f"| `{action.value}` | {shown} |")
    return "\n".join(lines)


def remedies() -> str:
    """Every reason with what helps against it."""
    lines = ["| code | meaning | what helps |", "|---|---|---|"]
    for reason in Reason:
        helps = ", ".join(
            f"`{action.value}`" for action in UnblockAction if action in ACTIONS[reason]
        )
        lines.append(f"| `{reason.value}` | {DOCUMENTATION[reason]} | {helps} |")
    return "\n".join(lines)


def settings() -> str:
    """Every setting of the server with its default."""
    lines = ["| name | default | what it does |", "|---|---|---|"]
    lines += [
        f"| `{environment_name(name)}` | {_default(name, '`')} | {_about(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(lines)


def _about(field: FieldInfo) -> str:
    """What a setting is for, and the words it takes where these are few."""
    words = [one for one in get_args(field.annotation) if isinstance(one, str)]
    return f"{field.description}: {', '.join(words)}" if words else str(field.description)


def _default(name: str, quote: str = "") -> str:
    """A setting's default as one would write it; an en dash for an empty one on a page."""
    value = Settings.model_fields[name].default
    if value is None:
        value = ""
    if isinstance(value, Path):
        return f"{quote}./{value}{quote}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{quote}{value}{quote}" if value != "" or not quote else "–"


def env_example() -> str:
    """`.env.example`: every setting, commented out, at its default."""
    lines = [
        "# Settings and their defaults. Copy to .env, or set them in the environment.",
        "# An unknown BUILDPLATE_* key is an error that names the nearest known one.",
    ]
    for name, field in Settings.model_fields.items():
        lines += ["", f"# {_about(field)}", f"#{environment_name(name)}={_default(name)}"]
    lines += [
        "",
        "# For the command line only, and only from the environment: see docs/reference/cli.md.",
    ]
    lines += [f"# {name}" for name in sorted(FOR_THE_COMMAND_LINE)]
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Every command with its arguments and options."""
    return "\n\n".join(_commands(typer.main.get_command(command_line), "buildplate"))


def _commands(command: Any, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None or name == "buildplate":
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        shown = " ".join([name, *(f"`{a.metavar or a.name.upper()}`" for a in arguments)])
        about = (command.help or "").strip().replace("\n", " ")
        lines = [f"### {shown}", "", about, *_parameters(command)]
        yield "\n".join(lines)
    for word, below in (inner or {}).items():
        yield from _commands(below, f"{name} {word}")


def _parameters(command: Any) -> list[str]:
    """What `--help` says of each, but for those that every command has."""
    context = typer.Context(command)
    records = [
        one.get_help_record(context)
        for one in command.params
        if "completion" not in one.name and one.name not in {"json", "help"}
    ]
    rows = [f"| `{words.replace('|', BAR)}` | {about} |" for words, about in filter(None, records)]
    return ["", "| | |", "|---|---|", *rows] if rows else []


BAR = "\\|"  # a bar inside a table


def openapi() -> str:
    """The OpenAPI document as it is committed."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS
    return orjson.dumps(openapi_document(__version__), option=options).decode()


# page -> name of the part -> what writes it
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/ARCHITECTURE.md": {"print-diagram": print_diagram, "print-table": print_table},
    "docs/reference/access.md": {"access": access_table},
    "docs/reference/api.md": {
        "paths": api_paths,
        "problems": api_problems,
        "reasons": reasons,
        "unblocks": unblocks,
    },
    "docs/reference/cli.md": {"commands": commands},
    "docs/reference/reasons.md": {"remedies": remedies, "unblocks": unblocks},
    "docs/reference/settings.md": {"settings": settings},
}
# files that are generated as a whole
WHOLE: dict[str, Callable[[], str]] = {
    ".env.example": env_example,
    "docs/reference/openapi.json": openapi,
}


def fill(page: str, name: str, content: str) -> str:
    """The page with the part between its two markers replaced; ValueError when they are missing."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        message = f"the markers of {name} are missing"
        raise ValueError(message)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def stale(*, write: bool) -> list[str]:
    """Names of the pages that differ from what the program says; rewrites them if asked."""
    found = []
    for where in (*PARTS, *WHOLE):
        path = ROOT / where
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = WHOLE[where]() if where in WHOLE else old
        for name, make in PARTS.get(where, {}).items():
            new = fill(new, name, make())
        if new != old:
            found.append(where)
            if write:
                path.write_text(new, encoding="utf-8")
    return found


def main() -> int:
    """Exit code 0 when the pages are (or were made) up to date, 1 when --check finds stale ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    check = parser.parse_args().check
    found = stale(write=not check)
    for where in found:
        print(f"{where} is stale: run `make docs`" if check else f"wrote {where}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
