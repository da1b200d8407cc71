"""The app: every room's paths behind one gate, every error a problem."""

from __future__ import annotations

from functools import cache
from typing import Any

import uuid_utils
from fastapi import FastAPI
from starlette.routing import BaseRoute

from buildplate.api import (
    audit,
    auth,
    backups,
    commands,
    documents,
    events,
    files,
    floors,
    groups,
    health,
    history,
    jobs,
    keys,
    live,
    metrics,
    printers,
    prints,
    queue,
    settings,
    setup,
    users,
)
from buildplate.api.armour import Armour
from buildplate.api.expectations import Expectations
from buildplate.api.gate import Gate
from buildplate.api.health import Checks
from buildplate.api.plain_looks import PlainLook
from buildplate.api.printer_shelf import PrinterShelf
from buildplate.api.problems import handle_problems
from buildplate.api.rooms import Rooms

ROUTERS = (
    health.router,
    metrics.router,
    printers.router,
    groups.router,
    floors.router,
    files.router,
    jobs.router,
    prints.router,
    queue.router,
    commands.router,
    events.router,
    keys.router,
    backups.router,
    live.router,
    history.router,
    settings.router,
    users.router,
    auth.router,
    audit.router,
    setup.router,
    documents.router,
)
ROUTES: tuple[BaseRoute, ...] = tuple(route for router in ROUTERS for route in router.routes)


class Application(FastAPI):
    """FastAPI with our own document, and no page that loads from elsewhere."""

    def __init__(self, version: str) -> None:
        super().__init__(
            title=documents.TITLE,
            version=version,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
            # Nobody sets a provider for it, and asking at every request whether one is set is not
            # for nothing; what it would pass on, bodies among it, is not for others either.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        # Taken over as they are, where including would have each request go through ten routers.
        # What is asked for most is looked at first: each route that does not match costs 5 µs.
        self.router.routes.extend(sorted(ROUTES, key=lambda one: not isinstance(one, PlainLook)))
        handle_problems(self)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi_document(self.version)


@cache
def openapi_document(version: str) -> dict[str, Any]:
    """The OpenAPI document, made once per process. Takes a second of CPU time on a small box."""
    return documents.document(ROUTES, version)


def create_app(rooms: Rooms) -> FastAPI:
    """The ASGI app over the rooms of a running farm."""
    app = Application(rooms.version)
    app.state.rooms = rooms
    app.state.checks = Checks(rooms)
    app.state.printer_shelf = PrinterShelf()
    app.state.expectations = Expectations(rooms.queue)
    live.keep_live(app, rooms, str(uuid_utils.uuid7()))
    app.add_middleware(Gate, rooms=rooms, new_id=lambda: str(uuid_utils.uuid7()))
    app.add_middleware(Armour, vitals=rooms.vitals)
    return app
