"""Printer groups: one name everywhere, renamed everywhere at once, removed only from nowhere."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from buildplate.access.errors import GroupChanged
from buildplate.access.model import Role
from buildplate.dispatch.grouping import OrdersOfGroups
from buildplate.storage import StorageError, Tx, tables
from tests.service.api.people import browser, user
from tests.service.api.surface import Surface

GROUPS = "/api/v1/groups"


async def made(surface: Surface, name: str, **more: Any) -> dict[str, Any]:
    answer = await surface.client.post(GROUPS, json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{GROUPS}/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


async def named(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await client.get(GROUPS)).json()["items"]}


async def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["hint"]
    return str(answer.json()["detail"])


async def test_a_group_is_made_read_described_and_removed(surface: Surface) -> None:
    hall = await made(surface, " Hall ", description="by the door")
    assert (hall["name"], hall["version"], hall["printers"]) == ("Hall", 1, 0)
    path = f"{GROUPS}/{hall['id']}"
    answer = await surface.client.get(path)
    assert (answer.json(), answer.headers["etag"]) == (hall, '"1"')
    changed = await surface.client.patch(
        path, json={"description": "upstairs"}, headers={"if-match": '"1"'}
    )
    assert (changed.json()["description"], changed.headers["etag"]) == ("upstairs", '"2"')
    cleared = await surface.client.patch(path, json={"description": None})
    assert (cleared.json()["description"], cleared.json()["name"]) == ("", "Hall")
    stale = {"if-match": '"1"'}
    await refused(await surface.client.patch(path, json={"name": "x"}, headers=stale), 412,
                  "version_mismatch")  # fmt: skip
    await refused(await surface.client.delete(path, headers=stale), 412, "version_mismatch")
    await refused(await surface.client.patch(path, json={}), 422, "invalid_request")
    assert (await surface.client.delete(path)).status_code == 204
    await refused(await surface.client.get(path), 404, "group_not_found")
    assert await named(surface.client) == {}


@pytest.mark.parametrize("second", ["Hall", "hall", " HALL", "#hall"])
async def test_names_that_the_planner_takes_for_one_are_one(surface: Surface, second: str) -> None:
    await made(surface, "Hall")
    attic = await made(surface, "attic")
    await refused(await surface.client.post(GROUPS, json={"name": second}), 409, "group_exists")
    rename = await surface.client.patch(f"{GROUPS}/{attic['id']}", json={"name": second})
    await refused(rename, 409, "group_exists")
    printer = await surface.printer(group=second)
    assert printer["group"] == "Hall"
    job = await surface.job(requirements={"group": second})
    assert job["requirements"]["group"] == "Hall"
    key = {"name": "k", "role": "viewer", "groups": [second, "attic"]}
    assert (await surface.client.post("/api/v1/keys", json=key)).json()["groups"] == [
        "Hall",
        "attic",
    ]
    assert set(await named(surface.client)) == {"Hall", "attic"}


async def test_a_name_may_change_its_case(surface: Surface) -> None:
    hall = await made(surface, "hall")
    changed = await surface.client.patch(f"{GROUPS}/{hall['id']}", json={"name": "Hall"})
    assert changed.json()["name"] == "Hall"


async def test_who_names_a_new_group_makes_it(surface: Surface) -> None:
    """As before groups were things of their own: no client has to make them first."""
    printer = await surface.printer(group="one")
    path = f"/api/v1/printers/{printer['id']}"
    assert (await surface.client.patch(path, json={"group": "two"})).json()["group"] == "two"
    await surface.farm.keys.create("k", Role.VIEWER, None, frozenset({"three", "four"}))
    ann = await user(surface, Role.VIEWER, groups=frozenset({"five"}))
    await surface.client.patch(f"/api/v1/users/{ann.id}", json={"groups": ["six"]})
    found = await named(surface.client)
    assert set(found) == {"one", "two", "three", "four", "five", "six"}
    assert {name: one["printers"] for name, one in found.items() if one["printers"]} == {"two": 1}

    def six_are_told(log: dict[str, Any]) -> bool:
        return [event["kind"] for event in log["items"]].count("group.created") == 6

    await surface.poll("/api/v1/events", six_are_told)
    # An order makes none: it waits, and says for what.
    job = await surface.job(requirements={"group": "seven"})
    assert job["requirements"]["group"] == "seven"
    (print_,) = await surface.prints(job["id"])
    reasons = (await surface.client.get(f"/api/v1/prints/{print_['id']}/waiting")).json()["items"]
    assert "group_mismatch" in {reason["code"] for reason in reasons}
    assert "seven" not in await named(surface.client)


async def test_a_new_name_holds_for_all_that_is_called_by_it(surface: Surface) -> None:
    await surface.client.post("/api/v1/queue/stop", json={})
    left = await surface.printer("Left", group="old")
    right = await surface.printer("Right", group='an "old" one')
    job = await surface.job(requirements={"group": "old", "tags_all": ['"group":"old"']})
    other = await surface.job(requirements={"group": 'an "old" one'})
    held = await surface.job(requirements={"group": "old"})
    await surface.client.post(f"/api/v1/jobs/{held['id']}/cancel")
    groups = frozenset({"old", 'an "old" one'})
    key = await surface.farm.keys.create("k", Role.OPERATOR, None, groups)
    await user(surface, Role.OPERATOR, "ann", groups=groups)
    mine = {"key": surface.with_key(key.secret), "user": await browser(surface)}
    for client in mine.values():  # remembered from now on
        assert len((await client.get("/api/v1/printers")).json()["items"]) == 2
    group = (await named(surface.client))["old"]
    answer = await surface.client.patch(f"{GROUPS}/{group['id']}", json={"name": 'new "one"'})
    assert answer.status_code == 200, answer.text

    path = f"/api/v1/printers/{left['id']}"
    seen = (await surface.client.get(path)).json()
    assert (seen["group"], seen["version"]) == ('new "one"', left["version"] + 1)
    stale = {"if-match": f'"{left["version"]}"'}
    late = await surface.client.patch(path, json={"location": "x"}, headers=stale)
    await refused(late, 412, "version_mismatch")
    moved = await surface.client.patch(path, json={"location": "x"})
    assert moved.json()["group"] == 'new "one"'
    untouched = (await surface.client.get(f"/api/v1/printers/{right['id']}")).json()
    assert (untouched["group"], untouched["version"]) == ('an "old" one', right["version"])
    asked = (await surface.client.get(f"/api/v1/jobs/{job['id']}")).json()
    assert asked["requirements"]["group"] == 'new "one"'
    assert asked["requirements"]["tags_all"] == ['"group":"old"']
    assert asked["version"] == job["version"] + 1
    ended = (await surface.client.get(f"/api/v1/jobs/{held['id']}")).json()
    assert ended["requirements"]["group"] == 'new "one"'
    spared = (await surface.client.get(f"/api/v1/jobs/{other['id']}")).json()
    assert (spared["requirements"], spared["version"]) == (other["requirements"], other["version"])
    for who, client in mine.items():
        shown = (await client.get("/api/v1/me")).json()["groups"]
        assert shown == ['an "old" one', 'new "one"'], who
        assert len((await client.get("/api/v1/printers")).json()["items"]) == 2, who
        assert len((await client.get("/api/v1/jobs")).json()["items"]) == 3, who
    await surface.client.post("/api/v1/queue/release")
    (print_,) = await surface.prints(job["id"])
    # The printer and the job still belong together, so what keeps them apart is the tag alone.
    reasons = (await surface.client.get(f"/api/v1/prints/{print_['id']}/waiting")).json()["items"]
    assert {r["code"] for r in reasons if r["printer_id"] == left["id"]} == {"tag_mismatch"}
    query = f"/api/v1/audit?request_id={answer.headers['x-request-id']}"
    (line,) = (await surface.client.get(query)).json()["items"]
    assert {c["table"] for c in line["changes"]} == {
        "printer_groups",
        "printers",
        "jobs",
        "api_keys",
        "users",
    }


async def test_a_rename_is_one_transaction(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last of those who follow cannot, nobody does."""
    printer = await surface.printer(group="old")
    key = await surface.farm.keys.create("k", Role.VIEWER, None, frozenset({"old"}))

    async def broken(*_: Any) -> None:
        raise Broken

    monkeypatch.setattr(OrdersOfGroups, "renamed", broken)
    group = (await named(surface.client))["old"]
    answer = await surface.client.patch(f"{GROUPS}/{group['id']}", json={"name": "new"})
    assert answer.status_code == 500
    assert set(await named(surface.client)) == {"old"}

    async def stored(tx: Tx) -> Any:
        row = await tx.row(select(tables.printers.c.printer_group, tables.printers.c.version))
        assert row is not None
        return row["printer_group"], row["version"]

    assert await surface.farm.storage.read(stored) == ("old", printer["version"])
    async with surface.with_key(key.secret) as client:
        assert (await client.get("/api/v1/me")).json()["groups"] == ["old"]


class Broken(StorageError):
    """A follower fails."""


async def test_a_group_that_something_belongs_to_stays(surface: Surface) -> None:
    printer = await surface.printer(group="hall")
    group = (await named(surface.client))["hall"]
    path = f"{GROUPS}/{group['id']}"
    key = await surface.farm.keys.create("shop", Role.VIEWER, None, frozenset({"hall"}))
    ann = await user(surface, Role.VIEWER, groups=frozenset({"hall", "attic"}))
    said = await refused(await surface.client.delete(path), 409, "group_in_use")
    assert "the key shop" in said
    assert "the user ann" in said
    await surface.client.delete(f"/api/v1/keys/{key.key.id}")
    assert "ann" in await refused(await surface.client.delete(path), 409, "group_in_use")
    await surface.client.patch(f"/api/v1/users/{ann.id}", json={"groups": ["attic"]})
    assert "Left" in await refused(await surface.client.delete(path), 409, "group_in_use")
    await surface.client.delete(f"/api/v1/printers/{printer['id']}")
    assert (await surface.client.delete(path)).status_code == 204
    retired = (await surface.client.get(f"/api/v1/printers/{printer['id']}")).json()
    assert retired["group"] is None


async def test_who_is_confined_sees_only_groups_of_theirs(surface: Surface) -> None:
    theirs = await made(surface, "theirs")
    key = await surface.farm.keys.create("k", Role.OPERATOR, None, frozenset({"ours"}))
    ours = (await named(surface.client))["ours"]
    async with surface.with_key(key.secret) as mine:
        assert await named(mine) == {"ours": ours}
        assert (await mine.get(f"{GROUPS}/{ours['id']}")).json() == ours
        await refused(await mine.get(f"{GROUPS}/{theirs['id']}"), 404, "group_not_found")
        await refused(await mine.patch(f"{GROUPS}/{ours['id']}", json={"name": "x"}), 403,
                      "role_too_low")  # fmt: skip


async def test_of_two_changes_at_once_the_second_is_told(surface: Surface) -> None:
    """Both have read the group as it was."""
    groups = surface.farm.access.groups
    seen = await groups.create("hall")
    await groups.edit(seen, name="attic")
    with pytest.raises(GroupChanged):
        await groups.edit(seen, description="x")
    with pytest.raises(GroupChanged):
        await groups.remove(seen)
    (now,) = await groups.groups()
    assert (now.name, now.description, now.version) == ("attic", "", 2)


async def test_groups_are_read_page_by_page(surface: Surface) -> None:
    for name in ("c", "a", "b"):
        await made(surface, name)
    first = (await surface.client.get(f"{GROUPS}?limit=2")).json()
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    rest = (await surface.client.get(f"{GROUPS}?limit=2&cursor={first['next_cursor']}")).json()
    assert ([one["name"] for one in rest["items"]], rest["next_cursor"]) == (["c"], None)
    one = (await surface.client.get(f"{GROUPS}?name=b")).json()["items"]
    assert [found["name"] for found in one] == ["b"]
