"""Drives printers behind an OctoPrint."""

from buildplate.drivers.octoprint.manifest import DRIVER

__all__ = ["DRIVER"]
