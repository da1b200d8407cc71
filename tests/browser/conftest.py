"""One browser and one farm for the tests of this folder, and visits that end with their test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from buildplate_sim.launch import octoprints
from tests.announcing import LOOPBACK
from tests.browser.chrome import MISSING, Visit, chrome, picture, program, visiting
from tests.browser.furnished import Furnished, furnished_farm
from tests.browser.pages import is_live, sign_in
from tests.browser.site import Farm, Role, Site, fresh_site, set_up_farm
from tests.browser.workshop import Workshop, working

Opener = Callable[..., Awaitable[Visit]]
BUILT = Path(__file__).parents[2] / "src" / "buildplate" / "api" / "web_dist" / "index.html"
# Simulated seconds in a second of the shared printers.
FACTOR = 4.0
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers whether the test failed, for its pictures."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, started once."""
    found = program()
    if found is None:
        pytest.skip(MISSING)
    assert BUILT.exists(), "the web UI is not built: make web"
    async with chrome(found) as started:
        yield started


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def farm(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Farm]:
    """Four simulated OctoPrints: one prints, one is free, one is gone, one refuses its key.

    It looks for more of them on this machine alone.
    """
    folder = tmp_path_factory.mktemp("farm")
    async with (
        octoprints(folder / "printers", count=4, time_factor=FACTOR) as simulator,
        set_up_farm(folder, mdns=LOOPBACK) as started,
    ):
        prints, free, gone, refuses = (one["name"] for one in simulator.printers)
        ids = await started.add_all(simulator.printers)
        for name in (prints, free):
            await started.api.clear_bed(ids[name])
        await started.print_for_all(FACTOR, "bracket.gcode", ids[prints])
        await simulator.admin.do(gone, "deafen")
        await simulator.admin.do(refuses, "revoke-key", told=True)
        await started.has(ids[gone], "link", "offline")
        yield started


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def furnished(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Furnished]:
    """A farm with something on every page; whoever changes it puts it back."""
    async with furnished_farm(tmp_path_factory.mktemp("furnished")) as started:
        yield started


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def open_workshop(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Workshop]:
    """The workshop, opened once."""
    async with working(tmp_path_factory.mktemp("workshop")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="package")
async def shop(open_workshop: Workshop) -> AsyncIterator[Workshop]:
    """The workshop with an empty queue; what prints there goes on printing."""
    yield open_workshop
    await open_workshop.empty_queue()


@pytest_asyncio.fixture(loop_scope="package")
async def site(browser: Browser, tmp_path: Path) -> AsyncIterator[Site]:
    """On an empty folder; it outlives the visits, whose pages would miss it."""
    async with fresh_site(tmp_path) as fresh:
        yield fresh


@pytest_asyncio.fixture(loop_scope="package")
async def visit(
    browser: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Opener]:
    """Opens a visit: `await visit(site)`, or `await visit(farm, "viewer", path="/queue")`.

    With a role, the person of this name is signed in and the page is live.
    """
    async with AsyncExitStack() as stack:
        visits: list[Visit] = []

        async def open_one(
            site: Site, role: Role | None = None, *, path: str = "/", **more: Any
        ) -> Visit:
            if isinstance(site, Farm):
                await site.still_prints()
            opened = await stack.enter_async_context(visiting(browser, site.url, **more))
            visits.append(opened)
            if role is not None:
                await opened.go(path)
                await sign_in(opened, role)
                await is_live(opened)
            return opened

        yield open_one
        complaints = [one for visit in visits for one in visit.unexpected()]
        if request.node.stash.get(FAILED, False) or complaints:
            for number, visit in enumerate(visits):
                path = tmp_path / f"screen-{number}.png"
                await picture(visit, path)
                print(f"what was on the screen: {path}")
        assert complaints == [], "the page complained"
