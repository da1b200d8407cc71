"""The table of paths and roles in the docs is what the server really lets in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.types import Message

from buildplate.access.model import Role
from buildplate.api.application import ROUTES
from tests.service.api.surface import Surface

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "access.md"
ROW = re.compile(r"^\| (\w+) \| `(/[^`]*)` \| (.*) \|$", re.MULTILINE)
WHO = ("nobody", "viewer", "operator", "admin", "confined")
NOTHING = "00000000-0000-7000-8000-000000000000"
KEPT_OUT = (401, 403)


def rows() -> dict[tuple[str, str], dict[str, str]]:
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    table = {(method, path): dict(zip(WHO, cells.split(" | "), strict=True))
             for method, path, cells in found}  # fmt: skip
    assert len(table) == len(found) > 60
    return table


def test_every_path_is_on_the_page() -> None:
    calls = set()
    for route in ROUTES:
        if isinstance(route, APIRoute):
            calls |= {(method, route.path) for method in route.methods or ()}
        else:
            assert isinstance(route, APIWebSocketRoute), "a kind of path that the page cannot show"
            calls.add(("websocket", route.path))
    assert set(rows()) == calls


async def answer(
    surface: Surface, secret: str | None, method: str, path: str, own: dict[str, str]
) -> int:
    """The status; of a websocket 403 where it is closed before it is opened."""
    concrete = re.sub(r"\{(\w+)\}", lambda name: own.get(name[1], NOTHING), path)
    if method != "websocket":
        async with surface.with_key(secret) as caller:
            if path == "/api/v1/printers/{printer_id}" and method == "PATCH":
                sent: Any = {"json": {"enabled": False}}
            else:
                sent = {}
            found = await caller.request(method, concrete, **sent)
            # A wrong password is no closed path.
            said_no = "login_failed" in found.text or "refresh token" in found.text
            return 200 if said_no else found.status_code
    return await opened(surface.app, concrete, {} if secret is None else {"x-api-key": secret})


async def opened(app: Any, path: str, headers: dict[str, str], query: str = "") -> int:
    """101 where a websocket is accepted, 403 where it is closed first."""
    sent: list[Message] = []
    told: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> Message:
        return told.pop(0) if told else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"farm"), *raw],
        "client": ("127.0.0.1", 1),
        "scheme": "ws",
        "subprotocols": [],
        "root_path": "",
        "state": {},
    }
    await app(scope, receive, send)
    first = sent[0]["type"] if sent else ""
    return 101 if first == "websocket.accept" else 403


@pytest.mark.parametrize("who", WHO)
async def test_the_page_says_who_is_let_in(surface: Surface, who: str) -> None:
    secret: str | None = None
    own: dict[str, str] = {}
    if who == "confined":
        groups = frozenset({"ours"})
        floor = (await surface.farm.floors.create("ground", 100, 100)).id
        place = {"floor": floor, "x": 1, "y": 1}
        printer = await surface.printer(group="ours", floor_position=place)
        (group,) = await surface.farm.access.groups.groups()
        own = {"printer_id": printer["id"], "group_id": group.id, "floor_id": floor}
        secret = (await surface.farm.keys.create("x", Role.OPERATOR, None, groups)).secret
    elif who != "nobody":
        secret = (await surface.farm.keys.create("x", Role(who))).secret
    wrong = []
    for (method, path), cells in rows().items():
        status = await answer(surface, secret, method, path, own)
        if (status in KEPT_OUT) != (cells[who] == "–"):
            wrong.append((method, path, status, cells[who]))
    assert wrong == []
