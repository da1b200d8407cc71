"""Many virtual printers in one process, and what the control API can do with them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import UnknownActionError, UnknownPrinterError
from buildplate_sim.gcode import Library
from buildplate_sim.virtual.link import Link
from buildplate_sim.virtual.printer import VirtualPrinter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildplate_sim.admin import Admin, Params
    from buildplate_sim.journal import Scribe

PUSH_S = 1.0
"""Real seconds between two pushes of a printing or still warm printer."""

TURNS = 20
"""Printers push in so many turns a second: real ones do not speak in chorus."""

WARM = 30.0


@dataclass(frozen=True, slots=True)
class VirtualFarmConfig:
    """What a farm of virtual printers is made of."""

    count: int
    base_address: str
    port: int
    state_dir: Path
    time_factor: float = 60.0
    turns: int = TURNS


class Post:
    """One virtual printer with its address and its clients."""

    def __init__(self, printer: VirtualPrinter) -> None:
        self.printer = printer
        self.links: set[Link] = set()
        self.address = ("", 0)
        self.server: asyncio.Server | None = None
        printer.tell = lambda: self.push("changed")
        printer.show = lambda: self.push("status")

    async def listen(self, address: str, port: int) -> None:
        """Accept clients."""
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: Link(self.printer, self.links), address, port
        )
        self.address = (address, self.server.sockets[0].getsockname()[1])

    def push(self, kind: str) -> None:
        """Tell everybody who watches."""
        watching = [link for link in self.links if link.watching]
        if not watching or self.printer.pulse.frozen:
            return
        message = {"push": kind, "console": self.printer.panel.heard(), **self.printer.status()}
        for link in watching:
            link.send(message)

    def interesting(self) -> bool:
        """Whether levels change: it prints, or it is still warm."""
        printer = self.printer
        run = printer.machine.run
        moving = run is not None and run.moving
        return moving or any(t[0] > WARM for t in printer.machine.temperatures().values())


class VirtualFarm:
    """The virtual printers of one process."""

    def __init__(self, config: VirtualFarmConfig, scribe: Scribe) -> None:
        self.config = config
        library = Library()
        self.posts: dict[str, Post] = {}
        for index in range(config.count):
            name = f"virtual-{index + 1}"
            printer = VirtualPrinter(
                name,
                config.state_dir / name,
                factor=config.time_factor,
                scribe=scribe,
                library=library,
            )
            self.posts[name] = Post(printer)
        self._ticking: asyncio.TimerHandle | None = None
        self._turns = cycle(range(config.turns))
        self._due = 0.0

    async def open(self) -> None:
        """Listen everywhere."""
        first = IPv4Address(self.config.base_address)
        for index, (name, post) in enumerate(self.posts.items()):
            kept = self.config.state_dir / name / "port"
            port = self.config.port or (int(kept.read_text()) if kept.exists() else 0)
            await post.listen(str(first + index), port)
            kept.write_text(str(post.address[1]))
        self._due = asyncio.get_running_loop().time()
        self._tick()

    def close(self) -> None:
        """Switch all off."""
        if self._ticking is not None:
            self._ticking.cancel()
        for post in self.posts.values():
            if post.server is not None:
                post.server.close()
            for link in list(post.links):
                link.drop()
            post.printer.close()

    def announcement(self) -> list[dict[str, Any]]:
        """What whoever started the process wants to know."""
        return [
            {
                "name": name,
                "driver": "virtual",
                "connection": {"host": post.address[0], "port": post.address[1]},
            }
            for name, post in self.posts.items()
        ]

    def _tick(self) -> None:
        loop, turns = asyncio.get_running_loop(), self.config.turns
        self._due = max(self._due + PUSH_S / turns, loop.time())
        self._ticking = loop.call_at(self._due, self._tick)
        for post in islice(self.posts.values(), next(self._turns), None, turns):
            if post.interesting():
                post.push("status")


class VirtualControl:
    """Control requests on virtual printers."""

    def __init__(self, farm: VirtualFarm, admin: Admin) -> None:
        self._farm = farm
        admin.on("GET", "/printers", lambda _n, _p: [self._show(n) for n in farm.posts])
        admin.on("GET", "/printers/{name}", lambda names, _: self._show(names[0]))
        admin.on("GET", "/printers/{name}/log", self._log)
        admin.on("POST", "/printers/{name}/do/{action}", self._do)

    def _post(self, name: str) -> Post:
        post = self._farm.posts.get(name)
        if post is None:
            raise UnknownPrinterError(name)
        return post

    def _show(self, name: str) -> dict[str, Any]:
        printer = self._post(name).printer
        machine = printer.machine
        truth = {"bed": machine.bed, "runs": machine.runs, "completed": machine.completed}
        return {"name": name, **truth, "files": printer.files(), **printer.status()}

    def _log(self, names: list[str], _: Params) -> list[dict[str, Any]]:
        return list(self._post(names[0]).printer.journal.entries())

    def _do(self, names: list[str], params: Params) -> int:
        post = self._post(names[0])
        actions = self._actions(post, params)
        if names[1] not in actions:
            raise UnknownActionError(names[1], sorted(actions))
        actions[names[1]]()
        return 1

    def _actions(self, post: Post, params: Params) -> dict[str, Callable[[], object]]:
        printer = post.printer
        return {
            "clear-bed": lambda: printer.machine.clear_bed("person"),
            "halt": lambda: printer.halt(str(params.get("reason", "thermal runaway"))),
            "reset": printer.reset,
            "print": lambda: printer.start(str(params["path"]), lambda _: None, foreign=True),
            "cancel": printer.cancel,
            "freeze": lambda: self._freeze(post),
            "thaw": lambda: self._thaw(post),
            "cut": lambda: self._cut(post),
        }

    def _cut(self, post: Post) -> None:
        for link in list(post.links):
            link.drop()

    def _freeze(self, post: Post) -> None:
        post.printer.pulse.freeze()
        for link in post.links:
            link.pause()

    def _thaw(self, post: Post) -> None:
        post.printer.pulse.thaw()
        for link in post.links:
            link.resume()
