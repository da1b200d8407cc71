"""Say why a printer takes no print at all just now, whatever the print: the why of `is_ready`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.reasons import Reason, Unblock, UnblockAction, WaitReason, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildplate.core.printers import Printer, PrinterStatus

_LINKS: dict[Link, tuple[Reason, str]] = {
    Link.OFFLINE: (Reason.OFFLINE, "its host does not answer"),
    Link.CONNECTING: (Reason.SYNCING, "we are connecting"),
    Link.SYNCING: (Reason.SYNCING, "we are finding out what it does"),
    Link.DEGRADED: (Reason.LINK_DEGRADED, "the channel that proves what it does is incomplete"),
    Link.AUTH_REQUIRED: (Reason.AUTH_REQUIRED, "its host refuses our key or password"),
    Link.DISABLED: (Reason.DISABLED, "it is disconnected"),
}


def unreadiness(printer: Printer) -> Iterator[WaitReason]:
    """Every reason why the printer is not ready; none if, and only if, `is_ready` holds."""
    for code, detail, unblock in _parts(printer):
        yield WaitReason(printer.id, code, detail, unblock)


def _parts(printer: Printer) -> Iterator[tuple[Reason, str, Unblock]]:
    spec, status = printer.spec, printer.status
    if not spec.enabled:
        enable = Unblock(UnblockAction.UPDATE_PRINTER, spec.id, {"enabled": True})
        yield Reason.DISABLED, "it is switched off in the farm", enable
    if spec.maintenance:
        end = Unblock(UnblockAction.END_MAINTENANCE, spec.id, {"on": False})
        yield Reason.MAINTENANCE, "it is in maintenance mode", end
    if not status.node_alive:
        yield Reason.NODE_LOST, "no living node drives it", wait_for("node")
    if status.link in _LINKS and (spec.enabled or status.link is not Link.DISABLED):
        code, detail = _LINKS[status.link]
        yield code, detail, _reconnect(printer)
    if not status.powered:
        yield Reason.OFFLINE, "its power is switched off", wait_for("connection")
    elif status.activity is Activity.UNKNOWN and status.link is Link.ONLINE:
        yield Reason.SYNCING, "it has not said what it is doing", wait_for("first_report")
    if status.unsettled_command is not None:
        pending = wait_for("command", command_id=status.unsettled_command)
        yield Reason.COMMAND_PENDING, "the outcome of a command is not known yet", pending
    yield from _work(printer)
    yield from _bed(printer)


def _reconnect(printer: Printer) -> Unblock:
    match printer.status.link:
        case Link.AUTH_REQUIRED:
            return Unblock(UnblockAction.UPDATE_PRINTER, printer.id, {"ask": ["connection"]})
        case Link.DISABLED:
            return Unblock(UnblockAction.CONNECT, printer.id)
        case _:
            return wait_for("connection")


def _holds_print(status: PrinterStatus) -> bool:
    return status.active_print_id is not None or status.needs_attention


def _work(printer: Printer) -> Iterator[tuple[Reason, str, Unblock]]:
    status = printer.status
    ours = _holds_print(status)
    if status.activity is Activity.HALTED and status.powered:
        connect = Unblock(UnblockAction.CONNECT, printer.id)
        yield Reason.HALTED, "the machine stopped with an error", connect
    if status.needs_attention:
        ask = {"ask": ["outcome", "bed"]}
        resolve = Unblock(UnblockAction.RESOLVE_PRINT, status.active_print_id, ask)
        yield Reason.NEEDS_ATTENTION, "a person has to say how its print ended", resolve
    elif status.active_print_id is not None:
        end = wait_for("print", print_id=status.active_print_id, until=status.expected_free)
        yield Reason.BUSY, "it has a print of ours", end
    foreign = status.activity is Activity.FOREIGN
    if foreign or (status.activity is Activity.PAUSED and not ours):
        yield Reason.FOREIGN_PRINT, "it runs a print we did not start", wait_for("foreign_print")
    elif status.activity is Activity.OURS and not ours:
        yield Reason.BUSY, "it runs a file of ours", wait_for("printer")
    elif status.activity is Activity.BUSY and not ours:
        yield Reason.BUSY, "it moves or heats without a print", wait_for("printer")


def _bed(printer: Printer) -> Iterator[tuple[Reason, str, Unblock]]:
    """Clearing is refused while something prints, so it is not offered before the end."""
    status = printer.status
    printing = status.activity in {Activity.OURS, Activity.FOREIGN, Activity.PAUSED}
    if printing or _holds_print(status):
        return
    clear = Unblock(UnblockAction.CLEAR_BED, printer.id, {"bed_version": status.bed_version})
    if not status.seen:
        clear = wait_for("connection")
    if status.bed is Bed.OCCUPIED:
        yield Reason.BED_NOT_CLEAR, "something lies on its bed", clear
    elif status.bed is Bed.UNKNOWN:
        yield Reason.BED_UNKNOWN, "nobody knows whether its bed is clear", clear
