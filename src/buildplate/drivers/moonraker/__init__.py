"""Drives printers on which Klipper runs, through their Moonraker."""

from buildplate.drivers.moonraker.manifest import DRIVER

__all__ = ["DRIVER"]
