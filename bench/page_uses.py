"""What a person does on the farm page, by real clicks and keys.

Things are looked for before they are pressed, and nothing is looked for until the page has shown
its answer: to find something by its role costs the page itself much more than a press.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from playwright.async_api import Locator

from tests.browser.chrome import Visit

ANSWERED_S = 0.5
BETWEEN_KEYS_S = 0.15
SEARCHED = "virtual-12"
PICKED = 4


async def _press(visit: Visit, wanted: Locator) -> None:
    await wanted.scroll_into_view_if_needed()
    box = await wanted.bounding_box()
    assert box is not None
    await asyncio.sleep(ANSWERED_S)
    await visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await asyncio.sleep(ANSWERED_S)


async def _menu(visit: Visit) -> None:
    """Open a menu twice: the first time it is fetched."""
    for _ in range(2):
        await _press(visit, visit.button("shell.theme"))
        assert await visit.page.get_by_role("menu").count()
        await visit.page.keyboard.press("Escape")
        await asyncio.sleep(ANSWERED_S)


async def _state(visit: Visit) -> None:
    """Show only one state, then all."""
    counts = visit.main.get_by_role("list", name=visit.say("farm.counts"))
    for name in (visit.say("state.printing"), visit.say("farm.all")):
        await _press(visit, counts.get_by_role("button", name=name))


async def _search(visit: Visit) -> None:
    """Type a search, and take it back key by key."""
    await _press(visit, visit.field("farm.search"))
    for key in [*SEARCHED, *("Backspace" for _ in SEARCHED)]:
        await visit.page.keyboard.press(key)
        await asyncio.sleep(BETWEEN_KEYS_S)


async def _pick(visit: Visit) -> None:
    """Pick some cards, all of them, and none."""
    boxes = visit.page.locator("[data-printer] input[type=checkbox]")
    for nth in range(PICKED):
        await _press(visit, boxes.nth(nth))
    all_of_them = visit.page.get_by_role("button", name=visit.pattern("farm.pick_all"))
    await _press(visit, all_of_them)
    await _press(visit, visit.button("farm.pick_none"))


async def _view(visit: Visit) -> None:
    """Table, dense table, dense cards, cards."""
    for key in ("farm.view_table", "farm.compact", "farm.view_cards", "farm.compact"):
        await _press(visit, visit.button(key))


async def _sort(visit: Visit) -> None:
    """Sort the table, and go back."""
    for key in ("farm.view_table", "farm.column_name", "farm.column_progress", "farm.view_cards"):
        await _press(visit, visit.button(key))


async def _wall(visit: Visit) -> None:
    """To the wall and back."""
    for key in ("farm.view_wall", "farm.leave_wall"):
        await _press(visit, visit.button(key))


USES: Mapping[str, Callable[[Visit], Awaitable[None]]] = MappingProxyType(
    {
        "open a menu": _menu,
        "show one state of 500": _state,
        "type a search among 500": _search,
        "pick cards, and all 500": _pick,
        "change the view of 500": _view,
        "sort 500": _sort,
        "to the wall of 500 and back": _wall,
    }
)
