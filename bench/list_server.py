"""The servers of A1: ours, and FastAPI as others use it, over the same 200 printers.

`python -m bench.list_server ours|restless FOLDER` serves, and writes its port and keys to FOLDER;
`restless` has every printer change before every request. `python -m bench.list_server
pydantic|orjson|bare FOLDER` serves the list found there, with no credential, limit or log.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import Response

from buildplate.access.model import Role
from buildplate.api import create_app
from buildplate.api.printer_views import PrinterPage
from buildplate.app.composition import Farm, open_farm
from buildplate.app.logs import set_up_logs
from buildplate.app.serve import http_server, rooms_of
from buildplate.app.settings import Settings
from buildplate.core.materials import LoadedMaterial
from buildplate.core.printers import Activity, Link, PrinterModel, PrinterSpec, Volume
from buildplate.drivers.sdk import DriverTimings, Manifest
from buildplate.fleet.service import NewPrinter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

PRINTERS, KEYS = 200, 8
READY = "ready to be asked"


def main(kind: str, folder: Path) -> None:
    """Serve until ended."""
    set_up_logs("info")
    if kind in PEERS:
        app = PEERS[kind](folder)
        config = uvicorn.Config(app, loop="none", http="httptools", access_log=False, port=0)
        uvloop.run(_serve(uvicorn.Server(config), folder / kind))
    else:
        uvloop.run(_ours(folder / kind, restless=kind == "restless"))


async def _serve(server: uvicorn.Server, folder: Path, keys: Sequence[str] = ()) -> None:
    """Serve, and write where, and with which keys."""
    server.config.port = 0
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        (folder / "at").write_text("\n".join([str(port), *keys]))
        print(READY, flush=True)


# --- the peers -----------------------------------------------------------------------------------


def _pydantic(folder: Path) -> FastAPI:
    """A model for answers, and the objects of it in memory."""
    app, kept = FastAPI(), PrinterPage.model_validate_json((folder / "list.json").read_bytes())

    @app.get("/api/v1/printers")
    async def printers() -> PrinterPage:
        return kept

    return app


def _orjson(folder: Path) -> FastAPI:
    """Plain values in memory, and orjson."""
    app, kept = FastAPI(), orjson.loads((folder / "list.json").read_bytes())

    @app.get("/api/v1/printers")
    async def printers() -> Response:
        return Response(orjson.dumps(kept), media_type="application/json")

    return app


def _bare(folder: Path) -> ASGIApp:
    """No framework: ready bytes, for whatever is asked."""
    body = (folder / "list.json").read_bytes()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


PEERS: Mapping[str, Callable[[Path], ASGIApp]] = {
    "pydantic": _pydantic,
    "orjson": _orjson,
    "bare": _bare,
}


# --- ours ----------------------------------------------------------------------------------------


async def _ours(folder: Path, *, restless: bool) -> None:
    settings = Settings(data_dir=folder / "data", _env_file=None)
    async with open_farm(settings, {"silent": _silent()}) as farm:
        await _add_printers(farm)
        keys = [await farm.keys.create(f"screen {n}", Role.VIEWER) for n in range(KEYS)]
        app: ASGIApp = create_app(rooms_of(farm, settings))
        server = http_server(_Restless(app, farm) if restless else app, settings)
        await _serve(server, folder, [key.secret for key in keys])


class _Restless:
    """Lets every printer change before every request: no answer has anything in common."""

    def __init__(self, app: ASGIApp, farm: Farm) -> None:
        self._app, self._farm, self._turn = app, farm, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._turn += 1
        for session in self._farm.fleet.sessions.values():
            session.live.hint = f"look at turn {self._turn}"
            self._farm.watchers.tell(session.id)
        await self._app(scope, receive, send)


def _silent() -> Manifest:
    """A driver that is never connected: what the printers do is made up here."""

    def make(_connection: Mapping[str, Any], _timings: DriverTimings) -> Any:
        return SimpleNamespace()

    return Manifest(
        name="silent", title="Silent", description="says nothing", connection_schema={}, make=make
    )


async def _add_printers(farm: Farm) -> None:
    """Described as people describe theirs; half of them have their link, and something to say."""
    model = PrinterModel("Simulated", Volume(250, 250, 250), (0.4,), 300, 110)
    for number in range(PRINTERS):
        spec = PrinterSpec(
            "",
            0,
            f"printer {number}",
            model,
            materials=(LoadedMaterial(0, "PLA", "black"),),
            tags=frozenset({"enclosed"}),
            location=f"shelf {number % 20}",
            enabled=False,
        )
        await farm.fleet.add(NewPrinter(spec, "silent", {"url": f"http://10.0.0.{number}/"}))
    for session in list(farm.fleet.sessions.values())[::2]:
        session.live.link, session.live.activity = Link.ONLINE, Activity.IDLE


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
