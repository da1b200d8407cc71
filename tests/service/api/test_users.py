"""Users over HTTP: made, changed, removed; somebody always manages the farm; the first start."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import delete

from buildplate.access.model import Role
from buildplate.access.passwords import Passwords
from buildplate.storage import Tx, script, tables
from tests.service.api.people import PASSWORD, bearer, browser, log_in, tokens, user
from tests.service.api.surface import Surface
from tests.service.api.test_keys import contents

BOB = {"name": "Bob", "role": "operator", "password": PASSWORD, "groups": ["left"]}


@script
async def without_a_way_in(tx: Tx) -> None:
    await tx.change(delete(tables.api_keys))


async def test_a_user_is_made_changed_and_removed(surface: Surface) -> None:
    made = await surface.client.post("/api/v1/users", json=BOB)
    assert made.status_code == 201
    bob = made.json()
    assert (bob["name"], bob["role"], bob["groups"]) == ("bob", "operator", ["left"])
    assert made.headers["location"] == f"/api/v1/users/{bob['id']}"
    path = f"/api/v1/users/{bob['id']}"
    changed = await surface.client.patch(path, json={"groups": None, "role": "viewer"})
    assert (changed.json()["groups"], changed.json()["role"]) == (None, "viewer")
    stale = await surface.client.patch(path, json={"role": "admin"}, headers={"if-match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert [u["name"] for u in (await surface.client.get("/api/v1/users?name=BOB")).json()["items"]]
    assert (await surface.client.delete(path)).status_code == 204
    assert (await surface.client.get(path)).json()["code"] == "user_not_found"
    assert (await surface.client.delete(path)).status_code == 404


async def test_a_password_is_kept_as_a_slow_hash_and_never_answered(
    surface: Surface, tmp_path: Path
) -> None:
    body = BOB | {"password": "canary canary"}
    made = await surface.client.post("/api/v1/users", json=body)
    assert "canary" not in made.text
    assert "argon2" not in made.text + (await surface.client.get("/api/v1/users")).text
    kept = contents(tmp_path)
    assert not [content for content in kept if b"canary" in content]
    assert [content for content in kept if b"$argon2id$" in content]


async def test_names_are_one_s_own_however_they_are_written(surface: Surface) -> None:
    await surface.client.post("/api/v1/users", json=BOB)
    again = await surface.client.post("/api/v1/users", json=BOB | {"name": " bOB "})
    assert (again.status_code, again.json()["code"]) == (409, "user_exists")
    async with surface.with_key(None) as client:
        assert (await log_in(client, "BOB")).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "short"},
        {"password": "aaaaaaaaaaaaaa"},
        {"password": "x" * 201},
        {"name": ""},
        {"name": "a\nb"},
        {"role": "king"},
        {"groups": []},
        {"is_admin": True},
    ],
)
async def test_a_user_that_cannot_be_is_refused(surface: Surface, wrong: dict[str, object]) -> None:
    answer = await surface.client.post("/api/v1/users", json=BOB | wrong)
    assert answer.status_code == 422, answer.text
    assert answer.json()["hint"]


async def test_somebody_always_manages_the_farm(surface: Surface) -> None:
    ann = await user(surface)
    path = f"/api/v1/users/{ann.id}"
    for refused in (
        await surface.client.delete(path),
        await surface.client.patch(path, json={"role": "operator"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_admin_user")
    (first,) = (await surface.client.get("/api/v1/keys")).json()["items"]
    assert (await surface.client.delete(f"/api/v1/keys/{first['id']}")).status_code == 200
    page = await browser(surface)
    await user(surface, name="bob")
    assert (await page.patch(path, json={"role": "operator"})).status_code == 200


async def test_whoever_is_disabled_is_out_at_once_and_comes_in_no_more(surface: Surface) -> None:
    bob = await user(surface, Role.OPERATOR, "bob")
    path = f"/api/v1/users/{bob.id}"
    page = await browser(surface, "bob")
    async with surface.with_key(None) as client:
        pair = await tokens(client, "bob")
        changed = await surface.client.patch(path, json={"disabled": True})
        assert (changed.status_code, changed.json()["disabled"]) == (200, True)
        assert (await page.get("/api/v1/me")).status_code == 401
        headers = bearer(pair["access_token"])
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
        spend = {"refresh_token": pair["refresh_token"]}
        assert (await client.post("/api/v1/auth/refresh", json=spend)).status_code == 401
        wrong = await log_in(client, "bob", "not the password")
        for way in ("login", "token"):
            body = {"name": "bob", "password": PASSWORD}
            refused = await client.post(f"/api/v1/auth/{way}", json=body)
            assert (refused.status_code, refused.json()) == (401, wrong.json())
        await surface.client.patch(path, json={"role": "viewer"})
        assert (await surface.client.get(path)).json()["disabled"] is True
        assert (await log_in(client, "bob")).status_code == 401
        await surface.client.patch(path, json={"disabled": False})
        assert (await log_in(client, "bob")).json()["role"] == "viewer"


async def test_a_new_password_does_not_let_in_whoever_is_disabled(surface: Surface) -> None:
    bob = await user(surface, Role.OPERATOR, "bob")
    path = f"/api/v1/users/{bob.id}"
    await surface.client.patch(path, json={"disabled": True})
    await surface.client.patch(path, json={"password": "another good one"})
    async with surface.with_key(None) as client:
        assert (await log_in(client, "bob", "another good one")).status_code == 401


async def test_the_last_administrator_cannot_be_disabled(surface: Surface) -> None:
    ann = await user(surface)
    path = f"/api/v1/users/{ann.id}"
    refused = await surface.client.patch(path, json={"disabled": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin_user")
    bob = await user(surface, name="bob")
    assert (await surface.client.patch(path, json={"disabled": True})).status_code == 200
    # Whoever is disabled manages nothing: bob is the last one now.
    other = f"/api/v1/users/{bob.id}"
    for last in (
        await surface.client.patch(other, json={"disabled": True}),
        await surface.client.patch(other, json={"role": "operator"}),
        await surface.client.delete(other),
    ):
        assert (last.status_code, last.json()["code"]) == (409, "last_admin_user")
    assert (await surface.client.delete(path)).status_code == 204


async def test_a_login_that_is_overtaken_by_the_disabling_comes_to_nothing(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await user(surface, Role.VIEWER, "bob")
    fits = Passwords.fits

    async def slowly(passwords: Passwords, kept: str | None, password: str) -> bool:
        found = await fits(passwords, kept, password)
        path = f"/api/v1/users/{bob.id}"
        assert (await surface.client.patch(path, json={"disabled": True})).is_success
        return found

    monkeypatch.setattr(Passwords, "fits", slowly)
    async with surface.with_key(None) as client:
        answer = await log_in(client, "bob")
    assert (answer.status_code, answer.json()["code"]) == (401, "login_failed")
    assert await surface.farm.access.sessions._parts.sessions.of_user(bob.id) == []


class Fields(HTMLParser):
    """The fields of the form, and whatever would fetch or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input":
            self.values[given["name"] or ""] = given.get("value") or ""
        if tag in ("script", "img", "link", "iframe") or any(n.startswith("on") for n in given):
            self.active.append(tag)


async def test_the_link_of_the_first_start_makes_one_administrator(surface: Surface) -> None:
    users = surface.farm.access.users
    assert await users.offer_setup() is None, "there is an admin key"
    await surface.farm.storage.write(without_a_way_in)
    dead = await users.offer_setup()
    token = await users.offer_setup()
    assert token is not None
    async with surface.with_key(None) as client:
        for wrong in (dead, "x" * 43, ""):
            assert (await client.get(f"/setup?token={wrong}")).status_code == 409
            assert (await client.get(f"/api/v1/setup?token={wrong}")).json() == {"open": False}
            body = {"token": wrong or "x", "name": "eve", "password": PASSWORD}
            refused = await client.post("/api/v1/setup", json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, "setup_refused")
        page = await client.get(f"/setup?token={token}")
        assert page.headers["referrer-policy"] == "same-origin"
        assert "script-src" not in page.headers["content-security-policy"]
        form = Fields()
        form.feed(page.text)
        assert (form.values["token"], form.active) == (token, [])
        easy = await client.post("/setup", data=form.values | {"name": "a", "password": "short"})
        assert easy.status_code == 422
        assert "10 to 200 characters" in easy.text
        sent = form.values | {"name": "Ann", "password": PASSWORD}
        done = await client.post("/setup", data=sent)
        assert (done.status_code, done.headers["location"]) == (303, "/docs")
        me = (await client.get("/api/v1/me")).json()
        assert (me["name"], me["role"]) == ("ann", "admin")
        assert (await client.post("/setup", data=sent)).status_code == 409
    assert await users.offer_setup() is None


async def test_a_link_is_kept_as_a_hash_and_runs_out(surface: Surface, tmp_path: Path) -> None:
    users = surface.farm.access.users
    await surface.farm.storage.write(without_a_way_in)
    token = await users.offer_setup()
    assert token is not None
    assert not [content for content in contents(tmp_path) if token.encode() in content]
    async with surface.with_key(None) as client:
        assert (await client.get(f"/api/v1/setup?token={token}")).json() == {"open": True}
        now = users._now
        users._now = lambda: now().replace(year=2999)
        assert (await client.get(f"/api/v1/setup?token={token}")).json() == {"open": False}
        body = {"token": token, "name": "eve", "password": PASSWORD}
        assert (await client.post("/api/v1/setup", json=body)).status_code == 409


async def test_roles_cover_those_below(surface: Surface) -> None:
    for role, allowed in ((Role.VIEWER, 403), (Role.OPERATOR, 403), (Role.ADMIN, 200)):
        await user(surface, role, f"a {role}")
        page = await browser(surface, f"a {role}")
        assert (await page.get("/api/v1/users")).status_code == allowed
