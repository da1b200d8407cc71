"""What can be wrong with a control request, or with starting a simulator."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class ControlError(ValueError):
    """A control request that cannot be met; the text says what could be asked instead."""

    status = HTTPStatus.BAD_REQUEST


class UnknownPrinterError(ControlError):
    """No printer of that name."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self, name: str) -> None:
        super().__init__(f"no printer {name!r}; GET /printers lists them")


class UnknownFaultError(ControlError):
    """A rule asks for a fault that this simulator cannot play."""

    def __init__(self, wanted: str, known: dict[str, frozenset[str]]) -> None:
        plays = sorted(f"{at}.{play}" for at, names in known.items() for play in names)
        super().__init__(f"no fault {wanted}; there are {', '.join(plays)}")


class HostOutOfReachError(ControlError):
    """A proxy that runs without its hosts is asked to do something to one."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"no {wanted} here: this proxy runs in a process of its own and cannot reach the host; "
            "`octoprints --proxy` runs both in one"
        )


class MalformedRuleError(ControlError):
    """A rule has parts that no rule has."""

    def __init__(self, why: object) -> None:
        super().__init__(f"this is no rule: {why}")


class UnknownActionError(ControlError):
    """No action of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no action {name!r}; there are {', '.join(known)}")


class UnknownHeaterError(ControlError):
    """No such heater, or no such fault of one."""

    def __init__(
        self, heater: str, fault: str, heaters: list[str], faults: tuple[str, ...]
    ) -> None:
        super().__init__(
            f"no fault {fault!r} of {heater!r}; there are {', '.join(faults)} of "
            f"{', '.join(heaters)}"
        )


class NotRunningError(ControlError):
    """The program on the box is not running."""

    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("the program is not running; play `boot` first")


class PrinterBusyError(ControlError):
    """The printer prints already."""

    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("the printer is busy; play `cancel` first, or wait")


class NoSuchFileError(ControlError):
    """The printer has no such file."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self, path: object) -> None:
        super().__init__(f"no file {path!r} on this printer; `put-file` makes one")


class SimulatorError(RuntimeError):
    """A simulator process did not do what was asked of it."""


class NotReadyError(SimulatorError):
    """The process did not say that it is ready."""

    def __init__(self, arguments: Any) -> None:
        super().__init__(f"buildplate-sim {arguments} did not become ready; see its error output")


class RefusedControlError(SimulatorError):
    """The process has refused a control request."""

    def __init__(self, method: str, path: str, why: str) -> None:
        super().__init__(f"{method} {path}: {why}")
