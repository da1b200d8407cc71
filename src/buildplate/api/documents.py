"""The API's own documentation: the OpenAPI document, and two pages for it that need no internet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response
from starlette.routing import BaseRoute

from buildplate.api.guard import SCHEMES, is_open
from buildplate.api.illustrations import illustrate, operations
from buildplate.api.problems import Problem, Refusal
from buildplate.api.refusals import refuse, responses

router = APIRouter(include_in_schema=False)
TITLE = "Buildplate"
ABOUT = """One open control plane for every 3D printer on the floor.

Ids are UUIDv7; jobs, prints and printers also have a short `number`, which every path takes as
well. Times are RFC 3339 UTC, temperatures °C, lengths mm, durations s, sizes bytes, progress 0
to 1. Errors are problems (RFC 9457) with a stable `code` and a `hint` that says what to do.
"""
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}
LOGO = (b"https://cdn.redoc.ly/redoc/logo-mini.svg", b"/docs/favicon.png")
"""The one picture that Redoc would load from elsewhere."""
# No script but the files beside the page, and nothing from anywhere else. Both viewers write
# styles into elements, and Redoc searches in a worker that it makes of its own script.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/docs/favicon.png">
{style}</head>
<body>
<div id="page"></div>
<script src="/docs/{viewer}"></script>
<script src="/docs/{start}"></script>
</body>
</html>
"""
STARTS = {
    "try.js": "SwaggerUIBundle({url: '/openapi.json', dom_id: '#page', deepLinking: true,"
    " validatorUrl: null});\n",
    "read.js": "Redoc.init('/openapi.json', {disableGoogleFont: true, hideLoading: true},"
    " document.getElementById('page'));\n",
}


def _page(viewer: str, start: str, style: str = "") -> Response:
    html = PAGE.format(title=f"{TITLE} API", viewer=viewer, start=start, style=style)
    headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
    return Response(html, media_type="text/html", headers=headers)


@router.get("/docs/")
@router.get("/docs")
async def docs() -> Response:
    """Show the API to people, so that they can try it."""
    style = '<link rel="stylesheet" href="/docs/swagger-ui.css">\n'
    return _page("swagger-ui-bundle.js", "try.js", style)


@router.get("/redoc/")
@router.get("/redoc")
async def redoc() -> Response:
    """Show the API to people, to be read."""
    return _page("redoc.standalone.js", "read.js")


@router.get("/docs/{asset}")
async def docs_asset(asset: str) -> Response:
    """A part of these pages; fastapi-offline carries Swagger UI and Redoc."""
    if asset in STARTS:
        return Response(STARTS[asset], media_type="text/javascript")
    if asset not in ASSETS:
        message = f"there is no {asset} here"
        raise Refusal(404, "not_found", message, "See /docs for every path.")
    content = (files("fastapi_offline") / "static" / asset).read_bytes().replace(*LOGO)
    headers = {"cache-control": "public, max-age=86400"}
    return Response(content, media_type=ASSETS[asset], headers=headers)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The API for programs."""
    app: FastAPI = request.app
    found = await asyncio.to_thread(app.openapi)
    return Response(orjson.dumps(found), media_type="application/json")


def document(routes: Sequence[BaseRoute], version: str) -> dict[str, Any]:
    """The OpenAPI document: every path with its problems, and keys on all but the open ones."""
    found: dict[str, Any] = get_openapi(
        title=TITLE, version=version, description=ABOUT, routes=routes
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    inner = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(inner.pop("$defs", {}))
    schemas["Problem"] = inner
    components["securitySchemes"] = {
        scheme.scheme_name: scheme.model.model_dump(mode="json", by_alias=True, exclude_none=True)
        for scheme in SCHEMES
    }
    needed: list[dict[str, list[str]]] = [{scheme.scheme_name: []} for scheme in SCHEMES]
    components["responses"] = responses()
    for path, method, operation in operations(found):
        refuse(path, method, operation, is_open=is_open(path))
        if not is_open(path):
            operation["security"] = needed
    illustrate(found)
    return found
