"""What watches every other test of this folder does notice what it is there for."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import drawn, examine
from tests.browser.conftest import Opener
from tests.browser.pages import card
from tests.browser.site import Farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
INLINE = """() => {
  const script = document.createElement("script");
  script.textContent = "globalThis.ran = true";
  document.body.append(script);
}"""
ELSEWHERE = "() => fetch('http://127.0.0.1:1/').catch(() => null)"
HIDDEN = "() => fetch('/api/v1/hidden')"
SENT_TO_A_PAGE = "() => fetch('/queue', { method: 'POST' })"
NO_FILE = "() => fetch('/assets/elsewhere.js')"
DOCUMENTATION = "() => fetch('/docs')"
SOCKET = "() => { new WebSocket(`ws://${location.host}/api/v1/other`); }"
PALE = """() => document.querySelector("main article dd").style.setProperty("opacity", "0.4")"""
UNNAMED = """() => {
  const image = document.createElement("img");
  image.src = "/icon.svg";
  document.querySelector("main").append(image);
}"""


@pytest.mark.parametrize(
    ("act", "told"),
    [
        pytest.param("() => console.error('broken')", "error: broken", id="console"),
        pytest.param("() => console.warn('odd')", "warning: odd", id="warning"),
        pytest.param(
            "() => setTimeout(() => { throw new Error('no'); })", "thrown: no", id="throw"
        ),
        pytest.param(INLINE, "policy: script-src", id="inline-script"),
        pytest.param(ELSEWHERE, "policy: connect-src", id="elsewhere"),
        pytest.param(HIDDEN, "not in the document: GET /api/v1/hidden", id="undocumented"),
        pytest.param(SENT_TO_A_PAGE, "not in the document: POST /queue", id="sent-to-a-page"),
        pytest.param(NO_FILE, "not in the document: GET /assets/elsewhere.js", id="no-file"),
        pytest.param(DOCUMENTATION, "not in the document: GET /docs", id="documentation"),
        pytest.param(SOCKET, "another socket: ws://", id="socket"),
    ],
)
async def test_a_visit_complains_of_what_the_page_does_wrong(
    farm: Farm, visit: Opener, act: str, told: str
) -> None:
    ann = await visit(farm)
    await ann.go("/sign-in")
    await expect(ann.heading("sign-in.title")).to_be_visible()
    assert ann.unexpected() == []
    await ann.page.evaluate(act)
    for _ in range(50):
        if any(told in one for one in ann.unexpected()):
            break
        await drawn(ann.page)
    # What the browser says of the answer to it comes a moment later, or not at all.
    ann.expects("Failed to load resource", "WebSocket connection to")
    complaints = ann.unexpected()
    ann.complaints.clear()
    assert any(told in one for one in complaints), complaints


async def test_axe_finds_what_is_pale_on_a_card(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm, "viewer")
    await expect(card(ann, "octo-001")).to_be_visible()
    await ann.page.evaluate(PALE)
    with pytest.raises(AssertionError, match=r"pale, light, 1280 px: color-contrast"):
        await examine(ann.page, "pale")


async def test_axe_finds_what_is_not_accessible(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm)
    await ann.go("/sign-in")
    await expect(ann.heading("sign-in.title")).to_be_visible()
    await ann.page.evaluate(UNNAMED)
    with pytest.raises(AssertionError, match=r"spoilt, dark, 390 px: image-alt"):
        await examine(ann.page, "spoilt")
