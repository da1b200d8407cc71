"""The `configfile` object: what a machine of this kind has in its printer.cfg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.heaters import BED, CHAMBER, EXTRUDER, EXTRUDES_FROM, HOTTEST
from buildplate_sim.klippy.toolhead import LEAST, MAX_ACCEL, MAX_SPEED, MAX_Z_SPEED, MOST

if TYPE_CHECKING:
    from pathlib import Path

Macro = dict[str, str]

MACROS: dict[str, Macro] = {
    "PRINT_START": {"gcode": "M140 S{params.BED}\nM104 S{params.TOOL}\nG28"},
    "PRINT_END": {"gcode": "TURN_OFF_HEATERS\nM107"},
    "LOAD_FILAMENT": {"gcode": "M83\nG1 E50 F300"},
    "_HIDDEN": {"gcode": "M118 hidden"},
}
"""What every simulated machine has; a name that begins with `_` is not meant for people."""


def configuration(gcodes: Path, macros: dict[str, Macro]) -> dict[str, Any]:
    """The object, in Klipper's two forms: text as written, and values as used."""
    settings: dict[str, dict[str, Any]] = {
        "printer": {
            "kinematics": "cartesian",
            "max_velocity": MAX_SPEED,
            "max_accel": MAX_ACCEL,
            "max_z_velocity": MAX_Z_SPEED,
        },
        EXTRUDER: {
            "nozzle_diameter": 0.4,
            "filament_diameter": 1.75,
            "min_temp": 0.0,
            "max_temp": HOTTEST[EXTRUDER],
            "min_extrude_temp": EXTRUDES_FROM,
        },
        BED: {"min_temp": 0.0, "max_temp": HOTTEST[BED]},
        CHAMBER: {"sensor_type": "Generic 3950"},
        "fan": {"max_power": 1.0},
        "virtual_sdcard": {"path": str(gcodes)},
        "bed_mesh": {"mesh_min": [20.0, 20.0], "mesh_max": [230.0, 230.0]},
    }
    for index, axis in enumerate("xyz"):
        settings[f"stepper_{axis}"] = {
            "position_min": LEAST[index],
            "position_max": MOST[index],
            "homing_speed": 50.0,
        }
    for section in ("pause_resume", "display_status", "exclude_object"):
        settings[section] = {}
    for name, macro in macros.items():
        settings[f"gcode_macro {name.lower()}"] = dict(macro)
    written = {
        section: {name: str(value) for name, value in values.items()}
        for section, values in settings.items()
    }
    return {
        "config": written,
        "settings": settings,
        "warnings": [],
        "save_config_pending": False,
        "save_config_pending_items": {},
    }
