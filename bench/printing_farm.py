"""A served farm whose printers all print and speak once a second, and a person who may sign in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.served_farm import Served, add_printers, clear_all_beds, printers, serving
from buildplate_sim.launch import virtual_printers
from buildplate_sim.virtual.farm import TURNS

ADDRESS = "127.0.8.10"
PRINTING_WITHIN_S = 300.0
NAME, PASSWORD = "operator", "a measurement's password"
HEATS = (235, 195)
"""°C; the nozzle is always on its way from one to the other: a card changes every second."""

MOVES, MOVE_S, HEAT_EVERY = 1800, 4, 4
MATERIALS = ("white", "black", "orange", "grey")


@dataclass(frozen=True, slots=True)
class PrintingFarm:
    """The server, and who signs in there."""

    served: Served
    name: str
    password: str


@asynccontextmanager
async def printing_farm(
    home: Path, port: int, count: int, *, turns: int = TURNS
) -> AsyncIterator[PrintingFarm]:
    """`count` virtual printers in real time, each with a print of two hours, all of them begun.

    They speak once a second each, spread over the second in so many `turns`.
    """
    async with virtual_printers(
        home / "printers",
        count=count,
        time_factor=1.0,
        base_address=ADDRESS,
        more=[f"--turns={turns}"],
    ) as simulator:
        described = [_described(nth, one) for nth, one in enumerate(simulator.printers)]
        with serving(home / "farm", port) as served:
            async with served.http() as http:
                await add_printers(http, described)
                await clear_all_beds(http)
                await _order(http, count)
                await _person(http)
                await _all_print(http, count)
            yield PrintingFarm(served, NAME, PASSWORD)


def _described(nth: int, announced: Mapping[str, Any]) -> dict[str, Any]:
    """A printer as people describe theirs: cards show the material, filters the tags."""
    return {
        **announced,
        "tags": ["enclosed" if nth % 2 else "open"],
        "location": f"shelf {nth % 20}",
        "materials": [{"tool": 0, "type": "PLA", "color": MATERIALS[nth % len(MATERIALS)]}],
    }


def _gcode() -> bytes:
    lines = [f"; estimated printing time (normal mode) = {MOVES * MOVE_S}s", "M140 S60", "G28"]
    lines.append("G1 Z0.3 F600")
    for nth in range(MOVES):
        if nth % HEAT_EVERY == 0:
            lines.append(f"M104 S{HEATS[nth // HEAT_EVERY % 2]}")
        lines.append(f"G1 X{120 if nth % 2 else 20} Y20 E{nth} F{100 * 60 // MOVE_S}")
    return "\n".join(lines).encode()


async def _order(http: aiohttp.ClientSession, copies: int) -> None:
    head = {"X-Filename": "bracket.gcode"}
    async with http.post("/api/v1/files", data=_gcode(), headers=head) as answer:
        assert answer.status == 201, await answer.text()
        file_id = (await answer.json())["id"]
    body = {"file_id": file_id, "name": "Bracket", "copies": copies}
    async with http.post("/api/v1/jobs", json=body) as answer:
        assert answer.status == 201, await answer.text()


async def _person(http: aiohttp.ClientSession) -> None:
    body = {"name": NAME, "role": "operator", "password": PASSWORD}
    async with http.post("/api/v1/users", json=body) as answer:
        assert answer.status == 201, await answer.text()


async def _all_print(http: aiohttp.ClientSession, count: int) -> None:
    async with asyncio.timeout(PRINTING_WITHIN_S):
        while sum(one["activity"] == "ours" for one in await printers(http)) < count:
            await asyncio.sleep(1.0)
