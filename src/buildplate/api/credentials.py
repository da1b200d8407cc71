"""Who makes a request: by a key, an access token, or a cookie that is safe from other sites."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from buildplate.access.errors import CsrfRefused, KeyRequired, NoCredential
from buildplate.access.model import Caller, caller_of_key
from buildplate.access.room import AccessRoom
from buildplate.access.service import PREFIX

COOKIE = "buildplate_session"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_COOKIES = 8192
JWT_DOTS = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows: a key or token in a header, or a cookie."""

    secret: str | None
    cookie: str | None


def shown_by(headers: Iterable[tuple[bytes, bytes]]) -> Shown:
    """The credentials of a request. A header, which no other site can make, goes first."""
    key = bearer = ""
    cookies: list[str] = []
    for name, value in headers:
        text = value.decode("latin-1")
        if name == b"x-api-key":
            key = text.strip()
        elif name == b"authorization":
            scheme, _, rest = text.partition(" ")
            bearer = rest.strip() if scheme.lower() == "bearer" else bearer
        elif name == b"cookie":
            cookies.append(text)
    return Shown(key or bearer or None, _session_cookie("; ".join(cookies)) if cookies else None)


def _session_cookie(text: str) -> str | None:
    try:
        found = SimpleCookie(text[:LONGEST_COOKIES]).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


async def identify(access: AccessRoom, scope: Mapping[str, Any]) -> Caller:
    """Whoever makes this request, or opens this websocket.

    Raises KeyRequired, CsrfRefused, TooManyRequests.
    """
    shown = shown_by(scope["headers"])
    address = address_of(scope)
    if shown.secret is not None:
        caller = await _by_secret(access, shown.secret, address)
    elif shown.cookie is not None:
        caller = await _by_cookie(access, shown.cookie, address)
        _check_cookie_use(scope, caller)
    else:
        access.limits.open(address)
        message = "this needs an API key, or a user who is logged in"
        raise NoCredential(message)
    access.limits.caller(caller.kind, caller.id or "")
    return caller


async def _by_secret(access: AccessRoom, secret: str, address: str | None) -> Caller:
    is_token = not secret.startswith(PREFIX) and secret.count(".") == JWT_DOTS
    try:
        if is_token:
            return await access.sessions.by_token(secret)
        key = await access.keys.check(secret, lambda: access.limits.check_failures(address))
        return caller_of_key(key)
    except KeyRequired:
        access.limits.check_failures(address)
        access.limits.failed(address)
        raise


async def _by_cookie(access: AccessRoom, cookie: str, address: str | None) -> Caller:
    """A wrong cookie counts as a wrong key does."""
    try:
        return await access.sessions.by_cookie(
            cookie, lambda: access.limits.check_failures(address)
        )
    except KeyRequired:
        access.limits.check_failures(address)
        access.limits.failed(address)
        raise


def _check_cookie_use(scope: Mapping[str, Any], caller: Caller) -> None:
    """A browser sends a cookie for any site that asks it to: see that the request is our page's.

    A websocket can send no header, but browsers always name its Origin.
    """
    if scope["type"] == "websocket":
        if _header(scope, b"origin") is None:
            message = "a websocket with a cookie has to name its Origin"
            raise CsrfRefused(message)
        check_origin(scope)
    elif scope["method"] not in SAFE:
        check_origin(scope)
        token = _header(scope, CSRF_HEADER.encode()) or ""
        if not hmac.compare_digest(token.encode(), (caller.csrf or "").encode()):
            message = "the CSRF token is missing or belongs to another session"
            raise CsrfRefused(message)


def check_origin(scope: Mapping[str, Any]) -> None:
    """Refuse a request that a browser makes for another site; CsrfRefused.

    Programs name no Origin.
    """
    origin = _header(scope, b"origin")
    if origin is None:
        if _header(scope, b"sec-fetch-site") in ("cross-site", "same-site"):
            message = "the request comes from another site"
            raise CsrfRefused(message)
        return
    host = (_header(scope, b"host") or "").lower()
    if not host or _site(origin) != host:
        message = "the request comes from another site"
        raise CsrfRefused(message)


def _site(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _header(scope: Mapping[str, Any], wanted: bytes) -> str | None:
    found = (value for name, value in scope["headers"] if name == wanted)
    first = next(found, None)
    return None if first is None else first.decode("latin-1")


def address_of(scope: Mapping[str, Any]) -> str | None:
    """Where a request comes from."""
    client = scope.get("client")
    return None if client is None else str(client[0])
