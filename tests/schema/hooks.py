"""Loaded by schemathesis: real ids in the place of made-up ones, and what every answer must keep.

`BUILDPLATE_SCHEMA_RUN` says in JSON where the farm listens, who asks, and the keeper's key.
"""

from __future__ import annotations

import atexit
import json
import os
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

from tests.schema.pools import ID, Item, pools
from tests.schema.server import OURS
from tests.schema.table import access_table, documented_problems
from tests.service.api.paper import KEY

RUN = json.loads(os.environ["BUILDPLATE_SCHEMA_RUN"])
WHO: str = RUN["who"]
FARM = pools(RUN["url"], RUN["keeper"])
FARM.own = WHO == "confined"
TABLE = access_table()
PROBLEMS = documented_problems()
CALLS = count()
ANSWERED: Counter[tuple[str, str, int]] = Counter()
EVERY = 60
"""So many calls, and the farm is filled up again."""
MOSTLY = 0.8
REFUSED = {401, 403}


def _id(name: str, value: Any) -> Any:
    """A real id or number for one that could be; whatever could not be stays as it is."""
    if not ID.fullmatch(str(value)) or isinstance(value, bool):
        return value
    thing = FARM.one(name)
    if thing is None:
        return value
    if isinstance(value, int):
        return thing.get("number", value)
    return str(thing["number"]) if "number" in thing and value.isdecimal() else thing["id"]


def _filled(value: Any, name: str = "") -> Any:
    """A body with real ids in it."""
    if isinstance(value, dict):
        return {key: _filled(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, name) for one in value]
    kind = "job" if name == "before" else name.removesuffix("_id").removesuffix("s")
    return _id(kind, value) if kind in FARM.things and isinstance(value, str | int) else value


def _drivable(body: Any) -> None:
    """Let a printer that could be one have a driver that this farm has."""
    if isinstance(body, dict):
        if isinstance(body.get("driver"), str):
            body["driver"] = "paper"
        if isinstance(body.get("connection"), dict):
            body["connection"] = {"host": f"made{FARM.dice.randrange(20)}", "api_key": KEY}


def _ordered(body: Any) -> None:
    """Let whoever is confined mostly order for groups of theirs."""
    if FARM.own and isinstance(body, dict) and FARM.dice.random() < MOSTLY:
        asked = body.get("requirements", {})
        if isinstance(asked, dict) and "file_id" in body:
            body["requirements"] = {**asked, "group": OURS, "printers": []}


def _seen(body: Any, path: dict[str, Any]) -> None:
    """Name the version of the bed that is there."""
    if isinstance(body, dict) and type(body.get("bed_version")) is int:
        for printer in FARM.things["printer"]:
            if printer["id"] == path.get("printer_id") and body["bed_version"] >= 0:
                body["bed_version"] = printer["bed_version"]


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Point a call at what there is."""
    if next(CALLS) % EVERY == 0:
        FARM.fill()
    for name, value in dict(case.path_parameters or {}).items():
        case.path_parameters[name] = _id(name.removesuffix("_id"), value)
    if "if-match" in case.headers and FARM.dice.random() < MOSTLY:
        case.headers["if-match"] = "*"
    if isinstance(case.body, dict | list):
        case.body = _filled(case.body)
        _drivable(case.body)
        _ordered(case.body)
        _seen(case.body, case.path_parameters)


schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@atexit.register
def _tell() -> None:
    """What was answered, for the test to see that the calls were worth something."""
    found = [[*call, count] for call, count in sorted(ANSWERED.items())]
    Path(RUN["answered"]).write_text(json.dumps(found), encoding="utf-8")


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """Count, and remember the commands that were asked for: they are in no list."""
    ANSWERED[case.method.upper(), case.path, response.status_code] += 1
    command = _json(response).get("command_id") if response.status_code == 202 else None
    if command:
        FARM.commands.append({"id": command})


def _json(response: Response) -> Item:
    found = response.json() if "json" in response.headers.get("content-type", [""])[0] else {}
    return found if isinstance(found, dict) else {}


@schemathesis.check
def beyond_its_role(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Nobody gets an answer that the table of paths and roles denies them."""
    cell = TABLE.get((case.method.upper(), case.path), {}).get(WHO)
    denied = cell == "–"
    assert not denied or response.status_code in REFUSED, (
        f"{WHO} is answered {response.status_code}, and the table says –"
    )


@schemathesis.check
def beyond_its_groups(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Whoever is confined meets nothing of other groups, but for what they have said themselves."""
    if WHO == "confined" and response.status_code < 400:
        text = response.content.decode(errors="replace")
        said = repr(case.body)
        met = [one for one in FARM.foreign() if one in text and one not in said]
        assert not met, f"an answer to a confined caller tells of {met}"


@schemathesis.check
def says_what_to_do(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every refusal is a problem with a documented code, and a hint."""
    if response.status_code < 400:
        return
    if case.path in {"/health", "/health/detailed"} and response.status_code == 503:
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind == "application/problem+json", f"a refusal is {kind or 'nothing'}"
    if response.request.method == "HEAD":
        return
    told = _json(response)
    assert told.get("status") == response.status_code
    assert told.get("hint"), "a refusal says what to do next"
    assert (response.status_code, told.get("code")) in PROBLEMS, (
        f"{response.status_code} {told.get('code')} is in no list of problems"
    )
