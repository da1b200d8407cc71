"""Answers the web UI's own files and addresses, before the gate: they say nothing of the farm.

An address of the UI (`/queue`, `/printers/3`) is answered with its one page, whose script shows the
rest; what the script then asks for passes the gate as any other request does.
"""

from __future__ import annotations

import asyncio

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from buildplate.api.problems import problem
from buildplate.api.web_files import INDEX, WebFile, WebFiles, chosen, matches

OTHERS = frozenset(
    {
        "api",
        "docs",
        "health",
        "machine",
        "media",
        "metrics",
        "octoprint",
        "openapi.json",
        "ops",
        "redoc",
        "ws",
    }
)
"""First parts of paths that are never pages of the UI."""

LOOKS = frozenset({"GET", "HEAD"})
# Everything comes from this server; nothing is written into the page. The UI's components set
# styles by script (CSSOM), which a policy without 'unsafe-inline' lets be.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
# The set-up link carries its token in the address, which goes to nobody else: same-origin only.
PAGE_HEADERS = {"content-security-policy": POLICY, "referrer-policy": "same-origin"}
# A worker has the policy of its own script: the layer viewer's fetches files, and nothing else.
SCRIPT_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
FOR_EVER = "public, max-age=31536000, immutable"
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Buildplate</title>
<h1>Buildplate runs, its web UI is not built</h1>
<p>In the folder of its source, say <code>make web</code> and start the server again.</p>
<p>Everything else works: <a href="/docs">the API and its documentation</a>, and the command
<code>buildplate</code>.</p>
</html>
"""
NOT_BUILT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


class WebPages:
    """ASGI middleware: what is the UI's is answered here, all else goes on."""

    def __init__(self, app: ASGIApp, files: WebFiles) -> None:
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page or a file of the UI, or pass the request on."""
        if scope["type"] != "http" or scope["method"] not in LOOKS:
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        found = self._found(path)
        if found is not None:
            answer = await _answer(scope, found)
        elif path == "/":
            headers = {"content-security-policy": NOT_BUILT_POLICY, "cache-control": "no-cache"}
            answer = HTMLResponse(NOT_BUILT, headers=headers)
        elif path.startswith("/assets/") and self._files.built:
            hint = "The web UI was renewed: load its page again."
            answer = problem(404, "not_found", "the web UI has no such file", hint)
        else:
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)

    def _found(self, path: str) -> WebFile | None:
        if path != INDEX and is_page(path):
            return self._files.get(INDEX)
        return self._files.get(path)


def is_page(path: str) -> bool:
    """Whether a path is an address of the UI: one without an extension, and nobody else's."""
    before, *parts = path.split("/")
    if before or not parts:
        return False  # no path at all, as in a request for a whole address
    return parts[0] not in OTHERS | {"assets"} and "." not in parts[-1]


async def _answer(scope: Scope, file: WebFile) -> Response:
    asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
    coding = chosen(asked.get(b"accept-encoding"), file.variants)
    variant = file.variants[coding]
    try:
        if not variant.etag:
            await asyncio.to_thread(variant.read)
    except OSError:
        hint = "Start the server again: its web UI was built anew, or removed, since it started."
        return problem(404, "not_found", "the web UI's file has gone", hint)
    headers = {
        "etag": variant.etag.decode(),
        "cache-control": FOR_EVER if file.immutable else "no-cache",
        "vary": "Accept-Encoding",
    }
    if file.media_type.startswith(b"text/html"):
        headers |= PAGE_HEADERS
    elif file.media_type.startswith(b"text/javascript"):
        headers["content-security-policy"] = SCRIPT_POLICY
    if matches(asked.get(b"if-none-match"), headers["etag"]):
        return Response(status_code=304, headers=headers)
    headers["content-type"] = file.media_type.decode()
    if coding != "identity":
        headers["content-encoding"] = coding
    if scope["method"] == "HEAD":
        headers["content-length"] = str(len(variant.content))
        return Response(headers=headers)
    return Response(variant.content, headers=headers)
