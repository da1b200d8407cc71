"""axe on every page: with everything, with nothing, and where nothing can be read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import chain

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, ViewportSize, WebSocketRoute, expect

from tests.browser.axe import examine, faults, on
from tests.browser.chrome import NO_GESTURE, Visit
from tests.browser.conftest import Opener
from tests.browser.furnished import Furnished
from tests.browser.pages import is_loaded
from tests.browser.routes import EMPTY, FAILING, FULL, NEVER_EMPTY, OPEN, OWN, known_routes
from tests.browser.screens import SIZES
from tests.browser.site import Farm, set_up_farm

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
BROKEN = {
    "status": 500,
    "code": "internal_error",
    "detail": "something went wrong on the server",
    "hint": "Try again; if it stays, look at the server's log.",
}
REFUSALS = (r"500 \(Internal Server Error\)", r"WebSocket", r"404 \(Not Found\)")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def nothing(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Farm]:
    """A farm with people and nothing else."""
    async with set_up_farm(tmp_path_factory.mktemp("nothing")) as farm:
        yield farm


async def breaks(page: Page) -> None:
    """From now on nothing but the session can be read, and nothing is told live."""

    async def refuse(route: Route) -> None:
        kind = "application/problem+json"
        await route.fulfill(status=500, content_type=kind, body=json.dumps(BROKEN))

    async def hang_up(socket: WebSocketRoute) -> None:
        await socket.close()

    await page.route(lambda url: "/api/v1/" in url and not url.endswith("/me"), refuse)
    await page.route("**/health/detailed", refuse)
    await page.route_web_socket("**/api/v1/live*", hang_up)


async def looked_at(ann: Visit, address: str, *shows: Locator, what: str = "") -> list[str]:
    """Open the page, wait for what it shows; what axe finds, or that it never came."""
    await ann.go(address)
    try:
        for one in shows:
            await expect(one.first).to_be_visible()
        await is_loaded(ann)
    except AssertionError as error:
        return [f"{address} {what}: {str(error).splitlines()[0]}"]
    return await faults(ann.page, f"{address} {what}".strip())


@SIZES
async def test_every_page_that_has_something_to_show(
    furnished: Furnished, visit: Opener, screen: ViewportSize
) -> None:
    ann = await visit(furnished.farm, "admin")
    await on(ann.page, screen)
    found = []
    for _, address, shows in FULL:
        where = address.format(**furnished.names)
        found += await looked_at(ann, where, ann.page.locator(shows))
    assert found == [], "\n".join(found)


@SIZES
async def test_every_page_that_is_empty(nothing: Farm, visit: Opener, screen: ViewportSize) -> None:
    ann = await visit(nothing, "admin")
    ann.expects(*REFUSALS, NO_GESTURE)
    await on(ann.page, screen)
    found = []
    for address, *keys in chain.from_iterable(EMPTY.values()):
        where = ann.page.get_by_role("dialog") if "wall" in address else ann.main
        says = [where.get_by_text(ann.say(key)) for key in keys]
        found += await looked_at(ann, address, *says, what="empty")
    assert found == [], "\n".join(found)


@SIZES
async def test_every_page_that_cannot_be_read_says_so(
    furnished: Furnished, visit: Opener, screen: ViewportSize
) -> None:
    ann = await visit(furnished.farm, "admin")
    ann.expects(*REFUSALS)
    await on(ann.page, screen)
    await breaks(ann.page)
    found = []
    for address in chain.from_iterable(FAILING.values()):
        where = address.format(**furnished.names)
        found += await looked_at(ann, where, ann.main.get_by_role("alert"), what="failing")
    assert found == [], "\n".join(found)


async def test_no_page_is_left_out() -> None:
    known = known_routes()
    assert len(known) > 15, "the tables of routes are read no more"
    assert {one for one, *_ in FULL} == known - OPEN
    assert set(EMPTY) == known - OPEN - OWN - NEVER_EMPTY
    assert set(FAILING) == known - OPEN - OWN


async def test_a_set_up_link_that_works_no_more(nothing: Farm, visit: Opener) -> None:
    ann = await visit(nothing)
    await ann.go("/setup?token=x")
    await expect(ann.page.get_by_text(ann.say("set-up.closed"))).to_be_visible()
    await examine(ann.page, "/setup, closed")
