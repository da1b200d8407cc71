"""What the serial driver says of itself: its form, what it can do, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildplate.drivers.marlin.config import SerialForm, read_settings
from buildplate.drivers.marlin.driver import SerialDriver
from buildplate.drivers.sdk import (
    Capability,
    Driver,
    DriverTimings,
    Finds,
    Manifest,
    SerialPort,
)


def _make(connection: Mapping[str, Any], timings: DriverTimings) -> Driver:
    return SerialDriver(read_settings(connection), timings)


def _at(port: SerialPort) -> Mapping[str, Any]:
    """The connection to a port; one whose lasting name the form does not take has another."""
    return {"port": port.path if all("!" <= one <= "~" for one in port.path) else port.device}


def _found(port: SerialPort) -> Mapping[str, Any]:
    """Any serial port may have such a printer on it; the name that stays with it is the one."""
    return {"port": port.path}


DRIVER = Manifest(
    name="marlin",
    title="Serial: Marlin, Repetier, Smoothieware, Prusa",
    description="A printer on a USB port or a serial port in the network, streamed to line by "
    "line. A print lives and dies with the program that streams it.",
    connection_schema=SerialForm.model_json_schema(),
    make=_make,
    capabilities=frozenset(
        {
            Capability.PAUSE,
            Capability.FETCH_BACK,
            Capability.TEMPERATURES,
            Capability.PUSH,
            Capability.HOME,
            Capability.JOG,
            Capability.EXTRUDE,
            Capability.HEAT,
            Capability.FAN,
            Capability.PACE,
            Capability.SHIFT_Z,
            Capability.GCODE,
            Capability.EMERGENCY_STOP,
            Capability.CONSOLE,
            Capability.EQUIPMENT,
        }
    ),
    streams=True,
    finds=Finds(serial=_at),
)
