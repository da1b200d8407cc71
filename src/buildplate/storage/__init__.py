"""The database: engine, transactions, tables, migrations and the outbox.

The engine for PostgreSQL is in `storage.postgres.engine`, for those who use it: with its driver and
what upgrades such a database it is 10 MB, and most farms are a file.
"""

from buildplate.storage.bus import Bus, Gap, Subscription
from buildplate.storage.errors import (
    BadDatabaseUrl,
    ConstraintViolated,
    DatabaseInUse,
    DatabaseUnreachable,
    OutcomeUnknown,
    SchemaTooNew,
    ScriptError,
    StorageBusy,
    StorageClosed,
    StorageError,
    StorageFull,
    UpgradeRefused,
)
from buildplate.storage.locks import hold_farm, share_farm
from buildplate.storage.model import (
    EventRecord,
    PublishedEvent,
    from_json,
    from_micros,
    to_json,
    to_micros,
)
from buildplate.storage.outbox import (
    OutboxRelay,
    last_seq,
    log_of,
    read_events,
    read_events_back,
)
from buildplate.storage.ports import Row, Storage, Tx
from buildplate.storage.postgres.address import PostgresAddress, is_postgres
from buildplate.storage.scripts import SCRIPTS, one_statement, script
from buildplate.storage.sqlite.engine import SqliteConfig, SqliteStorage
from buildplate.storage.sqlite.examine import Examination, examine
from buildplate.storage.sqlite.scrub import scrub

__all__ = [
    "SCRIPTS",
    "BadDatabaseUrl",
    "Bus",
    "ConstraintViolated",
    "DatabaseInUse",
    "DatabaseUnreachable",
    "EventRecord",
    "Examination",
    "Gap",
    "OutboxRelay",
    "OutcomeUnknown",
    "PostgresAddress",
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
    "UpgradeRefused",
    "examine",
    "from_json",
    "from_micros",
    "hold_farm",
    "is_postgres",
    "last_seq",
    "log_of",
    "one_statement",
    "read_events",
    "read_events_back",
    "script",
    "scrub",
    "share_farm",
    "to_json",
    "to_micros",
]
