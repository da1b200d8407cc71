"""The database: engine, transactions, tables, migrations and the outbox."""

from buildplate.storage.errors import (
    ConstraintViolated,
    DatabaseInUse,
    SchemaTooNew,
    ScriptError,
    StorageBusy,
    StorageClosed,
    StorageError,
    StorageFull,
)
from buildplate.storage.model import (
    EventRecord,
    PublishedEvent,
    from_json,
    from_micros,
    to_json,
    to_micros,
)
from buildplate.storage.ports import Row, Storage, Tx
from buildplate.storage.scripts import SCRIPTS, script

__all__ = [
    "SCRIPTS",
    "ConstraintViolated",
    "DatabaseInUse",
    "EventRecord",
    "PublishedEvent",
    "Row",
    "SchemaTooNew",
    "ScriptError",
    "Storage",
    "StorageBusy",
    "StorageClosed",
    "StorageError",
    "StorageFull",
    "Tx",
    "from_json",
    "from_micros",
    "script",
    "to_json",
    "to_micros",
]
