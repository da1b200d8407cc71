"""Values of the storage room, and how times and JSON look inside the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened, written in the transaction that made it happen.

    `kind` is what and which, such as `print.printing` or `bed.cleared`; `at` is aware.
    """

    id: str
    at: datetime
    kind: str
    printer_id: str | None = None
    job_id: str | None = None
    print_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event with its place in the farm's one gapless sequence."""

    seq: int
    event: EventRecord


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC. A naive time raises `TypeError`."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC time of `to_micros`, exactly."""
    return _EPOCH + timedelta(microseconds=micros)


def to_json(value: Any) -> str:
    """Compact JSON text. Raises `TypeError` for what is not JSON."""
    return orjson.dumps(value).decode()


def from_json(text: str) -> Any:
    """The value of `to_json`. Raises `ValueError` for text that is not JSON."""
    return orjson.loads(text)
