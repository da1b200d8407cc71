"""What is done to a simulated Klipper machine by people, by power cuts and by itself."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import NotRunningError, UnknownActionError
from buildplate_sim.klippy.errors import GcodeError, InternalError
from buildplate_sim.rules import RuleBook

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.klippy.box import Box
    from buildplate_sim.klippy.klippy import Klippy
    from buildplate_sim.rules import Rule

PRINT_FAULTS = frozenset(
    {"halt", "fail", "kill", "restart", "firmware-restart", "freeze", "pause", "cancel", "cut"}
)
"""Things that can happen in the middle of a print, at `fraction` of its file."""

START_FAULTS = frozenset({"late", "shutdown"})
FAULTS = {"start": START_FAULTS, "print": PRINT_FAULTS}
RUNAWAY = "Heater extruder not heating at expected rate\nSee the 'verify_heater' section"
_NEED_KLIPPY = frozenset(
    {"freeze", "restart", "firmware-restart", "halt", "fail", "print", "pause", "resume"}
    | {"cancel", "script", "hold", "cut"}
)
Params = dict[str, Any]


class Plays:
    """Everything that can be done to one machine, by name."""

    def __init__(self, box: Box, faults: dict[str, frozenset[str]] | None = None) -> None:
        self._box = box
        self.needs_klippy = set(_NEED_KLIPPY)
        self.rules = RuleBook(faults or FAULTS, box.random)
        self._due: dict[str, tuple[Rule, float]] = {}
        box.walked, box.passed = self._walked, self._passed
        box.held = self._held
        self._actions: dict[str, Callable[[Params], None]] = {
            "freeze": self._freeze,
            "thaw": lambda _: box.thaw(),
            "kill": self._kill,
            "boot": lambda _: self._boot(),
            "restart": lambda _: box.restart(self._klippy, firmware=False),
            "firmware-restart": lambda _: box.restart(self._klippy, firmware=True),
            "halt": lambda _: self._klippy.shut_down("Shutdown due to M112 command"),
            "fail": lambda _: self._klippy.shut_down(RUNAWAY),
            "print": self._print,
            "pause": lambda _: self._script("PAUSE"),
            "resume": lambda _: self._script("RESUME"),
            "cancel": lambda _: self._script("CANCEL_PRINT"),
            "script": lambda params: self._script(str(params["gcode"])),
            "hold": self._hold,
            "put-file": self._put_file,
            "delete": lambda params: (box.gcodes / str(params["path"])).unlink(missing_ok=True),
            "macro": self._macro,
            "remove-macro": self._remove_macro,
            "clear-bed": lambda params: box.plate.clear(params.get("by", "person")),
            "auto-clear": self._auto_clear,
            "occupy-bed": lambda _: box.plate.occupy(),
            "cut": lambda _: self._cut(),
        }

    def add(self, name: str, call: Callable[[Params], None]) -> None:
        """One more action."""
        self._actions[name] = call

    @property
    def _klippy(self) -> Klippy:
        if self._box.klippy is None:
            raise NotRunningError
        return self._box.klippy

    def play(self, name: str, params: Params) -> None:
        """Do it; `ControlError` says why not."""
        action = self._actions.get(name)
        if action is None:
            raise UnknownActionError(name, sorted(self._actions))
        if name in self.needs_klippy and self._box.klippy is None:
            raise NotRunningError
        self._box.journal.write("play", action=name)
        action(params)

    # --- at their moments

    def _held(self, path: str) -> float:
        """Seconds for which a start waits in the queue before it is carried out."""
        rule = self.rules.take("start", path=path)
        if rule is None:
            return 0.0
        self._box.journal.write("start-fault", play=rule.play, path=path)
        if rule.play == "shutdown":
            self._due[path] = (rule, 0.0)
            return 0.0
        return self.rules.draw(rule, "seconds", 25.0)

    def _walked(self, path: str) -> None:
        if self._due.pop(path, None) is not None:
            raise InternalError

    def _passed(self, path: str, share: float) -> None:
        """A print has come so far in its file."""
        due = self._due.get("print")
        if due is None or due[0].params.get("path", path) != path:
            rule = self.rules.take("print", path=path) if due is None else None
            if rule is None:
                return
            due = self._due["print"] = (rule, self.rules.draw(rule, "fraction", 0.5))
        if share >= due[1]:
            del self._due["print"]
            self._box.pulse.after(0.0, lambda: self._strike(due[0]))

    def _strike(self, rule: Rule) -> None:
        """Play what a print has come to, unless what it would strike has gone meanwhile."""
        with suppress(NotRunningError):
            self.play(rule.play, rule.params)

    # --- power and life

    def _freeze(self, params: Params) -> None:
        self._box.freeze()
        if "seconds" in params:
            self._box.wake_after(float(params["seconds"]))

    def _kill(self, params: Params) -> None:
        self._box.kill()
        if "down_s" in params:
            self._box.pulse.after(float(params["down_s"]), self._boot)

    def _boot(self) -> None:
        if self._box.klippy is None:
            self._box.boot()

    def _cut(self) -> None:
        for door in self._box.doors:
            door.down()
            door.up()

    # --- a person at the printer

    def _script(self, script: str) -> None:
        klippy = self._klippy

        async def run() -> None:
            try:
                await klippy.gcode.run(script)
            except GcodeError as error:
                self._box.journal.write("script-failed", script=script, why=str(error))

        klippy.life.spawn(run())

    def _hold(self, params: Params) -> None:
        """Keep the queue busy for so long, as a G4 or a slow M109 does."""
        klippy, seconds = self._klippy, float(params["seconds"])

        async def hold() -> None:
            async with klippy.gcode.mutex.held():
                klippy.toolhead.touch()
                await klippy.life.sleep(seconds)

        klippy.life.spawn(hold())

    def _print(self, params: Params) -> None:
        if "gcode" in params:
            self._put_file(params)
        name = str(params["path"]).replace('"', '\\"')
        self._script(f'SDCARD_PRINT_FILE FILENAME="{name}" BY=person')

    def _put_file(self, params: Params) -> None:
        path = self._box.gcodes / str(params["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(params.get("gcode", "G28\n")))

    def _macro(self, params: Params) -> None:
        macro = {"gcode": str(params["gcode"])}
        if "rename_existing" in params:
            macro["rename_existing"] = str(params["rename_existing"])
        name = str(params["macro"]).upper()
        self._box.macros[name] = macro
        if self._box.klippy is not None:
            renamed = macro.get("rename_existing", "")
            self._box.klippy.macros.add(name, macro["gcode"], renamed)
            self._box.klippy.objects[f"gcode_macro {name}"] = dict

    def _remove_macro(self, params: Params) -> None:
        name = str(params["macro"]).upper()
        self._box.macros.pop(name, None)
        if self._box.klippy is not None:
            self._box.klippy.macros.remove(name)
            self._box.klippy.objects.pop(f"gcode_macro {name}", None)

    def _auto_clear(self, params: Params) -> None:
        seconds = params.get("seconds")
        self._box.auto_clear_s = None if seconds is None else float(seconds)
