"""A farm that listens, with real data and a key for each kind of caller, until its input ends.

Prints one line of JSON: where it listens, and the keys. `--database` is a URL, for another one
than SQLite; `--mischief` breaks promises, to see that it is noticed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from buildplate.access.model import Role
from buildplate.app.logs import set_up_logs
from tests.schema.mischief import break_promises
from tests.service.api.surface import Surface, listening, open_surface

OURS = "ours"
KEEPER = "keeper"
A_LOT = 100_000_000
"""Schemathesis asks more in a minute than a farm's clients do together."""


async def keys(surface: Surface) -> dict[str, str]:
    """A key for each caller that is tried; whoever keeps the farm filled has one of its own."""
    made = {"keeper": (await surface.farm.keys.create(KEEPER, Role.ADMIN)).secret}
    for role in Role:
        made[role.value] = (await surface.farm.keys.create(f"{KEEPER} {role}", role)).secret
    groups = frozenset({OURS})
    confined = await surface.farm.keys.create(f"{KEEPER} x", Role.OPERATOR, None, groups)
    return made | {"confined": confined.secret}


async def serve(folder: Path, database: str | None, *, mischief: bool) -> None:
    """Listen until standard input ends."""
    more: dict[str, Any] = {"requests_per_minute": A_LOT, "open_requests_per_minute": A_LOT}
    async with open_surface(folder, database=database, **more) as surface:
        if mischief:
            break_promises(surface.app)
        async with listening(surface) as port:
            line = {"url": f"http://127.0.0.1:{port}", "keys": await keys(surface)}
            print(json.dumps(line), flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database")
    parser.add_argument("--mischief", action="store_true")
    said = parser.parse_args()
    set_up_logs("error", pretty=False)
    asyncio.run(serve(said.folder, said.database, mischief=said.mischief))
