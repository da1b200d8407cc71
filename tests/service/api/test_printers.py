"""Printers over HTTP: described, changed, probed, cleared, retired; secrets never come back."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildplate.access.model import Role
from buildplate.drivers.marlin import DRIVER as SERIAL
from buildplate.drivers.sdk import Driver, DriverTimings
from buildplate.fleet.errors import VersionMismatch
from tests.service.api.paper import KEY, PaperHost, paper_manifest
from tests.service.api.surface import VOLUME, Surface, open_surface
from tests.unit.drivers.marlin.pty_board import on_a_port
from tests.unit.protocols.bad_wire import PlainFirmware

FULL = {
    "model": {
        "name": "Paper 200",
        "build_volume": VOLUME,
        "nozzles_mm": [0.4, 0.6],
        "max_nozzle_c": 260.0,
        "max_bed_c": 90.0,
        "kinematics": "delta",
        "origin": "centre",
    },
    "plate": "PEI",
    "materials": [
        {"tool": 0, "type": "PLA", "color": "black", "variant": "matte", "remaining_g": 500.0}
    ],
    "tags": ["a", "b"],
    "location": "Shelf 2",
    "group": "small",
    "enabled": True,
    "bed_policy": {"clear": "automatic", "macro": None},
    "start_policy": "confirm",
}


async def test_what_is_said_of_a_printer_is_what_is_shown(surface: Surface) -> None:
    added = await surface.printer("Left", **FULL)
    assert {name: added[name] for name in FULL} == FULL
    assert (added["number"], added["ready"], added["link"]) == (1, True, "online")
    listed = (await surface.client.get("/api/v1/printers")).json()["items"]
    assert listed == [added]


async def test_what_is_said_of_a_printer_outlives_a_restart(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as first:
        await first.printer("Left", **FULL)
    async with open_surface(tmp_path) as second:
        (seen,) = (await second.client.get("/api/v1/printers")).json()["items"]
        assert {name: seen[name] for name in FULL} == FULL


async def test_a_secret_never_comes_back_and_stays_unless_it_is_changed(surface: Surface) -> None:
    added = await surface.printer()
    path = f"/api/v1/printers/{added['id']}"
    assert added["connection"] == {"host": "Left", "api_key": {"set": True}}
    for change in (
        {"connection": {"tls": True}},
        {"connection": {"host": "Left", "api_key": {"set": True}, "tls": False}},
        {"connection": None},
        {"location": "Shelf 3"},
    ):
        answer = await surface.client.patch(path, json=change)
        assert answer.status_code == 200
        assert KEY not in answer.text
        record = surface.farm.fleet.session(added["id"]).record
        assert surface.farm.fleet.seals.open(record.id, record.connection)["api_key"] == KEY
    assert (await surface.until(added["id"], link="online"))["connection"]["tls"] is False
    await surface.client.patch(path, json={"connection": {"api_key": "wrong"}})
    refused = await surface.until(added["id"], link="auth_required")
    assert refused["hint"]
    await surface.client.patch(path, json={"connection": {"api_key": None, "tls": None}})
    assert surface.farm.fleet.session(added["id"]).record.connection == {"host": "Left"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"connection": {"host": 5}}, "invalid_connection"),
        ({"connection": {"port": 5}}, "invalid_connection"),
        ({"driver": "paper"}, "invalid_request"),
        ({"number": 7}, "invalid_request"),
        ({"name": None}, "invalid_request"),
        ({"name": ""}, "invalid_request"),
        ({"model": {"build_volume": {"x": 1, "y": 1, "z": False}}}, "invalid_request"),
        ({"model": {"build_volume": {"x": 1, "y": 1, "z": 0}}}, "invalid_request"),
        ({"materials": [{"tool": 0}]}, "invalid_request"),
        ({"enabled": "yes"}, "invalid_request"),
        ({"bed_policy": {"clear": "macro", "macro": "EJECT"}}, "invalid_printer"),
    ],
)
async def test_a_wrong_change_changes_nothing(
    surface: Surface, change: dict[str, Any], code: str
) -> None:
    added = await surface.printer()
    answer = await surface.client.patch(f"/api/v1/printers/{added['id']}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    seen = (await surface.client.get(f"/api/v1/printers/{added['id']}")).json()
    assert seen["version"] == added["version"]


async def test_null_takes_a_field_back_to_its_default(surface: Surface) -> None:
    added = await surface.printer("Left", **FULL)
    change = {"plate": None, "tags": None, "model": {"max_bed_c": None}, "start_policy": None}
    path = f"/api/v1/printers/{added['id']}"
    seen = (await surface.client.patch(path, json=change)).json()
    assert (seen["plate"], seen["tags"], seen["start_policy"]) == (None, [], "automatic")
    assert seen["model"] == FULL["model"] | {"max_bed_c": None}  # type: ignore[operator]


async def test_a_change_names_the_version_it_is_made_against(surface: Surface) -> None:
    added = await surface.printer()
    path = f"/api/v1/printers/{added['id']}"
    tag = (await surface.client.get(path)).headers["etag"]
    first = await surface.client.patch(path, json={"plate": "A"}, headers={"if-match": tag})
    late = await surface.client.patch(path, json={"plate": "B"}, headers={"if-match": tag})
    assert (first.status_code, late.status_code) == (200, 412)
    assert late.json()["code"] == "version_mismatch"


async def test_an_operator_changes_what_lies_on_a_printer_and_nothing_else(
    surface: Surface,
) -> None:
    added = await surface.printer()
    path = f"/api/v1/printers/{added['id']}"
    async with await surface.caller(Role.OPERATOR) as operator:
        floor_work = {"materials": [{"tool": 0, "type": "PETG"}], "plate": "PEI", "enabled": True}
        assert (await operator.patch(path, json=floor_work)).status_code == 200
        for change in ({"name": "X"}, {"connection": {"host": "evil"}}, {"plate": "A", "tags": []}):
            answer = await operator.patch(path, json=change)
            assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
    async with await surface.caller(Role.VIEWER) as viewer:
        assert (await viewer.patch(path, json={"plate": "A"})).status_code == 403


async def test_two_printers_cannot_have_one_name(surface: Surface) -> None:
    await surface.printer("Left")
    body = {"name": "Left", "driver": "paper", "connection": {"host": "x"}}
    answer = await surface.client.post("/api/v1/printers", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "X", "driver": "telepathy"}, "driver_not_found"),
        ({"name": "X", "driver": "paper"}, "invalid_connection"),
        ({"driver": "paper", "connection": {"host": "x"}}, "invalid_request"),
    ],
)
async def test_a_printer_that_cannot_be_is_refused(
    surface: Surface, body: dict[str, Any], code: str
) -> None:
    answer = await surface.client.post("/api/v1/printers", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_wrong_setting_of_a_connection_is_named_as_in_the_request(surface: Surface) -> None:
    body = {"driver": "paper", "connection": {"host": "x", "tls": "no"}}
    wanted = [{"field": "body.connection.tls", "detail": "is true or false"}]
    for path in ("/api/v1/printers", "/api/v1/printers/probe"):
        named = body | ({} if path.endswith("probe") else {"name": "X"})
        answer = await surface.client.post(path, json=named)
        assert (answer.status_code, answer.json()["errors"]) == (422, wanted)


async def test_drivers_show_their_forms(surface: Surface) -> None:
    (driver,) = (await surface.client.get("/api/v1/drivers")).json()["items"]
    assert (driver["name"], driver["secrets"]) == ("paper", ["api_key"])
    assert driver["connection_schema"]["required"] == ["host"]
    assert driver["capabilities"] == sorted(paper_manifest({}).capabilities)
    assert "gcode" in driver["capabilities"]


async def test_a_connection_is_tried_before_it_is_saved(surface: Surface) -> None:
    surface.floor["off"] = PaperHost("off", online=False)
    path = "/api/v1/printers/probe"
    for connection, wanted in (
        ({"host": "new", "api_key": KEY}, {"ok": True, "software": "paper", "name": "new"}),
        ({"host": "new", "api_key": "no"}, {"ok": False, "code": "auth_required"}),
        ({"host": "off", "api_key": KEY}, {"ok": False, "code": "offline"}),
    ):
        body = {"driver": "paper", "connection": connection}
        found = (await surface.client.post(path, json=body)).json()
        assert {name: found[name] for name in wanted} == wanted
        assert found["ok"] or found["hint"]
    wrong = await surface.client.post(path, json={"driver": "paper", "connection": {}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_connection")
    assert (await surface.client.get("/api/v1/printers")).json()["items"] == []


async def test_a_changed_connection_is_tried_with_the_stored_key(surface: Surface) -> None:
    added = await surface.printer()
    body = {"driver": "paper", "printer_id": added["id"]}
    for connection in ({"host": "Left"}, {"host": "Left", "api_key": {"set": True}}):
        found = await surface.client.post(
            "/api/v1/printers/probe", json=body | {"connection": connection}
        )
        assert (found.json()["ok"], found.json()["name"]) == (True, "Left")
        assert KEY not in found.text
    wrong = body | {"connection": {"host": "Left", "api_key": "typed"}}
    found = await surface.client.post("/api/v1/printers/probe", json=wrong)
    assert found.json()["code"] == "auth_required", "the typed key is the one that is tried"
    by_number = body | {"printer_id": added["number"], "connection": {"host": "Left"}}
    assert (await surface.client.post("/api/v1/printers/probe", json=by_number)).json()["ok"]


@pytest.mark.parametrize("api_key", [{}, {"api_key": {"set": True}}])
async def test_a_stored_key_is_never_sent_to_another_host(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, api_key: dict[str, Any]
) -> None:
    added = await surface.printer()
    met: list[dict[str, Any]] = []
    make = surface.farm.fleet.manifests["paper"].make

    def watched(connection: Mapping[str, Any], timings: DriverTimings) -> Driver:
        met.append(dict(connection))
        return make(connection, timings)

    manifest = surface.farm.fleet.manifests["paper"]
    watching = replace(manifest, make=watched)
    monkeypatch.setitem(surface.farm.fleet.manifests, "paper", watching)
    for change in ({"host": "evil"}, {"host": "Left", "tls": False}):
        body = {"driver": "paper", "printer_id": added["id"], "connection": change | api_key}
        refused = await surface.client.post("/api/v1/printers/probe", json=body)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (422, "secret_not_sent")
        assert [one["field"] for one in problem["errors"]] == ["body.connection.api_key"]
        assert "again" in problem["hint"]
    assert met == [], "nobody was asked"
    assert "evil" not in surface.floor
    typed = {"driver": "paper", "printer_id": added["id"]}
    typed["connection"] = {"host": "other", "api_key": KEY}
    assert (await surface.client.post("/api/v1/printers/probe", json=typed)).json()["ok"]


async def test_a_stored_key_is_tried_by_administrators_and_by_its_own_driver_alone(
    surface: Surface,
) -> None:
    added = await surface.printer()
    body = {"driver": "paper", "printer_id": added["id"], "connection": {"host": "Left"}}
    for role in (Role.VIEWER, Role.OPERATOR):
        async with await surface.caller(role) as caller:
            refused = await caller.post("/api/v1/printers/probe", json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low")
    manifest = surface.farm.fleet.manifests["paper"]
    surface.farm.fleet.manifests["other"] = replace(  # type: ignore[index]
        manifest, name="other"
    )
    stranger = await surface.client.post("/api/v1/printers/probe", json=body | {"driver": "other"})
    assert (stranger.status_code, stranger.json()["code"]) == (422, "invalid_printer")
    gone = body | {"printer_id": 99}
    unknown = await surface.client.post("/api/v1/printers/probe", json=gone)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "printer_not_found")
    assert (await surface.client.delete("/api/v1/printers/1")).status_code == 204
    retired = await surface.client.post("/api/v1/printers/probe", json=body)
    assert (retired.status_code, retired.json()["code"]) == (404, "printer_not_found")


async def test_printers_are_listed_by_number_page_by_page(surface: Surface) -> None:
    for name in ("A", "B", "C"):
        await surface.printer(name)
    first = (await surface.client.get("/api/v1/printers?limit=2")).json()
    assert [p["name"] for p in first["items"]] == ["A", "B"]
    assert (await surface.client.delete("/api/v1/printers/1")).status_code == 204
    rest = await surface.client.get(f"/api/v1/printers?cursor={first['next_cursor']}")
    assert [p["name"] for p in rest.json()["items"]] == ["C"]
    assert rest.json()["next_cursor"] is None
    named = (await surface.client.get("/api/v1/printers?name=B&live=true")).json()["items"]
    assert [p["state"]["link"] for p in named] == ["online"]


async def test_the_list_shows_each_printer_as_it_is_now(surface: Surface) -> None:
    async def same() -> dict[str, Any]:
        (listed,) = (await surface.client.get("/api/v1/printers")).json()["items"]
        alone: dict[str, Any] = (await surface.client.get("/api/v1/printers/1")).json()
        assert listed == alone
        return alone

    host, print_ = await surface.running()
    assert (await same())["print_id"] == print_["id"]
    await surface.client.patch("/api/v1/printers/1", json={"plate": "PEI"})
    assert (await same())["plate"] == "PEI"
    await host.forget()
    await surface.until(1, needs_attention=True)
    assert (await same())["needs_attention"] is True
    await host.vanish()
    await surface.until(1, link="offline")
    assert (await same())["problem"]
    assert (await same())["problem_code"] == "offline"
    await host.return_()
    await surface.client.post("/api/v1/printers/1/connect")
    await surface.until(1, link="online")
    assert [(await same())[key] for key in ("problem", "problem_code")] == ["", ""]


async def test_a_retired_printer_keeps_its_history_and_frees_its_name(surface: Surface) -> None:
    host, print_ = await surface.running()
    path = f"/api/v1/printers/{print_['printer_id']}"
    busy = await surface.client.delete(path)
    assert (busy.status_code, busy.json()["code"]) == (409, "printer_has_active_print")
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    assert (await surface.client.delete(path)).status_code == 204
    retired = (await surface.client.get(path)).json()
    assert retired["retired_at"] is not None
    assert retired["link"] is None
    found = (await surface.client.get(f"/api/v1/prints?printer={retired['number']}")).json()
    assert [one["id"] for one in found["items"]] == [print_["id"]]
    for call in ("state", "connect", "disconnect", "clear-bed", "maintenance"):
        method = "GET" if call == "state" else "POST"
        body = {"clear-bed": {"bed_version": 1}, "maintenance": {"on": True}}.get(call)
        answer = await surface.client.request(method, f"{path}/{call}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "printer_not_found"), call
    assert (await surface.printer("Left"))["number"] == 2


async def test_the_state_says_what_is_known_and_how_old_it_is(surface: Surface) -> None:
    _, print_ = await surface.running()
    state = (await surface.client.get("/api/v1/printers/1/state")).json()
    assert (state["link"], state["activity"], state["bed"]) == ("online", "ours", "occupied")
    assert state["temperatures"] == {"tool0": {"actual": 21.5, "target": 0.0}}
    assert (state["print_id"], state["progress"]) == (print_["id"], 0.25)
    assert 0 <= state["age_s"] < 10
    await surface.floor["Left"].vanish()
    await surface.until(1, link="offline")
    lost = (await surface.client.get("/api/v1/printers/1/state")).json()
    assert (lost["activity"], lost["ready"], lost["print_id"]) == ("unknown", False, print_["id"])
    assert (bool(lost["problem"]), lost["problem_code"]) == (True, "offline")


async def test_clearing_names_the_bed_that_was_seen(surface: Surface) -> None:
    host, print_ = await surface.running()
    path = f"/api/v1/printers/{print_['printer_id']}"
    seen = (await surface.client.get(path)).json()["bed_version"]
    busy = await surface.client.post(f"{path}/clear-bed", json={"bed_version": seen})
    assert (busy.status_code, busy.json()["code"]) == (409, "printer_has_active_print")
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    version = (await surface.until(1, print_id=None))["bed_version"]
    stale = await surface.client.post(f"{path}/clear-bed", json={"bed_version": version - 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "bed_changed")
    for body in ({}, {"bed_version": True}, {"bed_version": None}):
        blind = await surface.client.post(f"{path}/clear-bed", json=body)
        assert blind.status_code == 422
        assert "bed_version" in blind.json()["hint"]
    assert (await surface.client.post(f"{path}/clear-bed")).status_code == 422
    cleared = await surface.client.post(f"{path}/clear-bed", json={"bed_version": version})
    assert (cleared.status_code, cleared.json()["bed"]) == (200, "clear")
    again = await surface.client.post(f"{path}/clear-bed", json={"bed_version": version})
    assert again.status_code == 409


async def test_many_beds_are_cleared_at_once_each_for_itself(surface: Surface) -> None:
    names = ("A", "B", "C")
    for name in names:
        body = {"name": name, "driver": "paper", "connection": {"host": name, "api_key": KEY}}
        await surface.client.post("/api/v1/printers", json=body)
    seen = [await surface.until(n, link="online") for n in (1, 2, 3)]
    beds = [{"printer_id": p["id"], "bed_version": p["bed_version"]} for p in seen]
    beds[1]["bed_version"] += 1
    beds[2]["printer_id"] = 3
    beds.append({"printer_id": 99, "bed_version": 1})
    answer = await surface.client.post("/api/v1/printers/clear-beds", json={"beds": beds})
    results = answer.json()["results"]
    assert [one["ok"] for one in results] == [True, False, True, False]
    assert [one.get("code") for one in results] == [None, "bed_changed", None, "printer_not_found"]
    now = (await surface.client.get("/api/v1/printers")).json()["items"]
    assert [p["bed"] for p in now] == ["clear", "unknown", "clear"]


async def test_a_printer_in_maintenance_takes_nothing_new(surface: Surface) -> None:
    printer = await surface.printer()
    path = f"/api/v1/printers/{printer['id']}/maintenance"
    seen = (await surface.client.post(path, json={"on": True})).json()
    assert (seen["maintenance"], seen["ready"]) == (True, False)
    edited = f"/api/v1/printers/{printer['id']}"
    assert (await surface.client.patch(edited, json={"plate": "A"})).json()["maintenance"] is True
    again = (await surface.client.post(path, json={"on": True})).json()
    assert again["version"] == seen["version"] + 1
    assert (await surface.client.post(path, json={"on": False})).json()["ready"] is True


async def test_a_printer_that_came_back_is_reached_at_once_when_asked(surface: Surface) -> None:
    printer = await surface.printer()
    host = surface.floor["Left"]
    await host.vanish()
    await surface.until(printer["id"], link="offline")
    await host.return_()
    answer = await surface.client.post(f"/api/v1/printers/{printer['id']}/connect")
    assert answer.status_code == 202
    await surface.until(printer["id"], link="online")


async def test_a_disconnected_printer_is_left_alone_until_it_is_connected(
    surface: Surface,
) -> None:
    printer = await surface.printer()
    path = f"/api/v1/printers/{printer['id']}"
    for _ in range(2):
        off = await surface.client.post(f"{path}/disconnect")
        told = off.json()
        assert (off.status_code, told["link"], told["ready"]) == (200, "disabled", False)
    seen = (await surface.client.get(path)).json()
    assert (seen["enabled"], seen["version"]) == (False, printer["version"] + 1)
    on = await surface.client.post(f"{path}/connect")
    assert (on.status_code, on.json()["link"]) == (202, "connecting")
    back = await surface.until(printer["id"], link="online", ready=True)
    assert back["enabled"] is True


@pytest.mark.parametrize(
    "change", ["disconnect", {"enabled": False}, {"connection": {"tls": True}}]
)
async def test_a_link_is_not_closed_under_a_print_that_lives_in_it(
    surface: Surface, change: Any
) -> None:
    await surface.printer()
    manifests: Any = surface.farm.fleet.manifests
    manifests["paper"] = replace(manifests["paper"], streams=True)
    for session in surface.farm.fleet.sessions.values():
        session.manifest = manifests["paper"]
    host, print_ = await surface.running()
    path = f"/api/v1/printers/{print_['printer_id']}"

    async def close() -> Any:
        if change == "disconnect":
            return await surface.client.post(f"{path}/disconnect")
        return await surface.client.patch(path, json=change)

    answer = await close()
    assert (answer.status_code, answer.json()["code"]) == (409, "printer_has_active_print")
    assert (await surface.client.get(path)).json()["link"] == "online"
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    assert (await close()).is_success


async def test_changes_that_are_refused_together_leave_the_printer_at_work(
    surface: Surface,
) -> None:
    printer = await surface.printer()
    fleet = surface.farm.fleet
    session = fleet.session(printer["id"])
    spec = replace(session.record.spec, enabled=False)
    stale = [fleet.edit(printer["id"], spec, session.record.connection, 999) for _ in range(3)]
    refused = await asyncio.gather(*stale, return_exceptions=True)
    assert [type(error) for error in refused] == [VersionMismatch] * 3
    assert fleet.session(printer["id"]).seen(released=True).may_intend


async def test_disconnecting_frees_the_port_and_connecting_takes_it_again(
    tmp_path: Path,
) -> None:
    drivers = {"marlin": SERIAL}
    with on_a_port(PlainFirmware()) as port:
        async with open_surface(tmp_path, drivers=drivers) as surface:
            connection = {"port": port, "baud": 115200}
            body = {"name": "Board", "driver": "marlin", "connection": connection}
            added = await surface.client.post("/api/v1/printers", json=body)
            path = f"/api/v1/printers/{added.json()['id']}"
            await surface.until(1, link="online")
            with pytest.raises(OSError, match="temporarily unavailable"), held(port):
                pass
            assert (await surface.client.post(f"{path}/disconnect")).status_code == 200
            with held(port):
                await surface.client.post(f"{path}/connect")
                taken = await surface.until(1, link="offline")
                assert taken["problem_code"] == "serial_port_busy"
            await surface.client.post(f"{path}/connect")
            await surface.until(1, link="online")


@contextmanager
def held(port: str) -> Iterator[None]:
    """Have the port for oneself, as every program that minds the others does; OSError."""
    device = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(device)


@pytest.mark.parametrize("name", ["3", " 12 ", "01a21c69-53ae-770d-909f-cd36482c7a73", "٣"])
async def test_a_name_that_could_be_a_number_or_an_id_is_refused(
    surface: Surface, name: str
) -> None:
    body = {"name": name, "driver": "paper", "connection": {"host": "L", "api_key": KEY}}
    added = await surface.client.post("/api/v1/printers", json=body)
    assert (added.status_code, added.json()["code"]) == (422, "invalid_printer")
    await surface.printer("Left")
    renamed = await surface.client.patch("/api/v1/printers/1", json={"name": name})
    assert (renamed.status_code, renamed.json()["code"]) == (422, "invalid_printer")
    assert "letter" in renamed.json()["hint"]
