"""Many simulated boards in one process, and what the control API can do to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from buildplate_sim.errors import UnknownActionError, UnknownHeaterError, UnknownPrinterError
from buildplate_sim.firmware.board import Board, Parts, Sizes
from buildplate_sim.firmware.dialect import Setup
from buildplate_sim.firmware.dialects import DIALECTS
from buildplate_sim.firmware.links import PtyLink, TcpLink
from buildplate_sim.firmware.planner import Limits
from buildplate_sim.firmware.record import Accepted
from buildplate_sim.firmware.rfc2217 import Rfc2217Link
from buildplate_sim.firmware.wire import FAULTS, Wire
from buildplate_sim.journal import Journal
from buildplate_sim.pulse import Pulse
from buildplate_sim.rules import RuleBook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildplate_sim.admin import Admin, Params
    from buildplate_sim.firmware.links import Link
    from buildplate_sim.journal import Scribe
    from buildplate_sim.rules import Rule

LINKS = ("pty", "tcp", "rfc2217")
HEATER_FAULTS = ("none", "failed", "runaway", "stuck", "open", "detached")
DOWN_S = 2.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FirmwareConfig:
    """What a farm of boards is made of; None leaves a size or a habit to the dialect.

    Of several dialects, links and speeds every printer has the next one; the speed changes when all
    dialects have had it, the link when all speeds have.
    `planner` 0: moves take no time. `rx_buffer` 0: flow control instead of overruns. `cold`:
    filament moves in a cold tool, too.
    """

    count: int
    state_dir: Path
    dialects: tuple[str, ...] = ("marlin2",)
    links: tuple[str, ...] = ("pty",)
    base_address: str = "127.0.0.10"
    port: int = 0
    bauds: tuple[int, ...] = (115200,)
    paced: bool = False
    latency_s: float = 0.0
    time_factor: float = 1.0
    seed: int = 0
    rx_buffer: int | None = None
    queue: int | None = None
    planner: int | None = None
    reset_on_open: bool | None = None
    cold: bool = False
    limits: Limits = field(default_factory=Limits)
    setup: Setup = field(default_factory=Setup)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one printer of a farm is."""

    index: int
    dialect: str
    link: str
    baud: int


def _kinds(config: FirmwareConfig) -> list[_Kind]:
    kinds = []
    for index in range(config.count):
        rest, dialect = divmod(index, len(config.dialects))
        rest, baud = divmod(rest, len(config.bauds))
        link = config.links[rest % len(config.links)]
        kinds.append(_Kind(index, config.dialects[dialect], link, config.bauds[baud]))
    return kinds


class Printer:
    """One board with its cable and its port."""

    def __init__(self, name: str, kind: _Kind, config: FirmwareConfig, scribe: Scribe) -> None:
        self.name = name
        self.kind = kind
        root = config.state_dir / name
        root.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(root / "log.jsonl", scribe)
        self.accepted = Accepted(root / "accepted.txt")
        self.pulse = Pulse(config.time_factor)
        random = Random(f"{config.seed}/{name}")
        self.rules = RuleBook(FAULTS, random)
        self.wire = Wire(self.pulse, self.rules, random, kind.baud, config.latency_s)
        self.wire.paced = config.paced
        dialect = DIALECTS[kind.dialect](config.setup)
        if config.cold:
            dialect.cold_below = 0.0
        sizes = Sizes(
            rx=_given(config.rx_buffer, dialect.rx_buffer),
            queue=_given(config.queue, dialect.queue),
            planner=_given(config.planner, dialect.planner),
        )
        self.parts = Parts(dialect, sizes, self.pulse, self.journal, self.accepted, config.limits)
        self.board = Board(self.parts, self.wire.say)
        self.board.on_turn = self.wire.turned
        self.resets_on_open = _given(config.reset_on_open, dialect.resets_on_open)
        self.link = _link(self, config)
        self.wire.board, self.wire.link = self.board, self.link
        self.wire.on_open = self._opened
        self.wire.on_dtr = self._reset_line
        self.wire.on_fault = self._fault

    async def open(self) -> None:
        """Power on, and be there."""
        self.board.boot("power")
        await self.link.open()

    def close(self) -> None:
        """Be gone."""
        self.link.close()
        self.pulse.clear()
        self.accepted.close()
        self.journal.close()

    def _opened(self) -> None:
        """With RFC 2217 it is the host that pulls DTR, or does not."""
        if not isinstance(self.link, Rfc2217Link):
            self._reset_line()

    def _reset_line(self) -> None:
        if self.resets_on_open and self.board.state != "off":
            self.board.boot("external")

    # --- what is done to it

    def _fault(self, play: str, rule: Rule) -> None:
        seconds = self.rules.draw(rule, "seconds", DOWN_S)
        self.play(play, {**rule.params, "seconds": seconds})

    def play(self, action: str, params: Params) -> None:
        """Do something to it; `UnknownActionError` names what can be done."""
        actions = self._actions(params)
        if action not in actions:
            raise UnknownActionError(action, sorted(actions))
        shown = {key: value for key, value in params.items() if key != "lines"}
        self.journal.write("play", action=action, params=shown)
        actions[action]()

    def _actions(self, params: Params) -> dict[str, Callable[[], object]]:
        board, seconds = self.board, float(params.get("seconds", DOWN_S))
        return {
            "reset": lambda: board.boot(str(params.get("cause", "external"))),
            "brown-out": lambda: self._power_loss(seconds, "brown-out"),
            "power-cut": lambda: self._power_loss(seconds, "power"),
            "power-off": lambda: board.cut_power("power off"),
            "power-on": lambda: board.boot("power"),
            "kill": lambda: board.kill(str(params.get("reason", ""))),
            "stall": lambda: board.stall(seconds),
            "storm": lambda: self._storm(int(params.get("lines", 10))),
            "unplug": lambda: self._unplug(seconds),
            "pull": self.pull,
            "plug": self._plug,
            "garbage": lambda: self.wire.noise(int(params.get("bytes", 64))),
            "say": lambda: board.lines(*params["lines"]),
            "runout": lambda: board.lines(*board.dialect.runout()),
            "heater": lambda: self._spoil(params),
            "clear-bed": lambda: board.machine.clear_bed("person"),
            "quick-stop": board.machine.quick_stop,
            "continue": lambda: board.urge("108"),
        }

    def _power_loss(self, seconds: float, cause: str) -> None:
        self.board.cut_power(f"power lost: {cause}")
        self.wire.cut()
        self.pulse.after(seconds, lambda: self.board.boot(cause))

    def _storm(self, lines: int) -> None:
        self.board.refuse_next = lines

    def _unplug(self, seconds: float) -> None:
        self.pull()
        self.pulse.after(seconds, self._plug)

    def pull(self) -> None:
        """Pull the plug."""
        self.wire.cut()
        self.link.close()

    def _plug(self) -> None:
        self.link.plug()

    def _spoil(self, params: Params) -> None:
        name, fault = str(params.get("heater", "tool0")), str(params.get("fault", "none"))
        heaters = self.board.machine.heat.heaters
        if name not in heaters or fault not in HEATER_FAULTS:
            raise UnknownHeaterError(name, fault, sorted(heaters), HEATER_FAULTS)
        value = params.get("value")
        self.board.machine.heat.spoil(name, fault, None if value is None else float(value))

    def show(self) -> dict[str, Any]:
        """The truth about it."""
        wire = {"connected": self.wire.connected, "opens": self.wire.opens}
        return {
            "name": self.name,
            "dialect": self.parts.dialect.name,
            "record": str(self.accepted.path),
            **wire,
            "host_baud": self.link.baud,
            **self.board.truth(),
        }


def _given(value: T | None, default: T) -> T:
    return default if value is None else value


def _link(printer: Printer, config: FirmwareConfig) -> Link:
    root = config.state_dir / printer.name
    if printer.kind.link == "pty":
        by_id = config.state_dir / "serial" / "by-id"
        return PtyLink(printer.wire, by_id / f"usb-Simulated_{printer.name}-if00-port0")
    address = str(IPv4Address(config.base_address) + printer.kind.index)
    if printer.kind.link == "rfc2217":
        return Rfc2217Link(printer.wire, address, root / "port", config.port)
    return TcpLink(printer.wire, address, root / "port", config.port)


class FirmwareFarm:
    """The boards of one process."""

    def __init__(self, config: FirmwareConfig, scribe: Scribe) -> None:
        self.config = config
        self.printers: dict[str, Printer] = {}
        for kind in _kinds(config):
            name = f"{kind.dialect}-{kind.index + 1:03d}"
            self.printers[name] = Printer(name, kind, config, scribe)

    async def open(self) -> None:
        """Switch all on; they have booted at the end."""
        for printer in self.printers.values():
            await printer.open()
        slowest = max((p.parts.dialect.boot_s for p in self.printers.values()), default=0.0)
        await asyncio.sleep(slowest / self.config.time_factor + 0.01)

    def close(self) -> None:
        """Switch all off."""
        for printer in self.printers.values():
            printer.close()

    def announcement(self) -> list[dict[str, Any]]:
        """What whoever started the process wants to know."""
        return [
            {
                "name": printer.name,
                "driver": "marlin",
                "dialect": printer.kind.dialect,
                "link": printer.kind.link,
                "baud": printer.kind.baud,
                **printer.link.announcement(),
                "connection": {**printer.link.announcement(), "baud": printer.kind.baud},
                "record": str(printer.accepted.path),
            }
            for printer in self.printers.values()
        ]


class FirmwareControl:
    """Control requests on simulated boards."""

    def __init__(self, farm: FirmwareFarm, admin: Admin) -> None:
        self._farm = farm
        admin.on("GET", "/printers", lambda _n, _p: [p.show() for p in farm.printers.values()])
        admin.on("GET", "/printers/{name}", lambda names, _: self._one(names[0]).show())
        admin.on("GET", "/printers/{name}/log", self._log)
        admin.on("GET", "/printers/{name}/accepted", self._accepted)
        admin.on("POST", "/printers/{name}/do/{action}", self._do)
        admin.on("POST", "/printers/{name}/rules", self._add_rule)
        admin.on("GET", "/printers/{name}/rules", lambda n, _: self._one(n[0]).rules.listing())
        admin.on("DELETE", "/printers/{name}/rules", self._remove_rules)
        admin.on("DELETE", "/printers/{name}/rules/{id}", self._remove_rules)
        admin.on("POST", "/printers/{name}/rates", self._rates)

    def _named(self, name: str) -> list[Printer]:
        if name == "*":
            return list(self._farm.printers.values())
        return [self._one(name)]

    def _one(self, name: str) -> Printer:
        printer = self._farm.printers.get(name)
        if printer is None:
            raise UnknownPrinterError(name)
        return printer

    def _log(self, names: list[str], params: Params) -> list[dict[str, Any]]:
        event = params.get("event")
        entries = self._one(names[0]).journal.entries()
        return [entry for entry in entries if event in {None, entry["event"]}]

    def _accepted(self, names: list[str], params: Params) -> list[dict[str, Any]]:
        after, limit = int(params.get("after", 0)), int(params.get("limit", 100_000))
        return list(self._one(names[0]).accepted.entries(after, limit))

    def _do(self, names: list[str], params: Params) -> int:
        printers = self._named(names[0])
        for printer in printers:
            printer.play(names[1], params)
        return len(printers)

    def _add_rule(self, names: list[str], params: Params) -> list[int]:
        return [printer.rules.add(params).id for printer in self._named(names[0])]

    def _remove_rules(self, names: list[str], _: Params) -> int:
        rule = int(names[1]) if len(names) > 1 else None
        return sum(printer.rules.remove(rule) for printer in self._named(names[0]))

    def _rates(self, names: list[str], params: Params) -> int:
        printers = self._named(names[0])
        for printer in printers:
            printer.rules.seed_rates(params["rates"], params.get("params", {}))
        return len(printers)
