"""What can go wrong with jobs and prints, each case with a stable code and what to do next."""

from __future__ import annotations


class DispatchError(Exception):
    """Something about a job, a print or the queue was refused."""

    code = "dispatch_error"
    hint = "Read the job again and see what it is doing."

    def __init__(self, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        if hint is not None:
            self.hint = hint


class UnknownJob(DispatchError):
    """No job has this id or number."""

    code = "job_not_found"
    hint = "List the jobs to see their ids and numbers."


class UnknownPrint(DispatchError):
    """No print has this id or number."""

    code = "print_not_found"
    hint = "List the job's prints to see their ids and numbers."


class UnknownFile(DispatchError):
    """The job names a file that is not here."""

    code = "file_not_found"
    hint = "Upload the file first, then name its id."


class InvalidJob(DispatchError):
    """The order cannot be right."""

    code = "invalid_job"
    hint = "Correct the named field."


class KeyReused(DispatchError):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"
    hint = "Use a new key for a new order; a repeated order must repeat its body, too."


class JobChanged(DispatchError):
    """The job was changed since it was read."""

    code = "version_mismatch"
    hint = "Read the job again and repeat the change on what it is now."


class JobEnded(DispatchError):
    """The job has ended, so this makes no sense any more."""

    code = "job_ended"
    hint = "Duplicate the job, or retry it if copies are missing."


class PrintRefused(DispatchError):
    """The print is in a state in which this makes no sense."""

    code = "print_state"
    hint = "Read the print again and see what it is doing."


class TooManyNotes(DispatchError):
    """As much was written to the print as is shown with it."""

    code = "too_many_notes"
    hint = "Keep what else there is to say where its job came from."


class Stale(DispatchError):
    """A row was changed by someone else since it was read: read again, decide again."""

    code = "stale"
    hint = "Read it again and repeat."


class PrintersUnseen(DispatchError):
    """After a restore: printers were not compared with the database yet."""

    code = "printers_unseen"
    hint = (
        "Wait until they are online; enable those that are disabled. If one stays away and you know"
        " that it holds no print of this farm, release with `anyway`."
    )


class IntentRefused(DispatchError):
    """The intent's own check failed: the printer is not what it was at the claim."""

    code = "intent_refused"
    hint = "Nothing was started; the print goes back to the queue."
