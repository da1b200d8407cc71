"""The audit: whoever changes something is in it, whatever the path, and no secret is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import delete

from buildplate.access import audit_repository
from buildplate.access.model import Role
from buildplate.api.application import ROUTES
from buildplate.drivers.sdk import Capability
from buildplate.storage import StorageError, Tx, script, tables
from tests.service.api.people import PASSWORD, browser, tokens, user
from tests.service.api.surface import GCODE, Surface

Answer = httpx.Response
Act = Callable[[Surface, httpx.AsyncClient], Awaitable[Answer]]
ACTS: dict[str, Act] = {}
SAFE = {"GET", "HEAD", "OPTIONS"}
# The same as their neighbours, with a slash at the end for old clients.
TWINS = {
    "POST /api/v1/jobs/receive/",
    "POST /api/v1/printers/{printer_id}/assign/",
}


def act(action: str) -> Callable[[Act], Act]:
    """Notes how a path is called so that it changes something."""

    def note(run: Act) -> Act:
        ACTS[action] = run
        return run

    return note


def changing() -> set[str]:
    return {
        f"{method} {route.path}"
        for route in ROUTES
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - SAFE
    }


def on(action: str, body: Any = None, **more: Any) -> None:
    """A path that names nothing, or the id that `more` makes."""

    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        method, _, path = action.partition(" ")
        return await client.request(method, path, json=body, **more)

    ACTS[action] = run


ADDED = {
    "name": "New",
    "driver": "paper",
    "connection": {"host": "New", "api_key": "canary-of-a-printer"},
    "model": {"name": "P", "build_volume": {"x": 200, "y": 200, "z": 200}, "nozzles_mm": [0.4]},
}
on("POST /api/v1/printers", ADDED)
on("POST /api/v1/printers/probe", {"driver": "paper", "connection": {"host": "x"}})
on("POST /api/v1/queue/stop", {})
on("POST /api/v1/live/ticket")
on("PATCH /api/v1/settings", {"log_levels": {"api": "info"}})
on("POST /api/v1/queue/release")
on("POST /api/v1/keys", {"name": "new", "role": "viewer"})
on("POST /api/v1/users", {"name": "new", "role": "viewer", "password": "canary-of-a-user"})
on("POST /api/v1/auth/login", {"name": "ann", "password": PASSWORD})
on("POST /api/v1/auth/token", {"name": "ann", "password": PASSWORD})
on("POST /api/v1/files", content=GCODE, headers={"x-filename": "cube.gcode"})


on("POST /api/v1/groups", {"name": "hall"})
on("POST /api/v1/floors", {"name": "ground", "width_mm": 9000, "depth_mm": 6000})


@act("POST /api/v1/auth/refresh")
async def refresh(surface: Surface, client: httpx.AsyncClient) -> Answer:
    spend = {"refresh_token": (await tokens(client))["refresh_token"]}
    return await client.post("/api/v1/auth/refresh", json=spend)


@act("POST /api/v1/auth/logout")
async def logout(surface: Surface, client: httpx.AsyncClient) -> Answer:
    return await client.post("/api/v1/auth/logout")


@act("POST /api/v1/me/password")
async def password(surface: Surface, client: httpx.AsyncClient) -> Answer:
    body = {"old_password": PASSWORD, "new_password": "canary-of-a-user"}
    return await client.post("/api/v1/me/password", json=body)


@act("DELETE /api/v1/me/sessions")
async def end_others(surface: Surface, client: httpx.AsyncClient) -> Answer:
    await browser(surface)
    return await client.delete("/api/v1/me/sessions")


@act("DELETE /api/v1/me/sessions/{session_id}")
async def end_one(surface: Surface, client: httpx.AsyncClient) -> Answer:
    await browser(surface)
    found = (await client.get("/api/v1/me/sessions")).json()["items"]
    other = next(one for one in found if not one["current"])
    return await client.delete(f"/api/v1/me/sessions/{other['id']}")


def on_user(action: str, body: Any = None) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        bob = await user(surface, Role.VIEWER, "bob")
        method = action.partition(" ")[0]
        return await client.request(method, f"/api/v1/users/{bob.id}", json=body)

    ACTS[action] = run


on_user("PATCH /api/v1/users/{user_id}", {"password": "canary-of-a-user", "role": "operator"})
on_user("DELETE /api/v1/users/{user_id}")


def on_group(action: str, body: Any = None) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        hall = await surface.farm.access.groups.create("hall")
        method = action.partition(" ")[0]
        return await client.request(method, f"/api/v1/groups/{hall.id}", json=body)

    ACTS[action] = run


def on_floor(action: str, body: Any = None) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        ground = await surface.farm.floors.create("ground", 9000, 6000)
        method = action.partition(" ")[0]
        return await client.request(method, f"/api/v1/floors/{ground.id}", json=body)

    ACTS[action] = run


on_group("PATCH /api/v1/groups/{group_id}", {"name": "attic"})
on_group("DELETE /api/v1/groups/{group_id}")
on_floor("PATCH /api/v1/floors/{floor_id}", {"name": "attic"})
on_floor("DELETE /api/v1/floors/{floor_id}")


@act("DELETE /api/v1/keys/{key_id}")
async def revoke(surface: Surface, client: httpx.AsyncClient) -> Answer:
    made = await surface.farm.keys.create("old", Role.VIEWER)
    return await client.delete(f"/api/v1/keys/{made.key.id}")


@act("POST /api/v1/setup")
async def set_up(surface: Surface, client: httpx.AsyncClient) -> Answer:
    return await _by_link(surface, client, json=True)


@act("POST /setup")
async def set_up_page(surface: Surface, client: httpx.AsyncClient) -> Answer:
    return await _by_link(surface, client, json=False)


async def _by_link(surface: Surface, client: httpx.AsyncClient, *, json: bool) -> Answer:
    """On a farm that nobody manages: its people and its key are gone."""
    await surface.farm.storage.write(nobody)
    surface.farm.access.sessions.forget()
    token = await surface.farm.access.users.offer_setup()
    body = {"token": token, "name": "ann", "password": "canary-of-a-user"}
    if json:
        return await client.post("/api/v1/setup", json=body)
    return await client.post("/setup", data=body)


@script
async def nobody(tx: Tx) -> None:
    for table in (tables.spent_tokens, tables.user_sessions, tables.users, tables.api_keys):
        await tx.change(delete(table))


def on_file(action: str, body: Any = None) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        file = await surface.file()
        method = action.partition(" ")[0]
        return await client.request(method, f"/api/v1/files/{file['id']}", json=body)

    ACTS[action] = run


on_file("PATCH /api/v1/files/{file_id}", {"name": "other.gcode"})
on_file("DELETE /api/v1/files/{file_id}")


TUS = {"tus-resumable": "1.0.0"}
on("POST /api/v1/uploads", headers=TUS | {"upload-length": "9"})


def on_upload(action: str, content: bytes = b"", **more: str) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        headers = TUS | {"upload-length": "9"}
        begun = await client.post("/api/v1/uploads", headers=headers)
        method, where = action.partition(" ")[0], begun.headers["location"]
        return await client.request(method, where, headers=TUS | more, content=content)

    ACTS[action] = run


PART = {"upload-offset": "0", "content-type": "application/offset+octet-stream"}
on_upload("PATCH /api/v1/uploads/{upload_id}", b"G28", **PART)
on_upload("DELETE /api/v1/uploads/{upload_id}")


@act("POST /api/v1/jobs")
async def order(surface: Surface, client: httpx.AsyncClient) -> Answer:
    return await client.post("/api/v1/jobs", json={"file_id": (await surface.file())["id"]})


@act("POST /api/v1/jobs/receive")
async def receive(surface: Surface, client: httpx.AsyncClient) -> Answer:
    body = {"file_id": (await surface.file())["id"]}
    return await client.post("/api/v1/jobs/receive", json=body)


def on_job(action: str, body: Any = None, **job: Any) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        id_ = (await surface.job(**job))["id"]
        if action.endswith("retry"):
            (print_,) = await surface.prints(id_)
            await surface.client.post(f"/api/v1/prints/{print_['id']}/cancel")
        method, _, path = action.partition(" ")
        return await client.request(method, path.replace("{job_id}", id_), json=body)

    ACTS[action] = run


on_job("PATCH /api/v1/jobs/{job_id}", {"copies": 2})
on_job("POST /api/v1/jobs/{job_id}/hold")
on_job("POST /api/v1/jobs/{job_id}/release", hold=True)
on_job("POST /api/v1/jobs/{job_id}/cancel")
on_job("POST /api/v1/jobs/{job_id}/retry")
on_job("POST /api/v1/jobs/{job_id}/duplicate")


@act("POST /api/v1/queue/reorder")
async def reorder(surface: Surface, client: httpx.AsyncClient) -> Answer:
    first, second = await surface.job(), await surface.job()
    body = {"job_id": second["id"], "before": first["id"]}
    return await client.post("/api/v1/queue/reorder", json=body)


def on_printer(action: str, body: Any = None, *, printing: bool = False) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        if printing:
            _, print_ = await surface.running()
            id_ = print_["printer_id"]
            if action.endswith("resume"):
                await surface.client.post(f"/api/v1/printers/{id_}/pause")
                await surface.until_print(print_["id"], state="paused")
        else:
            id_ = (await surface.printer())["id"]
        method, _, path = action.partition(" ")
        sent = await body(surface, id_) if callable(body) else body
        return await client.request(method, path.replace("{printer_id}", id_), json=sent)

    ACTS[action] = run


async def _bed(surface: Surface, id_: str) -> Any:
    seen = (await surface.client.get(f"/api/v1/printers/{id_}")).json()
    return {"bed_version": seen["bed_version"]}


async def _queued(surface: Surface, id_: str) -> Any:
    await surface.client.post("/api/v1/queue/stop", json={})
    return {"job_id": (await surface.job())["id"]}


on_printer("PATCH /api/v1/printers/{printer_id}", {"enabled": False})
on_printer("DELETE /api/v1/printers/{printer_id}")
on_printer("POST /api/v1/printers/{printer_id}/connect")
on_printer("POST /api/v1/printers/{printer_id}/disconnect")
on_printer("POST /api/v1/printers/{printer_id}/clear-bed", _bed)
on_printer("POST /api/v1/printers/{printer_id}/maintenance", {"on": True})
on_printer("POST /api/v1/printers/{printer_id}/assign", _queued)
on_printer("POST /api/v1/printers/{printer_id}/pause", printing=True)
on_printer("POST /api/v1/printers/{printer_id}/resume", printing=True)
on_printer("POST /api/v1/printers/{printer_id}/cancel", printing=True)
for verb, asked in {
    "home": {},
    "jog": {"x": 1},
    "extrude": {"length": 1},
    "temperature": {"heater": "bed", "target": 40},
    "fan": {"speed": 1},
    "speed": {"speed": 1.1},
    "macro": {"name": "LIGHT"},
    "z-offset": {"by": 0.1},
    "gcode": {"lines": ["M115"]},
    "power": {"device": "light", "on": False},
    "emergency-stop": None,
}.items():
    on_printer(f"POST /api/v1/printers/{{printer_id}}/{verb}", asked)


async def _an_object(surface: Surface, id_: str) -> Any:
    session = surface.farm.fleet.session(id_)
    able = session.manifest.capabilities | {Capability.EXCLUDE_OBJECT}
    session.manifest = replace(session.manifest, capabilities=able)
    return {"name": "left"}


on_printer("POST /api/v1/printers/{printer_id}/exclude-object", _an_object, printing=True)


@act("POST /api/v1/printers/clear-beds")
async def clear_beds(surface: Surface, client: httpx.AsyncClient) -> Answer:
    printer = await surface.printer()
    bed = {"printer_id": printer["id"], "bed_version": printer["bed_version"]}
    return await client.post("/api/v1/printers/clear-beds", json={"beds": [bed]})


def on_print(action: str, body: Any = None, *, running: bool = True) -> None:
    async def run(surface: Surface, client: httpx.AsyncClient) -> Answer:
        if running:
            host, print_ = await surface.running()
            if action.endswith("resume"):
                await surface.client.post(f"/api/v1/prints/{print_['id']}/pause")
                await surface.until_print(print_["id"], state="paused")
            if action.endswith("resolve"):
                await host.forget()
                await surface.until_print(print_["id"], state="needs_attention")
        else:
            await surface.client.post("/api/v1/queue/stop", json={})
            (print_,) = await surface.prints((await surface.job())["id"])
        method, _, path = action.partition(" ")
        return await client.request(method, path.replace("{print_id}", print_["id"]), json=body)

    ACTS[action] = run


on_print("POST /api/v1/prints/{print_id}/confirm", running=False)
on_print("POST /api/v1/prints/{print_id}/cancel")
on_print("POST /api/v1/prints/{print_id}/pause")
on_print("POST /api/v1/prints/{print_id}/resume")
on_print("POST /api/v1/prints/{print_id}/resolve", {"outcome": "failed", "bed": "occupied"})
on_print("POST /api/v1/prints/{print_id}/notes", {"text": "a brim would help"})


@act("POST /api/v1/backups")
async def take_backup(surface: Surface, client: httpx.AsyncClient) -> Answer:
    return await client.post("/api/v1/backups", json={"passphrase": "canary battery staple"})


@act("DELETE /api/v1/backups/{backup_id}")
async def delete_backup(surface: Surface, client: httpx.AsyncClient) -> Answer:
    begun = (await surface.client.post("/api/v1/backups")).json()
    path = f"/api/v1/backups/{begun['id']}"
    await surface.poll(path, lambda seen: bool(seen["state"] == "ready"))
    return await client.delete(path)


def test_every_path_that_changes_something_is_tried() -> None:
    assert set(ACTS) | TWINS == changing()


@pytest.mark.parametrize("action", sorted(ACTS))
async def test_every_change_is_noted(surface: Surface, action: str) -> None:
    ann = await user(surface)
    page = await browser(surface)
    answer = await ACTS[action](surface, page)
    assert answer.status_code < 400, answer.text
    number = answer.headers["x-request-id"]
    lines = await surface.farm.access.audit.entries(1000, None, {"request_id": number})
    assert lines, "nobody noted it"
    for line in lines:
        assert line.action == action
        assert line.address == "127.0.0.1"
        if "setup" not in action:
            assert (line.who_kind, line.who_id, line.who_name) == ("user", ann.id, "ann")
    assert "canary" not in str(lines)


async def test_the_audit_tells_what_was_there_before_and_after(surface: Surface) -> None:
    printer = await surface.printer()
    path = f"/api/v1/printers/{printer['id']}"
    await surface.client.patch(path, json={"location": "the attic", "enabled": False})
    query = "/api/v1/audit?action=PATCH /api/v1/printers/{printer_id}"
    (line,) = (await surface.client.get(query)).json()["items"]
    (change,) = line["changes"]
    assert (change["table"], change["id"]) == ("printers", printer["id"])
    assert change["before"]["location"] is None
    assert change["after"]["location"] == "the attic"
    assert (change["before"]["enabled"], change["after"]["enabled"]) == (1, 0)
    assert "name" not in change["before"], "only what is different"
    assert line["asked"] == {"location": "the attic", "enabled": False}
    assert (line["who_kind"], line["who_name"]) == ("key", "first admin")


async def test_what_changes_many_rows_shows_some_and_counts_the_others(surface: Surface) -> None:
    await surface.job(copies=500, hold=True)
    query = "/api/v1/audit?action=POST /api/v1/jobs"
    (line,) = (await surface.client.get(query)).json()["items"]
    shown = [change for change in line["changes"] if change["table"] == "prints"]
    assert len(line["changes"]) == 51
    assert len(shown) + line["changes"][-1]["more"] == 500


async def test_what_was_refused_changed_nothing_and_is_not_noted(surface: Surface) -> None:
    await surface.client.post("/api/v1/keys", json={"name": "x", "role": "king"})
    await surface.client.delete("/api/v1/keys/00000000-0000-7000-8000-000000000000")
    assert (await surface.client.get("/api/v1/audit")).json()["items"] == []


async def test_the_audit_is_read_page_by_page_and_by_who(surface: Surface) -> None:
    ann = await user(surface)
    page = await browser(surface)
    for n in range(3):
        await page.post("/api/v1/keys", json={"name": f"key {n}", "role": "viewer"})
    await surface.client.post("/api/v1/keys", json={"name": "other", "role": "viewer"})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"/api/v1/audit?limit=1&who_id={ann.id}{'&cursor=' + cursor if cursor else ''}"
        found = (await surface.client.get(query)).json()
        seen += [line["asked"]["name"] for line in found["items"]]
        cursor = found["next_cursor"]
    assert seen == ["key 2", "key 1", "key 0", "ann"]


async def test_a_change_and_its_line_are_one_transaction(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the line cannot be written, the change is not made either."""

    async def broken(*_: Any) -> None:
        raise AuditBroken

    monkeypatch.setattr(audit_repository, "note_deed", broken)
    await surface.client.post("/api/v1/keys", json={"name": "unseen", "role": "viewer"})
    assert (await surface.client.get("/api/v1/keys?name=unseen")).json()["items"] == []


class AuditBroken(StorageError):
    """The audit cannot be written."""
