"""A power plug on the loopback, as a device of type `http` of a real Moonraker switches it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Plug:
    """Tells whether it is on. `stuck`: it takes an order and stays as it is; `dead`: it fails."""

    port: int = 0
    on: bool = True
    stuck: bool = False
    dead: bool = False
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        self.asked.append(what)
        if self.dead:
            return web.Response(status=500)
        if what in ("on", "off") and not self.stuck:
            self.on = what == "on"
        # As many plugs do: the answer to an order repeats the order.
        said = what if what in ("on", "off") else "on" if self.on else "off"
        return web.json_response({"state": said})

    def section(self, name: str, *options: str) -> str:
        """Its part of moonraker.conf."""
        base = f"http://127.0.0.1:{self.port}"
        lines = [
            f"[power {name}]",
            "type: http",
            *(f"{what}_url: {base}/{what}" for what in ("on", "off", "status")),
            "response_template:",
            "    {% set said = http_request.last_response().json() %}",
            '    {said["state"]}',
            *options,
        ]
        return "\n".join([*lines, ""])


@asynccontextmanager
async def plug() -> AsyncIterator[Plug]:
    """A plug that is there for the block."""
    made = Plug()
    app = web.Application()
    app.router.add_get("/{what}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()
