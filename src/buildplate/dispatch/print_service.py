"""The use cases of single prints: look, cancel, pause, resume, resolve, confirm, assign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed, Link
from buildplate.dispatch import reading, remarks, repository, transitions
from buildplate.dispatch.errors import DispatchError, InvalidJob, PrintRefused
from buildplate.dispatch.model import PrintRecord
from buildplate.dispatch.parts import DispatchParts
from buildplate.fleet.model import CommandRecord
from buildplate.storage import StorageError


class PrintService:
    """Single prints."""

    def __init__(self, parts: DispatchParts) -> None:
        self._parts = parts

    async def print(self, reference: str) -> PrintRecord:
        """The print with this id or number; UnknownPrint."""
        return await self._parts.storage.read(transitions.get_print, reference)

    async def prints(
        self, limit: int, cursor: str | None, filters: Mapping[str, Any]
    ) -> tuple[list[PrintRecord], str | None]:
        """Prints, newest first, and the cursor of the next page."""
        found = await self._parts.storage.read(
            reading.list_prints, limit=limit + 1, cursor=cursor, filters=filters
        )
        page = found[:limit]
        return page, str(page[-1].number) if len(found) > limit else None

    async def cancel_print(self, reference: str) -> PrintRecord:
        """Cancel one print, wherever it stands; PrintRefused when it has ended."""
        print_ = await self._parts.storage.write(
            repository.cancel_print, reference, self._parts.stamp()
        )
        self._parts.tell(print_)
        return print_

    async def ask(self, reference: str, kind: str, who: str) -> CommandRecord:
        """Pause or resume a running print; PrintRefused when it does not run."""
        print_ = await self.print(reference)
        fits = {"pause": PrintState.PRINTING, "resume": PrintState.PAUSED}[kind]
        if print_.state is not fits or print_.printer_id is None:
            message = f"print {print_.number} is {print_.state}, so there is nothing to {kind}"
            raise PrintRefused(message)
        return await self._parts.commands.ask(print_.id, print_.printer_id, kind, who)

    async def resolve(
        self, reference: str, outcome: PrintState, bed: Bed, *, override: bool, who: str
    ) -> PrintRecord:
        """A person says what became of a print; the word is stored and takes the exit."""
        print_ = await self.print(reference)
        said = {"outcome": outcome.value, "bed": bed.value, "override": override, "by": who}
        session = self._parts.fleet.sessions.get(print_.printer_id or "")
        reachable = session is not None and session.live.link is Link.ONLINE
        if session is not None:
            session.vouched = True  # before the write, so that what comes after it can deny it
        try:
            print_ = await self._parts.storage.write(
                repository.resolve_print, reference, said, reachable, self._parts.stamp()
            )
        except (DispatchError, StorageError):
            if session is not None:
                session.vouched = False
            raise
        self._parts.tell(print_)
        return print_

    async def note(self, reference: str, text: str, who: str) -> tuple[str, datetime]:
        """Write a person's words to a print; the remark's id and time.

        Raises UnknownPrint, TooManyNotes.
        """
        stamp = self._parts.stamp()
        await self._parts.storage.write(remarks.note_print, reference, text, who, stamp)
        return stamp.ids[0], stamp.at

    async def confirm(self, reference: str) -> PrintRecord:
        """Let a waiting print start on a printer that asks for a person's word."""
        print_ = await self._parts.storage.write(
            repository.confirm_print, reference, self._parts.stamp()
        )
        self._parts.planner.wake()
        return print_

    async def assign(self, printer_id: str, *, job: str | None, print_: str | None) -> PrintRecord:
        """Give a queued print (or a job's next one) to this printer only, ahead of its class.

        Only this print: the job's other copies go where they would, and so does another try of
        this one. InvalidJob, PrintRefused.
        """
        chosen = print_ or await self._next_print(job)
        assigned = await self._parts.storage.write(
            repository.assign_print, chosen, printer_id, self._parts.stamp()
        )
        self._parts.planner.wake()
        return assigned

    async def _next_print(self, job: str | None) -> str:
        if job is None:
            message = "name a print_id or a job_id to assign"
            raise InvalidJob(message)
        found, print_id = await self._parts.storage.read(reading.next_print, job)
        if print_id is None:
            message = f"job {found.number} has no queued print"
            raise PrintRefused(message)
        return print_id
