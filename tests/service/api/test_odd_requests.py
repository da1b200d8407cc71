"""Text and numbers that no database keeps are refused everywhere, and say where they are.

The bodies are the examples of the OpenAPI document, so that new paths are tried by themselves.
"""

from __future__ import annotations

import copy
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from buildplate import __version__
from buildplate.access.model import Role
from buildplate.api.application import openapi_document
from buildplate.api.illustrations import operations
from buildplate.api.texts import is_plain, oddities
from tests.service.api.surface import GCODE, Surface

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi_document(__version__)))
NOTHING = "00000000-0000-7000-8000-000000000000"
ODD_TEXT = ("a\0b", "\ud800", "a\udfff")
ODD_NUMBERS = (2**53 + 1, -(2**63), 10**30, 10**400, float("inf"), float("nan"))
NUMBERS_BEYOND = ("0", "2147483648", "9223372036854775808"[:15], "999999999999999", "1" * 19)


def bodies() -> list[tuple[str, str, Any]]:
    """Every operation that takes JSON, with its example."""
    return [
        (method.upper(), path, operation["requestBody"]["content"]["application/json"]["example"])
        for path, method, operation in operations(DOCUMENT)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def spoilt(body: Any, odd: Any, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """The body with one of its values replaced, value by value; where it was."""

    def places(value: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
        if isinstance(value, dict):
            for key, one in value.items():
                yield from places(one, *way, key)
        elif isinstance(value, list):
            for place, one in enumerate(value):
                yield from places(one, *way, place)
        elif isinstance(value, kinds) and not isinstance(value, bool):
            yield way

    for way in places(body):
        changed = copy.deepcopy(body)
        inner = changed
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = odd
        yield ".".join(map(str, way)), changed


async def send(surface: Surface, method: str, path: str, body: Any) -> httpx.Response:
    for name in ("printer_id", "job_id", "print_id"):
        path = path.replace(f"{{{name}}}", "1")
    concrete = path.partition("{")[0] + NOTHING if "{" in path else path
    headers = {"content-type": "application/json"}
    return await surface.client.request(
        method, concrete, content=json.dumps(body).encode(), headers=headers
    )


@pytest.mark.parametrize("odd", [*ODD_TEXT, *ODD_NUMBERS])
async def test_no_field_takes_what_no_database_keeps(surface: Surface, odd: Any) -> None:
    await surface.running()
    kinds = (str,) if isinstance(odd, str) else (int, float)
    tried = 0
    for method, path, body in bodies():
        for where, changed in spoilt(body, odd, kinds):
            answer = await send(surface, method, path, changed)
            assert answer.status_code == 422, (method, path, where, answer.text)
            found = answer.json()
            assert found["code"] == "invalid_request"
            assert [one["field"] for one in found["errors"]] == [f"body.{where}"], where
            tried += 1
    assert tried > 40


@pytest.mark.parametrize("odd", ODD_TEXT)
async def test_no_name_of_a_field_is_odd_either(surface: Surface, odd: str) -> None:
    file = await surface.file()
    for path in ("/api/v1/jobs", "/api/v1/jobs/receive"):
        body = {"file_id": file["id"], odd: 1}
        answer = await send(surface, "POST", path, body)
        assert answer.status_code == 422, path
        assert answer.json()["errors"][0]["field"].startswith("body.'")
    # Nothing of it was stored.
    assert (await surface.client.get("/api/v1/jobs")).json()["items"] == []


async def test_what_clients_send_beyond_the_owed_fields_is_let_be(surface: Surface) -> None:
    file = await surface.file()
    body = {"file_id": file["id"], "shop": {"order_id": 1187654321987654321, "paid": None}}
    answer = await send(surface, "POST", "/api/v1/jobs/receive", body)
    assert answer.status_code == 201, answer.text
    answer = await send(surface, "POST", "/api/v1/jobs/receive", body | {"copies": 2**53 + 1})
    assert answer.json()["errors"][0]["field"] == "body.copies"


@pytest.mark.parametrize(
    "content",
    [
        {"k" * 500_000: [0] * 160_000},
        {"a": [None] * 100_000 + [float("nan")]},
        {"a": ["\\u0000"] * 50_000},
        {"a": ["x"] * 100_000 + ["\0"]},
    ],
    ids=["a long key", "a number that is none", "what looks like a NUL", "a NUL at the end"],
)
def test_a_large_body_is_looked_at_in_the_time_and_room_of_its_parsing(content: Any) -> None:
    """Whoever has no credential can send one, as often as the limits let them."""
    tracemalloc.start()
    began = time.process_time()
    try:
        if not is_plain(content):
            next(oddities(content), None)
        taken, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2.0
    assert peak < 40_000_000


def test_lists_in_lists_are_refused_before_they_are_too_deep_for_anybody() -> None:
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    assert not is_plain(deep)


@pytest.mark.parametrize("number", ["99999999999999999999", "9" * 4400, "-1", "1e3", "٣"])
@pytest.mark.parametrize("parameter", ["job", "printer"])
async def test_no_number_in_a_query_is_too_large_to_be_looked_for(
    surface: Surface, parameter: str, number: str
) -> None:
    answer = await surface.client.get("/api/v1/prints", params={parameter: number})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("odd", ["%00", "a%00b", "%ff", "%ed%a0%80"])
async def test_no_query_is_odd(surface: Surface, odd: str) -> None:
    tried = 0
    for path, method, operation in operations(DOCUMENT):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query" and "{" not in path:
                raw = f"{path}?{parameter['name']}={odd}".encode("latin-1")
                url = httpx.URL("http://farm").copy_with(raw_path=raw)
                answer = await surface.client.request(method, url)
                assert answer.status_code == 422, (path, parameter["name"])
                assert answer.json()["hint"]
                tried += 1
    assert tried > 25


async def test_no_number_in_a_path_is_too_large_to_be_looked_for(surface: Surface) -> None:
    for path, method, _ in operations(DOCUMENT):
        before, brace, after = path.partition("{")
        if brace and method == "get":
            for number in NUMBERS_BEYOND:
                concrete = before + number + after.partition("}")[2]
                answer = await surface.client.get(concrete)
                assert answer.status_code == 404, (concrete, answer.text)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "jobs"),
        ("limit=-1", "jobs"),
        ("limit=99999999999999999999", "files"),
        ("limit=1e3", "prints"),
        ("cursor=9999999999999999", "jobs"),
        ("cursor=-1", "prints"),
        ("cursor=%D9%A3", "jobs"),
        ("after=-1", "events"),
        ("after=9223372036854775808", "events"),
        ("since=yesterday", "analytics/utilization"),
        ("since=0.5", "analytics/utilization"),
        ("since=1700000000", "analytics/utilization"),
        ("since=0001-01-01T00:00:00Z", "analytics/utilization"),
        ("until=9999-12-31T23:59:59-12:00", "analytics/utilization"),
        ("since=2026-13-01T00:00:00Z", "analytics/utilization"),
    ],
)
async def test_a_parameter_out_of_bounds_is_named(surface: Surface, query: str, path: str) -> None:
    answer = await surface.client.get(f"/api/v1/{path}?{query}")
    assert answer.status_code == 422, answer.text
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize("due", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0.5"])
async def test_a_due_time_that_no_calendar_has_is_refused(surface: Surface, due: str) -> None:
    file = await surface.file()
    body = {"file_id": file["id"], "due": due}
    answer = await surface.client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "body.due"


@pytest.mark.parametrize("name", ["%00.gcode", "a%00b.gcode", "%ed%a0%80.gcode", "%ff.gcode"])
async def test_a_file_s_name_is_kept_whole_or_refused(surface: Surface, name: str) -> None:
    answer = await surface.client.post("/api/v1/files", content=GCODE, headers={"x-filename": name})
    assert answer.status_code in (201, 422), answer.text
    if answer.is_success:
        assert "\0" not in answer.json()["name"]


async def test_a_viewer_s_body_is_not_even_read(surface: Surface) -> None:
    async with await surface.caller(Role.VIEWER) as viewer:
        for content in (b"\xff\x13", b"{", b"[" * 5000):
            answer = await viewer.post(
                "/api/v1/users", content=content, headers={"content-type": "application/json"}
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
        refused = await viewer.get("/api/v1/keys?name=%00")
        assert refused.status_code == 403


async def test_a_confined_caller_is_told_the_methods_of_a_path_that_looks_like_an_id(
    surface: Surface,
) -> None:
    groups = frozenset({"ours"})
    secret = (await surface.farm.keys.create("x", Role.OPERATOR, None, groups)).secret
    printer = await surface.printer(group="theirs")
    async with surface.with_key(secret) as confined:
        for path in ("/api/v1/jobs/receive", "/api/v1/printers/clear-beds"):
            answer = await confined.patch(path, json={})
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), path
        # An administrator's path is closed whatever it names.
        refused = await confined.delete(f"/api/v1/printers/{printer['id']}")
        assert refused.status_code == 403
