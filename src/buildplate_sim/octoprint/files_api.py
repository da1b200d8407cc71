"""The file part of a simulated OctoPrint's API: lists, uploads, downloads, selects and deletes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from buildplate_sim.octoprint.answers import (
    INTERNAL,
    NO_SPACE,
    NOT_FOUND,
    NOT_OPERATIONAL,
    READS,
    Pending,
    RefusedError,
    error_reply,
    json_body,
    nothing,
)
from buildplate_sim.octoprint.shelf import BadNameError, BadTypeError, Stored
from buildplate_sim.octoprint.states import State
from buildplate_sim.upload import HALF_STORED, Upload
from buildplate_sim.web import Reply, Request, json_reply

if TYPE_CHECKING:
    from pathlib import Path

    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.octoprint.software import OctoPrint

RESOURCE = "/api/files/local/"
DOWNLOAD = "/downloads/files/local/"
FREE, TOTAL = 100 << 30, 250 << 30
"""Bytes of the disk."""

DONE_IS_BUSY = 1 / 27
"""How often a file is still in use right after PrintDone."""

LOG = "/downloads/logs/octoprint.log"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def truthy(value: object) -> bool:
    """What OctoPrint takes for true in a form field."""
    return str(value).lower() in {"true", "yes", "y", "1"}


class FilesApi:
    """Answers what concerns files."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def _software(self) -> OctoPrint:
        return self._host.running

    def knows(self, request: Request) -> bool:
        """Whether the address is one that requests about files are sent to."""
        downloads = request.path == LOG or request.path.startswith(DOWNLOAD)
        return request.path.startswith(RESOURCE) or (downloads and request.method in READS)

    def route(self, request: Request) -> Reply | Pending:
        """Answer requests whose address names a file."""
        method, path = request.method, request.path
        if path.startswith(RESOURCE):
            stored = self._stored(path.removeprefix(RESOURCE))
            if method == "GET":
                entry = self._host.shelf.entry(stored, request.base, self._host.skew)
                return json_reply(entry)
            if method == "POST":
                return self._command(stored, request)
            if method == "DELETE":
                return self._delete(stored)
        if method in READS and path.startswith(DOWNLOAD):
            stored = self._stored(path.removeprefix(DOWNLOAD))
            return download(self._host.shelf.root / stored.path, request)
        if method in READS and path == LOG:
            content = self._host.log.path.read_bytes()
            return Reply(HTTPStatus.OK, content, "text/plain")
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)

    def _stored(self, path: str) -> Stored:
        stored = self._host.shelf.files.get(path)
        if stored is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
        return stored

    def list_all(self, request: Request) -> Reply:
        """`GET /api/files` and `/api/files/local`."""
        recursive = truthy(request.query.get("recursive", ""))
        files = self._host.shelf.listing(request.base, recursive=recursive, skew=self._host.skew)
        free = 0 if self._host.disk_full else FREE
        return json_reply({"files": files, "free": free, "total": TOTAL})

    # --- commands on one file

    def _command(self, stored: Stored, request: Request) -> Reply | Pending:
        body = json_body(request)
        if body.get("command") != "select":
            return error_reply(HTTPStatus.BAD_REQUEST, "command is invalid")
        wanted = bool(body.get("print", False))
        software = self._software
        if software.busy:
            text = "Printer is already printing, cannot select a new file"
            return error_reply(HTTPStatus.CONFLICT, text)
        if not wanted:
            self._software.launcher.selected(stored, self._host.user)
            return nothing()
        if not software.operational:
            return error_reply(HTTPStatus.CONFLICT, NOT_OPERATIONAL)
        pending = Pending()

        def answer(status: int) -> None:
            errors = {
                HTTPStatus.NOT_FOUND: NOT_FOUND,
                HTTPStatus.INTERNAL_SERVER_ERROR: INTERNAL,
            }
            text = errors.get(HTTPStatus(status))
            pending.settle(nothing() if text is None else error_reply(status, text))

        self._software.launcher.begin(stored, self._host.user, foreign=False, answer=answer)
        return pending

    def _delete(self, stored: Stored) -> Reply:
        software = self._software
        if software.busy and software.job.selected is stored and not self._just_done():
            text = "Trying to delete a file that is currently in use"
            return error_reply(HTTPStatus.CONFLICT, text)
        outcome = self._software.launcher.deleting(stored.path)
        if outcome == "busy":
            text = "Trying to delete a file that is currently in use"
            return error_reply(HTTPStatus.CONFLICT, text)
        if software.job.selected is stored:
            software.job.select(None, self._host.user)
        self._host.shelf.remove(stored.path)
        software.voice.file_event("FileRemoved", stored, "remove")
        return nothing()

    def _just_done(self) -> bool:
        """Deleting right after PrintDone nearly always works, before the state has changed."""
        finishing = self._software.state is State.FINISHING
        return finishing and self._host.random.random() >= DONE_IS_BUSY

    # --- uploads

    def upload(self, request: Request) -> Reply:
        """`POST /api/files/local`: a file, or a new folder."""
        upload = request.sink
        if not isinstance(upload, Upload):
            text = "No file to upload and no folder to create"
            return error_reply(HTTPStatus.BAD_REQUEST, text)
        try:
            return self._store(upload, request.base)
        finally:
            upload.abort()

    def _store(self, upload: Upload, base: str) -> Reply:
        folder = upload.fields.get("path", "").strip("/")
        if upload.incoming is None or upload.filename is None:
            return self._make_folder(base, folder, upload.fields.get("foldername"))
        try:
            path = self._host.shelf.target(folder, upload.filename)
        except BadNameError:
            text = "Can not upload file, invalid file name"
            return error_reply(HTTPStatus.BAD_REQUEST, text)
        except BadTypeError:
            text = "Could not upload file, invalid type"
            return error_reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)
        software = self._software
        if (
            software.busy
            and software.job.selected is not None
            and software.job.selected.path == path
        ):
            text = "Trying to overwrite file that is currently being printed"
            return error_reply(HTTPStatus.CONFLICT, text)
        incoming, upload.incoming = upload.incoming, None
        stored = self._host.shelf.keep(incoming, path, upload.filename, self._host.user)
        if upload.play == HALF_STORED:
            return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, NO_SPACE)
        self._host.journal.write("stored", path=path, size=stored.size, sha256=stored.sha256)
        return self._stored_answer(stored, upload.fields, base)

    def _stored_answer(self, stored: Stored, fields: dict[str, str], base: str) -> Reply:
        software = self._software
        name, path = stored.name, stored.path
        software.voice.file_event("FileAdded", stored, "add")
        printing = truthy(fields.get("print", ""))
        selecting = truthy(fields.get("select", ""))
        effective = not software.busy and software.operational
        if effective and printing:
            self._software.launcher.begin(stored, self._host.user, foreign=False)
        elif effective and selecting:
            self._software.launcher.selected(stored, self._host.user)
        told = {"select": selecting, "print": printing}
        done = {
            "effective_select": selecting and effective and not printing,
            "effective_print": printing and effective,
        }
        software.voice.emit(
            "Upload", {"name": name, "path": path, "target": "local", **told, **done}
        )
        place = quote(path)
        refs = {
            "download": f"{base}{DOWNLOAD}{place}",
            "resource": f"{base}{RESOURCE}{place}",
        }
        local: dict[str, Any] = {"name": name, "origin": "local", "path": path, "refs": refs}
        answer = {
            "done": True,
            "effectivePrint": done["effective_print"],
            "effectiveSelect": done["effective_select"],
            "files": {"local": local},
        }
        return json_reply(answer, HTTPStatus.CREATED, Location=refs["resource"])

    def _make_folder(self, base: str, parent: str, name: str | None) -> Reply:
        if not name:
            text = "No file to upload and no folder to create"
            return error_reply(HTTPStatus.BAD_REQUEST, text)
        path = f"{parent}/{name}".strip("/")
        self._host.shelf.make_folder(path)
        self._host.shelf.save()
        refs = {"resource": f"{base}{RESOURCE}{quote(path)}"}
        folder = {"name": name, "origin": "local", "path": path, "refs": refs}
        answer = {"done": True, "folder": folder}
        return json_reply(answer, HTTPStatus.CREATED, Location=refs["resource"])


def download(path: Path, request: Request) -> Reply:
    """A file, or the piece of it that a Range header asks for."""
    if not path.exists():
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    size = path.stat().st_size
    kind = "text/plain"
    found = _RANGE.match(request.headers.get("range", ""))
    if found is None or found.groups() == ("", ""):
        ranges = {"Accept-Ranges": "bytes"}
        return Reply(HTTPStatus.OK, b"", kind, ranges, path, (0, size))
    first, last = found.groups()
    if first:
        begin, end = int(first), min(size, int(last) + 1) if last else size
    else:
        begin, end = max(0, size - int(last)), size
    if begin >= end:
        return Reply(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            content_type=kind,
            headers={"Content-Range": f"bytes */{size}"},
        )
    headers = {"Content-Range": f"bytes {begin}-{end - 1}/{size}"}
    return Reply(HTTPStatus.PARTIAL_CONTENT, b"", kind, headers, path, (begin, end))
