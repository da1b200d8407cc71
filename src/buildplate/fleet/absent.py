"""What stands in for a driver that is not installed: its printers stay, out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from buildplate.drivers.sdk import DriverError, DriverTimings, Manifest

HINT = "Install the package that brings this driver, then restart Buildplate."


def missing_driver(name: str) -> Manifest:
    """A manifest whose connections all fail, with a word on what to install."""

    def make(_connection: Mapping[str, Any], _timings: DriverTimings) -> NoReturn:
        message = f"the driver {name} is not installed"
        raise DriverError(message, HINT)

    return Manifest(
        name=name, title=name, description="not installed", connection_schema={}, make=make
    )
