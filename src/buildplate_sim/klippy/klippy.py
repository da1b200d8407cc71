"""One boot of the stand-in: Klipper's program with its parts, from start-up to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.config import configuration
from buildplate_sim.klippy.errors import GcodeError
from buildplate_sim.klippy.excluded import Excluded
from buildplate_sim.klippy.gcode import Gcode, Macros
from buildplate_sim.klippy.heaters import BED, CHAMBER, EXTRUDER, Heaters
from buildplate_sim.klippy.life import Life
from buildplate_sim.klippy.mesh import Mesh
from buildplate_sim.klippy.moves import Moves
from buildplate_sim.klippy.pausing import DisplayStatus, PauseResume
from buildplate_sim.klippy.print_stats import PrintStats
from buildplate_sim.klippy.runs import Runs
from buildplate_sim.klippy.sdcard import VirtualSd
from buildplate_sim.klippy.toolhead import Toolhead
from buildplate_sim.klippy.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.klippy.box import Box
    from buildplate_sim.klippy.gcode import Command

READY, STARTUP, SHUTDOWN, ERROR = "ready", "startup", "shutdown", "error"
READY_TEXT = "Printer is ready"
STARTING_TEXT = (
    "Printer is not ready\nThe klippy host software is attempting to connect.  Please\n"
    "retry in a few moments.\n"
)
SHUTDOWN_HINT = (
    '\nOnce the underlying issue is corrected, use the\n"FIRMWARE_RESTART" command to reset the'
    " firmware, reload the\nconfig, and restart the host software.\nPrinter is shutdown\n"
)
MCU_SHUT_DOWN = "Can not update MCU 'mcu' config as it is shutdown"
ERROR_HINT = (
    '\nOnce the underlying issue is corrected, use the "RESTART"\n'
    "command to reload the config and restart the host software.\nPrinter is halted\n"
)
VERSION = "v0.13.0-730-g84104bbbd"


class Klippy:
    """Ready after a while; halted by a shutdown, which only FIRMWARE_RESTART ends."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.life = Life(box.pulse, box.later)
        self.state, self.state_message = STARTUP, STARTING_TEXT
        self.gcode = Gcode(self._unready, self.shut_down)
        self.macros = Macros(self.gcode)
        self.heaters = Heaters(self.life, box.heaters, self.gcode)
        self.toolhead = Toolhead(self.life, self.heaters, self.gcode)
        self.heaters.touch = self.toolhead.touch
        self.excluded = Excluded(self.gcode)
        self.moves = Moves(self.gcode, self.toolhead, self.excluded)
        self.mesh = Mesh(self.gcode, self.toolhead)
        self.runs = Runs(self.life, box.plate, self.toolhead)
        self.stats = PrintStats(self.life, self.gcode, self.toolhead, self.moves)
        self.card = VirtualSd(box, self)
        self.pausing = PauseResume(self.gcode, self.card)
        self.display = DisplayStatus(self.life, self.gcode, self.card, self.toolhead)
        self.config = configuration(box.gcodes, box.macros)
        self.objects = self._objects()
        self.webhooks = Webhooks(self)
        self.gcode.listeners.append(self.webhooks.hear)
        self._register()

    def _objects(self) -> dict[str, Callable[[], dict[str, Any]]]:
        objects: dict[str, Callable[[], dict[str, Any]]] = {
            "gcode": self._commands,
            "webhooks": lambda: {"state": self.state, "state_message": self.state_message},
            "configfile": lambda: self.config,
            "mcu": lambda: {"mcu_version": VERSION, "last_stats": {}},
            "gcode_move": self.moves.status,
            "bed_mesh": self.mesh.status,
            "print_stats": self.stats.status,
            "virtual_sdcard": self.card.status,
            "pause_resume": self.pausing.status,
            "display_status": self.display.status,
            "exclude_object": self.excluded.status,
            "heaters": self.heaters.listing,
            BED: lambda: self.heaters.status(BED),
            EXTRUDER: lambda: self.heaters.status(EXTRUDER),
            CHAMBER: self.heaters.chamber,
            "fan": self.heaters.fan_status,
            "toolhead": self.toolhead.status,
            "idle_timeout": self._idle_timeout,
            "system_stats": lambda: {"sysload": 0.1, "cputime": 1.0, "memavail": 500_000},
            "manual_probe": lambda: {"is_active": False},
        }
        for name in self.box.macros:
            objects[f"gcode_macro {name}"] = dict
        return objects

    def _register(self) -> None:
        register = self.gcode.register
        register("M112", lambda _: self.shut_down("Shutdown due to M112 command"), always=True)
        register("M115", self._version, always=True)
        register("M110", lambda _: None, always=True)
        register("STATUS", self._status, "Report the printer status", always=True)
        register("HELP", self._help, "Report the list of available commands", always=True)
        register("ECHO", lambda command: command.say(command.line), always=True)
        restart = "Reload config file and restart host software"
        register("RESTART", lambda _: self._restart(firmware=False), restart, always=True)
        restart = "Restart firmware, host, and reload config"
        register("FIRMWARE_RESTART", lambda _: self._restart(firmware=True), restart, always=True)
        for name, macro in self.box.macros.items():
            self.macros.add(name, macro["gcode"], macro.get("rename_existing", ""))

    # --- from start to end

    def started(self) -> None:
        """Start-up is over: ready, or not when the firmware is still shut down."""
        if self.box.mcu_shut_down:
            self.state, self.state_message = ERROR, MCU_SHUT_DOWN + ERROR_HINT
        else:
            self.state, self.state_message = READY, READY_TEXT

    def shut_down(self, why: str) -> None:
        """Stop the machine at once; whoever waits for motion or heat waits no more."""
        if self.state == SHUTDOWN:
            return
        self.box.journal.write("halted", why=why)
        self.box.mcu_shut_down = True
        self.state, self.state_message = SHUTDOWN, why + SHUTDOWN_HINT
        self.card.stop()
        self.runs.stop("failed")
        self.toolhead.halt()
        self.heaters.halt()
        self.life.rouse()
        self.gcode.inform("Klipper state: Shutdown")

    async def _restart(self, *, firmware: bool) -> None:
        if self.state == READY:
            await self.toolhead.settled()
            await self.life.sleep(0.5)
        self.life.pulse.after(0.0, lambda: self.box.restart(self, firmware=firmware))

    def die(self, outcome: str) -> None:
        """The program is gone, and with it everything that it did; nobody is answered."""
        self.life.end()
        self.runs.stop(outcome)
        self.card.close()
        self.heaters.off()

    def _unready(self) -> str:
        return "" if self.state == READY else self.state_message

    # --- what it says

    def info(self) -> dict[str, Any]:
        """The `info` endpoint."""
        root = self.box.root
        return {
            "state": self.state,
            "state_message": self.state_message,
            "hostname": self.box.name,
            "klipper_path": str(root / "klipper"),
            "python_path": str(root / "klippy-env" / "bin" / "python"),
            "process_id": self.box.process_id,
            "user_id": 1000,
            "group_id": 1000,
            "log_file": str(root / "logs" / "klippy.log"),
            "config_file": str(root / "config" / "printer.cfg"),
            "software_version": VERSION,
            "cpu_info": "1 core ?",
        }

    def help(self) -> dict[str, str]:
        """Every command that has a word of help."""
        return {name: known.help for name, known in self.gcode.known.items() if known.help}

    def _commands(self) -> dict[str, Any]:
        return {
            "commands": {
                name: {"help": known.help} if known.help else {}
                for name, known in self.gcode.known.items()
            }
        }

    def _idle_timeout(self) -> dict[str, Any]:
        state, printed = self.toolhead.idle_state(), self.toolhead.printing_s
        return {"state": state, "printing_time": printed, "idle_timeout": 600}

    def _version(self, command: Command) -> None:
        command.say(f"FIRMWARE_NAME:Klipper FIRMWARE_VERSION:{VERSION}")

    def _status(self, command: Command) -> None:
        if self.state != READY:
            raise GcodeError(self.state_message)
        command.say("Klipper state: Ready")

    def _help(self, command: Command) -> None:
        lines = [f"{name:<10}: {text}" for name, text in sorted(self.help().items())]
        command.say("\n".join(["Available extended commands:", *lines]))
