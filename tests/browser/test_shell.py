"""What holds for every page: axe finds nothing, and it fits on a phone; in both languages."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import examine
from tests.browser.chrome import Language
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_loaded, page_links
from tests.browser.reach import wider
from tests.browser.site import Farm

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_page_of_the_navigation_is_accessible_and_fits_a_phone(
    farm: Farm, visit: Opener, language: Language
) -> None:
    ann = await visit(farm, "admin", language=language)
    await expect(card(ann, "octo-001")).to_be_visible()
    held = await visit(farm, "admin", language=language, phone=True)
    too_wide = []
    for path in [*await page_links(ann), "/nowhere"]:
        await ann.go(path)
        await is_loaded(ann)
        if path == "/":
            await expect(card(ann, "octo-001")).to_be_visible()
        await examine(ann.page, path)
        await held.go(path)
        await is_loaded(held)
        if path == "/":
            await expect(card(held, "octo-001")).to_be_visible()
        too_wide += [f"{path}: {one}" for one in await wider(held.page)]
    assert too_wide == [], "\n".join(too_wide)
