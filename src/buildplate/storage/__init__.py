"""The database: engine, transactions, tables, migrations and the outbox."""

from buildplate.storage.bus import Bus, Gap, Subscription
from buildplate.storage.errors import (
    ConstraintViolated,
    DatabaseInUse,
    DatabaseUnreachable,
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
from buildplate.storage.outbox import OutboxRelay, last_seq, read_events
from buildplate.storage.ports import Row, Storage, Tx
from buildplate.storage.scripts import SCRIPTS, script
from buildplate.storage.sqlite.engine import SqliteConfig, SqliteStorage
from buildplate.storage.sqlite.examine import Examination, examine
from buildplate.storage.sqlite.scrub import scrub

__all__ = [
    "SCRIPTS",
    "Bus",
    "ConstraintViolated",
    "DatabaseInUse",
    "DatabaseUnreachable",
    "EventRecord",
    "Examination",
    "Gap",
    "OutboxRelay",
    "PublishedEvent",
    "Row",
    "SchemaTooNew",
    "ScriptError",
    "SqliteConfig",
    "SqliteStorage",
    "Storage",
    "StorageBusy",
    "StorageClosed",
    "StorageError",
    "StorageFull",
    "Subscription",
    "Tx",
    "examine",
    "from_json",
    "from_micros",
    "last_seq",
    "read_events",
    "script",
    "scrub",
    "to_json",
    "to_micros",
]
