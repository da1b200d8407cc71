"""The list of printers is put together from parts kept ready, and never shows a former one."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from buildplate.access.errors import TooManyRequests
from buildplate.access.model import Role
from buildplate.api.answers import as_json
from buildplate.api.printer_shelf import PrinterShelf, Wanted
from buildplate.api.printer_views import printer_view
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Activity, Link
from buildplate.fleet.model import InFlight
from buildplate.fleet.session import PrinterSession
from buildplate.storage import StorageFull
from tests.service.api.surface import Surface

PATH = "/api/v1/printers"


async def items(surface: Surface, query: str = "") -> list[dict[str, Any]]:
    """The printers in the answer."""
    found: list[dict[str, Any]] = (await surface.client.get(f"{PATH}{query}")).json()["items"]
    return found


def now(surface: Surface) -> list[dict[str, Any]]:
    """Each printer as it is at this moment."""
    sessions = sorted(surface.farm.fleet.sessions.values(), key=lambda one: one.record.spec.number)
    return [orjson.loads(as_json(printer_view(session))) for session in sessions]


def _lose_lease(session: PrinterSession) -> None:
    lease = session.parts.lease
    lease._proof, lease._deadline = (lambda: False), 0.0


def _occupy(session: PrinterSession) -> None:
    print_ = SimpleNamespace(id="some print", state=PrintState.NEEDS_ATTENTION)
    steward: Any = session.parts.steward
    steward._active[session.id] = print_


CHANGES: dict[str, Callable[[PrinterSession], None]] = {
    "link": lambda one: setattr(one.live, "link", Link.OFFLINE),
    "activity": lambda one: setattr(one.live, "activity", Activity.FOREIGN),
    "powered": lambda one: setattr(one.live, "powered", False),
    "problem": lambda one: setattr(one.live, "problem", "the cable is out"),
    "problem_code": lambda one: setattr(one.live, "problem_code", "offline"),
    "hint": lambda one: setattr(one.live, "hint", "Push it in."),
    "command": lambda one: setattr(one, "in_flight", InFlight("some command", 0.0)),
    "lease": _lose_lease,
    "print": _occupy,
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_of_one_printer_shows_in_the_very_next_list(
    surface: Surface, what: str
) -> None:
    await surface.printer("Left")
    right = await surface.printer("Right")
    before = await items(surface)
    assert before == await items(surface) == now(surface)
    CHANGES[what](surface.farm.fleet.sessions[right["id"]])
    after = await items(surface)
    assert after == now(surface)
    assert after[1] != before[1]


async def test_what_people_change_shows_in_the_very_next_list(surface: Surface) -> None:
    left = await surface.printer("Left")
    await items(surface)
    await surface.client.patch(f"{PATH}/{left['id']}", json={"name": "Port"})
    assert [one["name"] for one in await items(surface)] == ["Port"]
    await surface.client.post(f"{PATH}/{left['id']}/maintenance", json={"on": True})
    assert [one["maintenance"] for one in await items(surface)] == [True]
    await surface.printer("Right")
    assert [one["name"] for one in await items(surface)] == ["Port", "Right"]
    assert (await surface.client.delete(f"{PATH}/{left['id']}")).status_code == 204
    assert [one["name"] for one in await items(surface)] == ["Right"]


async def test_a_print_on_a_printer_shows_in_the_very_next_list(surface: Surface) -> None:
    await surface.printer("Left")
    assert [one["print_id"] for one in await items(surface)] == [None]
    _, print_ = await surface.running("Left")
    assert [one["print_id"] for one in await items(surface)] == [print_["id"]]
    assert await items(surface) == now(surface)


async def test_each_caller_gets_their_part_however_the_asks_are_mixed(surface: Surface) -> None:
    for name, group in (("Left", "ours"), ("Right", None), ("Far", "ours")):
        await surface.printer(name, group=group)
    made = await surface.farm.keys.create("ours", Role.VIEWER, None, frozenset({"ours"}))
    async with surface.with_key(made.secret) as confined:
        for _ in range(2):
            assert [one["name"] for one in await items(surface)] == ["Left", "Right", "Far"]
            mine = (await confined.get(PATH)).json()
            assert [one["name"] for one in mine["items"]] == ["Left", "Far"]
            assert [one["name"] for one in await items(surface, "?name=Right")] == ["Right"]
            first = (await surface.client.get(f"{PATH}?limit=2")).json()
            assert [one["name"] for one in first["items"]] == ["Left", "Right"]
            rest = f"?limit=2&cursor={first['next_cursor']}"
            assert [one["name"] for one in await items(surface, rest)] == ["Far"]
            live = await items(surface, "?live=true")
            assert [one["state"]["number"] for one in live] == [1, 2, 3]


async def test_many_different_asks_are_answered_rightly(surface: Surface) -> None:
    names = [f"printer {n}" for n in range(3)]
    for name in names:
        await surface.printer(name)
    for _ in range(2):
        for limit in range(1, 30):
            shown = await items(surface, f"?limit={limit}")
            assert [one["name"] for one in shown] == names[:limit]


async def test_a_list_without_a_query_is_as_guarded_as_one_with(surface: Surface) -> None:
    async with surface.with_key(None) as nobody:
        for query in ("", "?limit=5"):
            assert (await nobody.get(f"{PATH}{query}")).status_code == 401
    answer = await surface.client.get(f"{PATH}?nme=Left")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


WAYS = {"short": "", "long": "?limit=1000"}
"""Without a query a list passes by FastAPI's layers."""


async def test_both_ways_to_the_list_answer_alike(surface: Surface) -> None:
    await surface.printer("Left")
    answers = {way: await surface.client.get(PATH + query) for way, query in WAYS.items()}
    assert answers["short"].content == answers["long"].content
    names = {way: sorted(answer.headers) for way, answer in answers.items()}
    assert names["short"] == names["long"]
    assert {"cache-control", "content-security-policy", "x-request-id"} <= set(names["short"])
    given = {"x-request-id": "mine"}
    mine = await surface.client.get(PATH, headers=given)
    assert mine.headers["x-request-id"] == "mine"
    assert (await surface.client.delete(PATH)).headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "error", [TooManyRequests("slow down", 3.0), StorageFull("full"), RuntimeError("!")]
)
async def test_both_ways_to_the_list_fail_alike(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(PrinterShelf, "page", fail)
    answers = [await surface.client.get(PATH + query) for query in WAYS.values()]
    problems = [(answer.status_code, answer.headers["content-type"]) for answer in answers]
    assert problems[0] == problems[1]
    assert problems[0][1] == "application/problem+json"
    assert answers[0].json()["code"] == answers[1].json()["code"] == _code(error)


def _code(error: Exception) -> str:
    return str(getattr(error, "code", "internal_error"))


async def test_both_ways_to_the_list_are_counted(surface: Surface) -> None:
    for query in WAYS.values():
        before = await _counted(surface)
        await surface.client.get(PATH + query)
        assert await _counted(surface) == before + 2  # the asking itself is one


async def _counted(surface: Surface) -> float:
    said = (await surface.client.get("/metrics")).text
    found = re.search(r'http_requests_total\{method="GET",status="2xx"\} (\S+)', said)
    return 0.0 if found is None else float(found[1])


async def test_a_kept_list_takes_no_more_memory_than_it_is_long(surface: Surface) -> None:
    for number in range(10):
        await surface.printer(f"printer {number}")
    shelf, sessions = PrinterShelf(), surface.farm.fleet.sessions
    tracemalloc.start()
    try:
        page = shelf.page(sessions, Wanted(None, 1000, None, None))
        rows = sum(len(row) for _, row in shelf._rows.values())
        kept = sum(trace.size for trace in tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()
    assert kept < 2 * (len(page) + rows)
