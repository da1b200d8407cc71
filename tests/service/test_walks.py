"""No statement that a working farm runs all day walks through tables that grow with every print."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from buildplate.storage.sqlite.transaction import SqliteTx
from buildplate.storage.tables import metadata
from tests.service.api.surface import open_surface

WALKED = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
GROW = {
    "audit", "commands", "events", "idempotency", "jobs", "prints", "status_history",
    "temperature_history",
}  # fmt: skip
OF_SOME = {
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}
"""Indexes that hold some rows of their table only."""
READ = (
    "prints?state=needs_attention", "prints?state=queued", "queue", "jobs", "jobs?state=active",
    "jobs?state=queued", "dashboard/stats", "history", "events", "printers", "files",
)  # fmt: skip


async def test_what_a_farm_asks_its_database_all_day_walks_through_no_table_that_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    execute = SqliteTx._execute

    def note(self: SqliteTx, sql: str, arguments: Any) -> sqlite3.Cursor:
        asked.setdefault(sql, arguments)
        return execute(self, sql, arguments)

    monkeypatch.setattr(SqliteTx, "_execute", note)
    async with open_surface(tmp_path, database="") as surface:
        host, print_ = await surface.running()
        for order, state in (("pause", "paused"), ("resume", "printing")):
            await surface.client.post(f"/api/v1/prints/{print_['id']}/{order}")
            await surface.until_print(print_["id"], state=state)
        first, second = await surface.job(), await surface.job()
        wish = {"job_id": second["id"], "before": first["id"]}
        moved = await surface.client.post("/api/v1/queue/reorder", json=wish)
        assert moved.is_success, moved.text
        for path in READ:
            assert (await surface.client.get(f"/api/v1/{path}")).is_success, path
        await host.finish()
        await surface.until_print(print_["id"], state="completed")
    async with open_surface(tmp_path, database=""):
        pass  # what is asked at a start
    assert len(asked) > 60, "the farm did less than it is here to do"
    assert metadata.tables.keys() >= GROW
    walks = _walks(tmp_path, asked)
    assert walks == [], "\n".join(walks)


def _walks(folder: Path, asked: dict[str, Any]) -> list[str]:
    """Which statements look at every row of a large table."""
    found = []
    database = sqlite3.connect(next(folder.rglob("*.db")))
    for sql, arguments in asked.items():
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", arguments)]
        for table, index in (walk.groups() for walk in map(WALKED.match, plan) if walk):
            if table not in GROW or index in OF_SOME or _is_a_page(sql, index, plan):
                continue
            found.append(f"{table} by {index}: {sql}")
    database.close()
    return found


def _is_a_page(sql: str, index: str | None, plan: list[str]) -> bool:
    """So many rows in the order of an index, which ends when it has them."""
    in_order = index is not None and not any("TEMP B-TREE" in step for step in plan)
    return in_order and re.search(r"\bWHERE\b", sql) is None and "LIMIT" in sql
