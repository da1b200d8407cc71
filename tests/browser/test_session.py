"""Sessions: the sign-in refuses, keeps the address, comes back to it, and lets go."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.browser.axe import examine
from tests.browser.chrome import PATIENCE_MS, Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_live, sign_in, sign_out
from tests.browser.site import Farm, set_up_farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
# The server looks every 30 s whether a socket may stay open.
NOTICED_MS = 45_000
# How long a session lasts at least, whatever the settings.
SHORTEST_S = 60
ELSEWHERE = "/nowhere?of=today#top"
REFUSED = r"401 \(Unauthorized\) .*/api/v1/auth/login"
ENDED = r"401 \(Unauthorized\) .*/api/v1/"


async def comes_back(ann: Visit, *, within_ms: float = PATIENCE_MS) -> None:
    """The page gives way to the sign-in, which leads back to it."""
    await expect(ann.heading("sign-in.title")).to_be_visible(timeout=within_ms)
    await expect(ann.page).to_have_url(f"{ann.url}/sign-in?next={quote(ELSEWHERE, safe='/?=')}")
    await sign_in(ann, "operator")
    await expect(ann.heading("not-found.title")).to_be_visible()
    await expect(ann.page).to_have_url(ann.url + ELSEWHERE)
    await is_live(ann)


async def test_a_wrong_password_is_refused_in_words_and_the_right_one_opens(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm)
    ann.expects(REFUSED)
    await ann.go("/")
    await expect(ann.heading("sign-in.title")).to_be_visible()
    await examine(ann.page, "sign-in")
    await sign_in(ann, "operator", "not the password")
    await expect(ann.page.get_by_role("alert")).to_contain_text(
        ann.say("problem.login_failed.detail")
    )
    await examine(ann.page, "sign-in refused")
    await sign_in(ann, "operator")
    await is_live(ann)


async def test_a_session_that_ends_on_the_server_leads_to_the_sign_in_and_back(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "operator", path=ELSEWHERE)
    ann.expects(ENDED)
    await expect(ann.heading("not-found.title")).to_be_visible()
    await farm.end_sessions_of("operator")
    await expect(ann.heading("sign-in.title")).to_be_visible(timeout=NOTICED_MS)
    told = await ann.page.get_by_role("status").all_inner_texts()
    assert not any(told), "a screen reader still hears of a lost connection"
    await comes_back(ann)


async def test_who_comes_back_after_the_session_ended_signs_in_and_goes_on_there(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "operator", path=ELSEWHERE)
    ann.expects(ENDED)
    await farm.end_sessions_of("operator")
    await ann.page.reload()
    await comes_back(ann)


async def test_who_signed_out_sees_nothing_any_more(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm, "operator")
    await expect(card(ann, "octo-001")).to_be_visible()
    await sign_out(ann, "operator")
    await expect(ann.heading("sign-in.title")).to_be_visible()
    await ann.page.go_back()
    await expect(ann.heading("sign-in.title")).to_be_visible()
    await expect(card(ann, "octo-001")).to_have_count(0)


@pytest.mark.timeout(240)
async def test_a_session_that_runs_out_leads_to_the_sign_in_and_back(
    visit: Opener, tmp_path: Path
) -> None:
    async with set_up_farm(tmp_path, session_seconds=str(SHORTEST_S)) as farm:
        ann = await visit(farm, "operator", path=ELSEWHERE)
        ann.expects(ENDED)
        await expect(ann.heading("not-found.title")).to_be_visible()
        await expect(ann.heading("sign-in.title")).to_have_count(0)
        within = SHORTEST_S * 1000 + NOTICED_MS
        await comes_back(ann, within_ms=within)
        await ann.page.close()
