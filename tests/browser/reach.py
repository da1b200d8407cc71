"""What can be operated on a page, whether Tab comes to it, and whether a finger meets it."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page

# A date is several fields to Tab, and so is the way out of the page and back into it.
TABS_MORE, TABS_IN_A_DATE = 5, 6
# Everything that the browser would give the focus by Tab: of radio buttons one in a group.
MARK = """(root) => {
  const wanted = "a[href], button, input, select, textarea, summary, audio, video, [tabindex]";
  const groups = new Set();
  let number = 0;
  for (const one of root.querySelectorAll(wanted)) {
    delete one.dataset.reach;
    // A list of tabs hands the focus on to the chosen one.
    const apart = one.role === "tablist" || one.closest("[inert], [hidden]");
    const gone = apart || one.disabled || one.tabIndex < 0;
    if (gone || !one.checkVisibility({ visibilityProperty: true })) continue;
    if (one.type === "radio") {
      if (groups.has(one.name)) continue;
      groups.add(one.name);
    }
    one.dataset.reach = String(number++);
  }
  // A dialog keeps the focus; a page begins before its first link.
  if (root === document.documentElement) document.activeElement?.blur();
  return [number, root.querySelectorAll("input[type^=date]").length];
}"""
# What has the focus, and what of the ring around it is missing.
FOCUSED = """() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return null;
  const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(one);
  const ring = outlineStyle === "solid" && parseFloat(outlineWidth) >= 2
    && Math.abs(parseFloat(outlineOffset)) >= 2;
  const group = one.type === "radio" ? document.querySelector(
    `input[type=radio][name="${one.name}"][data-reach]`) : one;
  return { number: group?.dataset.reach ?? null, ring, what: one.outerHTML.slice(0, 140) };
}"""
LEFT = """(reached) => [...document.querySelectorAll("[data-reach]")]
  .filter((one) => !reached.includes(one.dataset.reach))
  .map((one) => one.outerHTML.slice(0, 140))"""
# The label belongs to what is pressed. A link within a sentence is as high as its line.
SMALL = """(root, least) => [...root.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [role=menuitem], [role=switch]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.type !== "file")
  .filter((one) => !one.closest("[class*=sr-only]"))
  .filter((one) => !(one.matches("a[href]") && one.closest("p, dd")))
  .flatMap((one) => {
    const boxes = [one, ...(one.labels ?? [])].map((part) => part.getBoundingClientRect());
    const row = one.closest("label, [data-target]");
    if (row) boxes.push(row.getBoundingClientRect());
    const span = (from, to) => Math.round(Math.max(...boxes.map((box) => box[to]))
      - Math.min(...boxes.map((box) => box[from])));
    const [wide, high] = [span("left", "right"), span("top", "bottom")];
    if (high >= least && wide >= least) return [];
    return [`${wide} × ${high}: ${one.outerHTML.slice(0, 140)}`];
  })"""
WIDER = """() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return [];
  const parts = [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > page.clientWidth + 1)
    .filter((one) => !one.closest(".overflow-x-auto, .overflow-clip"))
    .slice(0, 3).map((one) => `wider than the screen: ${one.outerHTML.slice(0, 140)}`);
  const told = `the page is wider than the screen: ${page.scrollWidth} > ${page.clientWidth} px`;
  return parts.length ? parts : [told];
}"""


async def unreached(page: Page, within: Locator | None = None) -> list[str]:
    """Press Tab through a page or an open dialog: what never has the focus, or has it unseen."""
    most, dates = await (within or page.locator("html")).evaluate(MARK)
    reached: list[str] = []
    found: list[str] = []
    for _ in range(most + dates * TABS_IN_A_DATE + TABS_MORE):
        await page.keyboard.press("Tab")
        focused: dict[str, Any] | None = await page.evaluate(FOCUSED)
        if focused is None:
            continue
        if focused["number"] in reached and len(reached) == most:
            break
        if not focused["ring"] and focused["number"] not in reached:
            found.append(f"no ring around {focused['what']}")
        if focused["number"] is not None and focused["number"] not in reached:
            reached.append(focused["number"])
    left: list[str] = await page.evaluate(LEFT, reached)
    return found + [f"Tab never comes to {one}" for one in left]


async def small(within: Locator, least: int) -> list[str]:
    """What in it is smaller than so many pixels, and so is missed by a finger."""
    return list(await within.evaluate(SMALL, least))


async def wider(page: Page) -> list[str]:
    """What is wider than the screen."""
    return list(await page.evaluate(WIDER))
