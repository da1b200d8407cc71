"""Each table has one room that writes it, and events leave through the outbox alone."""

from __future__ import annotations

import ast

from tests.architecture.source import ROOT

OWNER = {
    "api_keys": "access",
    "audit": "access",
    "commands": "fleet",
    "counters": "storage",
    "driver_state": "fleet",
    "events": "storage",
    "farm": "dispatch",
    "floors": "fleet",
    "idempotency": "dispatch",
    "identity": "storage",
    "jobs": "dispatch",
    "nodes": "fleet",
    "outbox": "storage",
    "print_files": "files",
    "printer_groups": "access",
    "printers": "fleet",
    "prints": "dispatch",
    "history_marks": "history",
    "status_history": "history",
    "temperature_history": "history",
    "setup_links": "access",
    "spent_tokens": "access",
    "user_sessions": "access",
    "users": "access",
}
WRITES = {"insert", "update", "delete"}


def tables() -> set[str]:
    text = (ROOT / "src" / "buildplate" / "storage" / "tables.py").read_text(encoding="utf-8")
    return {
        target.id
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if isinstance(node.value.func, ast.Name) and node.value.func.id == "_table"
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def writes() -> set[tuple[str, str]]:
    """(table, room) for each statement that changes a table's rows."""
    found = set()
    package = ROOT / "src" / "buildplate"
    for path in package.rglob("*.py"):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            table = node.args[0]
            name = table.attr if isinstance(table, ast.Attribute) else getattr(table, "id", "")
            if node.func.id in WRITES and name in OWNER:
                found.add((name, path.relative_to(package).parts[0]))
    return found


def test_every_table_has_an_owner() -> None:
    assert tables() == set(OWNER)


def test_only_its_owner_writes_a_table() -> None:
    assert {(table, room) for table, room in writes() if OWNER[table] != room} == set()
    assert {table for table, _ in writes()} >= {"jobs", "prints", "printers", "commands"}
