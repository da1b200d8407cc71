"""Without the connection every page keeps its last values, dimmed; with it, they are live again."""

from __future__ import annotations

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.chrome import NO_ANSWER, NO_GESTURE
from tests.browser.conftest import Opener
from tests.browser.furnished import Furnished
from tests.browser.pages import is_live
from tests.browser.site import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="package")
DIMMED = "xpath=ancestor-or-self::*[contains(concat(' ', @class, ' '), ' stale ')]"
GREY = "grayscale(1)"
BACK_MS = 40_000


class Line:
    """The live sockets of a page, which can be cut."""

    def __init__(self) -> None:
        self._cut = False
        self._sockets: list[WebSocketRoute] = []

    async def opened(self, socket: WebSocketRoute) -> None:
        """The page has opened one: through to the server, or nowhere."""
        if self._cut:
            await socket.close(code=1012)
            return
        socket.connect_to_server()
        self._sockets.append(socket)

    async def cut(self) -> None:
        """From now on nothing comes through."""
        self._cut = True
        for socket in self._sockets:
            await socket.close(code=1012)

    def mend(self) -> None:
        """What is opened from now on comes through."""
        self._cut = False


@pytest.mark.parametrize(
    ("address", "shows"),
    [
        pytest.param("/", "main article", id="farm"),
        pytest.param("/?view=table", "main tbody tr", id="table"),
        pytest.param("/?view=plan", "main .floor li", id="plan"),
        pytest.param("/?view=wall", "dialog [data-printer]", id="wall"),
        pytest.param("/queue", "main ol article", id="queue"),
        pytest.param("/jobs/{job}", "main h1", id="job"),
        pytest.param("/printers/{printing}", "main section", id="printer"),
        pytest.param(  # with the way back to the printer, which is known by then
            "/files/{file}/layers?printer={printing}",
            "main:has(a[href^='/printers/']) input[type=range]",
            id="layers",
        ),
    ],
)
async def test_a_lost_connection_dims_what_is_shown_until_it_is_back(
    furnished: Furnished, visit: Opener, address: str, shows: str
) -> None:
    line = Line()
    ann = await visit(furnished.farm)
    ann.expects(*NO_ANSWER, NO_GESTURE)
    await ann.page.route_web_socket("**/api/v1/live*", line.opened)
    await ann.go(address.format(**furnished.names))
    await ann.field("sign-in.name").fill("viewer")
    await ann.field("sign-in.password").fill(PASSWORD)
    await ann.field("sign-in.password").press("Enter")
    shown = ann.page.locator(shows).first
    await expect(shown).to_be_visible()
    await expect(shown.locator(DIMMED)).to_have_count(0)
    await line.cut()
    await expect(shown.locator(DIMMED)).to_have_css("filter", GREY)
    await expect(ann.page.get_by_text(ann.pattern("shell.lost")).first).to_be_visible()
    await expect(shown).to_be_visible()
    line.mend()
    await expect(shown.locator(DIMMED)).to_have_count(0, timeout=BACK_MS)
    if "wall" not in address:
        await is_live(ann)
