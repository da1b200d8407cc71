"""Name every reason why a print does not start on a printer, and the action that removes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reason(StrEnum):
    """Why a print waits; the list is open-ended, so clients tolerate codes they do not know."""

    OFFLINE = "offline"
    SYNCING = "syncing"
    LINK_DEGRADED = "link_degraded"
    AUTH_REQUIRED = "auth_required"
    DISABLED = "disabled"
    MAINTENANCE = "maintenance"
    HALTED = "halted"
    FOREIGN_PRINT = "foreign_print"
    BUSY = "busy"
    COMMAND_PENDING = "command_pending"
    NEEDS_ATTENTION = "needs_attention"
    BED_NOT_CLEAR = "bed_not_clear"
    BED_UNKNOWN = "bed_unknown"
    TOO_SMALL = "too_small"
    FIT_UNKNOWN = "fit_unknown"
    NOZZLE_MISMATCH = "nozzle_mismatch"
    MATERIAL_MISSING = "material_missing"
    MATERIAL_VARIANT = "material_variant"
    NOT_ENOUGH_MATERIAL = "not_enough_material"
    PLATE_MISMATCH = "plate_mismatch"
    MODEL_MISMATCH = "model_mismatch"
    TAG_MISMATCH = "tag_mismatch"
    GROUP_MISMATCH = "group_mismatch"
    PRINTER_NOT_LISTED = "printer_not_listed"
    TEMPERATURE_LIMIT = "temperature_limit"
    NOT_CAPABLE = "not_capable"
    START_NEEDS_CONFIRM = "start_needs_confirm"
    POWER_BUDGET = "power_budget"
    RETRY_BACKOFF = "retry_backoff"
    RETRY_ELSEWHERE_FIRST = "retry_elsewhere_first"
    HIGHER_PRIORITY_FIRST = "higher_priority_first"
    FILE_NOT_READY = "file_not_ready"
    STORAGE_FULL = "storage_full"
    ON_HOLD = "on_hold"
    FARM_STOPPED = "farm_stopped"
    NODE_LOST = "node_lost"


R = Reason

DOCUMENTATION: Mapping[Reason, str] = {
    R.OFFLINE: "The printer's host cannot be reached, or its power is off; we go on once it is.",
    R.SYNCING: "We are connecting and do not know yet what the printer is doing.",
    R.LINK_DEGRADED: "The host answers, but the channel that proves what it does is incomplete.",
    R.AUTH_REQUIRED: "The host refuses our key or password: enter a valid one.",
    R.DISABLED: "The printer is switched off in the farm.",
    R.MAINTENANCE: "The printer is in maintenance mode.",
    R.HALTED: "The machine stopped with an error; look at it, then connect it again.",
    R.FOREIGN_PRINT: "The printer runs a print that the farm did not start.",
    R.BUSY: "The printer is printing, or moves or heats under someone's hand.",
    R.COMMAND_PENDING: "A command was sent to the printer and its outcome is not known yet.",
    R.NEEDS_ATTENTION: "Nobody can tell how the last print ended: a person has to look and say.",
    R.BED_NOT_CLEAR: "Something lies on the bed: take it off, then clear the bed.",
    R.BED_UNKNOWN: "Nobody knows whether the bed is clear: look, then clear the bed.",
    R.TOO_SMALL: "The print, or the size the job asks for, does not fit into the build volume.",
    R.FIT_UNKNOWN: "The size of the print or of the printer is unknown, so fitting is a guess.",
    R.NOZZLE_MISMATCH: "The printer's nozzle has another diameter than the job asks for.",
    R.MATERIAL_MISSING: "A tool does not hold the type or colour of material the job asks for.",
    R.MATERIAL_VARIANT: "Type and colour are right, but the variant is not (matte is not silk).",
    R.NOT_ENOUGH_MATERIAL: "Less material is left on a tool than the print will use.",
    R.PLATE_MISMATCH: "Another plate lies on the printer than the job asks for.",
    R.MODEL_MISMATCH: "The job asks for another printer model.",
    R.TAG_MISMATCH: "The printer lacks a tag the job asks for, or has one it excludes.",
    R.GROUP_MISMATCH: "The job asks for a printer of another group.",
    R.PRINTER_NOT_LISTED: "The job, or whoever assigned the print, names another printer.",
    R.TEMPERATURE_LIMIT: "The file heats hotter than the printer may.",
    R.NOT_CAPABLE: "The printer has not the tools, or its driver not the means, for this print.",
    R.START_NEEDS_CONFIRM: "This printer starts a print only when a person has confirmed it.",
    R.POWER_BUDGET: "Starting now would draw more power than the farm may.",
    R.RETRY_BACKOFF: "The last attempt failed; the next one waits a while.",
    R.RETRY_ELSEWHERE_FIRST: "This copy failed on this printer; others get the first try.",
    R.HIGHER_PRIORITY_FIRST: "The printer is free, but a print ahead in the queue gets it.",
    R.FILE_NOT_READY: "The print file is still arriving or being read, or it is gone.",
    R.STORAGE_FULL: "The printer's host has not the room to store the file.",
    R.ON_HOLD: "The job is on hold.",
    R.FARM_STOPPED: "The whole queue is stopped.",
    R.NODE_LOST: "The node that drives this printer is gone; another one will take it over.",
}


class UnblockAction(StrEnum):
    """What can be done about a reason; `wait` says that nothing needs to be, or can be, done."""

    WAIT = "wait"
    CLEAR_BED = "clear_bed"
    CONNECT = "connect"
    END_MAINTENANCE = "end_maintenance"
    UPDATE_PRINTER = "update_printer"
    UPDATE_JOB = "update_job"
    RELEASE_JOB = "release_job"
    CONFIRM_PRINT = "confirm_print"
    RESOLVE_PRINT = "resolve_print"
    REORDER_QUEUE = "reorder_queue"
    RELEASE_QUEUE = "release_queue"
    UPLOAD_FILE = "upload_file"
    ASSIGN_PRINT = "assign_print"


@dataclass(frozen=True, slots=True)
class Request:
    """The public call behind an action: `{target}` in the path is the unblock's target."""

    method: str
    path: str


REQUESTS: Mapping[UnblockAction, Request | None] = {
    UnblockAction.WAIT: None,
    UnblockAction.CLEAR_BED: Request("POST", "/api/v1/printers/{target}/clear-bed"),
    UnblockAction.CONNECT: Request("POST", "/api/v1/printers/{target}/connect"),
    UnblockAction.END_MAINTENANCE: Request("POST", "/api/v1/printers/{target}/maintenance"),
    UnblockAction.UPDATE_PRINTER: Request("PATCH", "/api/v1/printers/{target}"),
    UnblockAction.UPDATE_JOB: Request("PATCH", "/api/v1/jobs/{target}"),
    UnblockAction.RELEASE_JOB: Request("POST", "/api/v1/jobs/{target}/release"),
    UnblockAction.CONFIRM_PRINT: Request("POST", "/api/v1/prints/{target}/confirm"),
    UnblockAction.RESOLVE_PRINT: Request("POST", "/api/v1/prints/{target}/resolve"),
    UnblockAction.REORDER_QUEUE: Request("POST", "/api/v1/queue/reorder"),
    UnblockAction.RELEASE_QUEUE: Request("POST", "/api/v1/queue/release"),
    UnblockAction.UPLOAD_FILE: Request("POST", "/api/v1/files"),
    UnblockAction.ASSIGN_PRINT: Request("POST", "/api/v1/printers/{target}/assign"),
}


A = UnblockAction
_WAIT = frozenset({A.WAIT})
_CHANGE_PRINTER = frozenset({A.UPDATE_PRINTER})
_CHANGE_JOB = frozenset({A.UPDATE_JOB})
_CLEAR = frozenset({A.CLEAR_BED})

ACTIONS: Mapping[Reason, frozenset[UnblockAction]] = {
    **dict.fromkeys(Reason, _WAIT),
    R.AUTH_REQUIRED: _CHANGE_PRINTER,
    R.DISABLED: frozenset({A.UPDATE_PRINTER, A.CONNECT}),
    R.MAINTENANCE: frozenset({A.END_MAINTENANCE}),
    R.HALTED: frozenset({A.CONNECT}),
    R.NEEDS_ATTENTION: frozenset({A.RESOLVE_PRINT}),
    R.BED_NOT_CLEAR: _CLEAR,
    R.BED_UNKNOWN: _CLEAR,
    R.TOO_SMALL: frozenset({A.WAIT, A.UPDATE_JOB}),
    R.FIT_UNKNOWN: frozenset({A.UPDATE_PRINTER, A.UPDATE_JOB}),
    R.NOZZLE_MISMATCH: _CHANGE_PRINTER,
    R.MATERIAL_MISSING: _CHANGE_PRINTER,
    R.MATERIAL_VARIANT: _CHANGE_PRINTER,
    R.NOT_ENOUGH_MATERIAL: _CHANGE_PRINTER,
    R.PLATE_MISMATCH: _CHANGE_PRINTER,
    R.MODEL_MISMATCH: _CHANGE_JOB,
    R.TAG_MISMATCH: frozenset({A.UPDATE_PRINTER, A.UPDATE_JOB}),
    R.GROUP_MISMATCH: _CHANGE_JOB,
    R.PRINTER_NOT_LISTED: frozenset({A.UPDATE_JOB, A.ASSIGN_PRINT}),
    R.NOT_CAPABLE: frozenset({A.WAIT, A.UPDATE_PRINTER}),
    R.START_NEEDS_CONFIRM: frozenset({A.CONFIRM_PRINT}),
    R.HIGHER_PRIORITY_FIRST: frozenset({A.WAIT, A.REORDER_QUEUE}),
    R.FILE_NOT_READY: frozenset({A.WAIT, A.UPLOAD_FILE}),
    R.ON_HOLD: frozenset({A.RELEASE_JOB}),
    R.FARM_STOPPED: frozenset({A.RELEASE_QUEUE}),
}
"""The actions that a reason's unblock can name; the pair at hand decides between several."""


@dataclass(frozen=True, slots=True)
class Unblock:
    """The action that removes a reason.

    `params` is the body of the action's request: for the two updates a merge patch (RFC 7396).
    Under `ask` it lists the fields only a person can fill in. For `wait`, `for` says what is waited
    for and `until`, where it is known, when that will be.
    """

    action: UnblockAction
    target: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitReason:
    """Why one print does not start on one printer, in words for a person, and what removes it."""

    printer_id: str
    code: Reason
    detail: str
    unblock: Unblock


def wait_for(what: str, **params: object) -> Unblock:
    """Make the unblock of a reason that passes by itself, or that no action removes."""
    known = {key: value for key, value in params.items() if value is not None}
    return Unblock(UnblockAction.WAIT, None, {"for": what, **known})
