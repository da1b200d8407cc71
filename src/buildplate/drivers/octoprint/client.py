"""Talks HTTP with one OctoPrint: every request bounded in time and size, none repeated.

Reads and uploads share kept-open connections. What moves or deletes something goes out on a
connection of its own, so that a kept-open one that the host has just closed never leaves it unclear
what was sent; an upload that fails so is tried again under another name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
    FileUnreadable,
    HostConfused,
    HostFull,
    HostRefused,
    PrinterOffline,
    Refused,
    Unknown,
)
from buildplate.drivers.sdk.unreachable import no_answer, unreachable
from buildplate.drivers.sdk.web_connection import Sink
from buildplate.drivers.sdk.web_host import WebAddress, WebHost, WebRequest

BODY_LIMIT = 1 << 20
"""Bytes of an ordinary answer."""

LISTING_LIMIT = 32 << 20
"""Bytes of the list of all files."""

FETCH_LIMIT = 4 << 30
"""Bytes of a stored file that is fetched back."""

REFUSAL_LIMIT = 500
"""Letters of a host's refusal that are kept."""

SLOWEST = 16 << 10
"""Bytes a second below which a transfer is given up."""

KEY_REFUSED = "the host refuses the API key"
STARTING = "It may be starting up; if this goes on, look at the host's own page and at its log."
CREATED, NO_CONTENT, OK = 201, 204, 200
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409
SERVER_ERROR, FULL = 500, 507
SAID_NO = {FORBIDDEN: "forbidden", NOT_FOUND: "file_missing", CONFLICT: "busy"}
READ_AGAIN_AND_AGAIN = ("api/job", "api/printer?exclude=temperature,sd", "api/files/local")
"""Paths whose requests are made once and sent as they are."""

_BOUNDARY = "buildplate-7f3c1d9e5a2b48c6"
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None)


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


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Stop before a redirection: aiohttp would carry the API key to wherever it leads."""
    response = await handler(request)
    if _is_redirect(response.status):
        response.close()
        raise HostConfused(_redirected(response.status))
    return response


class OctoPrintClient:
    """The HTTP side of one OctoPrint. Close it when done; safe to close twice."""

    def __init__(self, settings: OctoPrintSettings, timings: DriverTimings) -> None:
        self._settings = settings
        self._timings = timings
        self._host: WebHost | None = None
        self._sockets: aiohttp.ClientSession | None = None
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
        self._known = {path: host.request("GET", path) for path in READ_AGAIN_AND_AGAIN}

    async def close(self) -> None:
        """Close all connections; none is opened any more."""
        host, self._host = self._host, None
        sockets, self._sockets = self._sockets, None
        try:
            if host is not None:
                await host.close()
        finally:
            if sockets is not None:
                await sockets.close()

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
        return _bounded(self._timings.request)

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
        host, (head, tail) = self._opened(), _envelope(name)
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        size = len(head) + body.size + len(tail)
        request = host.request("POST", "api/files/local", kind=kind, size=size)
        async with self._transfer() as limit:
            limit.bound(body.size)

            async def pieces() -> AsyncGenerator[bytes, None]:
                yield head
                async for piece in _as_announced(body):
                    limit.touch()
                    yield piece
                limit.touch()
                yield tail

            return _stored(await self._send(request, pieces()))

    async def fetch_sha256(self, path: str) -> str:
        """The sha256 of a stored file's bytes, fetched in pieces; DriverError where it fails."""
        request = self._opened().request("GET", f"downloads/files/local/{quote(path)}")
        async with self._transfer() as limit:
            digest = _Digest(limit)
            reply = await self._send(request, into=digest)
        if reply.status != OK:
            said = _readable(reply).refusal() or "no reason given"
            raise HostRefused(f"the stored file cannot be fetched ({reply.status}): {said}")
        return digest.of_all.hexdigest()

    # --- the push socket -------------------------------------------------------------------------

    async def websocket(self, message_limit: int) -> aiohttp.ClientWebSocketResponse:
        """Open the push socket; PrinterOffline, HostConfused."""
        self._opened()
        if self._sockets is None:  # a host that can't be reached has cost none
            self._sockets = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=1, force_close=True, ssl=self._settings.verify_tls
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_NO_LIMIT,
                middlewares=(_refuse_redirects,),
                headers=self._headers,
            )
        base = self._settings.url
        scheme = "wss" if base.scheme == "https" else "ws"
        url = URL(f"{base}sockjs/websocket", encoded=True).with_scheme(scheme)
        try:
            async with _bounded(self._timings.request):
                return await self._sockets.ws_connect(
                    url,
                    autoping=False,
                    max_msg_size=message_limit,
                    timeout=aiohttp.ClientWSTimeout(ws_close=self._timings.request / 10),
                )
        except aiohttp.WSServerHandshakeError as error:
            raise HostConfused(f"the push socket was refused with {error.status}") from None
        except aiohttp.ClientError as error:
            raise unreachable(_beneath(error)) from None

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
        async with _bounded(seconds):
            return await self._send(request, body)

    @asynccontextmanager
    async def _transfer(self) -> AsyncIterator[_Patience]:
        """Bound a transfer: no piece may take `transfer_idle`, nor all of them for ever."""
        idle = self._timings.transfer_idle
        try:
            async with asyncio.timeout(idle) as timeout:
                yield _Patience(timeout, idle)
        except TimeoutError:
            raise PrinterOffline("the transfer made no progress") from None


async def _as_announced(body: FileBody) -> AsyncGenerator[bytes, None]:
    """A print file's bytes on their way out, as many as were announced; FileUnreadable."""
    sent = 0
    async for piece in body.open():
        sent += len(piece)
        if sent > body.size:
            raise FileUnreadable("the file on its way is longer than announced")
        yield piece
    if sent != body.size:
        raise FileUnreadable("the file on its way is shorter than announced")


class _Digest:
    """The sha256 of a stored file on its way back."""

    def __init__(self, limit: _Patience) -> None:
        self._limit = limit
        self._taken = 0
        self.of_all = hashlib.sha256()

    def begin(self, size: int | None) -> None:
        """So many bytes are to come."""
        self._limit.bound(FETCH_LIMIT if size is None else size)

    def take(self, piece: bytes) -> None:
        """The next piece; HostConfused when there are more than any print file has."""
        self._taken += len(piece)
        if self._taken > FETCH_LIMIT:
            raise HostConfused("the stored file never ends")
        self._limit.touch()
        self.of_all.update(piece)


class _Patience:
    """Puts off the end of a transfer that moves, up to the end that its size sets."""

    def __init__(self, timeout: asyncio.Timeout, idle: float) -> None:
        self._timeout = timeout
        self._idle = idle
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()
        self._end = float("inf")

    def bound(self, size: int) -> None:
        """So many bytes are to pass; from the beginning on they may take so long."""
        self._end = self._begun + self._idle * (1 + size / SLOWEST / 60)

    def touch(self) -> None:
        """A piece has passed."""
        if not self._timeout.expired():
            self._timeout.reschedule(min(self._clock() + self._idle, self._end))


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise no_answer(seconds) from None


def _beneath(error: aiohttp.ClientError) -> BaseException:
    """What the system said, which aiohttp wraps."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _readable(reply: Reply) -> Reply:
    """Sort out what no read can go on with."""
    if reply.status in (FORBIDDEN, 401):
        raise AuthRequired(KEY_REFUSED, code="key_refused", cause=reply.refusal() or "")
    if reply.status >= SERVER_ERROR:
        raise HostConfused(f"the host answered {reply.status}: an error of its own", STARTING)
    if _is_redirect(reply.status):
        raise HostConfused(_redirected(reply.status))
    return reply


def _is_redirect(status: int) -> bool:
    return 300 <= status < 400  # noqa: PLR2004 (the redirections of RFC 9110)


def _redirected(status: int) -> str:
    return f"the host redirects ({status}); enter the address it redirects to"


def _envelope(name: str) -> tuple[bytes, bytes]:
    """What goes before and after the file's bytes in a multipart body.

    Nothing follows the last boundary, not even a line end: OctoPrint answers 400 when it reads one
    apart from the boundary (1.11.8, measured).
    """
    if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
        raise HostRefused("the file's name has letters that cannot be sent")
    head = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{_BOUNDARY}--".encode()


def _stored(reply: Reply) -> dict[str, Any]:
    if reply.status == CREATED:
        return reply.json()
    said = reply.refusal() or ""
    if reply.status == FULL or "No space left" in said or "Errno 28" in said:
        raise HostFull(f"the host has no room for the file: {said[:200]}")
    _readable(reply)
    raise HostRefused(f"the host refused the file ({reply.status}): {said[:200]}")
