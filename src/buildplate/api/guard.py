"""Who may call a path: open ones aside a caller who is known, and a role for each path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from fastapi.security.base import SecurityBase

from buildplate.access.errors import RoleTooLow
from buildplate.access.model import Caller, Role
from buildplate.api.credentials import COOKIE
from buildplate.api.problems import Refusal, refuse_other_methods
from buildplate.api.scopes import check_confined, check_scope
from buildplate.api.texts import check_query

OPEN = frozenset(
    {
        "/health",
        "/health/",
        "/docs",
        "/docs/",
        "/redoc",
        "/redoc/",
        "/openapi.json",
        "/setup",
        "/api/v1/setup",
        "/api/v1/auth/login",
        "/api/v1/auth/token",
        "/api/v1/auth/refresh",
    }
)
OPEN_UNDER = "/docs/"
ROLES = list(Role)
"""From the lowest to the highest."""
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
    APIKeyCookie(name=COOKIE, scheme_name="Cookie", auto_error=False),
)


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_UNDER)


class Needs:
    """A dependency: the caller, if their role and groups cover what is asked.

    Raises RoleTooLow, ScopeTooNarrow.
    """

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> Caller:
        """Whom the gate has let in."""
        caller: Caller = request.scope["caller"]
        check_reach(request.scope, caller)
        require(caller, self.role, "this")
        check_query(request.scope["query_string"])
        if caller.groups is not None:
            refuse_other_methods(request)
            await check_scope(request, caller)
        if request.scope["query_string"]:
            _check_query(request)
        if request.method == "POST" and "idempotency-key" in request.headers:
            _check_key(request)
        return caller


def check_reach(scope: Mapping[str, Any], caller: Caller) -> None:
    """Refuse a path that is beyond the caller's role or groups, whatever is asked of it.

    Comes before the body is read, and before anything is looked up. Raises RoleTooLow,
    ScopeTooNarrow.
    """
    route = scope.get("route")
    if isinstance(route, APIRoute):
        require(caller, role_needed(route) or Role.VIEWER, "this")
        if caller.groups is not None:
            check_confined(route, scope["method"], caller)


def role_needed(route: APIRoute | APIWebSocketRoute) -> Role | None:
    """The highest role that a path names; None where it names none."""
    calls = [depends.dependency for depends in route.dependencies]
    calls += [inner.call for inner in route.dependant.dependencies]
    named = [call.role for call in calls if isinstance(call, Needs)]
    return max(named, key=ROLES.index, default=None)


def _check_query(request: Request) -> None:
    """Refuse a parameter that the path does not know: a misspelt filter would show everything."""
    route: APIRoute = request.scope["route"]
    known = _parameters(route.dependant)
    unknown = sorted(request.query_params.keys() - known)
    if unknown and route.path.rstrip("/") not in OWED:
        refuse_other_methods(request)  # what such a path knows says nothing of another method
        detail = f"there is no parameter {', '.join(unknown)}"
        hint = f"This path knows: {', '.join(sorted(known)) or 'none'}."
        raise Refusal(422, "invalid_request", detail, hint)


def _parameters(dependant: Dependant) -> set[str]:
    """What may be asked, by the path itself and by what it depends on."""
    known = {field.alias for field in dependant.query_params}
    return known.union(*(_parameters(inner) for inner in dependant.dependencies))


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
Viewer = Annotated[Caller, LOOK]
Operator = Annotated[Caller, OPERATE]
Admin = Annotated[Caller, ADMIN]


def require(caller: Caller, role: Role, what: str) -> None:
    """Refuse `what` to a caller whose role does not cover it; RoleTooLow."""
    if not caller.role.covers(role):
        who = f"the {caller.kind} {caller.name}"
        message = f"{what} needs the role {role}, {who} has {caller.role}"
        raise RoleTooLow(message)
