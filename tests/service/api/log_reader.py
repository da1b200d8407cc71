"""What a farm writes to its log, for tests that read it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import structlog

from buildplate.api.log_levels import ROOMS, set_levels
from buildplate.app.logs import set_up_logs


class Log:
    """What the farm has written."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def forget(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()

    def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text.splitlines()]
        return [
            line for line in found if all(line.get(key) == value for key, value in wanted.items())
        ]


@contextmanager
def logging_to(stream: io.StringIO) -> Iterator[Log]:
    """Log as the server does, everything, in JSON; as before once the block ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with patch.object(sys, "stderr", stream):
        set_up_logs("debug", pretty=False)
    structlog.configure(cache_logger_on_first_use=False)  # loggers of modules outlive a test
    try:
        yield Log(stream)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        set_levels(dict.fromkeys(ROOMS))
