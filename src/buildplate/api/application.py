"""The app: every room's paths behind one gate, every error a problem."""

from __future__ import annotations

from functools import cache
from typing import Any

import uuid_utils
from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from buildplate.api import (
    audit,
    auth,
    backups,
    commands,
    controls,
    documents,
    endings,
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
    sessions,
    settings,
    setup,
    uploads,
    users,
)
from buildplate.api.armour import Armour
from buildplate.api.expectations import Expectations
from buildplate.api.gate import Gate
from buildplate.api.health import Checks
from buildplate.api.method_override import MethodOverride
from buildplate.api.plain_looks import PlainLook
from buildplate.api.printer_shelf import PrinterShelf
from buildplate.api.problems import handle_problems
from buildplate.api.rooms import Rooms
from buildplate.api.web_files import WebFiles
from buildplate.api.web_pages import WebPages

ROUTERS = (
    health.router,
    metrics.router,
    printers.router,
    groups.router,
    floors.router,
    files.router,
    uploads.router,
    jobs.router,
    prints.router,
    queue.router,
    commands.router,
    controls.router,
    events.router,
    keys.router,
    backups.router,
    live.router,
    history.router,
    endings.router,
    settings.router,
    users.router,
    auth.router,
    sessions.router,
    audit.router,
    setup.router,
    documents.router,
)
ROUTES: tuple[BaseRoute, ...] = tuple(route for router in ROUTERS for route in router.routes)
LOOKS = {route.path: route for route in ROUTES if isinstance(route, PlainLook)}


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
        self.look: ASGIApp = super().__call__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: a plain look on its short way, all others on FastAPI's."""
        if scope["type"] == "http" and _is_plain(scope):
            scope["app"] = self
            await self.look(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi_document(self.version)


def _is_plain(scope: Scope) -> bool:
    return scope["path"] in LOOKS and scope["method"] == "GET" and not scope["query_string"]


async def _look(scope: Scope, receive: Receive, send: Send) -> None:
    route = LOOKS[scope["path"]]
    scope.update(route=route, endpoint=route.endpoint, path_params={})
    await route.app(scope, receive, send)


@cache
def openapi_document(version: str) -> dict[str, Any]:
    """The OpenAPI document, made once per process. Takes a second of CPU time on a small box."""
    return documents.document(ROUTES, version)


def create_app(rooms: Rooms, web: WebFiles | None = None) -> FastAPI:
    """The ASGI app over the rooms of a running farm; `web` is the web UI it shows, if any."""
    app = Application(rooms.version)
    app.state.rooms = rooms
    app.state.checks = Checks(rooms)
    app.state.printer_shelf = PrinterShelf()
    app.state.expectations = Expectations(rooms.queue)
    live.keep_live(app, rooms, str(uuid_utils.uuid7()))

    def guarded(inner: ASGIApp) -> ASGIApp:
        return Gate(inner, rooms, lambda: str(uuid_utils.uuid7()))

    def outer(inner: ASGIApp) -> ASGIApp:
        gate = MethodOverride(guarded(inner))
        return Armour(gate if web is None else WebPages(gate, web), rooms.vitals)

    app.add_middleware(outer)
    # Past FastAPI's own layers and its router: 0.05 of the 0.3 ms that a list of 200 printers took.
    app.look = Armour(guarded(_look), rooms.vitals)
    return app
