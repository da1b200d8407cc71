"""Users for the tests of the surface, and browsers and programs that they log in with."""

from __future__ import annotations

from typing import Any

import httpx

from buildplate.access.model import Role, User
from tests.service.api.surface import Surface

PASSWORD = "correct horse battery"
ORIGIN = {"origin": "http://farm"}


async def user(surface: Surface, role: Role = Role.ADMIN, name: str = "ann", **more: Any) -> User:
    return await surface.farm.access.users.create(name, role, PASSWORD, **more)


async def log_in(
    client: httpx.AsyncClient, name: str = "ann", password: str = PASSWORD, **headers: str
) -> httpx.Response:
    body = {"name": name, "password": password}
    return await client.post("/api/v1/auth/login", json=body, headers=headers)


async def browser(surface: Surface, name: str = "ann") -> httpx.AsyncClient:
    """A client with a session's cookie, which sends what a page of this server would send."""
    client = surface.with_key(None)
    answer = await log_in(client, name, **ORIGIN)
    assert answer.status_code == 200, answer.text
    client.headers.update({**ORIGIN, "x-csrf-token": answer.json()["csrf_token"]})
    return client


async def tokens(client: httpx.AsyncClient, name: str = "ann") -> dict[str, Any]:
    body = {"name": name, "password": PASSWORD}
    answer = await client.post("/api/v1/auth/token", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
