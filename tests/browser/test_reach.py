"""Every page by keys alone, with the focus seen; and every target large enough for a finger."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.chrome import FINGER, POINTER, Language
from tests.browser.conftest import Opener
from tests.browser.furnished import Furnished
from tests.browser.pages import is_loaded
from tests.browser.reach import small, unreached, wider
from tests.browser.routes import FULL

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
MOTION = """() => document.getAnimations().filter((one) => one.playState === "running").length
  + [...document.querySelectorAll("*")].filter((one) => {
    const { animationName, transitionDuration } = getComputedStyle(one);
    return animationName !== "none" || parseFloat(transitionDuration) > 0;
  }).length"""


async def test_tab_comes_to_everything_on_every_page_and_is_seen(
    furnished: Furnished, visit: Opener
) -> None:
    ann = await visit(furnished.farm, "admin")
    found = []
    for _, address, shows in FULL:
        await ann.go(address.format(**furnished.names))
        await expect(ann.page.locator(shows).first).to_be_visible()
        await is_loaded(ann)
        found += [f"{address}: {one}" for one in await unreached(ann.page)]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("language", "phone", "least"),
    [
        pytest.param("en", True, FINGER, id="english-phone"),
        pytest.param("de", True, FINGER, id="german-phone"),
        pytest.param("en", False, POINTER, id="desktop"),
    ],
)
async def test_every_target_is_large_enough_and_nothing_is_wider_than_the_screen(
    furnished: Furnished, visit: Opener, language: Language, phone: bool, least: int
) -> None:
    ann = await visit(furnished.farm, "admin", phone=phone, language=language)
    found = []
    for _, address, shows in FULL:
        await ann.go(address.format(**furnished.names))
        await expect(ann.page.locator(shows).first).to_be_visible()
        await is_loaded(ann)
        found += [f"{address}: {one}" for one in await small(ann.page.locator("body"), least)]
        found += [f"{address}: {one}" for one in await wider(ann.page)]
    assert found == [], "\n".join(found)


async def test_nothing_moves_where_no_motion_is_wanted(furnished: Furnished, visit: Opener) -> None:
    ann = await visit(furnished.farm, "admin")
    moving = {}
    for _, address, shows in FULL:
        await ann.go(address.format(**furnished.names))
        await expect(ann.page.locator(shows).first).to_be_visible()
        moving[address] = await ann.page.evaluate(MOTION)
    assert not any(moving.values()), moving
