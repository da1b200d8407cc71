"""What is done to a simulated host beside what is done to its Klipper machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import NotRunningError
from buildplate_sim.klippy import plays as machine
from buildplate_sim.moonraker.delivery import ANSWER_FAULTS, REQUEST_FAULTS
from buildplate_sim.upload import UPLOAD_FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.moonraker.host import Host

LIFE = ("freeze", "thaw", "kill", "boot", "restart", "cut")
"""Actions that both programs know: Klippy's are called `klippy-freeze` and so on here."""

HOST_FAULTS = frozenset({"kill", "restart", "freeze", "cut", "revoke-key", "power-cut"})
FAULTS = {
    "start": machine.START_FAULTS,
    "print": frozenset(f"klippy-{play}" if play in LIFE else play for play in machine.PRINT_FAULTS)
    | HOST_FAULTS,
    "history": frozenset({"lose", "nameless"}),
    "request": REQUEST_FAULTS,
    "answer": ANSWER_FAULTS,
    "upload": UPLOAD_FAULTS,
}
DOWN_S = 4.0
Params = dict[str, Any]


class HostPlays(machine.Plays):
    """Everything that can be done to one host, by name."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.box, FAULTS)
        self._host = host
        for name in LIFE:
            self.add(f"klippy-{name}", self._actions[name])
        own: dict[str, Callable[[Params], None]] = {
            "freeze": self._freeze_host,
            "thaw": lambda _: host.thaw(),
            "kill": lambda params: self._down(params, orderly=False),
            "restart": lambda params: self._down({"down_s": DOWN_S, **params}, orderly=True),
            "boot": lambda _: self._boot_host(),
            "power-cut": self._power_cut,
            "cut": lambda _: host.door.cut(),
            "deafen": lambda _: host.door.deafen(),
            "listen": lambda _: host.door.listen_again(),
            "hush": lambda _: setattr(host, "hushed", True),
            "unhush": lambda _: setattr(host, "hushed", False),
            "revoke-key": lambda _: setattr(host, "revoked", True),
            "restore-key": lambda _: setattr(host, "revoked", False),
        }
        for name, call in own.items():
            self.add(name, call)
        self.needs_klippy -= own.keys()

    def _freeze_host(self, params: Params) -> None:
        if self._host.program is None:
            raise NotRunningError
        self._host.freeze()
        if "seconds" in params:
            self._host.wake_after(float(params["seconds"]))

    def _down(self, params: Params, *, orderly: bool) -> None:
        self._host.end(orderly=orderly)
        if "down_s" in params:
            self._box.pulse.after(float(params["down_s"]), self._boot_host)

    def _boot_host(self) -> None:
        if self._host.program is None:
            self._host.boot()
            self._host.door.listen_again()

    def _power_cut(self, params: Params) -> None:
        self._host.end(orderly=False)
        self._box.kill()
        if "down_s" in params:
            down = float(params["down_s"])
            self._box.pulse.after(down, self._boot_host)
            self._box.pulse.after(down, self._boot)
