"""What the control API can do with the simulated hosts of a process."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from buildplate_sim.errors import UnknownPrinterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildplate_sim.admin import Admin, Params
    from buildplate_sim.journal import Journal
    from buildplate_sim.rules import RuleBook

ALL = "*"


class Controlled(Protocol):
    """One simulated host, as the control API sees it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def journal(self) -> Journal:
        """Its own record."""

    @property
    def rules(self) -> RuleBook:
        """The faults that are to be played."""

    def show(self) -> dict[str, Any]:
        """The truth about it."""

    def play(self, action: str, params: dict[str, Any]) -> None:
        """Do something to it."""


class FarmControl:
    """Control requests on the hosts of a farm; `*` stands for all of them."""

    def __init__(self, hosts: Mapping[str, Controlled], admin: Admin) -> None:
        self._hosts_by_name = hosts
        admin.on("GET", "/printers", lambda _n, _p: [h.show() for h in hosts.values()])
        admin.on("GET", "/printers/{name}", lambda names, _: self._host(names[0]).show())
        admin.on("GET", "/printers/{name}/log", self._log)
        admin.on("GET", "/printers/{name}/rules", self._rules)
        admin.on("POST", "/printers/{name}/rules", self._add_rule)
        admin.on("DELETE", "/printers/{name}/rules", self._remove_rules)
        admin.on("DELETE", "/printers/{name}/rules/{id}", self._remove_rules)
        admin.on("POST", "/printers/{name}/rates", self._rates)
        admin.on("POST", "/printers/{name}/do/{action}", self._do)
        admin.on("GET", "/completions", self._completions)

    def _host(self, name: str) -> Controlled:
        host = self._hosts_by_name.get(name)
        if host is None:
            raise UnknownPrinterError(name)
        return host

    def _hosts(self, name: str) -> list[Controlled]:
        return list(self._hosts_by_name.values()) if name == ALL else [self._host(name)]

    def _log(self, names: list[str], params: Params) -> list[dict[str, Any]]:
        wanted = params.get("event")
        entries = self._host(names[0]).journal.entries()
        return [entry for entry in entries if wanted in {None, entry["event"]}]

    def _rules(self, names: list[str], _: Params) -> list[dict[str, Any]]:
        return self._host(names[0]).rules.listing()

    def _add_rule(self, names: list[str], params: Params) -> list[int]:
        return [host.rules.add(params).id for host in self._hosts(names[0])]

    def _remove_rules(self, names: list[str], _: Params) -> int:
        rule_id = int(names[1]) if len(names) > 1 else None
        return sum(host.rules.remove(rule_id) for host in self._hosts(names[0]))

    def _rates(self, names: list[str], params: Params) -> int:
        hosts = self._hosts(names[0])
        for host in hosts:
            host.rules.seed_rates(params["rates"], params.get("params", {}))
        return len(hosts)

    def _do(self, names: list[str], params: Params) -> int:
        hosts = self._hosts(names[0])
        for host in hosts:
            host.play(names[1], params)
        return len(hosts)

    def _completions(self, _: list[str], params: Params) -> dict[str, dict[str, int]]:
        """How often each content (sha256) was printed to its end, and how parts collided."""
        counts: dict[str, Counter[str]] = {"completed": Counter(), "started": Counter()}
        collisions: Counter[str] = Counter()
        foreign = params.get("foreign") in {True, "true", "1"}
        for host in self._hosts_by_name.values():
            for entry in host.journal.entries():
                event = entry["event"]
                if entry.get("foreign") and not foreign:
                    continue
                if event == "end" and entry["outcome"] == "completed":
                    counts["completed"][entry["sha256"]] += 1
                elif event == "start":
                    counts["started"][entry["sha256"]] += 1
                elif event == "collision":
                    collisions[host.name] += 1
        return {**{name: dict(count) for name, count in counts.items()}, "collisions": collisions}
