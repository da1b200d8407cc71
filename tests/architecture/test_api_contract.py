"""A change of the API that would break existing clients is named before it is merged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from buildplate import __version__
from buildplate.api.application import openapi_document
from scripts.api_contract import KEPT, breaks, contract

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi_document(__version__)))
Change = Callable[[dict[str, Any], dict[str, Any]], Any]


def test_nothing_breaks_the_clients_of_the_committed_contract() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert len(kept) > 1000
    found = breaks(kept, contract(DOCUMENT))
    assert found == [], "see scripts/api_contract.py"


def after(change: Change) -> list[str]:
    changed = copy.deepcopy(DOCUMENT)
    change(changed["paths"], changed["components"]["schemas"])
    return breaks(contract(DOCUMENT), contract(changed))


BREAKS: dict[str, Change] = {
    "DELETE /api/v1/files/{file_id} is gone": lambda paths, _: paths["/api/v1/files/{file_id}"].pop(
        "delete"
    ),
    "GET /api/v1/jobs ? query customer is gone": lambda paths, _: paths["/api/v1/jobs"]["get"][
        "parameters"
    ].remove(
        next(p for p in paths["/api/v1/jobs"]["get"]["parameters"] if p["name"] == "customer")
    ),
    "GET /api/v1/jobs/{job_id} < 200 overdue is gone": lambda _, schemas: schemas["JobOut"][
        "properties"
    ].pop("overdue"),
    "POST /api/v1/users < 201 is gone": lambda paths, _: paths["/api/v1/users"]["post"][
        "responses"
    ].pop("201"),
    "POST /api/v1/printers > plate is gone": lambda _, schemas: schemas["PrinterBody"][
        "properties"
    ].pop("plate"),
    "POST /api/v1/keys > groups has to be sent now": lambda _, schemas: schemas["KeyBody"][
        "required"
    ].append("groups"),
    "POST /api/v1/keys > why is new, and has to be sent": lambda _, schemas: (
        schemas["KeyBody"]["properties"].update(why={"type": "string"}),
        schemas["KeyBody"]["required"].append("why"),
    ),
    "POST /api/v1/jobs > priority does not take 'low' any more": lambda _, schemas: schemas[
        "Priority"
    ]["enum"].remove("low"),
    "GET /api/v1/jobs/{job_id} < 200 name may now be null": lambda _, schemas: schemas["JobOut"][
        "properties"
    ].update(name={"anyOf": [{"type": "string"}, {"type": "null"}]}),
    "GET /health was called get_health, and is now health": lambda paths, _: paths["/health"][
        "get"
    ].update(operationId="health"),
}
ADDS: dict[str, Change] = {
    "a path": lambda paths, _: paths.update({"/api/v1/more": paths["/health"]}),
    "a field in answers": lambda _, schemas: schemas["JobOut"]["properties"].update(
        more={"type": "string"}
    ),
    "a field that may be sent": lambda _, schemas: schemas["JobBody"]["properties"].update(
        more={"type": "string"}
    ),
    "a word in answers": lambda _, schemas: schemas["JobState"]["enum"].append("adored"),
}


@pytest.mark.parametrize("said", BREAKS)
def test_what_breaks_clients_is_named(said: str) -> None:
    assert said in after(BREAKS[said])


@pytest.mark.parametrize("what", ADDS)
def test_what_only_adds_passes(what: str) -> None:
    assert after(ADDS[what]) == []
