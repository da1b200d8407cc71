"""How much each room logs, and changing it while the server runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum


class LogLevel(StrEnum):
    """How much is logged; each level includes those after it."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


ROOMS: Mapping[str, tuple[str, ...]] = {
    "api": ("http",),
    "app": ("demo", "drivers", "farm", "secrets", "serve", "supervisor"),
    "dispatch": ("dispatch",),
    "files": ("files",),
    "fleet": ("fleet",),
    "storage": ("buildplate.storage",),
}
"""The loggers of each room."""


def levels() -> dict[str, LogLevel]:
    """The present level of each room."""
    return {room: _level(logging.getLogger(names[0])) for room, names in ROOMS.items()}


def set_levels(wanted: Mapping[str, LogLevel | None]) -> None:
    """Set the levels of rooms; None takes one back to the level that the server began with."""
    for room, level in wanted.items():
        number = logging.NOTSET if level is None else _number(level)
        for name in ROOMS[room]:
            logging.getLogger(name).setLevel(number)


def _number(level: LogLevel) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _level(logger: logging.Logger) -> LogLevel:
    effective = logger.getEffectiveLevel()
    return next((one for one in LogLevel if effective <= _number(one)), LogLevel.ERROR)
