"""Which refusals the OpenAPI document names for an operation: by rule, so that none is missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from buildplate.access.errors import KeyRequired, RoleTooLow, TooManyRequests
from buildplate.api.problems import BY_STATUS, HINT, PROBLEM_JSON, Facts, facts_of, problem
from buildplate.fleet.errors import PrinterBusy
from buildplate.storage import StorageBusy

SERVER = "5XX"
"""The server's own trouble, which any operation may meet: 503 and 507 say when to come again."""


def _facts(code: str, detail: str, hint: str) -> Facts:
    return Facts(code=code, detail=detail, hint=hint)


# What each status looks like, with an example.
SHOWN: Mapping[str, Facts] = {
    "400": _facts("bad_request", "There was an error parsing the body", BY_STATUS[400][1]),
    "401": facts_of(KeyRequired("this needs an API key, or a user who is logged in")),
    "403": facts_of(RoleTooLow("this needs the role operator, the key shop has viewer")),
    "404": _facts("not_found", "there is nothing under this path", BY_STATUS[404][1]),
    "408": _facts("body_too_slow", "the body stopped arriving", "Send it again, faster."),
    "409": facts_of(PrinterBusy("printer 2 has an active print")),
    "412": _facts(
        "version_mismatch",
        "the present version is 4, not 3",
        "Read it again and repeat the change on what it is now.",
    ),
    "413": _facts("body_too_large", "the body is larger than 1000000 bytes", BY_STATUS[413][1]),
    "415": _facts(
        "not_json",
        "the body does not say that it is JSON",
        "Send JSON with the header Content-Type: application/json.",
    ),
    "422": _facts("invalid_request", "body.name: Field required", HINT),
    "429": facts_of(TooManyRequests("more requests than this key may make in a minute", 2.0)),
    SERVER: facts_of(StorageBusy("the database is busy")),
}


def responses() -> dict[str, Any]:
    """The refusals that operations name, each with an example."""
    return {f"Refused{status}": _response(status, facts) for status, facts in SHOWN.items()}


def _response(status: str, facts: Facts) -> dict[str, Any]:
    number = 503 if status == SERVER else int(status)
    errors = [{"field": "body.name", "detail": "Field required"}] if number == 422 else []  # noqa: PLR2004
    example = orjson.loads(bytes(problem(number, **facts, errors=errors).body))
    said = "The server cannot answer now" if status == SERVER else HTTPStatus(number).phrase
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": f"{said}: `code` says what it is, `hint` what to do",
        "content": {PROBLEM_JSON: {"schema": schema, "example": example}},
    }


def refuse(path: str, method: str, operation: dict[str, Any], *, is_open: bool) -> None:
    """Name an operation's refusals, in place; what a route declares itself stays among them."""
    own = {status for status in operation["responses"] if status.startswith("4")} - {"422"}
    for status in sorted({*own, *_statuses(path, method, operation, is_open=is_open)}):
        operation["responses"][status] = {"$ref": f"#/components/responses/Refused{status}"}


def _statuses(
    path: str, method: str, operation: Mapping[str, Any], *, is_open: bool
) -> Iterator[str]:
    """422 comes everywhere: of a query that is no UTF-8, of a parameter that is not known."""
    yield from ("422", "429", SERVER)
    if not is_open:
        yield from ("401", "403")
    if "{" in path:
        yield "404"
    if method != "get":
        yield from ("403", "409")
    if "requestBody" in operation:
        yield from ("400", "404", "408", "413", "415")
    if any(one["name"].lower() == "if-match" for one in operation.get("parameters", ())):
        yield "412"
