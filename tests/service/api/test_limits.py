"""How much is too much: of one caller, of one address, and of wrong passwords and keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from buildplate.access.model import Role
from buildplate.access.passwords import PasswordLimits, Passwords
from tests.service.api.people import PASSWORD, browser, log_in, user
from tests.service.api.surface import Surface, open_surface

NOBODYS = "bp_" + "x" * 43


@asynccontextmanager
async def limited(folder: Path, **limits: Any) -> AsyncIterator[Surface]:
    async with open_surface(folder, **limits) as surface:
        yield surface


def refused(answer: httpx.Response) -> None:
    """A problem that says how long to wait."""
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 300


async def statuses(client: httpx.AsyncClient, count: int, path: str, **more: Any) -> list[int]:
    return [(await client.get(path, **more)).status_code for _ in range(count)]


async def test_a_key_that_sends_too_much_waits_and_others_do_not(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=5) as surface:
        async with await surface.caller(Role.VIEWER) as caller:
            assert await statuses(caller, 6, "/api/v1/jobs") == [200] * 5 + [429]
            refused(await caller.get("/api/v1/printers"))
        assert await statuses(surface.client, 2, "/api/v1/jobs") == [200, 200]


async def test_open_paths_bear_so_much_of_one_address(tmp_path: Path) -> None:
    async with limited(tmp_path, open_requests_per_minute=5) as surface:
        async with surface.with_key(None) as nobody:
            found = [(await nobody.get("/health")).status_code for _ in range(4)]
            assert found == [200] * 4
            assert (await nobody.get("/api/v1/jobs")).status_code == 401
            for path in ("/health", "/docs", "/openapi.json", "/api/v1/jobs", "/setup"):
                refused(await nobody.get(path))
            refused(await log_in(nobody))
        assert (await surface.client.get("/api/v1/jobs")).status_code == 200


async def test_wrong_keys_are_a_few_tries_and_a_known_key_still_works(tmp_path: Path) -> None:
    async with limited(tmp_path) as surface:
        surface.farm.access.limits._failures = type(surface.farm.access.limits._failures)(5)
        made = await surface.farm.keys.create("not seen yet", Role.VIEWER)
        await surface.client.get("/api/v1/jobs")
        async with surface.with_key(NOBODYS) as thief:
            assert await statuses(thief, 6, "/api/v1/jobs") == [401] * 5 + [429]
            refused(await thief.get("/api/v1/jobs"))
        async with surface.with_key(None) as thief:
            for wrong in ("a.b.c", "no key at all", "bp_short"):
                headers = {"authorization": f"Bearer {wrong}"}
                refused(await thief.get("/api/v1/jobs", headers=headers))
        async with surface.with_key(made.secret) as late:
            refused(await late.get("/api/v1/jobs"))
        assert (await surface.client.get("/api/v1/jobs")).status_code == 200


async def test_wrong_cookies_are_a_few_tries_too(tmp_path: Path) -> None:
    async with limited(tmp_path) as surface:
        surface.farm.access.limits._failures = type(surface.farm.access.limits._failures)(5)
        await user(surface)
        known = await browser(surface)
        assert (await known.get("/api/v1/jobs")).status_code == 200
        cookie = {"cookie": "buildplate_session=bps_" + "x" * 43}
        async with surface.with_key(None) as thief:
            assert await statuses(thief, 6, "/api/v1/jobs", headers=cookie) == [401] * 5 + [429]
            refused(await thief.get("/api/v1/jobs", headers=cookie))
        assert (await known.get("/api/v1/jobs")).status_code == 200
        await known.aclose()


def stop_the_clock(surface: Surface) -> None:
    """An account rests from the beginning of a try on: on a busy machine a check takes longer."""
    now = time.monotonic()
    surface.farm.access.sessions._parts.lockout._now = lambda: now


async def test_a_password_cannot_be_tried_out(surface: Surface) -> None:
    """Five tries are free, then the account rests: for the right password too."""
    stop_the_clock(surface)
    await user(surface)
    async with surface.with_key(None) as thief:
        tries = [await log_in(thief, password=f"guess number {n}") for n in range(5)]
        assert [one.status_code for one in tries] == [401] * 5
        assert {one.json()["code"] for one in tries} == {"login_failed"}
        refused(await log_in(thief, password="one more guess"))
        refused(await log_in(thief))
        body = {"name": "ANN", "password": PASSWORD}
        refused(await thief.post("/api/v1/auth/token", json=body))


async def test_many_guesses_at_once_are_no_more_than_in_a_row(surface: Surface) -> None:
    stop_the_clock(surface)
    await user(surface)
    async with surface.with_key(None) as thief:
        tries = await asyncio.gather(*(log_in(thief, password=f"guess {n}") for n in range(30)))
    assert sum(one.status_code == 401 for one in tries) == 5
    assert sum(one.status_code == 429 for one in tries) == 25


async def test_an_unknown_name_looks_like_a_wrong_password(surface: Surface) -> None:
    """The same answer, the same rest after the same number of tries, and one password check."""
    stop_the_clock(surface)
    await user(surface)
    checked: list[bool] = []
    passwords = surface.farm.access.sessions._parts.passwords
    verify = passwords._verified

    def counting(kept: str, password: str) -> bool:
        checked.append(kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$"))
        return verify(kept, password)

    passwords._verified = counting  # type: ignore[method-assign]
    answers = {}
    for name in ("ann", "nobody"):
        async with surface.with_key(None) as thief:
            tries = [await log_in(thief, name, "not the right one") for _ in range(6)]
        answers[name] = [
            {k: v for k, v in one.json().items() if k != "detail"} | {"status": one.status_code}
            for one in tries
        ]
    assert answers["ann"] == answers["nobody"]
    assert checked == [True] * 10


async def test_one_address_tries_few_accounts(tmp_path: Path) -> None:
    async with limited(tmp_path) as surface:
        limits = surface.farm.access.limits
        limits._logins = type(limits._logins)(4)
        async with surface.with_key(None) as thief:
            tries = [await log_in(thief, f"user {n}", "123456789 once") for n in range(5)]
            assert [one.status_code for one in tries] == [401] * 4 + [429]
            refused(tries[-1])
            spend = {"refresh_token": "bpr_" + "x" * 43}
            refused(await thief.post("/api/v1/auth/refresh", json=spend))


async def test_more_passwords_than_can_be_checked_are_turned_away(surface: Surface) -> None:
    await user(surface)
    small = Passwords(PasswordLimits(workers=1, waiting=1))
    parts = surface.farm.access.sessions._parts
    object.__setattr__(parts, "passwords", small)
    async with surface.with_key(None) as client:
        names = [f"user {n}" for n in range(4)]
        tries = await asyncio.gather(*(log_in(client, name, "some password") for name in names))
        codes = sorted(one.json()["code"] for one in tries)
        assert codes == ["login_busy", "login_busy", "login_failed", "login_failed"]
        busy = next(one for one in tries if one.status_code == 503)
        assert int(busy.headers["retry-after"]) > 0
        async with asyncio.timeout(5):
            while (await log_in(client)).status_code != 200:
                await asyncio.sleep(0.05)
    small.close()


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/token"])
async def test_no_password_is_ever_logged(surface: Surface, path: str, capfd: Any) -> None:
    await user(surface)
    async with surface.with_key(None) as client:
        for password in (PASSWORD, "a wrong one, canary"):
            await client.post(path, json={"name": "ann", "password": password})
        await client.post(path, json={"name": "ann", "password": ["canary"]})
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err
    assert "canary" not in said.out + said.err
