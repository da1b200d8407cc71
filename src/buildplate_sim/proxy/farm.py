"""A fault proxy in front of every host of a farm, and what the control API can do with them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import HostOutOfReachError, UnknownActionError, UnknownPrinterError
from buildplate_sim.proxy.front import FAULTS, HOST_FAULTS, Front
from buildplate_sim.proxy.mixing import Mixer
from buildplate_sim.pulse import Pulse
from buildplate_sim.rules import Rule, RuleBook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildplate_sim.admin import Admin, Params
    from buildplate_sim.proxy.front import Later

ALL = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """A host to stand in front of; its address is asked for at every connection."""

    name: str
    address: Callable[[], tuple[str, int]]


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """Where the proxies listen, how fast time runs, and what random faults follow from."""

    base_address: str
    port: int
    state_dir: Path
    time_factor: float = 1.0
    seed: int = 0


class ProxyFarm:
    """One front per host."""

    def __init__(
        self,
        config: ProxyConfig,
        targets: list[Target],
        later: Later,
        host_action: Callable[[str, str], None] | None = None,
    ) -> None:
        self._config = config
        mixer = Mixer(Pulse(config.time_factor))
        refuse = _refuse_host_faults if host_action is None else None
        self.fronts = {
            target.name: Front(
                target.name,
                target.address,
                rules=RuleBook(FAULTS, Random(f"{config.seed}/proxy/{target.name}"), refuse),
                pulse=Pulse(config.time_factor),
                mixer=mixer,
                later=later,
                host_action=host_action,
            )
            for target in targets
        }

    async def open(self) -> None:
        """Listen in front of every host."""
        first = IPv4Address(self._config.base_address)
        for index, front in enumerate(self.fronts.values()):
            kept = self._config.state_dir / f"proxy-port-{front.name}"
            port = self._config.port or (int(kept.read_text()) if kept.exists() else 0)
            await front.listen(str(first + index), port)
            kept.write_text(str(front.address[1]))

    def close(self) -> None:
        """Accept no more."""
        for front in self.fronts.values():
            front.close()

    def announcement(self) -> list[dict[str, Any]]:
        """Where each host is reached through its proxy."""
        return [{"name": name, "proxy_url": front.base} for name, front in self.fronts.items()]


def _refuse_host_faults(rule: Rule) -> None:
    if rule.play in HOST_FAULTS:
        raise HostOutOfReachError(f"{rule.at}.{rule.play}")


class ProxyControl:
    """Control requests on proxies; `*` stands for all of them."""

    def __init__(self, farm: ProxyFarm, admin: Admin) -> None:
        self._farm = farm
        admin.on("GET", "/proxies", lambda _n, _p: [self._show(f) for f in farm.fronts.values()])
        admin.on("GET", "/proxies/{name}", lambda names, _: self._show(self._front(names[0])))
        admin.on("GET", "/proxies/{name}/rules", self._rules)
        admin.on("POST", "/proxies/{name}/rules", self._add_rule)
        admin.on("DELETE", "/proxies/{name}/rules", self._remove_rules)
        admin.on("POST", "/proxies/{name}/rates", self._rates)
        admin.on("POST", "/proxies/{name}/do/{action}", self._do)

    def _front(self, name: str) -> Front:
        front = self._farm.fronts.get(name)
        if front is None:
            raise UnknownPrinterError(name)
        return front

    def _fronts(self, name: str) -> list[Front]:
        return list(self._farm.fronts.values()) if name == ALL else [self._front(name)]

    def _show(self, front: Front) -> dict[str, Any]:
        return {
            "name": front.name,
            "url": front.base,
            "sockets": len(front.tunnels),
            "seen": front.seen,
            "rules": front.rules.listing(),
        }

    def _rules(self, names: list[str], _: Params) -> list[dict[str, Any]]:
        return self._front(names[0]).rules.listing()

    def _add_rule(self, names: list[str], params: Params) -> list[int]:
        return [front.rules.add(params).id for front in self._fronts(names[0])]

    def _remove_rules(self, names: list[str], _: Params) -> int:
        return sum(front.rules.remove() for front in self._fronts(names[0]))

    def _rates(self, names: list[str], params: Params) -> int:
        fronts = self._fronts(names[0])
        for front in fronts:
            front.rules.seed_rates(params["rates"], params.get("params", {}))
        return len(fronts)

    def _do(self, names: list[str], params: Params) -> int:
        fronts = self._fronts(names[0])
        for front in fronts:
            self._play(front, names[1], params)
        return len(fronts)

    def _play(self, front: Front, action: str, params: Params) -> None:
        if action == "cut":
            front.cut()
        elif action == "cut-sockets":
            front.cut_sockets()
        elif action == "hold-sockets":
            front.hold_sockets(float(params.get("seconds", 30.0)))
        else:
            raise UnknownActionError(action, ["cut", "cut-sockets", "hold-sockets"])
