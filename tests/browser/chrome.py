"""Chromium as the tests drive it: where it is, how it starts, and somebody at a screen of theirs.

Playwright's Python package is used for its driver alone: it brings no browser and downloads none,
because `executable_path` names Debian's. It speaks asyncio as the servers of the tests do, waits
for what it looks for, and finds things by role and name. `web/` has the same driver for Node, but
then servers, printers and browser would be led from two processes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    WebSocket,
    async_playwright,
    expect,
)

from tests.browser import words
from tests.browser.public import LIVE, is_public

PROGRAMS = ("chromium", "chromium-browser")
NAMED_BY = "BUILDPLATE_CHROMIUM"
MISSING = f"no chromium here: apt install chromium (or name a program in {NAMED_BY})"
START_MS = 60_000
PATIENCE_MS = 20_000
# As root, as CI runs, chromium's own sandbox can't be set up; the pages are ours alone.
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none")
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
# How large is what a finger meets, and what a pointer meets, in px.
FINGER, POINTER = 44, 32
LOCALES = {"en": "en-GB", "de": "de-DE"}
# The UI asks who is signed in before anybody is; the browser writes each refusal to the console.
NOT_SIGNED_IN = r"401 \(Unauthorized\) .*/api/v1/me\b"
# What the browser writes of a server that is away, and of a wall that wants the whole screen, which
# only who has pressed something is given.
NO_ANSWER = (r"ERR_CONNECTION_", r"ERR_EMPTY_RESPONSE", r"WebSocket connection to")
NO_GESTURE = "requestFullscreen"
TELL_OF_POLICY = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"""

Language = Literal["en", "de"]


def program() -> str | None:
    """Where chromium is; None where there is none."""
    named = os.environ.get(NAMED_BY)
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@asynccontextmanager
async def chrome(executable: str) -> AsyncIterator[Browser]:
    """A running browser without a window; gone after the block."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=executable, args=OPTIONS, timeout=START_MS
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visit:
    """Somebody at a screen: the page, the language it is read in, and what went wrong on it."""

    page: Page
    url: str
    language: Language
    phone: bool = False
    complaints: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=lambda: [NOT_SIGNED_IN])

    @property
    def main(self) -> Locator:
        """The page without navigation and header."""
        return self.page.get_by_role("main")

    def say(self, key: str, **parameters: object) -> str:
        """The UI's own words for this key, in the language of the visit."""
        return words.say(self.language, key, **parameters)

    def pattern(self, key: str) -> re.Pattern[str]:
        """The same, whatever the parameters."""
        return words.pattern(self.language, key)

    def button(self, key: str, **parameters: object) -> Locator:
        """The button of this name."""
        return self.page.get_by_role("button", name=self.say(key, **parameters), exact=True)

    def heading(self, key: str) -> Locator:
        """The heading of this name."""
        return self.page.get_by_role("heading", name=self.say(key), exact=True)

    def field(self, key: str) -> Locator:
        """The form's field of this name."""
        return self.page.get_by_label(self.say(key), exact=True)

    async def go(self, path: str) -> None:
        """Open an address of the site."""
        await self.page.goto(self.url + path)

    def expects(self, *patterns: str) -> None:
        """What the test provokes on the console is no complaint from now on."""
        self._expected += patterns

    def unexpected(self) -> list[str]:
        """What the page complained of that nobody had announced."""
        return [
            complaint
            for complaint in self.complaints
            if not any(re.search(pattern, complaint) for pattern in self._expected)
        ]

    def listen(self) -> None:
        """Note complaints, changes, and what is asked elsewhere or is in no document."""
        page, home = self.page, urlsplit(self.url).netloc

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                where = message.location.get("url", "")
                self.complaints.append(f"{message.type}: {message.text} {where}")

        def asked(request: Any) -> None:
            at = urlsplit(request.url)
            if at.netloc not in {home, ""}:
                self.complaints.append(f"elsewhere: {request.url}")
            elif at.scheme.startswith("http") and not is_public(request.method, at.path):
                self.complaints.append(f"not in the document: {request.method} {at.path}")
            if request.method not in {"GET", "HEAD"}:
                self.changes.append(f"{request.method} {urlsplit(request.url).path}")

        def opened(socket: WebSocket) -> None:
            at = urlsplit(socket.url)
            if (at.netloc, at.path) != (home, LIVE):
                self.complaints.append(f"another socket: {socket.url}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        page.on("request", asked)
        page.on("websocket", opened)


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, *, language: Language = "en", phone: bool = False, **more: Any
) -> AsyncIterator[Visit]:
    """A visit to the site in a profile of its own; `more` is playwright's, of new_context."""
    screen = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if phone else {}
    context = await browser.new_context(
        **{
            "viewport": DESKTOP,
            "locale": LOCALES[language],
            "reduced_motion": "reduce",
            **screen,
            **more,
        }
    )
    try:
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(TELL_OF_POLICY)
        visit = Visit(await context.new_page(), url, language, phone)
        visit.listen()
        yield visit
    finally:
        await context.close()


async def picture(visit: Visit, path: Path, **more: Any) -> None:
    """What is on the screen, as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    await visit.page.screenshot(path=path, **more)
