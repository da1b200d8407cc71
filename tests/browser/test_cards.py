"""Hundreds of printers on the page: what is far from the screen costs nothing.

The frames are the server's own, of one of its printers made into many; times are not measured, only
what is drawn again is counted (`python -m bench "W1 live cards"` measures).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.browser.axe import drawn
from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import is_live, sign_in
from tests.browser.site import Farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
PRINTERS = 300
SCREENS = 3
# What is drawn without a picture is drawn within this.
LATE_MS = 300
MARGIN_PX = 400
"""How far beyond the screen printers are kept up to date: scrolling finds them as they are."""

# What ends so close to the margin may be within it or not, by a fraction.
EDGE_PX = 50

WATCH = """() => {
  globalThis.drawn = new Set();
  globalThis.shares = new Set();
  new MutationObserver((changes) => changes.forEach(({ target }) => {
    const element = target instanceof Element ? target : target.parentElement;
    const printer = element?.closest("[data-printer]")?.dataset.printer;
    if (printer === undefined) return;
    globalThis.drawn.add(printer);
    for (const [share] of target.textContent.matchAll(/\\d+%/g)) globalThis.shares.add(share);
  })).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
}"""
WITHIN = """(margin) => [...document.querySelectorAll("[data-printer]")]
  .filter((one) => {
    const { top, bottom } = one.getBoundingClientRect();
    return bottom >= -margin && top <= innerHeight + margin;
  })
  .map((one) => one.dataset.printer)"""
# Pictures are made when the test says so, and frames are counted as they are read.
BY_HAND = """() => {
  const [waiting, parse] = [[], JSON.parse];
  globalThis.frames = 0;
  JSON.parse = (text) => {
    const read = parse(text);
    if (read?.type === "patch") globalThis.frames += 1;
    return read;
  };
  globalThis.requestAnimationFrame = (act) => waiting.push(act);
  globalThis.picture = () => waiting.splice(0).forEach((act) => act(performance.now()));
}"""


class Feed:
    """A live socket that says what the test wants it to say."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self._seq = whole["seq"]
        self._whole = json.dumps(whole)
        self._socket: WebSocketRoute | None = None

    def opened(self, socket: WebSocketRoute) -> None:
        """The page has opened it."""
        self._socket = socket
        socket.send(self._whole)

    def tell(self, printers: Sequence[str], celsius: float) -> None:
        """All of these have become this hot."""
        assert self._socket is not None
        self._seq += 1
        heat = {"tool0": {"actual": celsius, "target": 215.0}}
        changed = [
            {"id": one, "temperatures": heat, "progress": celsius / 1000} for one in printers
        ]
        patch = {"type": "patch", "seq": self._seq, "at_s": 2.0, "printers": changed}
        self._socket.send(json.dumps(patch))


async def many(farm: Farm, count: int) -> dict[str, Any]:
    """The server's own snapshot, with one printer many times over, at the farm's first print."""
    address = f"{farm.url}/api/v1/live?topics=printers"
    async with farm.api.http.ws_connect(address, headers={"Origin": farm.url}) as socket:
        whole: dict[str, Any] = await socket.receive_json(timeout=10)
    first = (await farm.api.call("GET", "/prints?limit=1"))["items"][0]["id"]
    prints = {"link": "online", "activity": "ours", "print_id": first, "problem": "", "hint": ""}
    whole["printers"] = [
        {**whole["printers"][0], **prints, "id": f"many-{n}", "number": n, "name": f"many-{n}"}
        for n in range(count)
    ]
    return whole


async def watching(visit: Opener, farm: Farm, path: str) -> tuple[Visit, Feed, list[str]]:
    """A person who looks at many printers, and the feed of their page."""
    whole = await many(farm, PRINTERS)
    feed = Feed(whole)
    ann = await visit(farm)
    await ann.page.route_web_socket("**/api/v1/live*", feed.opened)
    await ann.go(path)
    await sign_in(ann, "operator")
    await is_live(ann)
    ids = [one["id"] for one in whole["printers"]]
    return ann, feed, ids


async def redrawn(page: Page) -> set[str]:
    """The printers of which anything was drawn again since WATCH."""
    await drawn(page)
    return set(await page.evaluate("() => [...globalThis.drawn]"))


@pytest.mark.parametrize("view", ["cards", "table", "wall"])
async def test_only_printers_near_the_screen_are_drawn_again(
    farm: Farm, visit: Opener, view: str
) -> None:
    ann, feed, ids = await watching(visit, farm, f"/?view={view}")
    await expect(ann.page.locator("[data-printer]")).to_have_count(PRINTERS)
    feed.tell(ids, 200)
    await expect(ann.page.get_by_text("20%").first).to_be_visible()
    await drawn(ann.page)
    await ann.page.evaluate(WATCH)
    feed.tell(ids, 210)
    await expect(ann.page.get_by_text("21%").first).to_be_visible()
    again = await redrawn(ann.page)
    seen = set(await ann.page.evaluate(WITHIN, 0))
    close = set(await ann.page.evaluate(WITHIN, MARGIN_PX - EDGE_PX))
    near = set(await ann.page.evaluate(WITHIN, MARGIN_PX))
    assert seen < close <= again <= near
    assert 0 < len(seen) < len(near) < PRINTERS / 2


async def test_one_comes_back_to_where_one_was_in_a_long_list(farm: Farm, visit: Opener) -> None:
    ann, _, ids = await watching(visit, farm, "/")
    everything = ann.page.locator("[data-printer]")
    await expect(everything).to_have_count(PRINTERS)
    far = ids[PRINTERS * 3 // 4]
    slot = ann.page.locator(f"[data-printer={far}]")
    await slot.scroll_into_view_if_needed()
    await expect(slot.get_by_role("link")).to_be_visible()
    before = await ann.page.evaluate("() => scrollY")
    assert before > SCREENS * await ann.page.evaluate("() => innerHeight")
    ann.expects(r"404 \(Not Found\)")  # this printer is the feed's alone
    await slot.get_by_role("link").click()
    await expect(ann.page).to_have_url(f"{farm.url}/printers/{far}")
    await expect(everything).to_have_count(0)
    await ann.page.go_back()
    await expect(everything).to_have_count(PRINTERS)
    await expect(slot).to_be_in_viewport()


async def test_frames_between_two_pictures_are_drawn_together(farm: Farm, visit: Opener) -> None:
    ann, feed, ids = await watching(visit, farm, "/")
    await expect(ann.page.locator("[data-printer]")).to_have_count(PRINTERS)
    feed.tell(ids, 190)
    await expect(ann.page.get_by_text("19%").first).to_be_visible()
    await drawn(ann.page)
    await ann.page.evaluate(BY_HAND)
    await ann.page.evaluate(WATCH)
    for celsius in (200, 210, 220):
        feed.tell(ids, celsius)
    await ann.page.wait_for_function("() => globalThis.frames === 3", polling=20)
    await ann.page.wait_for_timeout(LATE_MS)
    # A card that says that it has become old in the meantime is drawn too, as it was.
    assert set(await ann.page.evaluate("() => [...globalThis.shares]")) <= {"19%"}
    await ann.page.evaluate("() => globalThis.picture()")
    await expect(ann.page.get_by_text("22%").first).to_be_visible()
    seen = set(await ann.page.evaluate(WITHIN, 0))
    assert seen <= set(await ann.page.evaluate("() => [...globalThis.drawn]"))
    shares = set(await ann.page.evaluate("() => [...globalThis.shares]"))
    assert shares - {"19%"} == {"22%"}, "drawn in between"
