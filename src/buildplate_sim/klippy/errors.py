"""What Klipper's own commands and requests fail with."""

from __future__ import annotations


class GcodeError(Exception):
    """A command was not carried out; its text is what people read."""


class RequestError(Exception):
    """A request over the API was refused."""


class InternalError(Exception):
    """A bug of the program: Klipper shuts the machine down at one."""
