"""The remedies that several constraints share: change the printer, change the job, use another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.reasons import Unblock, UnblockAction, wait_for

if TYPE_CHECKING:
    from buildplate.core.jobs import JobFacts
    from buildplate.core.printers import Printer


def update_printer(printer: Printer, **patch: object) -> Unblock:
    """Describe the printer as it is after a person has changed something on it."""
    return Unblock(UnblockAction.UPDATE_PRINTER, printer.id, patch)


def change_requirements(job: JobFacts, **patch: object) -> Unblock:
    """Ask something else of printers; only prints that have no printer yet are touched."""
    return Unblock(UnblockAction.UPDATE_JOB, job.id, {"requirements": patch})


def use_another(*_: object) -> Unblock:
    """Nothing helps on this printer: the print waits for one that suits."""
    return wait_for("another_printer")
