"""What a screen reader is told by itself: changes of a state, and never each number."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.furnished import PRINTS, Furnished
from tests.browser.pages import MOVES_MS, card, is_loaded, moves

pytestmark = pytest.mark.asyncio(loop_scope="package")
# Within this, what is said twice would have been said again: pages are told each second.
AGAIN_MS = 3_000
# Notes what every live region says from now on, also of those that come later.
LISTEN = """() => {
  globalThis.heard = [];
  const manner = (region) => region.ariaLive ?? (region.role === "alert" ? "assertive" : "polite");
  const live = "[role=status], [role=alert], [role=log], [aria-live]:not([aria-live=off])";
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      const within = (target.nodeType === 1 ? target : target.parentElement)?.closest(live);
      for (const one of [within, ...addedNodes]) {
        const region = one?.nodeType === 1 && one.isConnected
          ? (one.matches(live) ? one : one.querySelector(live)) : null;
        const text = region?.textContent.trim();
        if (text) globalThis.heard.push([text, manner(region)]);
      }
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


async def heard(ann: Visit) -> list[tuple[str, str]]:
    """What was said so far, and how: politely or not."""
    said: list[list[str]] = await ann.page.evaluate("() => globalThis.heard")
    return [(text, manner) for text, manner in said]


@pytest.mark.timeout(300)
async def test_a_print_goes_on_without_a_word(furnished: Furnished, visit: Opener) -> None:
    ann = await visit(furnished.farm, "operator")
    await moves(card(ann, PRINTS))
    await ann.page.evaluate(LISTEN)
    await moves(card(ann, PRINTS))
    await moves(card(ann, PRINTS))
    assert await heard(ann) == []

    await ann.go(f"/printers/{furnished.printers[PRINTS]}")
    await is_loaded(ann)
    shown = ann.main.locator("dd.flex span").first
    await expect(shown).to_contain_text("°C")
    await ann.page.evaluate(LISTEN)
    now = await shown.inner_text()
    await expect(shown).not_to_have_text(now, use_inner_text=True, timeout=MOVES_MS)
    assert await heard(ann) == []


async def test_another_state_is_told_once_and_politely(furnished: Furnished, visit: Opener) -> None:
    ann = await visit(furnished.farm, "operator", path=f"/printers/{furnished.printers[PRINTS]}")
    await is_loaded(ann)
    pause, resume = ann.button("printer.pause"), ann.button("printer.resume")
    await expect(pause).to_be_visible()
    await ann.page.evaluate(LISTEN)
    await pause.press("Enter")
    await expect(resume).to_be_visible()
    await resume.press("Enter")
    await expect(pause).to_be_visible()
    await ann.page.wait_for_timeout(AGAIN_MS)
    told = [one for one in await heard(ann) if PRINTS in one[0]]
    assert told == [
        (f"{PRINTS}: {ann.say(f'state.{state}')}", "polite") for state in ("paused", "printing")
    ]
