"""What the OctoPrint driver says of itself: its form, what it can do, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildplate.drivers.octoprint.config import OctoPrintForm, announced, read_settings
from buildplate.drivers.octoprint.controls import OFFERED
from buildplate.drivers.octoprint.driver import OctoPrintDriver
from buildplate.drivers.sdk import Capability, Driver, DriverTimings, Finds, Manifest


def _make(connection: Mapping[str, Any], timings: DriverTimings) -> Driver:
    return OctoPrintDriver(read_settings(connection), timings)


DRIVER = Manifest(
    name="octoprint",
    title="OctoPrint",
    description="A printer behind OctoPrint (tried with 1.11.8): REST and push socket.",
    connection_schema=OctoPrintForm.model_json_schema(),
    make=_make,
    capabilities=frozenset(
        {
            Capability.PAUSE,
            Capability.FETCH_BACK,
            Capability.TEMPERATURES,
            Capability.PUSH,
            Capability.CONSOLE,
            Capability.EQUIPMENT,
            *OFFERED,
        }
    ),
    secrets=frozenset({"api_key"}),
    finds=Finds(services={"_octoprint._tcp": announced}),
)
