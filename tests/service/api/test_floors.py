"""Floors: printers have their places on them, and nothing is taken from under a printer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from buildplate.access.model import Role
from buildplate.fleet.errors import VersionMismatch
from tests.service.api.surface import Surface

FLOORS = "/api/v1/floors"


async def made(surface: Surface, name: str = "ground", **more: Any) -> dict[str, Any]:
    body = {"name": name, "width_mm": 9000, "depth_mm": 6000.5, **more}
    answer = await surface.client.post(FLOORS, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{FLOORS}/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["hint"]
    return f"{answer.json()['detail']} {answer.json()['hint']}"


async def test_a_floor_is_made_read_changed_and_removed(surface: Surface) -> None:
    ground = await made(surface)
    assert (ground["width_mm"], ground["depth_mm"], ground["printers"]) == (9000, 6000.5, 0)
    path = f"{FLOORS}/{ground['id']}"
    answer = await surface.client.get(path)
    assert (answer.json(), answer.headers["etag"]) == (ground, '"1"')
    first = {"if-match": '"1"'}
    changed = await surface.client.patch(path, json={"depth_mm": 7000}, headers=first)
    assert (changed.json()["depth_mm"], changed.headers["etag"]) == (7000, '"2"')
    assert (await surface.client.get(path)).json() == changed.json()
    refused(await surface.client.patch(path, json={"name": "x"}, headers=first), 412,
            "version_mismatch")  # fmt: skip
    refused(await surface.client.delete(path, headers=first), 412, "version_mismatch")
    refused(await surface.client.patch(path, json={}), 422, "invalid_request")
    refused(await surface.client.patch(path, json={"width_mm": 0}), 422, "invalid_request")
    attic = await made(surface, "attic")
    refused(await surface.client.post(FLOORS, json={**_size(ground), "name": "attic"}), 409,
            "name_taken")  # fmt: skip
    refused(await surface.client.patch(path, json={"name": "attic"}), 409, "name_taken")
    assert (await surface.client.delete(path)).status_code == 204
    refused(await surface.client.get(path), 404, "floor_not_found")
    assert [one["id"] for one in (await surface.client.get(FLOORS)).json()["items"]] == [
        attic["id"]
    ]


def _size(floor: dict[str, Any]) -> dict[str, Any]:
    return {name: floor[name] for name in ("width_mm", "depth_mm")}


async def test_a_printer_has_its_place_on_a_floor(surface: Surface) -> None:
    ground = await made(surface)
    place = {"floor": ground["id"], "x": 1500, "y": 6000.5}
    printer = await surface.printer(floor_position=place)
    assert printer["floor_position"] == {**place, "rotation": 0}
    path = f"/api/v1/printers/{printer['id']}"
    turned = await surface.client.patch(path, json={"floor_position": {"rotation": 90}})
    assert turned.json()["floor_position"] == {**place, "rotation": 90}
    kept = await surface.client.patch(path, json={"location": "by the door"})
    assert kept.json()["floor_position"] == {**place, "rotation": 90}
    assert (await surface.client.get(f"{FLOORS}/{ground['id']}")).json()["printers"] == 1
    gone = await surface.client.patch(path, json={"floor_position": None})
    assert gone.json()["floor_position"] is None
    assert (await surface.client.delete(f"{FLOORS}/{ground['id']}")).status_code == 204


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        ({"x": 9001}, "invalid_printer", "0 to 9000"),
        ({"y": 6001}, "invalid_printer", "0 to 6000.5"),
        ({"floor": "00000000-0000-7000-8000-000000000000"}, "invalid_printer", "/api/v1/floors"),
        ({"x": -1}, "invalid_request", "floor_position"),
        ({"rotation": 360}, "invalid_request", "rotation"),
        ({"z": 1}, "invalid_request", "z"),
        ({"floor": "ground"}, "invalid_request", "floor"),
    ],
)
async def test_a_place_off_the_floor_is_refused(
    surface: Surface, wrong: dict[str, Any], code: str, says: str
) -> None:
    ground = await made(surface)
    place = {"floor": ground["id"], "x": 1, "y": 1} | wrong
    printer = await surface.printer()
    path = f"/api/v1/printers/{printer['id']}"
    answer = await surface.client.patch(path, json={"floor_position": place})
    assert says in refused(answer, 422, code)
    assert (await surface.client.get(path)).json()["floor_position"] is None
    body = {"name": "New", "driver": "paper", "connection": {"host": "New", "api_key": "x"}}
    answer = await surface.client.post("/api/v1/printers", json={**body, "floor_position": place})
    assert says in refused(answer, 422, code)


async def test_nothing_is_taken_from_under_a_printer(surface: Surface) -> None:
    ground = await made(surface)
    place = {"floor": ground["id"], "x": 5000, "y": 4000}
    printer = await surface.printer(floor_position=place)
    path = f"{FLOORS}/{ground['id']}"
    assert "Left" in refused(await surface.client.delete(path), 409, "floor_in_use")
    for smaller in ({"width_mm": 4999}, {"depth_mm": 3999}):
        answer = await surface.client.patch(path, json=smaller)
        assert "Left" in refused(answer, 409, "floor_too_small")
    fits = {"width_mm": 5000, "depth_mm": 4000}
    assert (await surface.client.patch(path, json=fits)).status_code == 200
    await surface.client.delete(f"/api/v1/printers/{printer['id']}")
    retired = (await surface.client.get(f"/api/v1/printers/{printer['id']}")).json()
    assert retired["floor_position"] is None
    assert (await surface.client.delete(path)).status_code == 204


async def test_who_is_confined_sees_the_floors_of_their_printers(surface: Surface) -> None:
    ground, attic = await made(surface), await made(surface, "attic")
    await surface.printer("Left", group="ours", floor_position=_at(ground))
    await surface.printer("Right", group="theirs", floor_position=_at(attic))
    await surface.printer("Next", group="theirs", floor_position=_at(ground))
    key = await surface.farm.keys.create("k", Role.VIEWER, None, frozenset({"ours"}))
    async with surface.with_key(key.secret) as mine:
        found = (await mine.get(FLOORS)).json()["items"]
        assert [(one["id"], one["printers"]) for one in found] == [(ground["id"], 1)]
        assert (await mine.get(f"{FLOORS}/{ground['id']}")).status_code == 200
        refused(await mine.get(f"{FLOORS}/{attic['id']}"), 404, "floor_not_found")


def _at(floor: dict[str, Any]) -> dict[str, Any]:
    return {"floor": floor["id"], "x": 1, "y": 1}


async def test_of_two_changes_at_once_the_second_is_told(surface: Surface) -> None:
    """Both have read the floor as it was."""
    seen = await surface.farm.floors.create("ground", 100, 100)
    await surface.farm.floors.edit(seen, {"width_mm": 200})
    with pytest.raises(VersionMismatch):
        await surface.farm.floors.edit(seen, {"depth_mm": 200})
    with pytest.raises(VersionMismatch):
        await surface.farm.floors.remove(seen)
    (now,) = await surface.farm.floors.floors()
    assert (now.width_mm, now.depth_mm, now.version) == (200, 100, 2)


async def test_floors_are_read_page_by_page(surface: Surface) -> None:
    for name in ("c", "a", "b"):
        await made(surface, name)
    first = (await surface.client.get(f"{FLOORS}?limit=2")).json()
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    rest = (await surface.client.get(f"{FLOORS}?limit=2&cursor={first['next_cursor']}")).json()
    assert ([one["name"] for one in rest["items"]], rest["next_cursor"]) == (["c"], None)
