"""Runs axe-core on a page, light and dark, on a desktop and on a phone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Page, ViewportSize

from tests.browser.chrome import DESKTOP, PHONE

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# Where every rule runs. In the other theme of a screen only the colours differ.
THOROUGHLY = {DESKTOP["width"]: "light", PHONE["width"]: "dark"}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# The edge of a card is a pseudo-element; for it, axe would leave the card's contrast undecided.
# No rule that runs needs the style sheets, which axe would fetch otherwise.
OPTIONS: dict[str, Any] = {
    "checks": {"color-contrast": {"options": {"ignorePseudo": True}}},
    "resultTypes": ["violations"],
    "preload": False,
}
RUN = """async (options) => (await globalThis.axe.run(document, options)).violations.map(
  ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((one) => one.target).join(", ")}`)"""
DRAWN = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => done())))"""


async def drawn(page: Page) -> None:
    """Wait until the browser has drawn what was changed just now."""
    await page.evaluate(DRAWN)


@cache
def _script() -> str:
    assert AXE.exists(), "make web installs axe-core"
    return AXE.read_text("utf-8")


async def faults(page: Page, what: str) -> list[str]:
    """What axe finds on the page as it is on this screen, light and dark; `what` names it.

    The theme is the system's, unless somebody has chosen one.
    """
    assert page.viewport_size is not None
    width = page.viewport_size["width"]
    if not await page.evaluate("'axe' in globalThis"):
        # Past the page's policy, which lets nobody else's script in.
        await page.evaluate(_script())
    found = []
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await drawn(page)
        options = OPTIONS if theme == THOROUGHLY[width] else OPTIONS | COLOURS
        told = await page.evaluate(RUN, options)
        found += [f"{what}, {theme}, {width} px: {one}" for one in told]
    return found


async def examine(page: Page, what: str) -> None:
    """AssertionError with what axe finds on the page, on a desktop and on a phone."""
    before = page.viewport_size
    assert before is not None
    found = []
    for screen in (DESKTOP, PHONE):
        await on(page, screen)
        found += await faults(page, what)
    await page.set_viewport_size(before)
    assert found == [], "\n".join(found)


async def on(page: Page, screen: ViewportSize) -> None:
    """Give the page a screen of this size."""
    await page.set_viewport_size(screen)
    await drawn(page)
