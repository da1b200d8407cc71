"""Say why a print starts nowhere just now, whatever the printer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.jobs import FileState
from buildplate.core.reasons import Reason, Unblock, UnblockAction, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from buildplate.core.jobs import Queue, QueuedPrint

    Part = tuple[Reason, str, Unblock]


def may_start(print_: QueuedPrint, queue: Queue, now: datetime) -> bool:
    """Tell whether only printers keep the print waiting, so that `held_back` has nothing to say."""
    return (
        not queue.stopped
        and not print_.job.hold
        and print_.job.file.state is FileState.READY
        and (print_.not_before is None or now >= print_.not_before)
    )


def held_back(print_: QueuedPrint, queue: Queue, now: datetime) -> list[Part]:
    """Every reason of the print's own: code, detail and what removes it."""
    return list(_parts(print_, queue, now))


def _parts(print_: QueuedPrint, queue: Queue, now: datetime) -> Iterator[Part]:
    job = print_.job
    if queue.stopped:
        release = Unblock(UnblockAction.RELEASE_QUEUE)
        yield Reason.FARM_STOPPED, "the whole queue is stopped", release
    if job.hold:
        release = Unblock(UnblockAction.RELEASE_JOB, job.id)
        yield Reason.ON_HOLD, f"job {job.number} is on hold", release
    if job.file.state is FileState.PREPARING:
        wait = wait_for("file", file_id=job.file.id)
        yield Reason.FILE_NOT_READY, "its file is still arriving or being read", wait
    elif job.file.state is FileState.MISSING:
        upload = Unblock(UnblockAction.UPLOAD_FILE, job.file.id, {"ask": ["file"]})
        yield Reason.FILE_NOT_READY, "its file is gone: upload the same one again", upload
    if print_.not_before is not None and now < print_.not_before:
        pause = wait_for("retry", until=print_.not_before)
        yield Reason.RETRY_BACKOFF, "the last attempt failed, the next one waits a while", pause
