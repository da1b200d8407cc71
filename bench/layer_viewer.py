"""L1: a 100 MB G-code in the layer viewer of the web UI, in chromium on a real server.

Tasks of the page's main thread come from the browser's own trace: how long they took by the clock,
and how long they had the processor. Memory is the renderer's proportional share (PSS), the page
with its worker, looked at again and again. Pictures are counted where the canvas shows another
layer. Without a graphics processor, 3D is drawn by the processor (SwiftShader); what all of the
browser's processes use for one picture says what it costs, whatever else the machine does. No
task of any round may use the processor longer than the goal; by the clock, in which other
processes have their part, the goal is for the median of the rounds, and the worst stands by. Other
figures are medians of five rounds, the memory is the most of all. BENCH_LAYERS_BYTES changes the
size.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.content import sliced
from bench.rows import Row
from tests.browser.chrome import MISSING, Visit, chrome, program, visiting
from tests.browser.pages import is_live, sign_in
from tests.browser.site import set_up_farm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, CDPSession

NAME = "L1 layer viewer"
SIZE = int(os.environ.get("BENCH_LAYERS_BYTES", "100000000"))
ROUNDS = 5
LONGEST_MS, MOST_MB, LEAST_FPS = 50.0, 400.0, 30.0
PATIENCE_MS = 300_000
FILE = "large.gcode"
SAMPLED_S = 0.25
SCRUBBED_MS = 4000
TRACED = ["disabled-by-default-devtools.timeline", "__metadata"]
# One layer further with each frame, as fast as the page draws; pictures that were really shown.
SCRUB = """async (ms) => {
  const slider = document.querySelector("main input[type=range]");
  const canvas = document.querySelector("main canvas");
  const end = performance.now() + ms;
  let pictures = 0, frames = 0, last = canvas.dataset.drawn;
  const seen = new MutationObserver(() => {
    if (canvas.dataset.drawn !== last) pictures += 1;
    last = canvas.dataset.drawn;
  });
  seen.observe(canvas, { attributeFilter: ["data-drawn"] });
  const middle = Math.floor(Number(slider.max) / 3);
  const began = performance.now();
  while (performance.now() < end) {
    await new Promise(requestAnimationFrame);
    frames += 1;
    slider.value = String(middle + (frames % middle));
    slider.dispatchEvent(new Event("input"));
  }
  const seconds = (performance.now() - began) / 1000;
  return { pictures: pictures / seconds, frames: frames / seconds };
}"""


@dataclass
class Found:
    """What was measured; times of tasks in ms, as (by the clock, on the processor)."""

    longest: dict[str, tuple[float, float]] = field(default_factory=dict)
    fps: dict[str, dict[str, float]] = field(default_factory=dict)
    first_s: float = 0.0
    all_s: float = 0.0
    most_mb: float = 0.0
    layers: float = 0.0


def run() -> list[Row]:
    """Measures, and returns the rows of the table."""
    rounds = [asyncio.run(_measure()) for _ in range(ROUNDS)]
    return [*_task_rows(rounds), *_other_rows(rounds)]


def _task_rows(rounds: list[Found]) -> list[Row]:
    rows = []
    for what in rounds[0].longest:
        clocks = [found.longest[what][0] for found in rounds]
        processor, clock = max(found.longest[what][1] for found in rounds), median(clocks)
        named = f"longest task of the main thread, {what}"
        assert processor > 0, "the trace does not say how long tasks had the processor"
        used = f"most processor time of any task in {ROUNDS} rounds, {what}"
        rows.append(Row(used, processor, "ms", "≤ 50", processor <= LONGEST_MS))
        rows.append(
            Row(f"{named}, median of {ROUNDS} rounds", clock, "ms", "≤ 50", clock <= LONGEST_MS)
        )
        rows.append(Row(f"{named}, in the worst of them", max(clocks), "ms"))
    return rows


def _other_rows(rounds: list[Found]) -> list[Row]:
    memory, load = max(found.most_mb for found in rounds), os.getloadavg()[0]
    assert memory > 0, "the memory of the page could not be read"
    rows = [
        Row("memory of the page and its worker, the most", memory, "MB", "≤ 400", memory <= MOST_MB)
    ]
    for what in rounds[0].fps:
        fps = median(found.fps[what]["pictures"] for found in rounds)
        cost = median(found.fps[what]["cost_ms"] for found in rounds)
        rows.append(Row(f"pictures a second, {what}", fps, "", "≥ 30", fps >= LEAST_FPS))
        rows.append(Row(f"processor time of a picture, {what}", cost, "ms"))
    return [
        *rows,
        Row("until the first layer is shown", median(found.first_s for found in rounds), "s"),
        Row("until all is read", median(found.all_s for found in rounds), "s"),
        Row("size of the file", SIZE / 1e6, "MB"),
        Row("its layers", rounds[0].layers, ""),
        Row("load of the machine meanwhile", load, ""),
    ]


async def _measure() -> Found:
    executable = program()
    if executable is None:
        raise SystemExit(MISSING)
    found = Found()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        farm = await stack.enter_async_context(set_up_farm(Path(folder)))
        await farm.api.upload(sliced(SIZE).decode(), FILE)
        browser = await stack.enter_async_context(chrome(executable))
        visit = await stack.enter_async_context(visiting(browser, farm.url))
        visit.page.set_default_timeout(PATIENCE_MS)
        await visit.go("/files")
        await sign_in(visit, "viewer")
        await is_live(visit)
        await visit.main.get_by_role("button", name=FILE, exact=True).click()
        await _look(browser, visit, found)
    return found


async def _look(browser: Browser, visit: Visit, found: Found) -> None:
    async with _memory(browser, found):
        async with _tasks(browser, visit, "opening", found):
            await _open(visit, found)
        for mode, key in (("2D", "layers.view_flat"), ("3D", "layers.view_space")):
            async with _tasks(browser, visit, f"showing and scrubbing in {mode}", found):
                await visit.page.get_by_role("tab", name=visit.say(key)).click()
                await visit.page.wait_for_selector("canvas[data-whole=true]")
                found.fps[f"scrubbing in {mode}"] = await _scrub(browser, visit)


async def _scrub(browser: Browser, visit: Visit) -> dict[str, float]:
    """Pictures and frames a second, and what a picture costs of the processor, in ms."""
    session = await browser.new_browser_cdp_session()
    before = await _processor_s(session)
    rates: dict[str, float] = await visit.page.evaluate(SCRUB, SCRUBBED_MS)
    used = await _processor_s(session) - before
    pictures = rates["pictures"] * SCRUBBED_MS / 1000
    return rates | {"cost_ms": used * 1000 / max(1.0, pictures)}


async def _processor_s(session: CDPSession) -> float:
    found = await session.send("SystemInfo.getProcessInfo")
    return float(sum(one["cpuTime"] for one in found["processInfo"]))


async def _open(visit: Visit, found: Found) -> None:
    began = time.perf_counter()
    await visit.page.get_by_role("link", name=visit.say("layers.open")).click()
    await visit.page.wait_for_selector("canvas[data-drawn]")
    found.first_s = time.perf_counter() - began
    await visit.page.wait_for_selector("main [aria-busy=true]", state="detached")
    found.all_s = time.perf_counter() - began
    slider = visit.page.locator("main input[type=range]")
    found.layers = float(await slider.get_attribute("max") or 0) + 1


@asynccontextmanager
async def _tasks(browser: Browser, visit: Visit, what: str, found: Found) -> AsyncIterator[None]:
    """Trace the page meanwhile, and note its longest tasks."""
    await browser.start_tracing(page=visit.page, categories=TRACED)
    try:
        yield
    finally:
        events = json.loads(await browser.stop_tracing())["traceEvents"]
        found.longest[what] = _longest(events)


def _longest(events: list[dict[str, Any]]) -> tuple[float, float]:
    """The most that a task of a page's main thread took, by the clock and on the processor, ms."""
    names = [event for event in events if event["name"] == "thread_name"]
    main = {
        (event["pid"], event["tid"]) for event in names if event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event
        for event in events
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) in main and "dur" in event
    ]
    assert tasks, "the browser's trace has no tasks"
    clock = max(event["dur"] for event in tasks)
    return clock / 1000, max(event.get("tdur", 0) for event in tasks) / 1000


@asynccontextmanager
async def _memory(browser: Browser, found: Found) -> AsyncIterator[None]:
    """Look at the memory of the largest renderer meanwhile."""
    session = await browser.new_browser_cdp_session()

    async def look() -> None:
        while True:
            processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
            renderers = [one["id"] for one in processes if one["type"] == "renderer"]
            found.most_mb = max([found.most_mb, *(_pss_mb(pid) for pid in renderers)])
            await asyncio.sleep(SAMPLED_S)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        try:
            yield
        finally:
            looking.cancel()


def _pss_mb(pid: int) -> float:
    with suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        if size := re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE):
            return int(size[1]) * 1024 / 1e6
    return 0.0
