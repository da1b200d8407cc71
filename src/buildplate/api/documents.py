"""The API's own documentation: the OpenAPI document, and a page for it that needs no internet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response
from starlette.routing import BaseRoute

from buildplate.api.guard import SCHEMES, is_open
from buildplate.api.problems import PROBLEM_JSON, Problem, Refusal

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
    "favicon.png": "image/png",
}
# The page's own script is inline; nothing may be fetched from anywhere else.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; font-src 'self' data:"
)


@router.get("/docs")
async def docs() -> Response:
    """Show the API to people, so that they can try it."""
    html = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{TITLE} API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
    html.headers["content-security-policy"] = POLICY
    return html


@router.get("/docs/{asset}")
async def docs_asset(asset: str) -> Response:
    """A part of that page; fastapi-offline carries Swagger UI."""
    if asset not in ASSETS:
        message = f"there is no {asset} here"
        raise Refusal(404, "not_found", message, "See /docs for every path.")
    content = (files("fastapi_offline") / "static" / asset).read_bytes()
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
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, methods in found["paths"].items():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "A problem", "content": content}
            if not is_open(path):
                operation["security"] = needed
    return found
