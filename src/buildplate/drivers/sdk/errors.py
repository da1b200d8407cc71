"""Errors of drivers, each a class that says what to do next."""

from __future__ import annotations

from collections.abc import Mapping


class DriverError(Exception):
    """A printer could not be talked to. `hint` says what a person can do; the session retries.

    `code` may be more exact than its class; `cause` is the raw error, for the log alone.
    """

    code = "printer_error"
    hint = "Look at the printer's own page; the connection is tried again by itself."

    def __init__(
        self, detail: str, hint: str | None = None, *, code: str | None = None, cause: str = ""
    ) -> None:
        super().__init__(detail)
        self.cause = cause
        if hint is not None:
            self.hint = hint
        if code is not None:
            self.code = code


class PrinterOffline(DriverError):
    """Nothing answers at the address: retry later, with back-off."""

    code = "offline"
    hint = "Check the printer's power, its network and the address; it is tried again by itself."


class AuthRequired(DriverError):
    """The host answers but refuses our credential: ask the user, retry rarely."""

    code = "auth_required"
    hint = "Enter a valid API key for this printer; the one on record was refused."


class HostConfused(DriverError):
    """The answer is not what this host's interface promises: retry later, nothing is concluded."""

    code = "bad_answer"
    hint = "The address answered with something unexpected; check that it is the right service."


class HostRefused(DriverError):
    """The host understood and said no to something that is not a physical command."""

    code = "refused_by_printer"


class HostFull(HostRefused):
    """The host has no room for the file: give the print to another printer."""

    code = "printer_storage_full"
    hint = "Delete old files on the printer; Buildplate removes its own by itself."


class FileUnreadable(DriverError):
    """The farm's own copy of the file can't be read: no printer can get it; a person must look."""

    code = "file_unreadable"
    hint = "Upload the print file again; if that fails too, check the disk of this machine."


class WrongContent(DriverError):
    """What the host stored is not what was sent: send again under a new name."""

    code = "transfer_corrupted"
    hint = "The file is sent again under a new name; if it repeats, check the printer's storage."


class BadConnectionSettings(DriverError):
    """The connection settings of a printer don't fit its driver's form.

    `fields` says what is wrong with which setting, for a form to show it there; never its value.
    """

    code = "invalid_connection"
    hint = "Correct the connection settings; GET /api/v1/drivers shows each driver's form."

    def __init__(
        self, detail: str, hint: str | None = None, *, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail, hint)
        self.fields: Mapping[str, str] = dict(fields or {})
