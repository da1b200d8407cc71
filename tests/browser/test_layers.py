"""The layers of a file: read as it streams, seen from above, in space and as a list."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Route, expect

from tests.browser.axe import drawn, examine
from tests.browser.chrome import Language, Visit
from tests.browser.conftest import Opener
from tests.browser.pages import tab_to
from tests.browser.reach import wider
from tests.browser.screens import READERS
from tests.browser.site import LASTING_LAYERS, Farm
from tests.gcode_samples import square_tower

pytestmark = pytest.mark.asyncio(loop_scope="package")
LAYERS = 60
# What the list shows at a time.
ROWS = 50
NAME = "tower.gcode"
PIXELS = """(canvas) => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  const seen = new Map();
  for (let at = 0; at < data.length; at += 4) {
    const colour = data.slice(at, at + 3).join(" ");
    seen.set(colour, (seen.get(colour) ?? 0) + 1);
  }
  return Object.fromEntries(seen);
}"""
GROUND = "255 255 255"
WITHIN_S = 20.0
NO_OFFSCREEN = "delete HTMLCanvasElement.prototype.transferControlToOffscreen"
NO_WEBGL = """OffscreenCanvas.prototype.getContext = (function (get) {
  return function (kind, ...more) { return kind === "2d" ? get.call(this, kind, ...more) : null; };
})(OffscreenCanvas.prototype.getContext);
"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def tower(farm: Farm) -> str:
    """The id of a file of LAYERS square layers."""
    return await farm.api.upload(square_tower(layers=LAYERS).decode(), NAME)


def picture(ann: Visit) -> Locator:
    return ann.main.locator("canvas")


def slider(ann: Visit) -> Locator:
    return ann.main.get_by_role("slider", name=ann.say("layers.layer"))


async def shows(ann: Visit, layer: int) -> None:
    """Wait until the picture was drawn in full with this layer, the first of which is 1."""
    await expect(picture(ann)).to_have_attribute("data-drawn", str(layer - 1))
    await expect(picture(ann)).to_have_attribute("data-whole", "true")


async def becomes(ann: Visit, wanted: Callable[[float], bool]) -> None:
    """Wait until so much of the picture is drawn on."""
    async with asyncio.timeout(WITHIN_S):
        while not wanted(await drawn_share(ann)):
            await drawn(ann.page)


async def drawn_share(ann: Visit) -> float:
    """How much of the picture is not its ground."""
    seen: dict[str, int] = await picture(ann).evaluate(PIXELS)
    return 1 - seen.get(GROUND, 0) / sum(seen.values())


@READERS
async def test_a_files_layers_are_opened_from_its_details_and_scrubbed_by_keys(
    farm: Farm, visit: Opener, tower: str, language: Language, phone: bool
) -> None:
    ann = await visit(farm, "viewer", path="/files", language=language, phone=phone)
    await ann.main.get_by_role("button", name=NAME, exact=True).click()
    await ann.page.get_by_role("link", name=ann.say("layers.open")).click()
    await expect(ann.main.get_by_role("heading", level=1)).to_have_text(NAME)
    await shows(ann, 1)
    said = ann.say("layers.chosen", number=1, count=LAYERS, height=_height(language, 0.2))
    await expect(slider(ann)).to_have_attribute("aria-valuetext", said)

    await ann.page.evaluate("document.activeElement.blur()")
    await tab_to(ann.page, slider(ann))
    for key, layer in (("ArrowRight", 2), ("PageUp", 12), ("ArrowLeft", 11), ("End", LAYERS)):
        await ann.page.keyboard.press(key)
        await shows(ann, layer)
    height = _height(language, LAYERS / 5)
    said = ann.say("layers.chosen", number=LAYERS, count=LAYERS, height=height)
    await expect(slider(ann)).to_have_attribute("aria-valuetext", said)
    assert await wider(ann.page) == []


def _height(language: Language, height: float) -> str:
    return f"{height:g}".replace(".", "," if language == "de" else ".")


async def test_one_looks_around_in_the_flat_picture_and_leaves_lines_out(
    farm: Farm, visit: Opener, tower: str
) -> None:
    ann = await visit(farm, "viewer", path=f"/files/{tower}/layers")
    await shows(ann, 1)
    whole = await drawn_share(ann)
    await picture(ann).focus()
    for _ in range(3):
        await ann.page.keyboard.press("-")
    await expect(picture(ann)).to_have_attribute("data-whole", "true")
    await becomes(ann, lambda share: share < whole * 0.9)
    await ann.button("layers.show_all").click()
    await becomes(ann, lambda share: share == whole)
    lines = ann.main.get_by_role("checkbox", name=ann.say("layers.kind_other"))
    await lines.click()
    await becomes(ann, lambda share: share < whole * 0.7)
    await examine(ann.page, "the layers from above")


async def test_the_part_is_shown_in_space_and_turned_by_keys(
    farm: Farm, visit: Opener, tower: str
) -> None:
    ann = await visit(farm, "viewer", path=f"/files/{tower}/layers?view=space")
    await shows(ann, LAYERS)
    before = await picture(ann).evaluate(PIXELS)
    assert len(before) > 3, "light falls differently on the sides"
    await picture(ann).focus()
    await ann.page.keyboard.press("ArrowLeft")
    await expect(picture(ann)).to_have_attribute("data-whole", "false")
    await shows(ann, LAYERS)
    assert await picture(ann).evaluate(PIXELS) != before
    await examine(ann.page, "the layers in space")


async def test_the_list_says_in_figures_what_the_pictures_show(
    farm: Farm, visit: Opener, tower: str
) -> None:
    ann = await visit(farm, "viewer", path=f"/files/{tower}/layers?view=list")
    table = ann.main.get_by_role("table", name=ann.say("layers.table"))
    row = table.get_by_role("row", name=re.compile(r"^Layer 3\b"))
    await expect(row).to_have_text(re.compile(r"Layer 3\s*0\.6\s*80\s*4\s*2"))
    await expect(table.locator("tfoot")).to_have_text(re.compile(r"4,800\s*240\s*\d+"))
    await ann.button("layers.later").click()
    await ann.button("layers.number", number=LAYERS).click()
    await expect(slider(ann)).to_have_attribute("aria-valuetext", re.compile(rf"\b{LAYERS}, 12 mm"))
    await examine(ann.page, "the layers as a list")


async def _without_webgl(route: Route) -> None:
    answer = await route.fetch()
    await route.fulfill(response=answer, body=NO_WEBGL + await answer.text())


async def test_without_webgl_the_page_says_so_and_offers_the_flat_picture(
    farm: Farm, visit: Opener, tower: str
) -> None:
    ann = await visit(farm, "viewer")
    await ann.page.route(re.compile("/assets/worker-.*js"), _without_webgl)
    await ann.go(f"/files/{tower}/layers?view=space")
    await expect(ann.main).to_contain_text(ann.say("layers.no_space_missing"))
    await examine(ann.page, "the layers without WebGL")
    await ann.button("layers.to_flat").click()
    await shows(ann, 1)


async def test_a_browser_that_cannot_draw_elsewhere_is_told_so_and_offered_the_list(
    farm: Farm, visit: Opener, tower: str
) -> None:
    ann = await visit(farm, "viewer")
    await ann.page.add_init_script(NO_OFFSCREEN)
    await ann.go(f"/files/{tower}/layers")
    await expect(ann.main).to_contain_text(ann.say("layers.no_picture"))
    await examine(ann.page, "the layers without OffscreenCanvas")
    await ann.button("layers.to_list").click()
    await expect(ann.main.locator("tbody tr")).to_have_count(ROWS)


async def test_a_file_that_is_gone_and_one_that_breaks_off_are_told_and_tried_again(
    farm: Farm, visit: Opener, tower: str
) -> None:
    ann = await visit(farm, "viewer")
    ann.expects(r"404 \(Not Found\)", r"ERR_")
    await ann.go("/files/01890000-0000-7000-8000-000000000000/layers")
    await expect(ann.page.get_by_role("alert")).to_contain_text(ann.say("layers.safe"))
    await examine(ann.page, "layers of a file that is gone")

    await ann.page.context.route("**/content", lambda route: route.abort())
    await ann.go(f"/files/{tower}/layers")
    alert = ann.page.get_by_role("alert")
    await expect(alert).to_contain_text(ann.say("ui.unreachable"))
    await ann.page.context.unroute("**/content")
    await ann.button("ui.again").click()
    await shows(ann, 1)
    await expect(alert).to_have_count(0)


async def test_a_file_in_which_nothing_prints_says_so(farm: Farm, visit: Opener) -> None:
    stored = await farm.api.upload("G28\nG1 X10 Y10 F3000\nM84\n", "home.gcode")
    ann = await visit(farm, "viewer", path=f"/files/{stored}/layers")
    await expect(ann.page.get_by_role("alert")).to_contain_text(
        ann.say("problem.layers_none.detail")
    )


async def test_a_running_print_is_followed_until_one_looks_elsewhere(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "viewer", path="/")
    await ann.main.get_by_role("link", name="octo-001").first.click()
    await expect(ann.main).to_contain_text(ann.pattern("printer.layer"))
    await ann.main.get_by_role("link", name=ann.say("layers.open")).click()
    await expect(ann.main).to_contain_text(ann.pattern("layers.follows"))
    await expect(ann.main.locator("[aria-busy=true]")).to_have_count(0)
    follow = ann.main.get_by_role("switch", name=ann.say("layers.follow"))
    await expect(follow).to_be_checked()
    await expect(slider(ann)).to_have_attribute("max", str(LASTING_LAYERS - 1))
    await follows(ann)
    await examine(ann.page, "the layers of a running print")
    await slider(ann).focus()
    await ann.page.keyboard.press("End")
    await expect(follow).not_to_be_checked()
    await expect(slider(ann)).to_have_value(str(LASTING_LAYERS - 1))
    await shows(ann, LASTING_LAYERS)
    await follow.click()
    await follows(ann)


async def follows(ann: Visit) -> None:
    """Wait until the slider stands at the layer that the note tells, which is not the first."""
    note = ann.main.get_by_text(ann.pattern("layers.follows"))
    async with asyncio.timeout(WITHIN_S):
        while True:
            told = re.search(r"\blayer (\d+):", await note.inner_text())
            assert told is not None
            if 1 < int(told[1]) < LASTING_LAYERS and await stands_at(ann, int(told[1])):
                return
            await drawn(ann.page)


async def stands_at(ann: Visit, layer: int) -> bool:
    """Whether the slider stands there, the first layer being 1."""
    return await slider(ann).input_value() == str(layer - 1)
