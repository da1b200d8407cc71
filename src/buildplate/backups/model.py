"""Values of the backups room: what a backup says of itself, and how it is described to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from buildplate.backups.errors import Damaged, TooNew

FORMAT = 1
KIND = "buildplate backup"
TABLES = "tables/"
FILES = "files/"
KEY = "key.sealed"


class BackupState(StrEnum):
    """How far a backup is."""

    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """One member of the archive: its name, its bytes and their sha256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    `schema` is the database's revision, `database` its kind, `rows` how many rows each table has.
    `missing` are print files whose contents were gone or spoiled when it was taken. `key_file`
    tells whether the key file is in it, sealed; `key` names the key that opens printers' secrets.
    """

    id: str
    taken_at: datetime
    release: str
    schema: str
    database: str
    farm: str
    rows: Mapping[str, int]
    key_file: bool
    key: str | None
    missing: Sequence[str]
    parts: Sequence[Part]
    format: int = FORMAT

    @property
    def files(self) -> int:
        """How many print files are in it."""
        return sum(part.name.startswith(FILES) for part in self.parts)

    def dump(self) -> bytes:
        """As the archive holds it."""
        plain = {"kind": KIND, **asdict(self), "taken_at": self.taken_at.isoformat()}
        return orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)

    @classmethod
    def load(cls, content: bytes) -> Manifest:
        """What `dump` wrote. Damaged, TooNew."""
        try:
            plain = orjson.loads(content)
            kind, form = plain.pop("kind"), plain["format"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Damaged(NO_MANIFEST) from None
        if kind != KIND or not isinstance(form, int):
            raise Damaged(NO_MANIFEST)
        if form > FORMAT:
            message = f"the backup has format {form}, this release reads up to {FORMAT}"
            raise TooNew(message)
        try:
            plain["taken_at"] = datetime.fromisoformat(plain["taken_at"]).astimezone(UTC)
            plain["parts"] = tuple(_part(one) for one in plain["parts"])
            plain["missing"] = tuple(str(one) for one in plain["missing"])
            return cls(**plain)
        except (KeyError, TypeError, ValueError):
            raise Damaged(NO_MANIFEST) from None


def _part(plain: Any) -> Part:
    """A part as the manifest names it; TypeError for what is none."""
    if [type(plain[name]) for name in ("name", "size", "sha256")] != [str, int, str]:
        raise TypeError
    return Part(**plain)


NO_MANIFEST = "the file does not begin as a backup of Buildplate does"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as people see it; sizes in bytes, `done` and `total` while it is taken."""

    id: str
    state: BackupState
    taken_at: datetime
    size: int = 0
    manifest: Manifest | None = None
    done: int = 0
    total: int = 0
    problem: str = ""
    hint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
