"""Who may call a path: a key for everything but three, and a role for each path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.base import SecurityBase

from buildplate.access.errors import KeyRequired, RoleTooLow
from buildplate.access.model import ApiKey, Role
from buildplate.api.problems import Refusal

OPEN = frozenset({"/health", "/health/", "/docs", "/docs/", "/redoc", "/redoc/", "/openapi.json"})
OPEN_UNDER = "/docs/"
# Paths that existing clients rely on: whatever else they say is let be.
OWED = frozenset(
    {
        "/api/v1/jobs/receive",
        "/api/v1/jobs/{job_id}/status",
        "/api/v1/printers/{printer_id}/assign",
    }
)

# Twice is the same as once, whatever the client says.
SAFE_AGAIN = frozenset({"/api/v1/files"})

# Only for the document: the gate has checked the key long before.
SCHEMES: tuple[SecurityBase, ...] = (
    APIKeyHeader(name="X-Api-Key", scheme_name="X-Api-Key", auto_error=False),
    HTTPBearer(scheme_name="Bearer", auto_error=False),
)


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_UNDER)


def shown_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The key a request shows; KeyRequired where it shows none."""
    bearer = ""
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            bearer = rest.strip() if scheme.lower() == "bearer" else ""
    if not bearer:
        message = "this needs an API key"
        raise KeyRequired(message)
    return bearer


class Needs:
    """A dependency: the caller's key, if its role covers the one needed; RoleTooLow."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> ApiKey:
        """The key that the gate has let in."""
        key: ApiKey = request.scope["api_key"]
        if not key.role.covers(self.role):
            message = f"this needs the role {self.role}, the key {key.name} has {key.role}"
            raise RoleTooLow(message)
        if request.scope["query_string"]:
            _check_query(request)
        if request.method == "POST" and "idempotency-key" in request.headers:
            _check_key(request)
        return key


def _check_query(request: Request) -> None:
    """Refuse a parameter that the path does not know: a misspelt filter would show everything."""
    route: APIRoute = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params}
    unknown = sorted(request.query_params.keys() - known)
    if unknown and route.path.rstrip("/") not in OWED:
        detail = f"there is no parameter {', '.join(unknown)}"
        hint = f"This path knows: {', '.join(sorted(known)) or 'none'}."
        raise Refusal(422, "invalid_request", detail, hint)


def _check_key(request: Request) -> None:
    """Refuse an idempotency key where nothing would come of it: the client relies on it."""
    route: APIRoute = request.scope["route"]
    known = {field.alias for field in route.dependant.header_params}
    if "idempotency-key" not in known and route.path.rstrip("/") not in OWED | SAFE_AGAIN:
        detail = "this path does not take Idempotency-Key"
        raise Refusal(422, "no_idempotency", detail, NO_IDEMPOTENCY)


NO_IDEMPOTENCY = "Leave it out; after an answer that was lost, look whether it was done."
LOOK = Depends(Needs(Role.VIEWER))
OPERATE = Depends(Needs(Role.OPERATOR))
ADMIN = Depends(Needs(Role.ADMIN))
Operator = Annotated[ApiKey, OPERATE]


def require(key: ApiKey, role: Role, what: str) -> None:
    """Refuse `what` to a key whose role does not cover it; RoleTooLow."""
    if not key.role.covers(role):
        message = f"{what} needs the role {role}, the key {key.name} has {key.role}"
        raise RoleTooLow(message)
