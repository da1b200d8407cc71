"""What the files of ours that lie on a printer say of this farm's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from buildplate.core.upload_names import Sorted, read_upload_name, sort_uploads
from buildplate.dispatch import forgotten

if TYPE_CHECKING:
    from buildplate.fleet.model import PrinterRecord
    from buildplate.storage import Storage


async def sort(storage: Storage, printer: PrinterRecord, paths: Sequence[str]) -> Sorted:
    """Which of these files may go, and which the database should know; StorageError."""
    named = {found[0] for path in paths if (found := read_upload_name(path)) is not None}
    sent = await storage.read(forgotten.sent_uploads, sorted(named))
    unsorted = tuple(path for path in paths if path not in sent.accepted)
    since = min(printer.created_at, sent.taken_at or printer.created_at)
    return sort_uploads(unsorted, sent.attempts, since, sent.gaps)


NAMED = 5
TOLD = 100


def why_stopped(printer: PrinterRecord, lost: Sequence[str]) -> str:
    """Say it to people."""
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    return (
        f"{printer.spec.name} keeps files of prints that this farm does not know"
        f" ({', '.join(lost[:NAMED])}{more}):"
        " its database is older than the printers, or another farm uses the printer, too"
    )


def told(reason: str, lost: Sequence[str]) -> dict[str, Any]:
    """What the event says: the files, and how many more there are where they are too many."""
    return {"reason": reason, "files": list(lost[:TOLD]), "more": max(0, len(lost) - TOLD)}
