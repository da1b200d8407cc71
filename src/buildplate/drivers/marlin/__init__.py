"""The driver for printers on a serial line: Marlin and its relatives, streamed to line by line."""

from buildplate.drivers.marlin.manifest import DRIVER

__all__ = ["DRIVER"]
