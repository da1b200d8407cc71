"""Talks HTTP with one OctoPrint: every request bounded in time and size, none repeated.

Reads and uploads share kept-open connections. What moves or deletes something goes out on a
connection of its own, so that a kept-open one that the host has just closed never leaves it unclear
what was sent; an upload that fails so is tried again under another name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
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
    DriverError,
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

BODY_LIMIT = 1 << 20
"""Bytes of an ordinary answer."""

LISTING_LIMIT = 32 << 20
"""Bytes of the list of all files."""

CLOSED = "the connection is closed"

REFUSAL_LIMIT = 500
"""Letters of a host's refusal that are kept."""

SLOWEST = 16 << 10
"""Bytes a second below which a transfer is given up."""

CREATED, NO_CONTENT, OK = 201, 204, 200
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409
SERVER_ERROR, FULL = 500, 507
SAID_NO = {FORBIDDEN: "forbidden", NOT_FOUND: "file_missing", CONFLICT: "busy"}
READ_AGAIN_AND_AGAIN = ("api/job", "api/printer?exclude=temperature,sd", "api/files/local")
"""Paths whose addresses are made once: making one costs a third of what a request does."""

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


class Once:
    """Lets one request out once: aiohttp would repeat a DELETE whose connection was cut."""

    def __init__(self) -> None:
        self._sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Pass the first attempt on; refuse every further one."""
        if self._sent:
            raise aiohttp.ClientConnectionError("the connection was cut; nothing is sent twice")
        self._sent = True
        return await handler(request)


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
        self._reads: aiohttp.ClientSession | None = None
        self._orders: aiohttp.ClientSession | None = None
        self._known = {path: self._made(path) for path in READ_AGAIN_AND_AGAIN}

    def open(self) -> None:
        """Make the two sessions; needs a running loop."""
        self._reads = self._session(force_close=False)
        self._orders = self._session(force_close=True)

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=8, force_close=force_close, ssl=self._settings.verify_tls
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_LIMIT,
            auto_decompress=False,
            middlewares=(_refuse_redirects,),
            headers={
                "X-Api-Key": self._settings.api_key,
                "Accept-Encoding": "identity",
                "User-Agent": "Buildplate",
            },
        )

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._reads, self._orders):
            if session is not None:
                await session.close()

    def url(self, path: str, query: str = "") -> URL:
        """An address on the host; `path` is percent-encoded already."""
        whole = path + query
        return self._known.get(whole) or self._made(whole)

    def _made(self, path: str) -> URL:
        return URL(f"{self._settings.url}{path}", encoded=True)

    # --- reads -----------------------------------------------------------------------------------

    async def get(
        self, path: str, query: str = "", limit: int = BODY_LIMIT, *, bounded: bool = False
    ) -> Reply:
        """One read; PrinterOffline, AuthRequired, HostConfused. 404 and 409 are for the caller.

        `bounded`: the caller bounds several reads at once, in `in_time`.
        """
        url = self.url(path, query)
        if bounded:
            return _readable(await self._read(url, limit))
        async with self.in_time():
            return _readable(await self._read(url, limit))

    def in_time(self) -> AbstractAsyncContextManager[None]:
        """Bound what is read in a block to the time of one request; PrinterOffline."""
        return _bounded(self._timings.request)

    async def _read(self, url: URL, limit: int) -> Reply:
        """As `_request` with GET, without its layers: printers are read again and again."""
        session = self._reads
        if session is None or session.closed:
            raise PrinterOffline(CLOSED)
        try:
            async with session.get(url, allow_redirects=False, middlewares=()) as response:
                return Reply(response.status, await _read_up_to(response, limit))
        except (aiohttp.ClientError, OSError) as error:
            raise _as_driver_error(error) from None

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
        reply = await self._whole(
            self._orders, "POST", self.url(path), self._timings.request, BODY_LIMIT, wish
        )
        return _readable(reply)

    # --- physical commands -----------------------------------------------------------------------

    async def order(self, path: str, wish: Mapping[str, Any]) -> Answer:
        """Send one physical command, once, and say honestly what came of it. Never raises."""
        try:
            reply = await self._whole(
                self._orders, "POST", self.url(path), self._timings.command, BODY_LIMIT, wish
            )
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
        url = self.url(path)
        return await self._whole(self._orders, "DELETE", url, self._timings.command, BODY_LIMIT)

    # --- files -----------------------------------------------------------------------------------

    async def upload(self, name: str, body: FileBody) -> dict[str, Any]:
        """Store a file without selecting or printing it; the answer as JSON.

        HostFull, HostRefused, PrinterOffline, HostConfused, AuthRequired.
        """
        head, tail = _envelope(name)
        length = len(head) + body.size + len(tail)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            "Content-Length": str(length),
        }
        source = _Source(body)
        async with self._transfer() as limit:
            limit.bound(body.size)

            async def pieces() -> AsyncIterator[bytes]:
                yield head
                async for piece in source.pieces():
                    limit.touch()
                    yield piece
                limit.touch()
                yield tail

            request = self._request(
                self._reads, "POST", self.url("api/files/local"), data=pieces(), headers=headers
            )
            try:
                async with request as response:
                    reply = Reply(response.status, await _read_up_to(response, BODY_LIMIT))
            except DriverError:
                source.complain()
                raise
        return _stored(reply)

    async def fetch_sha256(self, path: str) -> str:
        """The sha256 of a stored file's bytes, fetched in pieces; DriverError where it fails."""
        url = self.url(f"downloads/files/local/{quote(path)}")
        digest = hashlib.sha256()
        async with (
            self._transfer() as limit,
            self._request(self._reads, "GET", url) as response,
        ):
            if response.content_length is not None:
                limit.bound(response.content_length)
            if response.status != OK:
                reply = Reply(response.status, await _read_up_to(response, BODY_LIMIT))
                said = _readable(reply).refusal() or "no reason given"
                raise HostRefused(f"the stored file cannot be fetched ({reply.status}): {said}")
            async for piece in response.content.iter_any():
                limit.touch()
                digest.update(piece)
        return digest.hexdigest()

    # --- the push socket -------------------------------------------------------------------------

    async def websocket(self, message_limit: int) -> aiohttp.ClientWebSocketResponse:
        """Open the push socket; PrinterOffline, HostConfused."""
        if self._orders is None:
            raise PrinterOffline("the connection is not open")
        base = self._settings.url
        scheme = "wss" if base.scheme == "https" else "ws"
        url = self.url("sockjs/websocket").with_scheme(scheme)
        async with _bounded(self._timings.request):
            return await self._orders.ws_connect(
                url,
                autoping=False,
                max_msg_size=message_limit,
                timeout=aiohttp.ClientWSTimeout(ws_close=self._timings.request / 10),
            )

    # --- one request -----------------------------------------------------------------------------

    async def _whole(
        self,
        session: aiohttp.ClientSession | None,
        method: str,
        url: URL,
        seconds: float,
        limit: int,
        wish: Mapping[str, Any] | None = None,
    ) -> Reply:
        data, headers = None, {}
        if wish is not None:
            data, headers = orjson.dumps(dict(wish)), {"Content-Type": "application/json"}
        async with _bounded(seconds):
            request = self._request(session, method, url, data=data, headers=headers)
            async with request as response:
                return Reply(response.status, await _read_up_to(response, limit))

    @asynccontextmanager
    async def _request(
        self, session: aiohttp.ClientSession | None, method: str, url: URL, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if session is None or session.closed:
            raise PrinterOffline(CLOSED)
        once = () if method == "GET" else (Once(),)
        try:
            async with session.request(
                method, url, allow_redirects=False, middlewares=once, **more
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError) as error:
            raise _as_driver_error(error) from None

    @asynccontextmanager
    async def _transfer(self) -> AsyncIterator[_Patience]:
        """Bound a transfer: no piece may take `transfer_idle`, nor all of them for ever."""
        idle = self._timings.transfer_idle
        try:
            async with asyncio.timeout(idle) as timeout:
                yield _Patience(timeout, idle)
        except TimeoutError:
            raise PrinterOffline("the transfer made no progress") from None


class _Source:
    """A print file on its way out; aiohttp calls whatever goes wrong with it a lost connection."""

    def __init__(self, body: FileBody) -> None:
        self._body = body
        self._broken: DriverError | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file's bytes, as many as were announced."""
        sent, size = 0, self._body.size
        try:
            async for piece in self._body.open():
                sent += len(piece)
                if sent > size:
                    raise FileUnreadable("the file on its way is longer than announced")
                yield piece
            if sent != size:
                raise FileUnreadable("the file on its way is shorter than announced")
        except DriverError as error:
            self._broken = error
            raise

    def complain(self) -> None:
        """Raise what went wrong with the file itself, if anything did."""
        if self._broken is not None:
            raise self._broken from None


class _Patience:
    """Puts off the end of a transfer that moves, up to the end that its size sets."""

    def __init__(self, timeout: asyncio.Timeout, idle: float) -> None:
        self._timeout = timeout
        self._idle = idle
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()
        self._end = float("inf")

    def bound(self, size: int) -> None:
        """So many bytes are to come; from the beginning on they may take so long."""
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
        raise PrinterOffline(f"no complete answer within {seconds:g} s") from None
    except aiohttp.WSServerHandshakeError as error:
        raise HostConfused(f"the push socket was refused with {error.status}") from None
    except aiohttp.ClientError as error:
        raise PrinterOffline(_words(error)) from None


async def _read_up_to(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            response.close()
            raise HostConfused(f"the answer is longer than {limit} bytes")
    return bytes(body)


def _readable(reply: Reply) -> Reply:
    """Sort out what no read can go on with."""
    if reply.status in (FORBIDDEN, 401):
        raise AuthRequired(reply.refusal() or "the host refuses the API key")
    if reply.status >= SERVER_ERROR:
        raise HostConfused(f"the host answered {reply.status}")
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


def _as_driver_error(error: Exception) -> Exception:
    """What a failed request means; a time-out is its waiter's to explain."""
    if isinstance(error, aiohttp.ClientResponseError):
        return HostConfused(f"the answer is not HTTP: {_words(error)}")
    if isinstance(error, TimeoutError):
        return error
    return PrinterOffline(_words(error))


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
