"""Why a serial printer cannot be talked to: one class per case, each with what to do next."""

from __future__ import annotations

from buildplate.drivers.sdk import PrinterOffline

AGAIN = "it is tried again by itself."


class PortMissing(PrinterOffline):
    """There is no such port: the printer is off or unplugged."""

    code = "serial_port_missing"
    hint = f"Switch the printer on and check its USB cable; {AGAIN}"


class PortForbidden(PrinterOffline):
    """This process may not open the port."""

    code = "serial_permission"
    hint = "Add the user that runs Buildplate to the port's group, then start it again."


class PortBusy(PrinterOffline):
    """Another program holds the port."""

    code = "serial_port_busy"
    hint = f"Close the other program that talks to the printer; {AGAIN}"


class WrongBaud(PrinterOffline):
    """Bytes arrive that make no words: the speeds differ."""

    code = "serial_wrong_baud"
    hint = f"Set the printer's own baud rate in its connection, or 0 to have it found; {AGAIN}"


class NoFirmware(PrinterOffline):
    """The port is there, and no firmware answers on it."""

    code = "serial_no_answer"
    hint = f"Check that the printer is switched on and that this is its port; {AGAIN}"


class PortLost(PrinterOffline):
    """The port went away while it was open."""

    code = "serial_port_lost"
    hint = f"Check the USB cable and the printer's power; {AGAIN}"


class FirmwareStopped(PrinterOffline):
    """The firmware has stopped with an error and answers nothing but that."""

    code = "serial_halted"
    hint = "Look at the machine. When all is safe, switch it off and on, or connect it again."
