"""Finding the installed drivers by their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points

import structlog

from buildplate.drivers.sdk import Manifest

GROUP = "buildplate.drivers"
_LOG = structlog.get_logger("drivers")


def installed_drivers() -> dict[str, Manifest]:
    """Every driver that can be imported, by name; one that can't is logged and left out."""
    found: dict[str, Manifest] = {}
    for entry in entry_points(group=GROUP):
        try:
            manifest = entry.load()
        except ImportError as error:
            _LOG.warning("driver.missing", action="load", driver=entry.name, error=str(error))
            continue
        if isinstance(manifest, Manifest):
            found[manifest.name] = manifest
    return found
