"""The driver for virtual printers: found by entry point, built on the driver SDK alone."""

from buildplate_sim.virtual_driver.manifest import DRIVER

__all__ = ["DRIVER"]
