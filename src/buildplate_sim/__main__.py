"""`buildplate-sim`: starts a process of simulated printers and says on one line where they are."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import uvloop

from buildplate_sim.admin import Admin
from buildplate_sim.control import FarmControl
from buildplate_sim.firmware.farm import FirmwareControl, FirmwareFarm
from buildplate_sim.firmware.options import add_firmware, firmware_config
from buildplate_sim.journal import Scribe
from buildplate_sim.klippy.standin import StandIn, StandInConfig
from buildplate_sim.moonraker import farm as moonraker
from buildplate_sim.octoprint.answers import USER
from buildplate_sim.octoprint.farm import Farm, FarmConfig
from buildplate_sim.proxy.farm import ProxyConfig, ProxyControl, ProxyFarm, Target
from buildplate_sim.samples import write_samples
from buildplate_sim.virtual.farm import TURNS, VirtualControl, VirtualFarm, VirtualFarmConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    Later = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Part(Protocol):
    """One kind of thing that the process plays."""

    async def open(self) -> None:
        """Listen."""

    def close(self) -> None:
        """End."""

    def announcement(self) -> list[dict[str, Any]]:
        """What whoever started the process wants to know of each printer."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="buildplate-sim", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--count", type=int, default=1, help="how many printers")
    common.add_argument("--base-address", default="127.0.0.10", help="address of the first one")
    common.add_argument("--port", type=int, default=0, help="0 takes free ones and keeps them")
    common.add_argument("--admin-address", default="127.0.0.1")
    common.add_argument("--admin-port", type=int, default=0)
    common.add_argument("--state-dir", type=Path, required=True, help="what survives a restart")
    common.add_argument("--time-factor", type=float, default=1.0, help="how much faster time runs")
    common.add_argument("--seed", type=int, default=0, help="makes random faults repeatable")
    common.add_argument(
        "--until-stdin-closes", action="store_true", help="end when the starter is gone"
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    octoprints = kinds.add_parser("octoprints", parents=[common], help="simulated OctoPrints")
    octoprints.add_argument("--push-interval", type=float, default=0.5, help="real seconds")
    octoprints.add_argument("--no-connect", action="store_true", help="printers start offline")
    octoprints.add_argument("--user", default=USER, help="whose API key the printers announce")
    octoprints.add_argument("--proxy", action="store_true", help="a fault proxy before each")
    proxy = kinds.add_parser("proxy", parents=[common], help="fault proxies before other hosts")
    proxy.add_argument("--upstream", action="append", required=True, help="address:port")
    moonrakers = kinds.add_parser("moonrakers", parents=[common], help="simulated Moonrakers")
    moonrakers.add_argument("--tick", type=float, default=0.25, help="pushes: real seconds")
    moonrakers.add_argument("--trusted", action="store_true", help="no API key is needed")
    moonrakers.add_argument("--no-load", action="store_true", help="no word on the process")
    moonrakers.add_argument("--proxy", action="store_true", help="a fault proxy before each")
    for kind in (octoprints, moonrakers, proxy):
        kind.add_argument("--proxy-base-address", default="127.0.1.10", help="of the first one")
    virtual = kinds.add_parser("virtual", parents=[common], help="virtual printers, the demo's")
    virtual.add_argument("--turns", type=int, default=TURNS, help="1: all push at the same moment")
    klippy = kinds.add_parser(
        "klippy", parents=[common], help="a stand-in for Klippy, for a real Moonraker"
    )
    klippy.add_argument("--socket", type=Path, required=True, help="where Moonraker finds it")
    klippy.add_argument("--tick", type=float, default=0.25, help="status pushes: real seconds")
    add_firmware(kinds, common)
    samples = kinds.add_parser("samples", help="write the demo's G-code files")
    samples.add_argument("--out", type=Path, required=True, help="a folder")
    return parser


def _stop_events(options: argparse.Namespace, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.until_stdin_closes:
        descriptor = sys.stdin.fileno()

        def look() -> None:
            if not os.read(descriptor, 4096):
                loop.remove_reader(descriptor)
                stop.set()

        loop.add_reader(descriptor, look)


def _virtual(options: argparse.Namespace, scribe: Scribe, admin: Admin) -> list[Part]:
    config = VirtualFarmConfig(
        count=options.count,
        base_address=options.base_address,
        port=options.port,
        state_dir=options.state_dir,
        time_factor=options.time_factor,
        turns=options.turns,
    )
    farm = VirtualFarm(config, scribe)
    VirtualControl(farm, admin)
    return [farm]


def _firmware(options: argparse.Namespace, scribe: Scribe, admin: Admin) -> list[Part]:
    farm = FirmwareFarm(firmware_config(options), scribe)
    FirmwareControl(farm, admin)
    return [farm]


def _octoprints(
    options: argparse.Namespace, scribe: Scribe, admin: Admin, later: Later
) -> list[Part]:
    config = FarmConfig(
        count=options.count,
        base_address=options.base_address,
        port=options.port,
        state_dir=options.state_dir,
        time_factor=options.time_factor,
        seed=options.seed,
        push_interval_s=options.push_interval,
        connect=not options.no_connect,
        user=options.user,
    )
    farm = Farm(config, scribe, later)
    FarmControl(farm.hosts, admin)
    return [farm, *_proxies(options, farm, admin, later)]


def _moonrakers(
    options: argparse.Namespace, scribe: Scribe, admin: Admin, later: Later
) -> list[Part]:
    config = moonraker.FarmConfig(
        count=options.count,
        base_address=options.base_address,
        port=options.port,
        state_dir=options.state_dir,
        time_factor=options.time_factor,
        seed=options.seed,
        tick_s=options.tick,
        trusted=options.trusted,
        load=not options.no_load,
    )
    farm = moonraker.Farm(config, scribe, later)
    FarmControl(farm.hosts, admin)
    return [farm, *_proxies(options, farm, admin, later)]


def _proxies(
    options: argparse.Namespace, farm: Farm | moonraker.Farm, admin: Admin, later: Later
) -> list[Part]:
    """A fault proxy before each host, where they are wanted."""
    if not options.proxy:
        return []
    targets = [
        Target(host.name, partial(getattr, host.door, "address")) for host in farm.hosts.values()
    ]
    proxies = ProxyFarm(_proxy_config(options), targets, later, farm.act)
    ProxyControl(proxies, admin)
    return [proxies]


def _klippy(options: argparse.Namespace, scribe: Scribe, admin: Admin, later: Later) -> list[Part]:
    config = StandInConfig(
        state_dir=options.state_dir,
        socket=options.socket,
        time_factor=options.time_factor,
        seed=options.seed,
        tick_s=options.tick,
    )
    stand_in = StandIn(config, scribe, later)
    FarmControl({stand_in.name: stand_in}, admin)
    return [stand_in]


def _proxy(options: argparse.Namespace, admin: Admin, later: Later) -> list[Part]:
    targets = []
    for index, upstream in enumerate(options.upstream):
        host, _, port = upstream.rpartition(":")
        address = (host, int(port))
        targets.append(Target(f"proxy-{index + 1:03d}", partial(tuple[str, int], address)))
    proxies = ProxyFarm(_proxy_config(options), targets, later)
    ProxyControl(proxies, admin)
    return [proxies]


def _proxy_config(options: argparse.Namespace) -> ProxyConfig:
    return ProxyConfig(
        base_address=options.proxy_base_address,
        port=options.port,
        state_dir=options.state_dir,
        time_factor=options.time_factor,
        seed=options.seed,
    )


def _announced(options: argparse.Namespace, admin: Admin, parts: list[Part]) -> bytes:
    printers: dict[str, dict[str, Any]] = {}
    for part in parts:
        for entry in part.announcement():
            printers.setdefault(entry["name"], {}).update(entry)
    ready = {"ready": True, "kind": options.kind, "admin": admin.url}
    return orjson.dumps({**ready, "printers": list(printers.values())})


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    _stop_events(options, stop)
    options.state_dir.mkdir(parents=True, exist_ok=True)
    scribe = Scribe()
    admin = Admin()
    async with asyncio.TaskGroup() as tasks:
        if options.kind == "virtual":
            parts = _virtual(options, scribe, admin)
        elif options.kind == "moonrakers":
            parts = _moonrakers(options, scribe, admin, tasks.create_task)
        elif options.kind == "klippy":
            parts = _klippy(options, scribe, admin, tasks.create_task)
        elif options.kind == "firmware":
            parts = _firmware(options, scribe, admin)
        elif options.kind == "proxy":
            parts = _proxy(options, admin, tasks.create_task)
        else:
            parts = _octoprints(options, scribe, admin, tasks.create_task)
        for part in parts:
            await part.open()
        await admin.listen(options.admin_address, options.admin_port)
        print(_announced(options, admin, parts).decode(), flush=True)  # noqa: T201 -- the line its starter waits for
        await stop.wait()
        admin.close()
        for part in reversed(parts):
            part.close()
    scribe.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or the end of stdin; answers the exit status."""
    options = _parser().parse_args(arguments)
    if options.kind == "samples":
        for path in write_samples(options.out):
            print(path)  # noqa: T201 -- the command's answer
        return 0
    uvloop.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
