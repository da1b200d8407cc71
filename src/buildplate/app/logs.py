"""Structured logs: JSON lines, or something readable on a terminal; without secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog

from buildplate.app.redaction import REDACTION
from buildplate.dispatch.trails import TRAILS


def _json(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Finished lines, tracebacks and others' lines included, pass the redaction."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return REDACTION.text(super().format(record))


def set_up_logs(level: str, *, pretty: bool | None = None) -> None:
    """Configure logging for the process; `pretty` None means: when stderr is a terminal.

    What a room logs can be changed later (`api.log_levels`): levels are the standard library's.
    """
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    readable = sys.stderr.isatty() if pretty is None else pretty
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        TRAILS,
        REDACTION.fields,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # The renderer's own tracebacks show local variables, and with them keys and connections.
    last = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Lines(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for noisy in ("uvicorn.access", "aiohttp.access", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
