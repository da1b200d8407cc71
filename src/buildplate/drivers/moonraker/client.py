"""Reaches one Moonraker: the websocket that all calls take, and HTTP for print files.

Nothing that moves or deletes something is ever sent twice; an upload that fails is tried again by
the service under another name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import orjson

from buildplate.drivers.moonraker.config import MoonrakerSettings
from buildplate.drivers.moonraker.rpc import (
    MESSAGE_LIMIT,
    NO_METHOD,
    REFUSED,
    Notice,
    Rpc,
    Said,
)
from buildplate.drivers.sdk import (
    AuthRequired,
    DriverError,
    DriverTimings,
    FileBody,
    HostConfused,
    HostFull,
    HostRefused,
    PrinterOffline,
    WrongContent,
)
from buildplate.drivers.sdk.web_connection import TRY_A_BROWSER, Sink
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
from buildplate.drivers.sdk.web_socket import is_redirect, redirected
from buildplate.drivers.sdk.websocket import Limits, open_websocket

BODY_LIMIT = 1 << 20
"""Bytes of an ordinary answer."""

KEY_REFUSED = "the host refuses the API key"
KEY_NEEDED = "the host wants an API key"
KEY_HINT = "Enter Moonraker's API key, or add this machine to its trusted clients."
NOT_MOONRAKER = "what answers at this address is not a Moonraker"
OK, CREATED = 200, 201
UNAUTHORIZED, ABSENT, TOO_LARGE, OTHER_BYTES = 401, 404, 413, 422
SERVER_ERROR, FULL = 500, 507


@dataclass(frozen=True, slots=True)
class Reply:
    """One complete answer of the host to an HTTP request."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; HostConfused when it is none."""
        try:
            said = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            raise HostConfused(f"the host answered {self.status} with something that is no JSON")
        return said

    def words(self) -> str:
        """The host's own words of a refusal, "" where it gives none.

        What it calls a traceback is left out: it shows the host's paths, and it is long.
        """
        try:
            error = self.json().get("error")
        except HostConfused:
            return ""
        said = error.get("message") if isinstance(error, dict) else None
        return said[:200] if isinstance(said, str) else ""


class MoonrakerClient:
    """The ways to one Moonraker. Close it when done; safe to close twice."""

    def __init__(self, settings: MoonrakerSettings, timings: DriverTimings) -> None:
        self._settings = settings
        self._timings = timings
        self._host: WebHost | None = None
        self._headers: dict[str, str] = {}
        self._rpc: Rpc | None = None

    def open(self) -> None:
        """Get ready to talk; needs a running loop."""
        url, verify = self._settings.url, self._settings.verify_tls
        address = WebAddress(
            url.raw_host or "", url.port or 0, tls=url.scheme == "https", path=url.raw_path
        )
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Buildplate"}
        if self._settings.api_key:
            headers["X-Api-Key"] = self._settings.api_key
        self._host = WebHost(address, headers, verify_tls=verify)
        self._headers = headers

    async def close(self) -> None:
        """Close all connections; none is opened any more."""
        rpc, self._rpc = self._rpc, None
        host, self._host = self._host, None
        try:
            if rpc is not None:
                await rpc.close()
        finally:
            if host is not None:
                await host.close()

    @property
    def rpc(self) -> Rpc:
        """The websocket's calls; PrinterOffline where there is none."""
        if self._rpc is None:
            raise PrinterOffline("the connection is not open")
        return self._rpc

    @property
    def lost(self) -> DriverError:
        """Why the websocket is over."""
        found = None if self._rpc is None else self._rpc.lost
        return found or PrinterOffline("the connection is closed")

    # --- being let in ----------------------------------------------------------------------------

    async def join(self, heard: Notice) -> None:
        """Open the websocket and say who we are; PrinterOffline, AuthRequired, HostConfused.

        The key goes with the request for the websocket. Where something on the way has dropped it,
        a token that is good for one connection takes its place, once.
        """
        try:
            await self._join(heard, "")
        except AuthRequired:
            if not self._settings.api_key:
                raise AuthRequired(KEY_NEEDED, KEY_HINT, code="key_needed") from None
            await self._join(heard, await self._token())

    async def _join(self, heard: Notice, token: str) -> None:
        route, request = self._opened().route, self._timings.request
        if self._rpc is not None:
            await self._rpc.close()
        target = f"websocket?token={quote(token, safe='')}" if token else "websocket"
        limits = Limits(MESSAGE_LIMIT, request / 2, request)
        try:
            socket = await open_websocket(route, target, self._headers, limits, request)
        except HostConfused as error:
            await self._diagnose(str(error))
            raise
        self._rpc = rpc = Rpc(socket, self._timings, heard)
        if self._host is None:  # closed meanwhile
            await rpc.close()
            raise PrinterOffline("the connection is closed")
        rpc.begin()
        ours = {
            "client_name": "Buildplate",
            "version": _ours(),
            "type": "other",
            "url": "buildplate",
        }
        try:
            await rpc.call("server.connection.identify", ours)
        except Said as said:
            if said.code not in (NO_METHOD, REFUSED):  # an older one does not ask for it
                raise said.as_error() from None

    async def _diagnose(self, cause: str) -> None:
        """Raise what explains better why no websocket is to be had, where HTTP tells."""
        async with bounded(self._timings.request):
            reply = await self._send(self._opened().request("GET", "server/info"))
        _let_in(reply)
        try:
            read_version(reply.json().get("result"))
        except HostConfused:
            raise HostConfused(
                NOT_MOONRAKER, TRY_A_BROWSER, code="not_moonraker", cause=cause
            ) from None

    async def _token(self) -> str:
        """A token for one websocket; AuthRequired where the key is refused for good."""
        async with bounded(self._timings.request):
            reply = await self._send(self._opened().request("GET", "access/oneshot_token"))
        if reply.status != OK:
            raise AuthRequired(KEY_REFUSED, KEY_HINT, code="key_refused", cause=reply.words())
        token = reply.json().get("result")
        if not isinstance(token, str):
            raise HostConfused("the host's token for a websocket is not understood")
        return token

    # --- print files -----------------------------------------------------------------------------

    async def upload(self, name: str, body: FileBody) -> dict[str, Any]:
        """Store a file without printing it; the answer as JSON.

        HostFull, HostRefused, WrongContent, PrinterOffline, HostConfused, AuthRequired.
        """
        host = self._opened()
        around = envelope(name, {"root": "gcodes", "print": "false", "checksum": body.sha256})
        size = len(around[0]) + body.size + len(around[1])
        request = host.request("POST", "server/files/upload", kind=MULTIPART, size=size)
        async with transfer(self._timings.transfer_idle) as limit:
            return _stored(await self._send(request, in_envelope(body, around, limit)))

    async def fetch_sha256(self, path: str) -> str:
        """The sha256 of a stored file's bytes, fetched in pieces; DriverError where it fails."""
        request = self._opened().request("GET", f"server/files/gcodes/{quote(path)}")
        async with transfer(self._timings.transfer_idle) as limit:
            digest = Digest(limit)
            reply = await self._send(request, into=digest)
        if reply.status != OK:
            _let_in(reply)
            raise HostRefused(f"the stored file cannot be fetched ({reply.status})")
        return digest.of_all.hexdigest()

    async def fetch(self, path: str, limit: int) -> bytes | None:
        """The bytes of a small stored file; None where there is none.

        HostConfused where it has more than `limit` bytes or the host answers with an error of its
        own, AuthRequired, PrinterOffline.
        """
        request = self._opened().request("GET", f"server/files/gcodes/{quote(path)}")
        reply = await self._send(request, limit=limit)
        if reply.status == OK:
            return reply.body
        _let_in(reply)
        if reply.status == ABSENT:
            return None
        raise HostConfused(f"the host answered {reply.status} where a file of it was asked for")

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


@cache
def _ours() -> str:
    """Our version, which is read from the disk."""
    return version("buildplate")


def _let_in(reply: Reply) -> None:
    """Sort out what no transfer can go on with."""
    if reply.status == UNAUTHORIZED:
        raise AuthRequired(KEY_REFUSED, KEY_HINT, code="key_refused", cause=reply.words())
    if is_redirect(reply.status):
        raise HostConfused(redirected(reply.status))


def _stored(reply: Reply) -> dict[str, Any]:
    if reply.status == CREATED:
        return reply.json()
    _let_in(reply)
    said = reply.words()
    if reply.status == FULL or "No space left" in said or b"No space left" in reply.body:
        raise HostFull("the host has no room for the file")
    if reply.status == OTHER_BYTES:
        raise WrongContent("the host received other bytes than were sent")
    if reply.status == TOO_LARGE:
        hint = "Raise max_upload_size in the [server] section of moonraker.conf."
        raise HostRefused("the file is larger than the host takes", hint)
    if reply.status >= SERVER_ERROR:
        raise HostConfused(f"the host answered {reply.status}: an error of its own")
    raise HostRefused(f"the host refused the file ({reply.status}): {said}")


def read_version(info: object) -> str:
    """The version of the Moonraker that answered; HostConfused where it is none."""
    said = info.get("moonraker_version") if isinstance(info, dict) else None
    if not isinstance(said, str):
        raise HostConfused(NOT_MOONRAKER, TRY_A_BROWSER, code="not_moonraker")
    return said[:60]
