"""The demo fleet: a process of virtual printers, described as a farm would describe them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildplate_sim.launch import virtual_printers
from buildplate_sim.samples import write_samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TIME_FACTOR = 60.0
ADDRESS = "127.0.0.50"

_NAMES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Larch")
_COLOURS = ("white", "black", "orange", "grey")


@dataclass(frozen=True, slots=True)
class DemoFleet:
    """What the demo adds to a farm: printers in the shape of the API's printer body, and files."""

    printers: tuple[dict[str, Any], ...]
    files: tuple[Path, ...]


@asynccontextmanager
async def start(state_dir: Path, count: int) -> AsyncIterator[DemoFleet]:
    """Run the virtual printers for as long as the block runs; they keep their state and ports."""
    async with virtual_printers(
        state_dir / "printers", count=count, time_factor=TIME_FACTOR, base_address=ADDRESS
    ) as simulator:
        printers = tuple(
            _described(index, announced) for index, announced in enumerate(simulator.printers)
        )
        yield DemoFleet(
            printers, tuple(await asyncio.to_thread(write_samples, state_dir / "files"))
        )


def _described(index: int, announced: dict[str, Any]) -> dict[str, Any]:
    """One printer; every third one clears its own bed, as belt printers do."""
    name = _NAMES[index % len(_NAMES)] + ("" if index < len(_NAMES) else f" {index}")
    large = index % 2 == 1
    side = 300 if large else 200
    return {
        "name": name,
        "driver": announced["driver"],
        "connection": announced["connection"],
        "model": {
            "name": "Virtual 300" if large else "Virtual 200",
            "build_volume": {"x": side, "y": side, "z": side},
            "nozzles_mm": [0.4],
            "max_nozzle_c": 300,
            "max_bed_c": 110,
        },
        "materials": [{"tool": 0, "type": "PLA", "color": _COLOURS[index % len(_COLOURS)]}],
        "tags": ["demo"],
        "location": "Demo shelf",
        "bed_policy": {"clear": "automatic" if (index + 1) % 3 == 0 else "manual"},
    }
