"""Every error as application/problem+json (RFC 9457): the one place where errors get a status."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypedDict

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from buildplate.access import errors as access
from buildplate.backups import errors as backups
from buildplate.core.job_state import TooFewCopies
from buildplate.dispatch import errors as dispatch
from buildplate.drivers.sdk import BadConnectionSettings, DriverError
from buildplate.files import errors as files
from buildplate.fleet import errors as fleet
from buildplate.fleet.sealing import SecretLocked
from buildplate.history import errors as history
from buildplate.storage import errors as storage

PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = "5"

# The nearest class of an error's family decides.
STATUSES: Mapping[type[Exception], int] = {
    access.AccessError: 409,
    access.KeyRequired: 401,
    access.RoleTooLow: 403,
    access.LoginFailed: 401,
    access.ScopeTooNarrow: 403,
    access.CsrfRefused: 403,
    access.TooManyRequests: 429,
    access.LoginBusy: 503,
    access.UnknownKey: 404,
    access.UnknownSession: 404,
    access.UnknownUser: 404,
    access.UnknownGroup: 404,
    access.InvalidUser: 422,
    access.InvalidKey: 422,
    fleet.FleetError: 409,
    fleet.UnknownPrinter: 404,
    fleet.UnknownCommand: 404,
    fleet.UnknownFloor: 404,
    fleet.UnknownDriver: 422,
    fleet.InvalidPrinter: 422,
    fleet.GcodeRefused: 422,
    fleet.KeyUsed: 422,
    dispatch.DispatchError: 409,
    dispatch.UnknownJob: 404,
    dispatch.UnknownPrint: 404,
    dispatch.UnknownFile: 422,
    dispatch.InvalidJob: 422,
    dispatch.KeyReused: 422,
    TooFewCopies: 409,
    files.FileError: 422,
    files.UnknownFile: 404,
    files.UnknownUpload: 404,
    files.WrongOffset: 409,
    files.TakenOver: 409,
    files.TooManyUploads: 409,
    files.TooLarge: 413,
    files.FileInUse: 409,
    files.FileChanged: 409,
    files.ContentMissing: 409,
    files.UploadsFull: 507,
    files.DiskFailed: 503,
    history.HistoryError: 422,
    backups.BackupError: 409,
    backups.UnknownBackup: 404,
    backups.WeakPassphrase: 422,
    backups.BackupNoRoom: 507,
    backups.BackupDiskFailed: 503,
    storage.StorageError: 500,
    storage.StorageFull: 507,
    storage.StorageBusy: 503,
    storage.StorageClosed: 503,
    storage.DatabaseUnreachable: 503,
    storage.DatabaseInUse: 503,
    storage.OutcomeUnknown: 503,
    storage.ConstraintViolated: 409,
    DriverError: 502,
    BadConnectionSettings: 422,
    SecretLocked: 409,
}
FAMILIES: tuple[type[Exception], ...] = (
    access.AccessError,
    fleet.FleetError,
    dispatch.DispatchError,
    TooFewCopies,
    files.FileError,
    history.HistoryError,
    backups.BackupError,
    storage.StorageError,
    DriverError,
)

BY_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "Send a well-formed request; /docs shows what each path takes."),
    404: ("not_found", "See /docs for every path."),
    405: ("method_not_allowed", "The header Allow names the methods of this path."),
    413: ("body_too_large", "Send less, or upload files to /api/v1/files."),
}


# The errors of the HTTP surface itself: what else a request can meet, for the documentation.
OWN: Mapping[tuple[int, str], str] = {
    (400, "bad_request"): "The request is no HTTP or JSON that could be read.",
    (404, "not_found"): "There is nothing under this path.",
    (404, "no_thumbnail"): "The slicer put no picture into the file.",
    (404, "no_printer_thumbnail"): "The printer's host shows no picture of what was begun there.",
    (404, "analysis_failed"): "Reading the file gave no result; the file itself is intact.",
    (405, "method_not_allowed"): "The path does not know this method.",
    (408, "body_too_slow"): "The body did not arrive in time.",
    (409, "analysis_pending"): "The file is still being read: ask again in a moment.",
    (409, "log_restarted"): "The farm was restored since: the place is of a log that is gone.",
    (409, "no_active_print"): "The printer has no print of ours.",
    (412, "version_mismatch"): "It was changed since the version that If-Match names.",
    (412, "tus_version"): "The request speaks no version of the tus protocol that is known here.",
    (413, "body_too_large"): "The body is larger than this path takes.",
    (415, "not_json"): "The body does not say that it is JSON.",
    (415, "not_octets"): "The body does not say that it is a part of a resumable upload.",
    (422, "invalid_request"): "A field or parameter cannot be right; `errors` names each.",
    (422, "group_not_yours"): "An order has to name one of the caller's own printer groups.",
    (422, "no_idempotency"): "The path does not take Idempotency-Key.",
    (503, "too_many_clients"): "As many live clients listen as are let in.",
}
# Raised and handled inside: no request ever meets them.
INSIDE: frozenset[type[Exception]] = frozenset(
    {
        files.AnalysisFailed,
        dispatch.IntentRefused,
        backups.TooNew,
        backups.WrongPassphrase,
        backups.TargetTaken,
        backups.OldSchema,
        backups.RestoreCutOff,
    }
)


class Refusal(HTTPException):
    """An error of the HTTP surface itself: a status, a stable code, and what to do next."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        hint: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.hint = hint


class FieldError(BaseModel):
    """One field of a request that cannot be right."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error as it is answered: `code` is stable, `hint` says what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    errors: list[FieldError] | None = None


def problem(
    status: int,
    code: str,
    detail: str,
    hint: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for an error."""
    content: dict[str, Any] = {
        "type": f"urn:buildplate:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "hint": hint,
    }
    if errors:
        content["errors"] = list(errors)
    more = {"cache-control": "no-store", **(headers or {})}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        more.setdefault("retry-after", RETRY_SECONDS)
    return Response(orjson.dumps(content), status, more, PROBLEM_JSON)


def status_of(kind: type[Exception]) -> int:
    """The status of an error of the rooms; 500 for one that nobody foresaw."""
    return next((STATUSES[base] for base in kind.__mro__ if base in STATUSES), 500)


class Facts(TypedDict):
    """What an error says of itself."""

    code: str
    detail: str
    hint: str


def facts_of(error: Exception) -> Facts:
    """An error's code, detail and hint."""
    code = getattr(error, "code", "internal_error")
    hint = getattr(error, "hint", "Try again; if it stays, look at the server's log.")
    return Facts(code=str(code), detail=str(error), hint=str(hint))


def answer_to(error: Exception) -> Response:
    """The answer to an error of the rooms."""
    status = status_of(type(error))
    headers = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(error, access.TooManyRequests):
        headers["retry-after"] = str(math.ceil(error.retry_after))
    return problem(status, headers=headers, errors=_fields_of(error), **facts_of(error))


def _fields_of(error: Exception) -> list[Mapping[str, str]]:
    """Which settings of a connection are wrong, named as in the request."""
    if not isinstance(error, BadConnectionSettings):
        return []
    return [
        {"field": f"body.connection.{name}", "detail": wrong}
        for name, wrong in error.fields.items()
    ]


async def _rooms_error(_: Request, error: Exception) -> Response:
    return answer_to(error)


async def _stale(request: Request, error: Exception) -> Response:
    """A change lost a race: with If-Match the precondition failed, without it is a conflict."""
    status = 412 if "if-match" in request.headers else 409
    return problem(status, **facts_of(error))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this class)
    if isinstance(error, Refusal):
        code, hint = error.code, error.hint
    else:
        code, hint = BY_STATUS.get(error.status_code, BY_STATUS[400])
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _named(request) or ", ".join(_methods(request))
    return problem(error.status_code, code, error.detail, hint, headers=headers)


def _named(request: Request) -> str:
    """The methods of the routes that name this very path, where a pattern would match it, too."""
    path = request.scope["path"]
    routes = [one for one in request.app.routes if isinstance(one, Route) and one.path == path]
    return ", ".join(sorted({method for one in routes for method in one.methods or ()}))


def refuse_other_methods(request: Request) -> None:
    """Refuse a name that was taken for an id, as in PATCH /jobs/receive; HTTPException."""
    if request.scope["route"].path != request.scope["path"] and (named := _named(request)):
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": named})


def _methods(request: Request) -> list[str]:
    """The methods of a path, whichever of its routes names them."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _field(error: Mapping[str, Any]) -> str:
    """Where a request is wrong; a rule for whole bodies says itself where it is broken."""
    inside = error.get("ctx", {}).get("where")
    return ".".join(str(part) for part in (*error["loc"], *([inside] if inside else ())))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this class)
    found = [{"field": _field(one), "detail": str(one["msg"])} for one in error.errors()]
    where = {str(one["loc"][0]) for one in error.errors()}
    if "path" in where:
        try:
            refuse_other_methods(request)
        except HTTPException as other:
            return await _http_error(request, other)
        return problem(404, "not_found", "there is nothing under this path", BY_STATUS[404][1])
    if any(
        one["loc"] == ("body",) and one["type"] != "missing" for one in error.errors()
    ) and not _says_json(request):
        hint = "Send JSON with the header Content-Type: application/json."
        return problem(415, "not_json", "the body does not say that it is JSON", hint)
    first = found[0]
    detail = f"{first['field']}: {first['detail']}"
    hint = next((HINTS[f] for f in (str(e["loc"][-1]) for e in error.errors()) if f in HINTS), HINT)
    return problem(422, "invalid_request", detail, hint, errors=found)


HINT = "Correct the named fields; /docs shows what this path takes."
HINTS = {
    "bed_version": "GET the printer, look at its bed, and send the bed_version that you read.",
    "file_url": "Files are not fetched from elsewhere yet: upload it, then name its file_id.",
    "hold": "Use POST /api/v1/jobs/{id}/hold and /release.",
    "driver": "A printer keeps its driver: add it anew with the other one, and retire this one.",
}


def _says_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def handle_problems(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""
    for family in FAMILIES:
        app.add_exception_handler(family, _rooms_error)
    app.add_exception_handler(access.UserChanged, _stale)
    app.add_exception_handler(access.GroupChanged, _stale)
    app.add_exception_handler(fleet.VersionMismatch, _stale)
    app.add_exception_handler(dispatch.JobChanged, _stale)
    app.add_exception_handler(files.FileChanged, _stale)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
