"""What is done to a simulated OctoPrint by people, by power cuts and by its own printer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import (
    NoSuchFileError,
    NotRunningError,
    PrinterBusyError,
    UnknownActionError,
)
from buildplate_sim.octoprint.delivery import Drip
from buildplate_sim.octoprint.push import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.pulse import Timer

PRINT_FAULTS = frozenset(
    {"fail", "halt", "kill", "restart", "freeze", "disconnect", "cancel", "revoke-key", "cut"}
)
"""Things that can happen in the middle of a print, at `fraction` of its length."""

PERSON = "person"
Params = dict[str, Any]


class Plays:
    """Everything that can be done to one host, by name."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._flap: Timer | None = None
        self._flood: Timer | None = None
        self._actions: dict[str, Callable[[Params], None]] = {
            "freeze": self._freeze,
            "thaw": lambda _: host.thaw(),
            "kill": self._kill,
            "restart": self._restart,
            "boot": self._boot,
            "connect": lambda _: host.running.line.connect(),
            "disconnect": lambda _: host.running.line.disconnect(),
            "revoke-key": self._revoke,
            "restore-key": self._restore,
            "halt": lambda _: host.running.line.firmware_halt(),
            "fail": lambda _: host.running.line.drop(),
            "print": self._print,
            "select": self._select,
            "deselect": lambda _: host.running.job.select(None, PERSON),
            "delete": self._delete,
            "put-file": self._put_file,
            "pause": lambda _: host.running.job.pause(),
            "resume": lambda _: host.running.job.resume(),
            "cancel": lambda _: host.running.job.cancel(),
            "clear-bed": lambda params: host.machine.clear_bed(params.get("by", PERSON)),
            "auto-clear": self._auto_clear,
            "occupy-bed": lambda _: host.machine.occupy_bed(),
            "skew-clock": self._skew,
            "flood": self._start_flood,
            "stop-flood": lambda _: self._stop("_flood"),
            "flap": self._start_flap,
            "stop-flap": self._stop_flap,
            "drip": self._drip,
            "stop-drip": lambda _: setattr(host, "drip", None),
            "hush": lambda _: setattr(host, "hushed", True),
            "unhush": lambda _: setattr(host, "hushed", False),
            "cut": lambda _: host.door.cut(),
            "deafen": lambda _: host.door.deafen(),
            "listen": lambda _: host.door.listen_again(),
        }

    @property
    def names(self) -> list[str]:
        """All actions."""
        return sorted(self._actions)

    def play(self, name: str, params: Params) -> None:
        """Do it; `ControlError` says why not."""
        action = self._actions.get(name)
        if action is None:
            raise UnknownActionError(name, self.names)
        down = self._host.software is None and name not in {"boot", "clear-bed", "put-file"}
        if down and name not in {"thaw", "restart", "auto-clear", "occupy-bed", "kill"}:
            raise NotRunningError
        self._host.journal.write("play", action=name)
        action(params)

    def print_begun(self, path: str) -> None:
        """A print has begun: order what the rules want to happen in its middle."""
        host, run = self._host, self._host.machine.run
        rule = host.rules.take("print", path=path)
        if rule is None or run is None:
            return
        delay = host.rules.draw(rule, "fraction", 0.5) * run.timeline.length

        def strike() -> None:
            if run is host.machine.run and not run.ended and host.software is not None:
                self.play(rule.play, rule.params)

        host.pulse.after(delay, strike)

    # --- power and life

    def _freeze(self, params: Params) -> None:
        self._host.freeze()
        if "seconds" in params:
            self._host.wake_after(float(params["seconds"]))

    def _kill(self, params: Params) -> None:
        self._host.kill()
        self._boot_after(params)

    def _restart(self, params: Params) -> None:
        self._host.shut_down(counted=bool(params.get("counted")))
        self._boot_after({"down_s": 4.0, **params})

    def _boot_after(self, params: Params) -> None:
        if "down_s" in params:
            down = float(params["down_s"])
            self._host.pulse.after(down, lambda: self._boot(params))

    def _boot(self, params: Params) -> None:
        if self._host.software is None:
            self._host.boot(connect=bool(params.get("connect", True)))
            self._host.door.listen_again()

    def _revoke(self, params: Params) -> None:
        """The key counts no more. Sockets that are open go on speaking unless they are `told`."""
        self._host.revoked = True
        software = self._host.running
        software.sessions.clear()
        for socket in software.voice.sockets if params.get("told") else ():
            socket.deauthorise("stale")

    def _restore(self, _: Params) -> None:
        self._host.revoked = False

    # --- a person at the printer

    def _stored(self, params: Params) -> Stored:
        stored = self._host.shelf.files.get(str(params.get("path")))
        if stored is None:
            raise NoSuchFileError(params.get("path"))
        return stored

    def _print(self, params: Params) -> None:
        if "gcode" in params:
            self._put_file(params)
        if self._host.running.busy:
            raise PrinterBusyError
        stored = self._stored(params)
        self._host.running.launcher.begin(stored, str(params.get("user", PERSON)), foreign=True)

    def _select(self, params: Params) -> None:
        self._host.running.launcher.selected(self._stored(params), PERSON)

    def _delete(self, params: Params) -> None:
        """A person deletes a file on the host's own page, which tells of it."""
        stored = self._stored(params)
        self._host.shelf.remove(stored.path)
        self._host.running.voice.file_event("FileRemoved", stored, "remove")

    def _put_file(self, params: Params) -> None:
        incoming = self._host.shelf.incoming()
        incoming.feed(str(params.get("gcode", "G28\n")).encode())
        path = str(params["path"])
        self._host.shelf.keep(incoming, path, path.rpartition("/")[2], PERSON)

    def _auto_clear(self, params: Params) -> None:
        seconds = params.get("seconds")
        self._host.machine.auto_clear_s = None if seconds is None else float(seconds)

    # --- the network and the clock

    def _skew(self, params: Params) -> None:
        self._host.skew = float(params["seconds"])

    def _drip(self, params: Params) -> None:
        self._host.drip = Drip(self._host, float(params.get("interval_s", 1.0)))

    def _start_flood(self, params: Params) -> None:
        """Messages without end: `per_s` of them per simulated second, in bursts."""
        self._stop("_flood")
        burst = int(params.get("burst", 200))
        pause = burst / float(params.get("per_s", 1000.0))
        junk = message("event", {"type": "plugin_flood", "payload": {"noise": "x" * 200}})

        def pour() -> None:
            software = self._host.software
            for socket in () if software is None else tuple(software.voice.sockets):
                for _ in range(burst):
                    self._host.push_out(socket, junk)
            self._flood = self._host.pulse.after(pause, pour)

        pour()

    def _start_flap(self, params: Params) -> None:
        """A link that comes and goes."""
        self._stop("_flap")
        up, down = float(params.get("up_s", 10.0)), float(params.get("down_s", 5.0))

        def go_down() -> None:
            self._host.door.deafen()
            self._flap = self._host.pulse.after(down, go_up)

        def go_up() -> None:
            self._host.door.listen_again()
            self._flap = self._host.pulse.after(up, go_down)

        self._flap = self._host.pulse.after(up, go_down)

    def _stop_flap(self, _: Params) -> None:
        self._stop("_flap")
        self._host.door.listen_again()

    def _stop(self, which: str) -> None:
        timer: Timer | None = getattr(self, which)
        if timer is not None:
            timer.cancel()
        setattr(self, which, None)
