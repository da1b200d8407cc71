"""A printer's open page is told where its head is and what its console says; nobody else is."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from buildplate.access.model import Role
from buildplate.api import live_pages
from buildplate.drivers.sdk import ConsoleLine, Levels
from tests.service.api.paper import PaperHost
from tests.service.api.surface import listening, open_surface
from tests.service.api.test_live import Listener, listener


def lines(seen: Listener) -> list[str]:
    return [line["text"] for frame in seen.frames for line in frame.get("console", ())]


def places(seen: Listener) -> list[float]:
    panels = [frame["panel"] for frame in seen.frames if "panel" in frame]
    return [panel["position"]["x"] for panel in panels if panel["position"]]


async def says(host: PaperHost, text: str, x: float) -> None:
    host.said = [ConsoleLine(text)]
    host.levels = Levels(position={"x": x})
    await host.tell()


async def test_an_open_page_is_told_its_panel_and_console_and_no_other_client_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_pages, "PANEL_EVERY_S", 0.4)
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        left = (await surface.printer("Left"))["id"]
        right = (await surface.printer("Right"))["id"]
        host = surface.floor["Left"]
        await says(host, "before", 1.0)
        await surface.poll(f"/api/v1/printers/{left}/console", lambda seen: seen["last"] == 1)
        async with (
            listener(surface, port, printer=left) as page,
            listener(surface, port, printer=right) as other,
            listener(surface, port) as farm,
            listener(surface, port, printer=left, topics="printers") as narrow,
        ):
            for one in (page, other, farm, narrow):
                await one.next()
            assert (lines(page), places(page)) == (["before"], [1.0])
            for number in range(20):
                await says(host, f"line {number}", 2.0 + number)
                await asyncio.sleep(0.05)
            await page.until(lambda: places(page)[-1] == 21.0 and lines(page)[-1] == "line 19")
            assert lines(page) == ["before", *(f"line {number}" for number in range(20))]
            assert len(places(page)) < 10  # not as often as the printer tells it
            await surface.farm.fleet.connect(right)
            await surface.floor["Right"].print_foreign()
            await farm.until(lambda: farm.printers[right]["activity"] == "foreign")
            await other.until(lambda: other.printers[right]["activity"] == "foreign")
            for one in (other, farm, narrow):
                assert (lines(one), places(one)) == ([], [])


async def test_a_page_that_comes_back_goes_on_with_the_lines_it_lacks(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        left = (await surface.printer("Left"))["id"]
        host = surface.floor["Left"]
        async with listener(surface, port, printer=left) as page:
            first = await page.next()
            await says(host, "one", 1.0)
            await page.until(lambda: lines(page) == ["one"])
            seen = page.frames[-1]["seq"]
        await says(host, "two", 2.0)
        await surface.poll(f"/api/v1/printers/{left}/console", lambda seen: seen["last"] == 2)
        again = {"epoch": first["epoch"], "after": str(seen)}
        async with listener(surface, port, printer=left, **again) as page:
            page.frames.append({"seq": seen})
            while "two" not in lines(page):
                await page.next()
            numbers = [line["seq"] for frame in page.frames for line in frame.get("console", ())]
            assert sorted(set(numbers)) in ([1, 2], [2])


async def test_a_page_of_others_printers_cannot_be_opened(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        left = (await surface.printer("Left"))["id"]
        groups = frozenset({"theirs"})
        made = await surface.farm.keys.create("theirs", Role.OPERATOR, None, groups)
        key = {"x-api-key": made.secret}
        with pytest.raises(Exception, match="404"):
            async with listener(surface, port, key, printer=left):
                pass


async def test_temperatures_come_to_the_chart_at_least_once_a_second_and_are_bounded(
    tmp_path: Path,
) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        left = (await surface.printer("Left"))["id"]
        host = surface.floor["Left"]
        async with listener(surface, port, printer=left) as page:
            await page.next()
            began = asyncio.get_running_loop().time()
            while (now := asyncio.get_running_loop().time()) < began + 3:
                host.hot = 20 + now - began
                await host.tell()
                await asyncio.sleep(0.02)
            last = host.hot
            await page.until(lambda: page.printers[left]["temperatures"]["tool0"]["actual"] == last)
            told = [
                one["temperatures"]["tool0"]["actual"]
                for frame in page.frames
                for one in frame.get("printers", ())
                if "temperatures" in one
            ]
    assert max(later - earlier for earlier, later in pairwise(told)) <= 1.0, told
    assert len(told) <= 25, "a page is told at the tick, however often its printer speaks"
