"""What the virtual driver says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate.drivers.sdk import CAPABILITY_OF, Capability, Manifest
from buildplate_sim.virtual_driver.config import SCHEMA, VirtualConfig
from buildplate_sim.virtual_driver.driver import VirtualDriver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildplate.drivers.sdk import Driver, DriverTimings


def make(connection: Mapping[str, Any], timings: DriverTimings) -> Driver:
    """A driver for one virtual printer; `BadConnectionSettings` when the settings don't fit."""
    return VirtualDriver(VirtualConfig.checked(connection), timings)


DRIVER = Manifest(
    name="virtual",
    title="Virtual printer",
    description="A printer that exists only in Buildplate's simulator: for demos and first steps.",
    connection_schema=SCHEMA,
    make=make,
    capabilities=frozenset(
        {
            Capability.PAUSE,
            Capability.FETCH_BACK,
            Capability.TEMPERATURES,
            Capability.PUSH,
            Capability.CONSOLE,
            Capability.EQUIPMENT,
            *CAPABILITY_OF.values(),
        }
    ),
)
