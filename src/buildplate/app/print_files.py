"""Joins the file room to dispatch: print files as planning and transfers need them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from buildplate.core import jobs as core
from buildplate.dispatch.errors import UnknownFile
from buildplate.drivers.sdk import FileBody, FileUnreadable
from buildplate.files import errors
from buildplate.files.model import Analysis, FileState, PrintFile
from buildplate.files.repository import files_by_id, jobs_using
from buildplate.files.service import FileService
from buildplate.storage import Storage

_STATES = {
    FileState.ANALYSING: core.FileState.PREPARING,
    FileState.READY: core.FileState.READY,
    FileState.UNREADABLE: core.FileState.READY,
}
KEPT = 4096
KEPT_WHOLE = 256
T = TypeVar("T")


class JoinedFiles:
    """`dispatch.ports.PrintFiles`, fulfilled by the file room.

    `local`: where the content with a hash lies on this machine's disk; None where none does.
    """

    def __init__(
        self, storage: Storage, files: FileService, local: Callable[[str], Path] | None = None
    ) -> None:
        self._storage = storage
        self._files = files
        self._local = local
        self._facts: dict[str, core.FileFacts] = {}
        self._whole: dict[str, PrintFile] = {}

    async def facts(self, file_ids: Collection[str]) -> dict[str, core.FileFacts]:
        """What is known of these files; a file that is gone is left out.

        A file that was read never changes, so its facts are kept; one that could not be read may
        be uploaded again.
        """
        unknown = [file_id for file_id in file_ids if file_id not in self._facts]
        found = {key: self._facts[key] for key in file_ids if key in self._facts}
        for file_id, file in (await self._storage.read(files_by_id, unknown)).items():
            found[file_id] = facts_of(file)
            if file.state is FileState.READY:
                _keep(self._facts, file_id, found[file_id], KEPT)
        return found

    def forget(self, file_id: str) -> None:
        """A file was deleted."""
        self._facts.pop(file_id, None)
        self._whole.pop(file_id, None)

    async def body(self, file_id: str) -> FileBody:
        """The bytes to send to a printer, final newline included; raises UnknownFile.

        Reading them raises FileUnreadable where the disk does not have them (any more).
        """
        file = self._whole.get(file_id)
        if file is None:
            try:
                file = await self._files.get(file_id)
            except errors.FileError as error:
                message = f"the print file cannot be had: {error}"
                raise UnknownFile(message) from error
            _keep(self._whole, file_id, file, KEPT_WHOLE)

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async with aclosing(self._files.printer_bytes(file)) as content:
                    async for piece in content:
                        yield piece
            except errors.FileError as error:
                message = f"the content of {file.name} cannot be read: {error}"
                raise FileUnreadable(message) from error

        # With a line end added for the printer, what lies on the disk is not the same.
        same = self._local is not None and file.printer_size == file.size
        local = self._local(file.sha256) if self._local is not None and same else None
        return FileBody(file.printer_size, file.printer_sha256, pieces, local)


def _keep(known: dict[str, T], file_id: str, what: T, most: int) -> None:
    if len(known) >= most:
        known.clear()
    known[file_id] = what


class JobsOfFiles:
    """`files.ports.FileUses`: the jobs of the database."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def jobs_using(self, file_id: str) -> tuple[int, ...]:
        """The numbers of the jobs that are not finished and print this file."""
        return await self._storage.read(jobs_using, file_id)


def facts_of(file: PrintFile) -> core.FileFacts:
    """What planning needs of a print file."""
    facts = core.FileFacts(id=file.id, state=_STATES[file.state], size=file.printer_size)
    return facts if file.analysis is None else _with_analysis(facts, file.analysis)


def _with_analysis(facts: core.FileFacts, found: Analysis) -> core.FileFacts:
    box = found.print_box
    return core.FileFacts(
        id=facts.id,
        state=facts.state,
        size=facts.size,
        duration_s=found.estimated_s,
        box=None
        if box is None
        else core.Box(box.min_x, box.min_y, box.min_z, box.max_x, box.max_y, box.max_z),
        tools=frozenset(tool.tool for tool in found.tools),
        filament_g=tuple(
            (tool.tool, tool.filament_g) for tool in found.tools if tool.filament_g is not None
        ),
        max_nozzle_c=found.max_nozzle_c,
        max_bed_c=found.max_bed_c,
    )
