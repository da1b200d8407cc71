"""Every error is a problem with a stable code and a hint; no value is taken for another."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from buildplate.access import errors as access
from buildplate.api import problems
from buildplate.api.problems import BY_STATUS, FAMILIES, OWN, status_of
from buildplate.dispatch import errors as dispatch
from buildplate.drivers.sdk import errors as drivers
from buildplate.files import errors as files
from buildplate.fleet import errors as fleet
from buildplate.storage import StorageBusy, StorageFull
from buildplate.storage import errors as storage
from tests.service.api.paper import KEY
from tests.service.api.surface import GCODE, Surface

JOB = {"file_id": "00000000-0000-7000-8000-000000000000"}


def classes() -> list[type[Exception]]:
    modules: list[ModuleType] = [access, dispatch, drivers, files, fleet, storage]
    return [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception)
    ]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_rooms_has_a_code_a_hint_and_a_status(kind: type[Any]) -> None:
    assert any(kind is family or family in kind.__mro__ for family in FAMILIES)
    assert kind.code.replace("_", "a").isalnum()
    assert kind.code == kind.code.lower()
    assert kind.hint.endswith((".", ":"))
    assert 400 <= status_of(kind) < 600


async def test_what_is_not_there_is_a_problem(surface: Surface) -> None:
    for path, code in (
        ("/nothing", "not_found"),
        ("/api/v1/printers/77", "printer_not_found"),
        ("/api/v1/printers/oops", "not_found"),
        ("/api/v1/printers/99999999999999999999", "not_found"),
        ("/api/v1/jobs/77", "job_not_found"),
        ("/api/v1/prints/77", "print_not_found"),
        ("/api/v1/files/77", "file_not_found"),
        ("/api/v1/commands/77", "command_not_found"),
        ("/api/v1/printers/", "not_found"),
    ):
        answer = await surface.client.get(path)
        assert answer.headers["content-type"] == "application/problem+json", path
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["code"]) == (404, 404, code), path
        assert problem["hint"]


async def test_another_method_is_a_problem_that_names_the_right_ones(surface: Surface) -> None:
    answer = await surface.client.put("/api/v1/jobs", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"copies": False}, "body.copies"),
        ({"copies": "3"}, "body.copies"),
        ({"copies": 2.0}, "body.copies"),
        ({"copies": 0}, "body.copies"),
        ({"copies": 10**30}, "body.copies"),
        ({"hold": 1}, "body.hold"),
        ({"name": 5}, "body.name"),
        ({"name": "   "}, "body.name"),
        ({"file_url": "http://x/y.gcode"}, "body.file_url"),
        ({"name": "two\nlines"}, "body.name"),
        ({"name": "nul\0"}, "body.name"),
        ({"due": "soon"}, "body.due"),
        ({"due": 1700000000}, "body.due"),
        ({"due": "2027-01-01T00:00:00"}, "body.due"),
        ({"priority": "extreme"}, "body.priority"),
        ({"colour": "red"}, "body.colour"),
        ({"requirements": {"nozzle_mm": False}}, "body.requirements.nozzle_mm"),
        ({"requirements": {"nozzle": 0.4}}, "body.requirements.nozzle"),
        ({"requirements": {"build_volume": {"x": 1, "y": 1}}}, "body.requirements.build_volume.z"),
    ],
)
async def test_a_wrong_field_is_named(surface: Surface, change: dict[str, Any], field: str) -> None:
    answer = await surface.client.post("/api/v1/jobs", json=JOB | change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 422, "invalid_request"),
        (b"[" * 100_000, "application/json", 400, "bad_request"),
        (b'{"file_id": "x", "retries": NaN}', "application/json", 422, "invalid_request"),
        (b'{"file_id": "x", "name": "\\ud800"}', "application/json", 422, "invalid_request"),
        (b"\xff\xfe", "application/json", 422, "invalid_request"),
        (b"[]", "application/json", 422, "invalid_request"),
        (b"", "application/json", 422, "invalid_request"),
        (b"file_id=x", "application/x-www-form-urlencoded", 415, "not_json"),
        (b'{"file_id": "x"}', "text/plain", 415, "not_json"),
        (b'{"name": "' + b"x" * 1_000_001 + b'"}', "application/json", 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_none_is_refused(
    surface: Surface, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = await surface.client.post(
        "/api/v1/jobs", content=content, headers={"content-type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_parameter_that_is_misspelt_does_not_show_everything(surface: Surface) -> None:
    await surface.job()
    for path in ("/api/v1/jobs?stat=queued", "/api/v1/printers/1/state?x=", "/api/v1/files?limt=1"):
        answer = await surface.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path
    assert "state" in (await surface.client.get("/api/v1/jobs?stat=queued")).json()["hint"]
    owed = await surface.client.get("/api/v1/jobs/1/status?_=17")
    assert owed.status_code == 200


async def test_an_unforeseen_error_is_a_problem_and_one_line_in_the_log(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(surface.farm.jobs, "_parts")
    with capture_logs() as lines:
        answer = await surface.client.get("/api/v1/jobs", headers={"x-request-id": "abc-1"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "abc-1" in answer.json()["hint"]
    assert "_parts" not in answer.text
    failures = [line for line in lines if line["event"] == "http.failed"]
    assert [line["path"] for line in failures] == ["/api/v1/jobs"]


@pytest.mark.parametrize(
    ("error", "status"), [(StorageFull("full"), 507), (StorageBusy("locked"), 503)]
)
async def test_a_database_that_cannot_write_says_so(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    job = await surface.job(hold=True)

    async def refuse(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(surface.farm.storage, "write", refuse)
        answer = await surface.client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (status, error.code)  # type: ignore[attr-defined]
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_every_answer_carries_the_request_s_id(surface: Surface) -> None:
    answer = await surface.client.get("/api/v1/jobs", headers={"x-request-id": "shop-17"})
    assert answer.headers["x-request-id"] == "shop-17"
    fresh = [
        await surface.client.get("/api/v1/jobs", headers=h) for h in ({}, {"x-request-id": "a b"})
    ]
    ids = {answer.headers["x-request-id"] for answer in fresh}
    assert len(ids) == 2
    assert "a b" not in ids


async def test_the_log_line_of_a_request_names_who_and_what(surface: Surface) -> None:
    with capture_logs() as lines:
        await surface.client.post("/api/v1/queue/stop", headers={"x-request-id": "shop-18"})
    (line,) = [line for line in lines if line["event"] == "http"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/v1/queue/stop", 200)
    assert (line["key"], line["log_level"]) == ("first admin", "info")


async def test_an_idempotency_key_is_never_ignored(surface: Surface) -> None:
    printer = {"name": "L", "driver": "paper", "connection": {"host": "L", "api_key": KEY}}
    for path, body in (
        ("/api/v1/keys", {"name": "shop", "role": "viewer"}),
        ("/api/v1/printers", printer),
        ("/api/v1/queue/stop", None),
    ):
        answer = await surface.client.post(path, json=body, headers={"idempotency-key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (422, "no_idempotency"), path
    assert (await surface.client.get("/api/v1/printers")).json()["items"] == []
    headers = {"idempotency-key": "k", "x-filename": "a.gcode"}
    for status in (201, 200):
        answer = await surface.client.post("/api/v1/files", content=GCODE, headers=headers)
        assert answer.status_code == status


async def test_a_machine_s_name_is_visible_text(surface: Surface) -> None:
    body = {"name": "L", "driver": "paper", "connection": {"host": "L", "api_key": KEY}}
    answer = await surface.client.post("/api/v1/printers", json=body | {"model": {"name": "a\nb"}})
    problem = answer.json()
    assert [error["field"] for error in problem["errors"]] == ["body.model.name"]


def test_every_refusal_of_the_surface_is_documented() -> None:
    """Every code written in `buildplate.api`, with its status."""
    found: set[tuple[Any, Any]] = {(status, code) for status, (code, _) in BY_STATUS.items()}
    for path in Path(problems.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "Refusal",
                "problem",
            }:
                first = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
                if len(first) == 2 and first[0] != 500:
                    found.add((first[0], first[1]))
    assert found == set(OWN)
