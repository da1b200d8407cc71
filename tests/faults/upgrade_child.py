"""Upgrades a database again and again, each time killed after one statement more than before.

    python -m tests.faults.upgrade_child DATABASE…

Each DATABASE is a file, or one URL of a server's database for all tries. The children are forks of
one process, so that Alembic is loaded once. Prints after how many statements each try was killed,
and at last `done` where one came to its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from alembic import command  # noqa: F401 (loaded before the forks)
from sqlalchemy import event
from sqlalchemy.engine import Engine

from buildplate.storage import SqliteConfig, SqliteStorage
from buildplate.storage.postgres.address import is_postgres
from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage
from tests import postgres


def kill_after(statements: int) -> None:
    """Have this process killed once so many statements of the upgrade were executed."""
    left = statements

    def executed(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", executed)


async def _open(database: str) -> None:
    if is_postgres(database):
        storage: Any = PostgresStorage(PostgresConfig(database))
    else:
        storage = SqliteStorage(SqliteConfig(Path(database)))
    await storage.open()
    await storage.close()


def tried(database: str, statements: int) -> bool:
    """Whether an upgrade that dies after so many statements came to its end before."""
    child = os.fork()
    if child == 0:
        kill_after(statements)
        asyncio.run(_open(database))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert os.waitstatus_to_exitcode(status) == 0, status
    return True


def state(url: str) -> str:
    """The schema that a server's database has, and how many relations and columns."""
    counted = (
        "SELECT (SELECT version_num FROM alembic_version) || ':' || count(DISTINCT c.oid) || ':'"
        " || count(*) AS state FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped"
    )
    return str(postgres.say(url, counted)[0]["state"])


def main(databases: list[str]) -> int:
    """Try until one comes to its end, each file once, a server's database for ever."""
    places = databases if len(databases) > 1 else databases * 1000
    for statements, database in enumerate(places, start=1):
        if tried(database, statements):
            print("done", flush=True)
            return 0
        after = f":{state(database)}" if is_postgres(database) else ""
        print(f"{statements}{after}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
