"""Opens a websocket through aiohttp: bounded in time and size, and never redirected.

For hosts that say little; one that talks all the time is read by `websocket` (ADR 27).
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from yarl import URL

from buildplate.drivers.sdk.errors import AuthRequired, HostConfused
from buildplate.drivers.sdk.unreachable import unreachable
from buildplate.drivers.sdk.web_files import bounded

_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None)
_NOT_LET_IN = (401, 403)


def is_redirect(status: int) -> bool:
    """Whether an answer sends whoever asked elsewhere."""
    return 300 <= status < 400  # noqa: PLR2004 (the redirections of RFC 9110)


def redirected(status: int) -> str:
    """What people are told of a host that sends us elsewhere."""
    return f"the host redirects ({status}); enter the address it redirects to"


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Stop before a redirection: aiohttp would carry the key to wherever it leads."""
    response = await handler(request)
    if is_redirect(response.status):
        response.close()
        raise HostConfused(redirected(response.status))
    return response


class SocketDoor:
    """Opens websockets to one host, one at a time. Close it when done; safe to close twice."""

    def __init__(self, headers: Mapping[str, str], *, verify_tls: bool) -> None:
        self._headers = dict(headers)
        self._verify = verify_tls
        self._session: aiohttp.ClientSession | None = None

    async def open(
        self, url: URL, seconds: float, message_limit: int
    ) -> aiohttp.ClientWebSocketResponse:
        """A websocket to an http or https address, within `seconds`, its messages so long at most.

        PrinterOffline, AuthRequired, HostConfused. Pings are the caller's to answer.
        """
        if self._session is None:  # a host that can't be reached has cost none
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, force_close=True, ssl=self._verify),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_NO_LIMIT,
                middlewares=(_refuse_redirects,),
                headers=self._headers,
            )
        scheme = "wss" if url.scheme == "https" else "ws"
        try:
            async with bounded(seconds):
                return await self._session.ws_connect(
                    url.with_scheme(scheme),
                    autoping=False,
                    max_msg_size=message_limit,
                    timeout=aiohttp.ClientWSTimeout(ws_close=seconds / 10),
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in _NOT_LET_IN:
                raise AuthRequired(
                    f"the host lets nobody in without a valid key ({error.status})"
                ) from None
            raise HostConfused(f"the push socket was refused with {error.status}") from None
        except aiohttp.ClientError as error:
            raise unreachable(_beneath(error)) from None

    async def close(self) -> None:
        """Close what is open."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _beneath(error: aiohttp.ClientError) -> BaseException:
    """What the system said, which aiohttp wraps."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
