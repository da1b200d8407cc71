"""A whole farm and its HTTP surface in this process: real rooms and SQLite, printers on paper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from buildplate.access.model import Role
from buildplate.api import Rooms, create_app
from buildplate.api.rooms import Limits
from buildplate.app.composition import Farm, Outside, open_farm
from buildplate.app.serve import http_server
from buildplate.app.settings import Settings
from buildplate.drivers.sdk import Manifest
from tests import postgres
from tests.service.api.answers import CheckedTransport
from tests.service.api.paper import KEY, PaperHost, paper_manifest

FASTER = 50.0
SOON = 10.0
BUSY_MINUTE = 10_000
"""Tests try more in a minute than people do."""
GCODE = b"; a very small print\nG28\nG1 X10 Y10 Z0.2 F1000\nG1 X20 Y20 E2\nM104 S0\n"
VOLUME = {"x": 200, "y": 200, "z": 200}


@dataclass(slots=True)
class Surface:
    """A running farm, its app, and whoever calls it."""

    farm: Farm
    app: FastAPI
    floor: dict[str, PaperHost]
    secret: str
    client: httpx.AsyncClient

    async def caller(self, role: Role) -> httpx.AsyncClient:
        """Somebody with a fresh key of this role."""
        made = await self.farm.keys.create(f"a {role}", role)
        return self.with_key(made.secret)

    def with_key(self, secret: str | None) -> httpx.AsyncClient:
        headers = {} if secret is None else {"x-api-key": secret}
        transport = CheckedTransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://farm", headers=headers)

    async def printer(self, name: str = "Left", **more: Any) -> dict[str, Any]:
        """Add a printer on paper with a clear bed, and wait until it is ready for work."""
        body = {
            "name": name,
            "driver": "paper",
            "connection": {"host": name, "api_key": KEY},
            "model": {"name": "Paper 200", "build_volume": VOLUME, "nozzles_mm": [0.4]},
        } | more
        answer = await self.client.post("/api/v1/printers", json=body)
        assert answer.status_code == 201, answer.text
        added = answer.json()
        await self.until(added["id"], link="online")
        await self.clear(added["id"])
        return await self.until(added["id"], bed="clear")

    async def clear(self, printer: str | int) -> httpx.Response:
        seen = (await self.client.get(f"/api/v1/printers/{printer}")).json()
        body = {"bed_version": seen["bed_version"]}
        return await self.client.post(f"/api/v1/printers/{printer}/clear-bed", json=body)

    async def until(self, printer: str | int, **wanted: Any) -> dict[str, Any]:
        """The printer once it is as wanted."""
        return await self.poll(f"/api/v1/printers/{printer}", lambda seen: _has(seen, wanted))

    async def until_print(self, print_: str | int, **wanted: Any) -> dict[str, Any]:
        """The print once it is as wanted."""
        return await self.poll(f"/api/v1/prints/{print_}", lambda seen: _has(seen, wanted))

    async def poll(self, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        try:
            async with asyncio.timeout(SOON):
                while True:
                    seen = (await self.client.get(path)).json()
                    if holds(seen):
                        return seen
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(seen) from None

    async def file(self, content: bytes = GCODE, name: str = "cube.gcode") -> dict[str, Any]:
        """Upload a file."""
        answer = await self.client.post(
            "/api/v1/files", content=content, headers={"x-filename": name}
        )
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def job(self, **more: Any) -> dict[str, Any]:
        """Order a small print."""
        body = {"file_id": (await self.file())["id"]} | more
        answer = await self.client.post("/api/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def prints(self, job: str) -> list[dict[str, Any]]:
        """A job's prints, oldest first."""
        status = (await self.client.get(f"/api/v1/jobs/{job}/status")).json()
        found: list[dict[str, Any]] = status["prints"]
        return found

    async def running(self, name: str = "Left") -> tuple[PaperHost, dict[str, Any]]:
        """A printer that prints a copy of a fresh job: its host, and the print."""
        if name not in self.floor:
            await self.printer(name)
        job = await self.job(name=f"for {name}")
        (queued,) = await self.prints(job["id"])
        print_ = await self.until_print(queued["id"], state="printing")
        # What the farm has in mind of a printer follows the commit that this was read from.
        await self.until(print_["printer_id"], print_id=print_["id"], activity="ours")
        return self.floor[name], print_


def _has(seen: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(seen.get(name) == value for name, value in wanted.items())


@asynccontextmanager
async def open_surface(
    folder: Path,
    *,
    limits: Limits | None = None,
    factor: float = FASTER,
    floor: dict[str, PaperHost] | None = None,
    database: str | None = None,
    outside: Outside | None = None,
    drivers: Mapping[str, Manifest] | None = None,
    **more: Any,
) -> AsyncIterator[Surface]:
    """A farm over `folder`, with its first key; `floor` is what stood there before.

    `database` is a URL; without one it is SQLite, or as `tests.postgres` was told to choose.
    `drivers` are others than that of paper; `more` are settings. Nobody is listened to in the
    network, unless `outside` says otherwise.
    """
    floor = {} if floor is None else floor
    settings = Settings(
        data_dir=folder,
        time_factor=factor,
        database_url=postgres.chosen(folder) if database is None else database,
        failures_per_minute=BUSY_MINUTE,
        logins_per_minute=BUSY_MINUTE,
        _env_file=None,
        **{"mdns": "none"} | more,
    )
    manifests = {"paper": paper_manifest(floor), **(drivers or {})}
    async with open_farm(settings, manifests, outside) as farm:
        first = await farm.keys.first()
        made = first or await farm.keys.create("again", Role.ADMIN)
        app = create_app(
            Rooms(
                fleet=farm.fleet,
                watchers=farm.watchers,
                discovery=farm.discovery,
                floors=farm.floors,
                commands=farm.commands,
                controls=farm.controls,
                jobs=farm.jobs,
                prints=farm.prints,
                queue=farm.queue,
                files=farm.files,
                uploads=farm.uploads,
                history=farm.history,
                backups=farm.backups,
                keys=farm.keys,
                access=farm.access,
                storage=farm.storage,
                bus=farm.bus,
                clock=farm.clock,
                limits=limits or Limits(),
                file_deleted=farm.joined_files.forget,
                vitals=farm.vitals,
            )
        )
        farm.supervisor.start("live", app.state.live.run)
        surface = Surface(farm, app, floor, made.secret, None)  # type: ignore[arg-type]
        async with surface.with_key(made.secret) as client:
            surface.client = client
            yield surface


@asynccontextmanager
async def listening(surface: Surface, settings: Settings | None = None) -> AsyncIterator[int]:
    """The app on a socket, with the server's own configuration; its port."""
    server = http_server(surface.app, settings)
    server.config.host, server.config.port = "127.0.0.1", 0
    serving = asyncio.get_running_loop().create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await serving
