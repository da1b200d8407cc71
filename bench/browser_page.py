"""A page in chromium under measurement: its main thread, pictures, memory, and how soon it answers.

Durations of the main thread are thread time: what other processes take of the machine meanwhile
does not count. What people wait for (tasks, pictures, paints, answers to a press) is wall time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page

SCREEN = {"width": 1920, "height": 1080}
LONG_MS = 50.0
"""From here on the browser calls a task long; shorter ones it tells nobody of."""

SHORTEST_EVENT_MS = 16.0
AFTER_EVENT_S = 0.4
"""Until the browser has told how long the answer to a press took."""

WATCH = """(() => {
  const seen = { long: [], shift: 0, painted: 0, largest: "", events: [], presses: 0 };
  globalThis.seen = seen;
  const watch = (type, take, more = {}) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take))
      .observe({ type, buffered: true, ...more });
  watch("longtask", (one) => seen.long.push(one.duration));
  watch("layout-shift", (one) => { if (!one.hadRecentInput) seen.shift += one.value; });
  watch("largest-contentful-paint", (one) => {
    seen.painted = one.startTime;
    seen.largest = one.element?.textContent?.trim().slice(0, 60) ?? "";
  });
  watch("event", (one) => { if (one.interactionId) seen.events.push(one.duration); },
    { durationThreshold: 16 });
  for (const type of ["click", "keydown"])
    addEventListener(type, (one) => { if (one.isTrusted) seen.presses += 1; }, true);
})()"""
PICTURES = """(seconds) => new Promise((done) => {
  const at = [];
  const tick = (now) => {
    at.push(now);
    if (now - at[0] < 1000 * seconds) requestAnimationFrame(tick);
    else done((1000 * (at.length - 1)) / (now - at[0]));
  };
  requestAnimationFrame(tick);
})"""
TAKE_LONG = "() => seen.long.splice(0)"
TAKE_EVENTS = "() => seen.events.splice(0)"
TAKE_PRESSES = "() => { const { presses } = seen; seen.presses = 0; return presses; }"
TASKS = ("disabled-by-default-devtools.timeline",)


@dataclass(frozen=True, slots=True)
class Busy:
    """Of the main thread, in ms a second: all tasks, scripts in them, style and layout.

    `kernel_ms` is the kernel's own count of the same thread, and all that it does between tasks.
    """

    tasks_ms: float
    scripts_ms: float
    style_ms: float
    kernel_ms: float
    long_ms: list[float]


class MeasuredPage:
    """A page that is open; `WATCH` has to be an init script of it."""

    def __init__(self, page: Page, cdp: CDPSession, renderer: int) -> None:
        self.page = page
        self._cdp = cdp
        self._renderer = renderer

    @classmethod
    async def of(cls, page: Page) -> MeasuredPage:
        """Begin to measure."""
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
        return cls(page, cdp, await _busiest_renderer(page))

    async def busy(self, seconds: float) -> Busy:
        """What the main thread does in this time, undisturbed."""
        await self.page.evaluate(TAKE_LONG)
        before, kernel, began = await self._metrics(), self._kernel_ms(), time.perf_counter()
        await asyncio.sleep(seconds)
        after, kernel_after = await self._metrics(), self._kernel_ms()
        took = time.perf_counter() - began

        def part(*names: str) -> float:
            return 1000 * sum(after[name] - before[name] for name in names) / took

        return Busy(
            tasks_ms=part("TaskDuration"),
            scripts_ms=part("ScriptDuration"),
            style_ms=part("RecalcStyleDuration", "LayoutDuration"),
            kernel_ms=(kernel_after - kernel) / took,
            long_ms=await self.page.evaluate(TAKE_LONG),
        )

    async def pictures_per_second(self, seconds: float) -> float:
        """How often the page may draw; asking for every picture costs it something."""
        found: float = await self.page.evaluate(PICTURES, seconds)
        return found

    async def longest_task_ms(self, seconds: float) -> tuple[float, float]:
        """The longest task of the main thread in this time: wall time, and its thread time."""
        browser = self.page.context.browser
        assert browser is not None
        await browser.start_tracing(page=self.page, categories=list(TASKS))
        await asyncio.sleep(seconds)
        events = json.loads(await browser.stop_tracing())["traceEvents"]
        tasks = [
            one
            for one in events
            if one["name"] == "RunTask" and one["pid"] == one["tid"] == self._renderer
        ]
        assert tasks, "the trace has no tasks of the page"
        return (
            max(one.get("dur", 0) for one in tasks) / 1000,
            max(one.get("tdur", 0) for one in tasks) / 1000,
        )

    async def heap_bytes(self) -> int:
        """What scripts hold, after the garbage was collected."""
        await self._cdp.send("HeapProfiler.enable")
        await self._cdp.send("HeapProfiler.collectGarbage")
        used: int = (await self._cdp.send("Runtime.getHeapUsage"))["usedSize"]
        return used

    async def answered_ms(self, press: Callable[[], Awaitable[None]]) -> list[float]:
        """How long the page takes to show its answer to each key or click of `press`."""
        await self.page.evaluate(TAKE_EVENTS)
        await self.page.evaluate(TAKE_PRESSES)
        await press()
        await asyncio.sleep(AFTER_EVENT_S)
        assert await self.page.evaluate(TAKE_PRESSES), "the page saw no key and no click"
        found: list[float] = await self.page.evaluate(TAKE_EVENTS)
        return found

    async def _metrics(self) -> dict[str, float]:
        found = await self._cdp.send("Performance.getMetrics")
        return {one["name"]: one["value"] for one in found["metrics"]}

    def _kernel_ms(self) -> float:
        pid = self._renderer
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6


async def slow_down(page: Page, times: float) -> None:
    """Let the page's processor be so many times slower."""
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("Emulation.setCPUThrottlingRate", {"rate": times})


async def _busiest_renderer(page: Page) -> int:
    """The process of the page: the one that works while the page does."""
    browser = page.context.browser
    assert browser is not None
    before = await _renderers(browser)
    await page.evaluate(
        "() => { const until = performance.now() + 300; while (performance.now() < until); }"
    )
    after = await _renderers(browser)
    return max(after, key=lambda pid: after[pid] - before.get(pid, 0.0))


async def _renderers(browser: Browser) -> dict[int, float]:
    cdp = await browser.new_browser_cdp_session()
    found: dict[str, Any] = await cdp.send("SystemInfo.getProcessInfo")
    await cdp.detach()
    return {one["id"]: one["cpuTime"] for one in found["processInfo"] if one["type"] == "renderer"}
