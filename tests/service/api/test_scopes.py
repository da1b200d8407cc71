"""A caller who is confined to printer groups sees and commands what is theirs, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from buildplate.access.model import Role
from buildplate.api.application import ROUTES
from buildplate.api.guard import is_open
from buildplate.api.scopes import CHECKS, SORTED_OUT
from buildplate.dispatch.planner import Planner
from tests.service.api.people import browser, user
from tests.service.api.surface import Surface

NOBODY = "00000000-0000-7000-8000-000000000000"


class Halves:
    """A farm with a printer, a job and a print of each of two groups, and of none."""

    def __init__(self, surface: Surface, mine: httpx.AsyncClient) -> None:
        self.surface = surface
        self.mine = mine
        self.printers: dict[str | None, str] = {}
        self.jobs: dict[str | None, str] = {}
        self.prints: dict[str | None, str] = {}

    async def furnish(self) -> None:
        await self.surface.client.post("/api/v1/queue/stop", json={})
        for group in ("ours", "theirs", None):
            printer = await self.surface.printer(f"of {group}", group=group)
            self.printers[group] = printer["id"]
            job = await self.surface.job(requirements={"group": group})
            self.jobs[group] = job["id"]
            (print_,) = await self.surface.prints(job["id"])
            self.prints[group] = print_["id"]


@pytest.fixture(params=["key", "user"])
async def halves(request: pytest.FixtureRequest, surface: Surface) -> AsyncIterator[Halves]:
    groups = frozenset({"ours"})
    if request.param == "key":
        made = await surface.farm.keys.create("ours", Role.OPERATOR, None, groups)
        mine = surface.with_key(made.secret)
    else:
        await user(surface, Role.OPERATOR, "ann", groups=groups)
        mine = await browser(surface)
    found = Halves(surface, mine)
    await found.furnish()
    yield found
    await mine.aclose()


def ids(answer: httpx.Response, name: str = "id") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item[name] for item in answer.json()["items"]]


async def test_lists_show_only_one_s_own(halves: Halves) -> None:
    assert ids(await halves.mine.get("/api/v1/printers")) == [halves.printers["ours"]]
    live = await halves.mine.get("/api/v1/printers?live=true")
    assert ids(live) == [halves.printers["ours"]]
    assert ids(await halves.mine.get("/api/v1/jobs")) == [halves.jobs["ours"]]
    assert ids(await halves.mine.get("/api/v1/prints")) == [halves.prints["ours"]]
    queue = await halves.mine.get("/api/v1/queue")
    assert ids(queue, "print_id") == [halves.prints["ours"]]
    all_ = await halves.surface.client.get("/api/v1/printers")
    assert len(ids(all_)) == 3


def concrete(path: str, of: dict[str, str]) -> str:
    for name, value in of.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def routes() -> list[tuple[str, APIRoute]]:
    return [
        (method, route)
        for route in ROUTES
        if isinstance(route, APIRoute) and not is_open(route.path)
        for method in sorted(route.methods or ())
    ]


def names_of(route: APIRoute) -> set[str]:
    return {field.name for field in route.dependant.path_params}


async def test_every_path_to_a_thing_of_others_says_that_there_is_none(halves: Halves) -> None:
    tried = 0
    for method, route in routes():
        names = names_of(route) & {"printer_id", "job_id", "print_id"}
        if not names:
            continue
        for group in ("theirs", None):
            of = {
                "printer_id": halves.printers[group],
                "job_id": halves.jobs[group],
                "print_id": halves.prints[group],
            }
            answer = await halves.mine.request(method, concrete(route.path, of))
            role_too_low = answer.status_code == 403 and answer.json()["code"] == "role_too_low"
            assert answer.status_code == 404 or role_too_low, (method, route.path, answer.text)
            tried += 1
    assert tried > 50


async def test_a_path_that_is_not_sorted_out_is_closed(halves: Halves) -> None:
    closed = []
    for method, route in routes():
        call = (method, route.path.rstrip("/"))
        if names_of(route) & set(CHECKS) or call in SORTED_OUT:
            continue
        path = concrete(route.path, dict.fromkeys(names_of(route), NOBODY))
        answer = await halves.mine.request(method, path)
        assert answer.status_code == 403, (call, answer.text)
        assert answer.json()["code"] in ("scope_too_narrow", "role_too_low"), call
        closed.append(call)
    assert ("GET", "/api/v1/audit") in closed
    assert ("POST", "/api/v1/queue/stop") in closed


def test_what_is_sorted_out_is_there() -> None:
    calls = {(method, route.path) for method, route in routes()}
    assert set() == SORTED_OUT - calls


async def test_one_clears_one_s_own_beds_and_learns_of_no_others(halves: Halves) -> None:
    seen = {}
    for group in ("ours", "theirs"):
        seen[group] = await halves.surface.until(halves.printers[group], link="online")
    beds = [{"printer_id": one["id"], "bed_version": one["bed_version"]} for one in seen.values()]
    beds.append({"printer_id": NOBODY, "bed_version": 1})
    answer = await halves.mine.post("/api/v1/printers/clear-beds", json={"beds": beds})
    assert answer.status_code == 200, answer.text
    ours, theirs, nobody = answer.json()["results"]
    assert (ours["ok"], ours["bed"]) == (True, "clear")
    assert (theirs["ok"], theirs["code"]) == (False, "printer_not_found")
    assert theirs["detail"].replace(theirs["printer_id"], NOBODY) == nobody["detail"]
    left = await halves.surface.client.get(f"/api/v1/printers/{halves.printers['theirs']}")
    assert left.json()["bed_version"] == seen["theirs"]["bed_version"]
    assert left.json()["bed"] == seen["theirs"]["bed"]


async def test_one_commands_one_s_own(halves: Halves) -> None:
    mine, printer = halves.mine, halves.printers["ours"]
    print_ = halves.prints["ours"]
    path = f"/api/v1/printers/{printer}"
    assert (await mine.get(f"{path}/state")).status_code == 200
    assert (await mine.post(f"{path}/maintenance", json={"on": True})).status_code == 200
    assert (await mine.post(f"{path}/maintenance", json={"on": False})).status_code == 200
    assert (await mine.post(f"{path}/assign", json={"print_id": print_})).status_code == 200
    for wish in ({"print_id": halves.prints["theirs"]}, {"job_id": halves.jobs[None]}):
        assert (await mine.post(f"{path}/assign", json=wish)).status_code == 404, wish
    reasons = ids(await mine.get(f"/api/v1/prints/{print_}/waiting"), "printer_id")
    assert {reason for reason in reasons if reason} == {printer}
    held = await mine.post(f"/api/v1/jobs/{halves.jobs['ours']}/hold")
    assert held.status_code == 200
    number = (await halves.surface.client.get(path)).json()["number"]
    assert (await mine.get(f"/api/v1/printers/{number}")).status_code == 200
    assert (await mine.get(f"/api/v1/printers/{number + 1}")).status_code == 404


@pytest.mark.parametrize("priority", ["urgent", "normal"])
async def test_a_print_of_others_that_is_ahead_is_not_named(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, priority: str
) -> None:
    async def nothing(*_: Any) -> bool:
        return False

    monkeypatch.setattr(Planner, "_claim", nothing)  # whoever is ahead stays it
    await surface.printer("Left", group="ours")
    ahead = await surface.job(priority=priority)
    (its,) = await surface.prints(ahead["id"])
    job = await surface.job(requirements={"group": "ours"})
    (print_,) = await surface.prints(job["id"])
    made = await surface.farm.keys.create("ours", Role.OPERATOR, None, frozenset({"ours"}))
    path = f"/api/v1/prints/{print_['id']}/waiting"
    async with surface.with_key(made.secret) as mine:
        (told,) = (await mine.get(path)).json()["items"]
    (whole,) = (await surface.client.get(path)).json()["items"]
    assert told["code"] == whole["code"] == "higher_priority_first"
    assert its["id"] in str(whole)
    assert f"job {ahead['number']}" in whole["detail"]
    assert its["id"] not in str(told)
    assert "job" not in told["detail"]


@pytest.mark.parametrize("again", [False, True])
async def test_an_order_that_is_repeated_shows_no_job_that_is_others_by_now(
    halves: Halves, *, again: bool
) -> None:
    mine, key = halves.mine, {"idempotency-key": "once"}
    body: dict[str, Any] | None = None
    path = f"/api/v1/jobs/{halves.jobs['ours']}/duplicate"
    if not again:
        path = "/api/v1/jobs"
        file_id = (await halves.surface.file())["id"]
        body = {"file_id": file_id, "requirements": {"group": "ours"}}
    job = (await mine.post(path, json=body, headers=key)).json()
    assert (await mine.post(path, json=body, headers=key)).json()["id"] == job["id"]
    change = {"requirements": {"group": "theirs"}, "customer": "a customer of theirs"}
    await halves.surface.client.patch(f"/api/v1/jobs/{job['id']}", json=change)
    answer = await mine.post(path, json=body, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "group_not_yours")
    assert "customer" not in answer.text


async def test_a_job_s_status_shows_no_print_on_a_printer_of_others(surface: Surface) -> None:
    printer = await surface.printer("Left", group="ours")
    job = await surface.job(requirements={"group": "ours"}, copies=2)
    first, second = await surface.prints(job["id"])
    await surface.until_print(first["id"], state="printing")
    path = f"/api/v1/printers/{printer['id']}"
    assert (await surface.client.patch(path, json={"group": "theirs"})).is_success
    made = await surface.farm.keys.create("ours", Role.OPERATOR, None, frozenset({"ours"}))
    async with surface.with_key(made.secret) as mine:
        assert (await mine.get(f"/api/v1/prints/{first['id']}")).status_code == 404
        status = (await mine.get(f"/api/v1/jobs/{job['id']}/status")).json()
    assert [one["id"] for one in status["prints"]] == [second["id"]]
    assert [one["id"] for one in await surface.prints(job["id"])] == [first["id"], second["id"]]


async def test_one_orders_only_for_one_s_own(halves: Halves) -> None:
    file = halves.surface
    stored = (await file.file())["id"]

    async def ordered(requirements: Any, path: str = "/api/v1/jobs") -> httpx.Response:
        body = {"file_id": stored, "requirements": requirements}
        return await halves.mine.post(path, json=body)

    assert (await ordered({"group": "ours"})).status_code == 201
    for requirements in ({"group": "theirs"}, {}, {"group": None}):
        for path in ("/api/v1/jobs", "/api/v1/jobs/receive"):
            refused = await ordered(requirements, path)
            assert (refused.status_code, refused.json()["code"]) == (422, "group_not_yours")
            assert "ours" in refused.json()["hint"]
    moved = await halves.mine.patch(
        f"/api/v1/jobs/{halves.jobs['ours']}", json={"requirements": {"group": "theirs"}}
    )
    assert (moved.status_code, moved.json()["code"]) == (422, "group_not_yours")


async def test_an_admin_is_confined_to_nothing(surface: Surface) -> None:
    key = {"name": "x", "role": "admin", "groups": ["ours"]}
    refused = await surface.client.post("/api/v1/keys", json=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_key")
    ann = key | {"name": "ann", "password": "correct horse battery"}
    refused = await surface.client.post("/api/v1/users", json=ann)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_user")
    bob = await user(surface, Role.OPERATOR, "bob", groups=frozenset({"ours"}))
    risen = await surface.client.patch(f"/api/v1/users/{bob.id}", json={"role": "admin"})
    assert (risen.status_code, risen.json()["code"]) == (422, "invalid_user")


async def test_an_order_of_a_confined_caller_names_no_printer_of_others(surface: Surface) -> None:
    groups = frozenset({"ours"})
    ours = await surface.printer("Left", group="ours")
    theirs = await surface.printer("Right", group="theirs")
    file = await surface.file()
    secret = (await surface.farm.keys.create("x", Role.OPERATOR, None, groups)).secret
    asked = {"file_id": file["id"], "requirements": {"group": "ours"}}
    async with surface.with_key(secret) as confined:
        said = set()
        for name in (theirs["id"], theirs["number"], 99):
            body = {**asked, "requirements": {"group": "ours", "printers": [name]}}
            refused = await confined.post("/api/v1/jobs", json=body)
            assert (refused.status_code, refused.json()["code"]) == (422, "group_not_yours")
            said.add(refused.text)
        assert len(said) == 1, "whether a printer exists is not told"
        body = {**asked, "requirements": {"group": "ours", "printers": [ours["number"]]}}
        made = await confined.post("/api/v1/jobs", json=body)
        assert made.json()["requirements"]["printers"] == [ours["id"]]
        change = {"requirements": {"group": "ours", "printers": [theirs["id"]]}}
        refused = await confined.patch(f"/api/v1/jobs/{made.json()['id']}", json=change)
        assert (refused.status_code, refused.json()["code"]) == (422, "group_not_yours")
