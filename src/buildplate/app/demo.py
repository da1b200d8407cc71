"""The demo: a fleet of virtual printers found by entry point, and a few orders to watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import structlog

from buildplate.app.composition import Farm
from buildplate.app.settings import SettingsError
from buildplate.core.jobs import Priority
from buildplate.core.materials import LoadedMaterial
from buildplate.core.printers import BedClearing, BedPolicy, Link, PrinterSpec
from buildplate.dispatch.model import NewJob
from buildplate.dispatch.repository import Key
from buildplate.fleet.errors import FleetError
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.repository import model_from
from buildplate.fleet.service import NewPrinter
from buildplate.fleet.session import PrinterSession

GROUP = "buildplate.demo"
PIECE = 1 << 20
ORDERS = 4
PATIENCE_S = 15.0
LOOK_AGAIN_S = 0.02
_LOG = structlog.get_logger("demo")


class DemoFleet(Protocol):
    """What a demo brings: printers in the shape of the API's printer body, and G-code files."""

    @property
    def printers(self) -> Sequence[Mapping[str, Any]]:
        """The printers."""

    @property
    def files(self) -> Sequence[Path]:
        """The files."""


class StartDemo(Protocol):
    """An entry point of the group `buildplate.demo`."""

    def __call__(self, state_dir: Path, count: int) -> AbstractAsyncContextManager[DemoFleet]:
        """Run the demo's printers for as long as the block runs."""


def demo_fleet(data_dir: Path, count: int) -> AbstractAsyncContextManager[DemoFleet]:
    """Run the demo's printers beside the farm; SettingsError where none are installed."""
    return _start()(data_dir / "demo", count)


async def furnish(farm: Farm, fleet: DemoFleet) -> None:
    """Add the demo's printers and orders to a farm that does not have them yet."""
    fresh = [record for body in fleet.printers if (record := await _add(farm, body))]
    jobs, _ = await farm.jobs.jobs(ORDERS, None, {})
    if len(jobs) < ORDERS:
        await _order(farm, fleet.files)
    async with asyncio.TaskGroup() as tasks:  # all orders are there when the first bed is clear
        for record in fresh:
            tasks.create_task(_clear(farm, record))


def _start() -> StartDemo:
    for entry in entry_points(group=GROUP):
        start: StartDemo = entry.load()
        return start
    message = "the simulators are not installed, so there is no demo"
    raise SettingsError(message)


async def _add(farm: Farm, body: Mapping[str, Any]) -> PrinterRecord | None:
    """Add a printer, or find it again; what was added now."""
    spec = _spec(body)
    known = {session.record.spec.name: session.record for session in farm.fleet.sessions.values()}
    record = known.get(spec.name)
    if record is None:
        return await farm.fleet.add(NewPrinter(spec, body["driver"], body["connection"]))
    if dict(record.connection) != dict(body["connection"]):
        await farm.fleet.edit(record.id, record.spec, body["connection"], record.version)
    return None


async def _seen(session: PrinterSession) -> None:
    while True:
        if session.live.link is Link.ONLINE:
            return
        await asyncio.sleep(LOOK_AGAIN_S)


async def _clear(farm: Farm, record: PrinterRecord) -> None:
    """A new virtual printer has nothing on its bed: the demo's own person looks and says so."""
    session = farm.fleet.session(record.id)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _seen(session)
        await farm.fleet.clear_bed(record.id, session.record.bed_version)
    except (TimeoutError, FleetError) as error:
        why = str(error) or "it was not seen in time"
        _LOG.warning("demo.bed", action="clear_bed", printer_id=record.id, error=why)


def _spec(body: Mapping[str, Any]) -> PrinterSpec:
    return PrinterSpec(
        id="",
        number=0,
        name=body["name"],
        model=model_from(body["model"]),
        materials=tuple(LoadedMaterial(**material) for material in body.get("materials", ())),
        tags=frozenset(body.get("tags", ())),
        location=body.get("location"),
        bed_policy=BedPolicy(BedClearing(body.get("bed_policy", {}).get("clear", "manual"))),
    )


async def _order(farm: Farm, files: Sequence[Path]) -> None:
    """A few orders with priorities and due times; those that are there already stay as they are."""
    now = farm.clock.now()
    wishes = [
        NewJob("", copies=4, priority=Priority.NORMAL, due=now + timedelta(hours=2)),
        NewJob("", copies=3, priority=Priority.HIGH, due=now + timedelta(hours=1)),
        NewJob("", copies=1, priority=Priority.URGENT, due=now + timedelta(minutes=20)),
        NewJob("", copies=2, priority=Priority.LOW),
    ]
    for index, path in enumerate(files):
        stored = await farm.files.receive(_pieces(path), path.name)
        for wish in wishes[index :: len(files)]:
            order = replace(wish, file_id=stored.file.id, origin="demo")
            await farm.jobs.receive(order, Key(f"demo-{wish.priority}", "demo", "demo"))


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
