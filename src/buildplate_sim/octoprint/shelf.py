"""The files of a simulated OctoPrint and their print history; both survive restarts."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from buildplate_sim.upload import Incoming

if TYPE_CHECKING:
    from pathlib import Path

PRINTABLE = (".gcode", ".gco", ".g")
_FORBIDDEN = re.compile(r'[\\/<>:"|?*\x00-\x1f]')


class BadNameError(ValueError):
    """The name of an uploaded file is no file name."""


class BadTypeError(ValueError):
    """An uploaded file is of a kind that this host does not take."""


@dataclass(slots=True)
class History:
    """How often a file was printed, and how its last print ended."""

    success: int = 0
    failure: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Stored:
    """One file."""

    path: str
    display: str
    size: int
    date: int
    sha1: str
    sha256: str
    user: str
    history: History = field(default_factory=History)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def average_s(self) -> float | None:
        """Mean printing time of its successful prints (s)."""
        times = self.history.times
        return sum(times) / len(times) if times else None

    @property
    def last_s(self) -> float | None:
        """Printing time of its last successful print (s)."""
        return self.history.times[-1] if self.history.times else None


def sanitised(name: str) -> str:
    """The name a file gets; `BadNameError` when it would leave its folder."""
    if name in {"", ".", ".."}:
        raise BadNameError(name)
    return _FORBIDDEN.sub("", name)


class Shelf:
    """All files of one host, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root / "uploads"
        self._incoming = root / "incoming"
        self._index = root / "files.json"
        self.root.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        self._count = 0
        self.files: dict[str, Stored] = {}
        self.folders: set[str] = set()
        self._load()

    def _load(self) -> None:
        if not self._index.exists():
            return
        kept = orjson.loads(self._index.read_bytes())
        self.folders = set(kept["folders"])
        for entry in kept["files"]:
            history = History(**entry.pop("history"))
            stored = Stored(**entry, history=history)
            if (self.root / stored.path).exists():
                self.files[stored.path] = stored

    def save(self) -> None:
        """Keep the index; replaced whole, so that a kill leaves the old or the new one."""
        files = [asdict(stored) for stored in self.files.values()]
        fresh = self._index.with_suffix(".new")
        fresh.write_bytes(orjson.dumps({"files": files, "folders": sorted(self.folders)}))
        fresh.replace(self._index)

    # --- changing

    def incoming(self) -> Incoming:
        """A place for an upload."""
        self._count += 1
        return Incoming(self._incoming / f"upload-{self._count}")

    def target(self, folder: str, filename: str) -> str:
        """The path an upload gets; `BadNameError` or `BadTypeError` when it gets none."""
        inner, _, last = filename.rpartition("/")
        name = sanitised(last)
        parts = [sanitised(part) for part in f"{folder}/{inner}".split("/") if part]
        if not name.lower().endswith(PRINTABLE):
            raise BadTypeError(name)
        return "/".join([*parts, name])

    def keep(self, incoming: Incoming, path: str, display: str, user: str) -> Stored:
        """File an upload under its path; the history stays only where the content stays."""
        sha1, sha256 = incoming.close()
        self.make_folder(str(PurePosixPath(path).parent))
        place = self.root / path
        incoming.path.replace(place)
        stored = Stored(path, display, incoming.size, int(time.time()), sha1, sha256, user)
        former = self.files.get(path)
        if former is not None and former.sha1 == sha1:
            stored.history = former.history
        self.files[path] = stored
        self.save()
        return stored

    def make_folder(self, folder: str) -> None:
        """Create a folder and those above it."""
        if folder in {"", "."}:
            return
        pure = PurePosixPath(folder)
        for part in (pure, *pure.parents):
            if str(part) != ".":
                self.folders.add(str(part))
        (self.root / folder).mkdir(parents=True, exist_ok=True)

    def remove(self, path: str) -> None:
        """Delete a file and its history."""
        del self.files[path]
        (self.root / path).unlink(missing_ok=True)
        self.save()

    def log_print(self, path: str, *, success: bool, seconds: float | None, date: float) -> None:
        """Note a print's end; nothing happens when the file is gone."""
        stored = self.files.get(path)
        if stored is None:
            return
        history = stored.history
        history.last = {"date": date, "success": success}
        if success:
            if seconds is not None:
                history.last["printTime"] = seconds
            history.success += 1
            if seconds is not None:
                history.times = [*history.times[-9:], seconds]
        else:
            history.failure += 1
        self.save()

    # --- answers

    def entry(self, stored: Stored, base: str, skew: float = 0.0) -> dict[str, Any]:
        """What the API says of a file."""
        place = quote(stored.path)
        answer: dict[str, Any] = {
            "date": int(stored.date + skew),
            "display": stored.display,
            "hash": stored.sha1,
            "name": stored.name,
            "origin": "local",
            "path": stored.path,
            "refs": {
                "download": f"{base}/downloads/files/local/{place}",
                "resource": f"{base}/api/files/local/{place}",
            },
            "size": stored.size,
            "type": "machinecode",
            "typePath": ["machinecode", "gcode"],
            "user": stored.user,
        }
        history = stored.history
        if history.success or history.failure:
            last = dict(history.last)
            last["date"] = last["date"] + skew
            answer["prints"] = {
                "failure": history.failure,
                "last": last,
                "success": history.success,
            }
            answer["statistics"] = {
                "averagePrintTime": {} if not history.times else {"_default": stored.average_s},
                "lastPrintTime": {} if not history.times else {"_default": stored.last_s},
            }
        return answer

    def listing(self, base: str, *, recursive: bool, skew: float = 0.0) -> list[dict[str, Any]]:
        """What the API lists: files, and folders with or without what is in them."""
        top: list[dict[str, Any]] = []
        folders: dict[str, dict[str, Any]] = {}
        for folder in sorted(self.folders):
            folders[folder] = self.folder_entry(folder, base)
        for folder, entry in folders.items():
            parent = str(PurePosixPath(folder).parent)
            (folders[parent]["children"] if parent in folders else top).append(entry)
        for stored in self.files.values():
            parent = str(PurePosixPath(stored.path).parent)
            entry = self.entry(stored, base, skew)
            (folders[parent]["children"] if parent in folders else top).append(entry)
        if not recursive:
            for entry in folders.values():
                entry.pop("children")
        return top

    def folder_entry(self, folder: str, base: str) -> dict[str, Any]:
        """What the API says of a folder."""
        inside = [f for path, f in self.files.items() if path.startswith(folder + "/")]
        return {
            "children": [],
            "date": int(time.time()),
            "display": PurePosixPath(folder).name,
            "name": PurePosixPath(folder).name,
            "origin": "local",
            "path": folder,
            "prints": {
                "failure": sum(f.history.failure for f in inside),
                "success": sum(f.history.success for f in inside),
            },
            "refs": {"resource": f"{base}/api/files/local/{quote(folder)}"},
            "size": sum(f.size for f in inside),
            "type": "folder",
            "typePath": ["folder"],
        }
