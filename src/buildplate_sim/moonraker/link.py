"""A simulated Moonraker's connection to its Klippy: what it last heard, and what it asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.errors import RequestError
from buildplate_sim.klippy.klippy import READY, SHUTDOWN, STARTUP
from buildplate_sim.moonraker.answers import KLIPPY_GONE, NO_KLIPPY, RefusedError

if TYPE_CHECKING:
    from buildplate_sim.klippy.klippy import Klippy
    from buildplate_sim.klippy.webhooks import Client
    from buildplate_sim.moonraker.moonraker import Moonraker

DISCONNECTED = "disconnected"
Params = dict[str, Any]


class Link:
    """Looks at Klippy when its time comes, as the real one does four times a second."""

    def __init__(self, moonraker: Moonraker) -> None:
        self._moonraker = moonraker
        self._klippy: Klippy | None = None
        self.state = DISCONNECTED
        self.stats: dict[str, Any] = {}
        self.user = "No User"

    @property
    def deaf(self) -> bool:
        """Whether the program stands still."""
        return self._moonraker.frozen

    @property
    def loaded(self) -> str:
        """The file that prints or pauses, as far as was heard."""
        busy = self.stats.get("state") in {"printing", "paused"}
        return str(self.stats.get("filename", "")) if busy else ""

    def look(self) -> None:
        """Follow Klippy's state."""
        klippy = self._moonraker.host.box.klippy
        if klippy is None or self._moonraker.host.box.pulse.frozen:
            return
        if klippy is not self._klippy:
            self._klippy, self.state = klippy, STARTUP
            klippy.webhooks.listen(self, {})
        if klippy.state != self.state:
            self._turned(klippy)

    def _turned(self, klippy: Klippy) -> None:
        self.state = klippy.state
        if self.state == READY:
            self._moonraker.life.spawn(self._follow(klippy))
            self._moonraker.tell("notify_klippy_ready")
        elif self.state == SHUTDOWN:
            self._finish("klippy_shutdown")
            self._moonraker.tell("notify_klippy_shutdown")

    async def _follow(self, klippy: Klippy) -> None:
        wanted = {"objects": {"print_stats": None}}
        found = await klippy.webhooks.call("objects/subscribe", wanted, self)
        self.stats = dict(found["status"]["print_stats"])
        self._moonraker.history.begin(self.stats)

    def gone(self) -> None:
        """Klippy has closed its socket."""
        if self._klippy is None:
            return
        self._klippy, self.state, self.stats = None, DISCONNECTED, {}
        self._finish("klippy_disconnect")
        self._moonraker.tell("notify_klippy_disconnected")

    def _finish(self, status: str) -> None:
        self._moonraker.history.finish(status, self._moonraker.exists)

    def push(self, _: Params, params: Params) -> None:
        """Klippy tells of a change, or says something."""
        if "response" in params:
            self._moonraker.said(params["response"])
            return
        changes = params["status"].get("print_stats")
        if changes:
            self.stats.update(changes)
            self._moonraker.history.heard(changes, self.user, self._moonraker.exists)

    async def ask(self, method: str, params: Params, client: Client | None = None) -> Any:
        """A request to Klippy, which goes on although this Moonraker is killed meanwhile."""
        klippy = self._klippy
        if klippy is None:
            raise RefusedError(503, NO_KLIPPY)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def carry_out() -> None:
            try:
                _settle(answer, await klippy.webhooks.call(method, params, client or self))
            except RequestError as error:
                _settle(answer, RefusedError(400, str(error)))
            finally:
                _settle(answer, RefusedError(503, KLIPPY_GONE))

        klippy.life.pulse.soon(lambda: klippy.life.spawn(carry_out()))
        result = await answer
        return "ok" if result == {} else result


def _settle(answer: asyncio.Future[Any], what: Any) -> None:
    """Answer, once, whoever may still wait."""
    if answer.done():
        return
    if isinstance(what, RefusedError):
        answer.set_exception(what)
    else:
        answer.set_result(what)
