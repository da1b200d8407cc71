"""The G-code files of a simulated Moonraker, and uploads that share a name within a second."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from buildplate_sim.moonraker import metadata
from buildplate_sim.moonraker.answers import IN_USE, RefusedError
from buildplate_sim.upload import Incoming

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "gcodes"


class Files:
    """A folder of files. What is refused, is so by `RefusedError`."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.folder = folder
        self._temporary = temporary
        temporary.mkdir(parents=True, exist_ok=True)

    def incoming(self) -> Incoming:
        """A place for an upload: the same one for all that begin in the same second."""
        return Incoming(self._temporary / f"moonraker.upload-{int(time.time())}.mru")

    def keep(self, incoming: Incoming, path: str) -> str:
        """File an upload; the answer is the digest of what lies there now."""
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            incoming.path.replace(place)
        except FileNotFoundError:
            raise RefusedError(400, f"No such file: {incoming.path.name}") from None
        return hashlib.sha256(place.read_bytes()).hexdigest()

    def place(self, path: str) -> Path:
        """Where a file of this path lies; paths that lead out are refused."""
        pure = PurePosixPath(path)
        if not pure.parts or pure.is_absolute() or ".." in pure.parts:
            raise RefusedError(400, f"Invalid file path: {ROOT}/{path}")
        return self.folder / pure

    def inner(self, path: object) -> str:
        """The path within the folder, of one that names the folder first."""
        root, _, rest = str(path).strip("/").partition("/")
        if root != ROOT:
            raise RefusedError(400, f"Invalid base path: {root}")
        return rest

    def delete(self, path: str, loaded: str) -> dict[str, Any]:
        """Delete a file, unless it is the loaded one."""
        place = self.place(path)
        if not place.is_file():
            raise RefusedError(400, f"Invalid file path: {ROOT}/{path}")
        if path == loaded:
            raise RefusedError(403, IN_USE)
        place.unlink()
        metadata.forget(place)
        gone = {"path": path, "root": ROOT, "modified": 0, "size": 0, "permissions": ""}
        return {"action": "delete_file", "item": gone}

    # --- answers

    def item(self, path: str) -> dict[str, Any]:
        """A file, as notices and answers name it."""
        return {**self._facts(self.place(path)), "path": path, "root": ROOT}

    def _facts(self, place: Path) -> dict[str, Any]:
        found = place.stat()
        return {"modified": found.st_mtime, "size": found.st_size, "permissions": "rw"}

    def listing(self) -> list[dict[str, Any]]:
        """`server.files.list`."""
        places = sorted(
            place
            for place in self.folder.rglob("*")
            if place.is_file() and place.parent.name != metadata.PICTURES
        )
        return [
            {"path": str(place.relative_to(self.folder)), **self._facts(place)} for place in places
        ]

    def directory(self, path: str, *, extended: bool) -> dict[str, Any]:
        """`server.files.get_directory`."""
        folder = self.place(path) if path else self.folder
        if not folder.is_dir():
            raise RefusedError(400, f"Directory does not exist ({folder})")
        dirs, files = [], []
        for place in sorted(folder.iterdir()):
            if place.is_dir():
                if place.name == metadata.PICTURES:
                    continue
                dirs.append({**self._facts(place), "dirname": place.name})
                continue
            facts = {**self._facts(place), "filename": place.name}
            if extended:
                facts |= self.metadata(str(place.relative_to(self.folder)))
                facts["filename"] = place.name
            files.append(facts)
        usage = shutil.disk_usage(self.folder)
        return {
            "dirs": dirs,
            "files": files,
            "disk_usage": {"total": usage.total, "used": usage.used, "free": usage.free},
            "root_info": {"name": ROOT, "permissions": "rw"},
        }

    def metadata(self, path: str) -> dict[str, Any]:
        """`server.files.metadata`, read out of the file each time."""
        place = self.place(path)
        if not place.is_file():
            raise RefusedError(404, f"Metadata not available for <{path}>")
        facts = self._facts(place)
        digest = hashlib.md5(f"{path}{facts}".encode(), usedforsecurity=False).hexdigest()
        return {
            "size": facts["size"],
            "modified": facts["modified"],
            "uuid": digest,
            "gcode_start_byte": 0,
            "gcode_end_byte": facts["size"],
            "print_start_time": None,
            "job_id": None,
            "filename": path,
            **metadata.read(place),
        }
