"""Talks HTTP with one OctoPrint: every request bounded in time and size, none repeated.

Reads and uploads share kept-open connections. What moves or deletes something goes out on a
connection of its own, so that a kept-open one that the host has just closed never leaves it unclear
what was sent; an upload that fails so is tried again under another name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from buildplate.drivers.octoprint.answers import read_object
from buildplate.drivers.octoprint.config import OctoPrintSettings
from buildplate.drivers.sdk import (
    Accepted,
    Answer,
    AuthRequired,
    DriverTimings,
    FileBody,
    HostConfused,
    HostFull,
    HostRefused,
    PrinterOffline,
    Refused,
    Unknown,
)
from buildplate.drivers.sdk.web_connection import Sink
from buildplate.drivers.sdk.web_files import (
    MULTIPART,
    Digest,
    bounded,
    envelope,
    in_envelope,
    transfer,
)
from buildplate.drivers.sdk.web_host import WebHost, WebRequest
from buildplate.drivers.sdk.web_route import WebAddress
from buildplate.drivers.sdk.web_socket import SocketDoor, is_redirect, redirected

BODY_LIMIT = 1 << 20
"""Bytes of an ordinary answer."""

LISTING_LIMIT = 32 << 20
"""Bytes of the list of all files."""

REFUSAL_LIMIT = 500
"""Letters of a host's refusal that are kept."""

KEY_REFUSED = "the host refuses the API key"
STARTING = "It may be starting up; if this goes on, look at the host's own page and at its log."
CREATED, NO_CONTENT, OK = 201, 204, 200
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409
SERVER_ERROR, FULL = 500, 507
SAID_NO = {FORBIDDEN: "forbidden", NOT_FOUND: "file_missing", CONFLICT: "busy"}
READ_AGAIN_AND_AGAIN = ("api/job", "api/printer?exclude=temperature,sd", "api/files/local")
"""Paths whose requests are made once and sent as they are."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One complete answer of the host."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; HostConfused when it is none."""
        return read_object(self.body, f"the host answered {self.status} with")

    def refusal(self) -> str | None:
        """The host's own words of a refusal, None when this is no OctoPrint refusal."""
        try:
            said = self.json().get("error")
        except HostConfused:
            return None
        return said[:REFUSAL_LIMIT] if isinstance(said, str) else None


class OctoPrintClient:
    """The HTTP side of one OctoPrint. Close it when done; safe to close twice."""

    def __init__(self, settings: OctoPrintSettings, timings: DriverTimings) -> None:
        self._settings = settings
        self._timings = timings
        self._host: WebHost | None = None
        self._door: SocketDoor | None = None
        self._known: dict[str, WebRequest] = {}
        self._headers: dict[str, str] = {}

    def open(self) -> None:
        """Get ready to talk; needs a running loop."""
        url, verify = self._settings.url, self._settings.verify_tls
        address = WebAddress(
            url.raw_host or "", url.port or 0, tls=url.scheme == "https", path=url.raw_path
        )
        self._headers = {
            "X-Api-Key": self._settings.api_key,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": "Buildplate",
        }
        self._host = host = WebHost(address, self._headers, verify_tls=verify)
        self._door = SocketDoor(self._headers, verify_tls=verify)
        self._known = {path: host.request("GET", path) for path in READ_AGAIN_AND_AGAIN}

    async def close(self) -> None:
        """Close all connections; none is opened any more."""
        host, self._host = self._host, None
        door, self._door = self._door, None
        try:
            if host is not None:
                await host.close()
        finally:
            if door is not None:
                await door.close()

    # --- reads -----------------------------------------------------------------------------------

    async def get(
        self, path: str, query: str = "", limit: int = BODY_LIMIT, *, bounded: bool = False
    ) -> Reply:
        """One read; PrinterOffline, AuthRequired, HostConfused. 404 and 409 are for the caller.

        `path` is percent-encoded already. `bounded`: the caller bounds several reads at once, in
        `in_time`.
        """
        whole = path + query
        request = self._known.get(whole) or self._opened().request("GET", whole)
        if bounded:
            return _readable(await self._send(request, limit=limit))
        async with self.in_time():
            return _readable(await self._send(request, limit=limit))

    def in_time(self) -> AbstractAsyncContextManager[None]:
        """Bound what is read in a block to the time of one request; PrinterOffline."""
        return bounded(self._timings.request)

    async def get_json(
        self, path: str, query: str = "", limit: int = BODY_LIMIT, *, bounded: bool = False
    ) -> dict[str, Any]:
        """One read that must answer 200 and a JSON object."""
        reply = await self.get(path, query, limit, bounded=bounded)
        if reply.status != OK:
            raise HostConfused(f"the host answered {reply.status} to a read of {path}")
        return reply.json()

    async def ask(self, path: str, wish: Mapping[str, Any]) -> Reply:
        """One POST that is no physical command; errors as in `get`."""
        return _readable(await self._apart("POST", path, self._timings.request, wish))

    # --- physical commands -----------------------------------------------------------------------

    async def order(self, path: str, wish: Mapping[str, Any]) -> Answer:
        """Send one physical command, once, and say honestly what came of it. Never raises."""
        try:
            reply = await self._apart("POST", path, self._timings.command, wish)
        except (PrinterOffline, HostConfused) as error:
            return Unknown(str(error))
        if reply.status == NO_CONTENT:
            return Accepted()
        said = reply.refusal()
        if reply.status in SAID_NO and said is not None:
            return Refused(SAID_NO[reply.status], said[:500])
        return Unknown(f"the host answered {reply.status}")

    async def delete(self, path: str) -> Reply:
        """Send one DELETE, once; PrinterOffline, HostConfused."""
        return await self._apart("DELETE", path, self._timings.command)

    # --- files -----------------------------------------------------------------------------------

    async def upload(self, name: str, body: FileBody) -> dict[str, Any]:
        """Store a file without selecting or printing it; the answer as JSON.

        HostFull, HostRefused, PrinterOffline, HostConfused, AuthRequired.
        """
        host, around = self._opened(), envelope(name)
        size = len(around[0]) + body.size + len(around[1])
        request = host.request("POST", "api/files/local", kind=MULTIPART, size=size)
        async with transfer(self._timings.transfer_idle) as limit:
            return _stored(await self._send(request, in_envelope(body, around, limit)))

    async def fetch_sha256(self, path: str) -> str:
        """The sha256 of a stored file's bytes, fetched in pieces; DriverError where it fails."""
        request = self._opened().request("GET", f"downloads/files/local/{quote(path)}")
        async with transfer(self._timings.transfer_idle) as limit:
            digest = Digest(limit)
            reply = await self._send(request, into=digest)
        if reply.status != OK:
            said = _readable(reply).refusal() or "no reason given"
            raise HostRefused(f"the stored file cannot be fetched ({reply.status}): {said}")
        return digest.of_all.hexdigest()

    # --- the push socket -------------------------------------------------------------------------

    async def websocket(self, message_limit: int) -> aiohttp.ClientWebSocketResponse:
        """Open the push socket; PrinterOffline, HostConfused."""
        self._opened()
        if self._door is None:
            raise PrinterOffline("the connection is not open")
        url = URL(f"{self._settings.url}sockjs/websocket", encoded=True)
        return await self._door.open(url, self._timings.request, message_limit)

    # --- one request -----------------------------------------------------------------------------

    def _opened(self) -> WebHost:
        if self._host is None:
            raise PrinterOffline("the connection is not open")
        return self._host

    async def _send(
        self,
        request: WebRequest,
        body: bytes | AsyncGenerator[bytes, None] = b"",
        *,
        limit: int = BODY_LIMIT,
        into: Sink | None = None,
    ) -> Reply:
        return Reply(*await self._opened().send(request, body, limit=limit, into=into))

    async def _apart(
        self, method: str, path: str, seconds: float, wish: Mapping[str, Any] | None = None
    ) -> Reply:
        """One request on a connection of its own, bounded in time; PrinterOffline, HostConfused."""
        host, body, kind, size = self._opened(), b"", None, None
        if wish is not None:
            body, kind = orjson.dumps(dict(wish)), "application/json"
            size = len(body)
        request = host.request(method, path, kind=kind, size=size, apart=True)
        async with bounded(seconds):
            return await self._send(request, body)


def _readable(reply: Reply) -> Reply:
    """Sort out what no read can go on with."""
    if reply.status in (FORBIDDEN, 401):
        raise AuthRequired(KEY_REFUSED, code="key_refused", cause=reply.refusal() or "")
    if reply.status >= SERVER_ERROR:
        raise HostConfused(f"the host answered {reply.status}: an error of its own", STARTING)
    if is_redirect(reply.status):
        raise HostConfused(redirected(reply.status))
    return reply


def _stored(reply: Reply) -> dict[str, Any]:
    if reply.status == CREATED:
        return reply.json()
    said = reply.refusal() or ""
    if reply.status == FULL or "No space left" in said or "Errno 28" in said:
        raise HostFull(f"the host has no room for the file: {said[:200]}")
    _readable(reply)
    raise HostRefused(f"the host refused the file ({reply.status}): {said[:200]}")
