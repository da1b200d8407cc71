"""Logging in and out over HTTP: cookies and tokens, other sites, replays and forgeries."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from buildplate.access.model import Role, Standing
from buildplate.access.passwords import Passwords
from buildplate.access.tokens import SECRET_FILE
from tests.service.api.people import ORIGIN, PASSWORD, bearer, browser, log_in, tokens, user
from tests.service.api.surface import Surface


async def test_a_browser_logs_in_works_and_logs_out(surface: Surface) -> None:
    ann = await user(surface)
    page = await browser(surface)
    me = (await page.get("/api/v1/me")).json()
    assert (me["kind"], me["id"], me["name"], me["role"]) == ("user", ann.id, "ann", "admin")
    made = await page.post("/api/v1/keys", json={"name": "shop", "role": "viewer"})
    assert made.status_code == 201
    assert (await page.post("/api/v1/auth/logout")).status_code == 204
    assert not page.cookies


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(surface: Surface) -> None:
    await user(surface)
    async with surface.with_key(None) as client:
        plain = (await log_in(client)).headers["set-cookie"].lower()
    assert "httponly" in plain
    assert "samesite=lax" in plain
    assert "secure" not in plain
    async with surface.with_key(None) as client:
        client.base_url = "https://farm"
        assert "; secure" in (await log_in(client)).headers["set-cookie"].lower()


async def test_a_cookie_is_kept_as_a_hash(surface: Surface, tmp_path: object) -> None:
    await user(surface)
    page = await browser(surface)
    secret = page.cookies["buildplate_session"]
    found = await surface.farm.access.sessions.by_cookie(secret)
    assert secret not in repr(found)


async def test_a_cookie_that_was_logged_out_opens_nothing(surface: Surface) -> None:
    await user(surface)
    page = await browser(surface)
    stolen = page.cookies["buildplate_session"]
    await page.post("/api/v1/auth/logout")
    async with surface.with_key(None) as thief:
        thief.cookies.set("buildplate_session", stolen)
        assert (await thief.get("/api/v1/me")).status_code == 401


async def test_a_change_with_a_cookie_needs_its_csrf_token(surface: Surface) -> None:
    await user(surface)
    await user(surface, name="bob")
    page, other = await browser(surface), await browser(surface, "bob")
    body = {"name": "shop", "role": "viewer"}
    for token in ("", "x", other.headers["x-csrf-token"]):
        refused = await page.post("/api/v1/keys", json=body, headers={"x-csrf-token": token})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_refused"), token
    del page.headers["x-csrf-token"]
    assert (await page.post("/api/v1/keys", json=body)).status_code == 403
    assert (await page.get("/api/v1/keys")).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil", "null", "http://farm.evil", "http://farm:81"])
async def test_another_site_changes_nothing_with_a_cookie(surface: Surface, origin: str) -> None:
    await user(surface)
    page = await browser(surface)
    body = {"name": "shop", "role": "viewer"}
    refused = await page.post("/api/v1/keys", json=body, headers={"origin": origin})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_refused")
    del page.headers["origin"]
    refused = await page.post("/api/v1/keys", json=body, headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    async with surface.with_key(None) as client:
        assert (await log_in(client, origin=origin)).status_code == 403  # login CSRF


async def test_a_session_that_somebody_planted_does_not_become_the_user_s(
    surface: Surface,
) -> None:
    await user(surface)
    await user(surface, name="mallory")
    planted = (await browser(surface, "mallory")).cookies["buildplate_session"]
    async with surface.with_key(None) as victim:
        victim.cookies.set("buildplate_session", planted, domain="farm.local")
        answer = await log_in(victim)
        assert answer.cookies["buildplate_session"] != planted
    async with surface.with_key(None) as mallory:
        mallory.cookies.set("buildplate_session", planted)
        assert (await mallory.get("/api/v1/me")).status_code == 401


async def test_an_access_token_works_until_its_session_ends(surface: Surface) -> None:
    await user(surface)
    async with surface.with_key(None) as client:
        pair = await tokens(client)
        headers = bearer(pair["access_token"])
        assert (await client.get("/api/v1/me", headers=headers)).json()["name"] == "ann"
        assert (await client.post("/api/v1/auth/logout", headers=headers)).status_code == 204
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
        replayed = await client.post(
            "/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}
        )
        assert replayed.status_code == 401


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(
    surface: Surface,
) -> None:
    await user(surface)
    async with surface.with_key(None) as client:
        first = await tokens(client)
        spend = {"refresh_token": first["refresh_token"]}
        second = (await client.post("/api/v1/auth/refresh", json=spend)).json()
        headers = bearer(second["access_token"])
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
        assert (await client.post("/api/v1/auth/refresh", json=spend)).status_code == 401
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
        last = {"refresh_token": second["refresh_token"]}
        assert (await client.post("/api/v1/auth/refresh", json=last)).status_code == 401


async def test_a_token_that_is_forged_opens_nothing(surface: Surface, tmp_path: Path) -> None:
    """The algorithm is ours to choose, never the token's: none, HS384 and RS256 are refused."""
    await user(surface)
    secret = OctKey.import_key((tmp_path / SECRET_FILE).read_text().strip())
    async with surface.with_key(None) as client:
        good = (await tokens(client))["access_token"]
        claims = jwt.decode(good, secret, algorithms=["HS256"]).claims
        head, body, signature = good.split(".")

        def part(value: object) -> str:
            return raw(json.dumps(value).encode())

        def raw(value: bytes) -> str:
            return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

        rsa = RSAKey.generate_key(2048)
        signed = f"{head}.{body}".encode()
        by_public = hmac.digest(rsa.as_pem(private=False), signed, "sha256")
        typ = {"typ": "at+jwt"}
        forged = {
            "none": f"{part({'alg': 'none', **typ})}.{body}.",
            "None": f"{part({'alg': 'None', **typ})}.{body}.{signature}",
            "other claims": f"{head}.{part({**claims, 'sub': 'x'})}.{signature}",
            "HS384": jwt.encode({"alg": "HS384", **typ}, claims, secret, algorithms=["HS384"]),
            "RS256": jwt.encode({"alg": "RS256", **typ}, claims, rsa, algorithms=["RS256"]),
            "public key as secret": f"{head}.{body}.{raw(by_public)}",
            "no type": jwt.encode({"alg": "HS256"}, claims, secret),
            "long life": jwt.encode(
                {"alg": "HS256", **typ}, {**claims, "exp": claims["exp"] + 1}, secret
            ),
            "no session": jwt.encode(
                {"alg": "HS256", **typ}, {k: v for k, v in claims.items() if k != "sid"}, secret
            ),
            "huge": f"{head}.{body}{'A' * 5000}.{signature}",
        }
        assert (await client.get("/api/v1/me", headers=bearer(good))).status_code == 200
        for what, token in forged.items():
            answer = await client.get("/api/v1/me", headers=bearer(token))
            assert answer.status_code == 401, what
        again = jwt.encode({"alg": "HS256", **typ}, claims, secret)
        assert (await client.get("/api/v1/me", headers=bearer(again))).status_code == 200


async def test_a_new_password_ends_the_user_s_sessions(surface: Surface) -> None:
    ann = await user(surface)
    page = await browser(surface)
    async with surface.with_key(None) as client:
        pair = await tokens(client)
        answer = await surface.client.patch(
            f"/api/v1/users/{ann.id}", json={"password": "another good one"}
        )
        assert answer.status_code == 200
        assert (await page.get("/api/v1/me")).status_code == 401
        headers = bearer(pair["access_token"])
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
        assert (await log_in(client)).status_code == 401
        assert (await log_in(client, password="another good one")).status_code == 200


async def test_one_changes_one_s_own_password_knowing_the_old_one(surface: Surface) -> None:
    await user(surface, Role.VIEWER)
    page = await browser(surface)
    wrong = {"old_password": "not the one", "new_password": "another good one"}
    assert (await page.post("/api/v1/me/password", json=wrong)).status_code == 401
    right = {"old_password": PASSWORD, "new_password": "another good one"}
    assert (await page.post("/api/v1/me/password", json=right)).status_code == 204
    assert (await page.get("/api/v1/me")).status_code == 401
    by_key = await surface.client.post("/api/v1/me/password", json=right)
    assert (by_key.status_code, by_key.json()["code"]) == (409, "no_session")


async def test_a_new_role_holds_from_the_next_request_on(surface: Surface) -> None:
    ann = await user(surface)
    await user(surface, name="bob")
    page = await browser(surface)
    assert (await page.get("/api/v1/users")).status_code == 200
    await surface.client.patch(f"/api/v1/users/{ann.id}", json={"role": "viewer"})
    assert (await page.get("/api/v1/users")).status_code == 403
    await surface.client.delete(f"/api/v1/users/{ann.id}")
    assert (await page.get("/api/v1/me")).status_code == 401


async def test_a_key_does_not_log_out(surface: Surface) -> None:
    answer = await surface.client.post("/api/v1/auth/logout")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_session")


async def test_a_session_ends_by_itself_when_it_is_idle_and_when_it_is_old(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    await user(surface)
    ahead = timedelta()
    clock = surface.farm.access.sessions._parts
    now = clock.now
    object.__setattr__(clock, "now", lambda: now() + ahead)
    page = await browser(surface)
    for _ in range(3):
        ahead += timedelta(hours=11)
        assert (await page.get("/api/v1/me")).status_code == 200
    ahead += timedelta(hours=12)
    assert (await page.get("/api/v1/me")).status_code == 401
    page = await browser(surface)
    for _ in range(15):
        ahead += timedelta(hours=11)
        assert (await page.get("/api/v1/me")).status_code == 200
    ahead += timedelta(hours=5)
    assert (await page.get("/api/v1/me")).status_code == 401
    assert ORIGIN


async def test_what_a_session_that_was_idle_too_long_has_open_ends_with_it(
    surface: Surface,
) -> None:
    await user(surface)
    ahead = timedelta()
    sessions = surface.farm.access.sessions
    clock = sessions._parts
    now = clock.now
    object.__setattr__(clock, "now", lambda: now() + ahead)
    page = await browser(surface)
    caller = await sessions.by_cookie(page.cookies["buildplate_session"])
    ahead += timedelta(hours=11)
    assert await surface.farm.access.standing(caller) is Standing.SAME
    assert (await page.get("/api/v1/me")).status_code == 200
    ahead += timedelta(hours=11)
    assert await surface.farm.access.standing(caller) is Standing.SAME
    ahead += timedelta(hours=1)
    assert await surface.farm.access.standing(caller) is Standing.GONE
    assert (await page.get("/api/v1/me")).status_code == 401


async def test_an_origin_that_is_none_is_refused_and_no_mistake_of_the_server(
    surface: Surface,
) -> None:
    await user(surface)
    async with surface.with_key(None) as client:
        for origin in ("http://[", "null", "https://"):
            answer = await log_in(client, origin=origin)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused")


async def test_a_browser_sends_the_set_up_form_with_this_server_as_its_origin(
    surface: Surface,
) -> None:
    """Under `no-referrer` it would say `Origin: null`, and nobody could set the farm up."""
    async with surface.with_key(None) as client:
        page = await client.get("/setup", params={"token": "x"})
        assert page.headers["referrer-policy"] == "same-origin"
        sent = await client.post("/setup", data={"token": "x"}, headers=ORIGIN)
        assert sent.status_code != 403, sent.text


async def test_a_login_that_a_new_password_overtakes_comes_to_nothing(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await user(surface)
    fits = Passwords.fits

    async def slowly(passwords: Passwords, kept: str | None, password: str) -> bool:
        found = await fits(passwords, kept, password)
        body = {"password": "another long password"}
        changed = await surface.client.patch(f"/api/v1/users/{ann.id}", json=body)
        assert changed.is_success, changed.text
        return found

    monkeypatch.setattr(Passwords, "fits", slowly)
    async with surface.with_key(None) as client:
        body = {"name": "ann", "password": PASSWORD}
        for path in ("login", "token"):
            answer = await client.post(f"/api/v1/auth/{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (401, "login_failed"), path
            monkeypatch.setattr(Passwords, "fits", fits)
            again = {"password": PASSWORD}
            await surface.client.patch(f"/api/v1/users/{ann.id}", json=again)
            monkeypatch.setattr(Passwords, "fits", slowly)


async def sessions(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/me/sessions")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_one_sees_where_one_is_logged_in_and_nobody_else_s_sessions(
    surface: Surface,
) -> None:
    await user(surface, Role.VIEWER)
    await user(surface, name="bob")
    page, _ = await browser(surface), await browser(surface, "bob")
    async with surface.with_key(None) as client:
        pair = await tokens(client)
        assert {(one["kind"], one["current"]) for one in await sessions(page)} == {
            ("browser", True), ("program", False),
        }  # fmt: skip
        answer = await client.get("/api/v1/me/sessions", headers=bearer(pair["access_token"]))
        by_token = answer.json()["items"]
        assert [one["kind"] for one in by_token if one["current"]] == ["program"]
    (mine,) = [one for one in await sessions(page) if one["current"]]
    assert mine["address"] == "127.0.0.1"
    assert mine["created_at"] <= mine["seen_at"] < mine["expires_at"]
    assert page.cookies["buildplate_session"] not in answer.text
    assert "sha256" not in answer.text
    key = await surface.client.get("/api/v1/me/sessions")
    assert (key.status_code, key.json()["code"]) == (409, "no_session")


async def test_one_ends_one_of_one_s_sessions_or_all_others(surface: Surface) -> None:
    await user(surface, Role.VIEWER)
    here, there, elsewhere = [await browser(surface) for _ in range(3)]
    (away,) = [one for one in await sessions(there) if one["current"]]
    assert (await here.delete(f"/api/v1/me/sessions/{away['id']}")).status_code == 204
    assert (await there.get("/api/v1/me")).status_code == 401
    assert (await elsewhere.get("/api/v1/me")).status_code == 200
    again = await here.delete(f"/api/v1/me/sessions/{away['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")
    async with surface.with_key(None) as client:
        pair = await tokens(client)
        assert (await here.delete("/api/v1/me/sessions")).status_code == 204
        headers = bearer(pair["access_token"])
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    assert (await elsewhere.get("/api/v1/me")).status_code == 401
    (left,) = await sessions(here)
    ended = await here.delete(f"/api/v1/me/sessions/{left['id']}")
    assert (ended.status_code, dict(here.cookies)) == (204, {})


async def test_nobody_ends_a_session_of_somebody_else(surface: Surface) -> None:
    await user(surface)
    await user(surface, Role.VIEWER, "bob")
    ann, bob = await browser(surface), await browser(surface, "bob")
    (his,) = await sessions(bob)
    refused = await ann.delete(f"/api/v1/me/sessions/{his['id']}")
    assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found")
    await ann.delete("/api/v1/me/sessions")
    assert (await bob.get("/api/v1/me")).status_code == 200
    for path in ("/api/v1/me/sessions", f"/api/v1/me/sessions/{his['id']}"):
        key = await surface.client.delete(path)
        assert (key.status_code, key.json()["code"]) == (409, "no_session")


async def test_a_session_that_ran_out_is_not_listed(surface: Surface) -> None:
    await user(surface)
    ahead = timedelta()
    parts = surface.farm.access.sessions._parts
    now = parts.now
    object.__setattr__(parts, "now", lambda: now() + ahead)
    await browser(surface)
    ahead += timedelta(hours=13)
    page = await browser(surface)
    assert [one["current"] for one in await sessions(page)] == [True]
