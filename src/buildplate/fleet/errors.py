"""What can go wrong with printers, each case with a stable code and what to do next."""

from __future__ import annotations


class FleetError(Exception):
    """Something about a printer was refused or failed."""

    code = "fleet_error"
    hint = "Look at the printer's state and try again."

    def __init__(self, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        if hint is not None:
            self.hint = hint


class UnknownPrinter(FleetError):
    """No printer has this id or number."""

    code = "printer_not_found"
    hint = "List the printers to see their ids and numbers."


class UnknownDriver(FleetError):
    """No installed driver has this name."""

    code = "driver_not_found"
    hint = "GET /api/v1/drivers lists the drivers that are installed."


class InvalidPrinter(FleetError):
    """The description of a printer cannot be right."""

    code = "invalid_printer"
    hint = "Correct the named field."


class NameTaken(FleetError):
    """Another printer in service has this name."""

    code = "name_taken"
    hint = "Choose another name, or retire the other printer first."


class UnknownFloor(FleetError):
    """No floor has this id."""

    code = "floor_not_found"
    hint = "List the floors to see their ids."


class FloorInUse(FleetError):
    """Printers stand on the floor."""

    code = "floor_in_use"
    hint = "Give each another floor_position, or none, then remove the floor."


class FloorTooSmall(FleetError):
    """The floor cannot get so small: printers stand where it would end."""

    code = "floor_too_small"
    hint = "Move these printers first, or give the floor more room."


class PrinterBusy(FleetError):
    """The printer has an active print, so this has to wait."""

    code = "printer_has_active_print"
    hint = "Wait for the print's end, cancel it, or resolve it if it needs attention."


class VersionMismatch(FleetError):
    """It was changed since it was read."""

    code = "version_mismatch"
    hint = "Read it again and repeat the change on what it is now."


class NotSeenYet(FleetError):
    """The printer has never answered, so nobody knows yet what a word on its bed would be about."""

    code = "not_seen_yet"
    hint = "Wait until the printer is online, look at the bed, and say it again."


class BedChanged(FleetError):
    """The bed is not the one that was seen: another print has begun since."""

    code = "bed_changed"
    hint = "Look at the bed again; this click was about an earlier part."


class OwnerChanged(FleetError):
    """Another node owns the printer now; this node's write was refused."""

    code = "stale_owner"
    hint = "Nothing to do: the owning node goes on."


class CommandRefused(FleetError):
    """The command makes no sense in the printer's present state."""

    code = "command_refused"
    hint = "Look at what the printer is doing; the command applies to a running print."


class UnknownCommand(FleetError):
    """No command has this id."""

    code = "command_not_found"
    hint = "Commands are named in the answer that accepted them."


class OrderDenied(FleetError):
    """What a person ordered does not fit what the printer does now; nothing was sent."""

    code = "order_denied"
    hint = "Look at what the printer does, then order it again."


class PrinterPrints(OrderDenied):
    """The order moves the machine, begins it anew or cuts its power, and a print runs on it."""

    code = "printer_prints"
    hint = "Wait for the print's end, or cancel it: a paused print is still one."


class PrintReserved(OrderDenied):
    """The order moves the machine or cuts its power, and a print of ours holds it."""

    code = "print_reserved"
    hint = "Wait for the print's end, or cancel it; resolve one that needs attention."


class PrinterHalted(OrderDenied):
    """The machine has stopped with an error."""

    code = "printer_halted"
    hint = "Look at the machine, then connect it again."


class MachineBusy(OrderDenied):
    """The order cuts the machine's power, and it moves, runs G-code or is starting."""

    code = "machine_busy"
    hint = "Wait until it stands still; in an emergency use the emergency stop."


class PrintsNothing(OrderDenied):
    """The order is about a running print, and none runs."""

    code = "prints_nothing"
    hint = "Order it while the print runs."


class ActivityUnknown(OrderDenied):
    """Nobody knows what the printer does just now."""

    code = "activity_unknown"
    hint = "Wait until the printer has said what it does."


class PrinterNotOnline(OrderDenied):
    """The printer cannot be reached now."""

    code = "printer_not_online"
    hint = "See why in the printer's state; nothing is sent later in your absence."


class CommandPending(OrderDenied):
    """Another command to this printer is neither answered nor settled."""

    code = "command_pending"
    hint = "Wait until it is answered, then order it again. An emergency stop waits for nothing."


class NotCapable(OrderDenied):
    """The printer's driver or host does not offer this."""

    code = "not_capable"
    hint = "GET /api/v1/drivers says what each driver can do."


class TooHot(FleetError):
    """The order asks for more heat than the printer bears."""

    code = "temperature_limit"
    hint = "Ask for less; where the printer bears more, say so in its model."


class GcodeRefused(FleetError):
    """G-code that is not sent whatever the printer does; the hint says what to use instead."""

    code = "gcode_refused"
    hint = "Use what the hint names instead."


class KeyUsed(FleetError):
    """The idempotency key came with another order before."""

    code = "order_key_reused"
    hint = "Use a key of its own for each order."
