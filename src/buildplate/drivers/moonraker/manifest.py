"""What the Moonraker driver says of itself: its form, what it can do, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildplate.drivers.moonraker.config import MoonrakerForm, announced, read_settings
from buildplate.drivers.moonraker.driver import MoonrakerDriver
from buildplate.drivers.sdk import Capability, Driver, DriverTimings, Finds, Manifest


def _make(connection: Mapping[str, Any], timings: DriverTimings) -> Driver:
    return MoonrakerDriver(read_settings(connection), timings)


DRIVER = Manifest(
    name="moonraker",
    title="Klipper (Moonraker)",
    description="A Klipper printer behind Moonraker (tried with 0.11.0): JSON-RPC on a websocket.",
    connection_schema=MoonrakerForm.model_json_schema(),
    make=_make,
    capabilities=frozenset(Capability),
    secrets=frozenset({"api_key"}),
    one_upload_per_host=True,
    finds=Finds(services={"_moonraker._tcp": announced}),
)
