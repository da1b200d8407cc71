"""A websocket passes the gate as a request does, and one with a cookie says where it comes from."""

from __future__ import annotations

import pytest
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from buildplate.access.model import Role, caller_of_key
from tests.service.api.people import browser, user
from tests.service.api.surface import Surface
from tests.service.api.test_access_page import opened

SEEN: list[str] = []


async def greet(socket: WebSocket) -> None:
    caller = socket.scope.get("caller")
    SEEN.append("nobody yet" if caller is None else caller.name)
    await socket.accept()


@pytest.fixture
async def door(surface: Surface) -> Surface:
    SEEN.clear()
    surface.app.router.routes.insert(0, WebSocketRoute("/live", greet))
    surface.app.router.routes.insert(0, WebSocketRoute("/api/v1/live", greet))
    return surface


async def test_a_websocket_needs_a_caller(door: Surface) -> None:
    for headers in ({}, {"x-api-key": "bp_" + "x" * 43}, {"cookie": "buildplate_session=x"}):
        assert await opened(door.app, "/live", headers) == 403
    assert SEEN == []
    assert await opened(door.app, "/live", {"x-api-key": door.secret}) == 101
    bearer = {"authorization": f"Bearer {door.secret}"}
    assert await opened(door.app, "/live", bearer) == 101
    assert SEEN == ["first admin"] * 2


async def test_a_websocket_with_a_cookie_names_this_server_as_its_origin(door: Surface) -> None:
    await user(door, Role.VIEWER)
    secret = (await browser(door)).cookies["buildplate_session"]
    cookie = {"cookie": f"buildplate_session={secret}"}
    for origin in ({}, {"origin": "http://evil"}, {"origin": "null"}, {"origin": ""}):
        assert await opened(door.app, "/live", cookie | origin) == 403, origin
    assert await opened(door.app, "/live", cookie | {"origin": "http://farm"}) == 101
    assert SEEN == ["ann"]


async def test_whoever_is_confined_to_groups_hears_nothing_of_the_whole_farm(
    door: Surface,
) -> None:
    groups = frozenset({"ours"})
    made = await door.farm.keys.create("ours", Role.OPERATOR, None, groups)
    assert await opened(door.app, "/live", {"x-api-key": made.secret}) == 403
    assert SEEN == []
    assert await opened(door.app, "/api/v1/live", {"x-api-key": made.secret}) == 101, (
        "this one looks at groups itself"
    )


async def test_it_is_known_when_a_caller_who_was_let_in_may_stay_no_longer(door: Surface) -> None:
    access = door.farm.access
    made = await access.keys.create("shop", Role.VIEWER)
    shop = caller_of_key(await access.keys.check(made.secret))
    await user(door, Role.VIEWER)
    ann = await access.sessions.by_cookie((await browser(door)).cookies["buildplate_session"])
    assert [await access.still(caller) for caller in (shop, ann)] == [True, True]
    await access.keys.revoke(made.key.id)
    await access.sessions.logout(ann)
    assert [await access.still(caller) for caller in (shop, ann)] == [False, False]


async def test_whoever_is_confined_later_may_stay_no_longer(door: Surface) -> None:
    access = door.farm.access
    ann = await user(door, Role.VIEWER)
    caller = await access.sessions.by_cookie((await browser(door)).cookies["buildplate_session"])
    assert await access.still(caller)
    changed = {"groups": ["ours"]}
    answer = await door.client.patch(f"/api/v1/users/{ann.id}", json=changed)
    assert answer.is_success, answer.text
    assert not await access.still(caller)


async def test_a_ticket_is_checked_by_the_one_path_that_takes_them(door: Surface) -> None:
    assert await opened(door.app, "/api/v1/live", {}, "topics=x&ticket=y") == 101
    assert SEEN == ["nobody yet"]
    assert await opened(door.app, "/api/v1/live", {}, "topics=ticket") == 403
    wrong = {"x-api-key": "bp_" + "x" * 43}
    assert await opened(door.app, "/api/v1/live", wrong, "ticket=y") == 403
    assert await opened(door.app, "/live", {}, "ticket=y") == 403, "it takes no tickets"
