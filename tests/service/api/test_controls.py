"""Orders of people over HTTP: what is sent to a printer, when, and what the ledger says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from buildplate.access.model import Role
from buildplate.core.readiness import unreadiness
from buildplate.core.reasons import Reason
from buildplate.drivers.sdk import (
    ConsoleLine,
    EmergencyStop,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Levels,
    Macro,
    Pace,
    Power,
    Refused,
    ShiftZ,
    Speaker,
    Unknown,
)
from buildplate.fleet import ledger
from buildplate.fleet.session import PrinterSession
from buildplate.storage.errors import OutcomeUnknown, StorageError, StorageFull
from tests.service.api.paper import PaperHost
from tests.service.api.surface import Surface, open_surface

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL = {"name": "Paper 200", "nozzles_mm": [0.4], "max_nozzle_c": 260, "max_bed_c": 100}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surface]:
    """One farm for all of this."""
    async with open_surface(tmp_path_factory.mktemp("farm")) as found:
        yield found


async def idle(surface: Surface, name: str) -> tuple[PaperHost, str]:
    """A printer that does nothing: its host, and its path."""
    printer = await surface.printer(name, model=MODEL)
    return surface.floor[name], f"/api/v1/printers/{printer['id']}"


async def ended(surface: Surface, asked: httpx.Response) -> dict[str, Any]:
    """The command once something has come of it."""
    assert asked.status_code == 202, asked.text
    path = f"/api/v1/commands/{asked.json()['command_id']}"
    return await surface.poll(path, lambda seen: seen.get("state") not in {"asked", "sent", None})


async def test_a_printer_is_heated_homed_and_stopped_by_hand(surface: Surface) -> None:
    host, path = await idle(surface, "thin")
    heated = await surface.client.post(
        f"{path}/temperature", json={"heater": "tool0", "target": 210}
    )
    command = await ended(surface, heated)
    assert (command["kind"], command["state"]) == ("heat", "answered")
    assert command["params"] == {"heater": "tool0", "target": 210.0}
    assert command["asked_by"] == "key first admin"
    await ended(surface, await surface.client.post(f"{path}/home", json={}))
    stopped = await surface.client.post(f"{path}/emergency-stop")
    assert (await ended(surface, stopped))["kind"] == "emergency_stop"
    assert host.orders == [Heat("tool0", 210.0), Home(), EmergencyStop()]
    await surface.poll(f"{path}/state", lambda seen: seen["activity"] == "halted")


ORDERS = {
    "home": ({"axes": ["x"]}, Home(("x",))),
    "jog": ({"x": 10, "z": -1.5, "speed": 20}, Jog({"x": 10.0, "z": -1.5}, 20.0)),
    "extrude": ({"length": 5, "tool": 1}, Extrude(5.0, None, 1)),
    "temperature": ({"heater": "bed", "target": 60}, Heat("bed", 60.0)),
    "fan": ({"speed": 0.5}, Fan(0.5)),
    "speed": ({"speed": 1.2}, Pace(1.2)),
    "macro": ({"name": "LIGHT", "params": {"ON": "1"}}, Macro("LIGHT", {"ON": "1"})),
    "z-offset": ({"by": -0.02}, ShiftZ(-0.02)),
    "gcode": ({"lines": ["M115", "M105"]}, Gcode(("M115", "M105"))),
    "power": ({"device": "light", "on": False}, Power("light", on=False)),
}


async def test_each_order_reaches_the_driver_once_and_stands_in_the_ledger_and_the_audit(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "each")
    for verb, (body, _) in ORDERS.items():
        command = await ended(surface, await surface.client.post(f"{path}/{verb}", json=body))
        assert (command["state"], command["answer"]) == ("answered", "accepted")
        action = f"POST /api/v1/printers/{{printer_id}}/{verb}"
        (entry, *_) = (await surface.client.get("/api/v1/audit", params={"action": action})).json()[
            "items"
        ]
        assert entry["asked"] == body
        stored = next(one["after"] for one in entry["changes"] if one["table"] == "commands")
        assert (stored["id"], stored["kind"]) == (command["id"], command["kind"])
    assert host.orders == [order for _, order in ORDERS.values()]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("home", {"axes": ["e"]}),
        ("jog", {}),
        ("jog", {"x": 1e6}),
        ("extrude", {"length": "5"}),
        ("temperature", {"heater": "toolx", "target": 20}),
        ("temperature", {"heater": "tool0", "target": -1}),
        ("fan", {"speed": 1.01}),
        ("speed", {}),
        ("macro", {"name": "A B"}),
        ("macro", {"name": "A", "params": {"X": '1" M112'}}),
        ("z-offset", {"by": 50}),
        ("gcode", {"lines": []}),
        ("power", {"device": "light"}),
        ("power", {"device": " ", "on": True}),
        ("power", {"device": "light", "on": "off"}),
        ("power", {"device": "a\nb", "on": True}),
        ("gcode", {"lines": ["G28\nM112"]}),
        ("gcode", {"lines": ["G28\u0007"]}),
        ("gcode", {"lines": ["M117 " + "x" * 250]}),
        ("gcode", {"lines": ["M105"] * 51}),
        ("gcode", {"lines": ["M105"], "now": True}),
    ],
)
async def test_an_order_out_of_its_bounds_goes_nowhere(
    surface: Surface, verb: str, body: dict[str, Any]
) -> None:
    host, path = await found(surface, "bounds")
    answer = await surface.client.post(f"{path}/{verb}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert host.orders == []


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("temperature", {"heater": "tool0", "target": 261}, "temperature_limit"),
        ("temperature", {"heater": "bed", "target": 101}, "temperature_limit"),
        ("gcode", {"lines": ["M115", "M109 S261"]}, "temperature_limit"),
        ("macro", {"name": "M104", "params": {"S": "261"}}, "temperature_limit"),
        ("macro", {"name": "PRINT_START", "params": {"BED": "101"}}, "temperature_limit"),
        ("gcode", {"lines": ["M23 a.gco", "M24"]}, "gcode_refused"),
        ("gcode", {"lines": ["M112"]}, "gcode_refused"),
        ("macro", {"name": "SDCARD_PRINT_FILE"}, "gcode_refused"),
        ("exclude-object", {"name": "left"}, "not_capable"),
    ],
)
async def test_what_is_unsafe_or_not_offered_is_refused_with_a_hint(
    surface: Surface, verb: str, body: dict[str, Any], code: str
) -> None:
    host, path = await found(surface, "bounds")
    answer = await surface.client.post(f"{path}/{verb}", json=body)
    assert (answer.json()["code"], bool(answer.json()["hint"])) == (code, True)
    assert host.orders == []


def shows(activity: str, state: dict[str, Any]) -> bool:
    """Whether a printer's state says that it does this."""
    return bool(state["activity"] == activity)


async def found(surface: Surface, name: str) -> tuple[PaperHost, str]:
    """A printer that several tests share, as none of them gets anything through to it."""
    if name not in surface.floor:
        return await idle(surface, name)
    listed = (await surface.client.get("/api/v1/printers", params={"name": name})).json()["items"]
    return surface.floor[name], f"/api/v1/printers/{listed[0]['id']}"


async def test_beside_a_print_heat_and_fans_are_set_but_nothing_moves(surface: Surface) -> None:
    host, print_ = await surface.running("busy")
    path = f"/api/v1/printers/{print_['printer_id']}"
    for verb in ("home", "jog", "extrude"):
        answer = await surface.client.post(f"{path}/{verb}", json=ORDERS[verb][0])
        assert (answer.status_code, answer.json()["code"]) == (409, "printer_prints"), verb
    moving = await surface.client.post(f"{path}/gcode", json={"lines": ["G28"]})
    assert moving.json()["code"] == "printer_prints"
    restart = await surface.client.post(f"{path}/gcode", json={"lines": ["FIRMWARE_RESTART"]})
    assert restart.json()["code"] == "printer_prints"
    for verb in ("temperature", "fan", "speed", "z-offset", "macro"):
        await ended(surface, await surface.client.post(f"{path}/{verb}", json=ORDERS[verb][0]))
    assert len(host.orders) == 5
    off = await surface.client.post(f"{path}/power", json={"device": "light", "on": False})
    assert (off.status_code, off.json()["code"]) == (409, "printer_prints")
    on = await surface.client.post(f"{path}/power", json={"device": "light", "on": True})
    await ended(surface, on)
    assert host.orders[5:] == [Power("light", on=True)]
    await host.finish()
    await surface.until_print(print_["id"], state="completed")


async def test_power_stays_on_under_a_print_of_others_and_while_nobody_knows_what_is_done(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "power")
    off = {"device": "light", "on": False}
    for mode, code in (
        ("printing", "printer_prints"),
        ("busy", "machine_busy"),
        ("unknown", "activity_unknown"),
    ):
        host.mode, host.path = mode, "theirs.gcode" if mode == "printing" else None
        await host.tell()
        await surface.poll(f"{path}/state", partial(shows, "foreign" if host.path else mode))
        answer = await surface.client.post(f"{path}/power", json=off)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert answer.json()["hint"]
    await host.halt()
    await surface.poll(f"{path}/state", lambda seen: seen["activity"] == "halted")
    await ended(surface, await surface.client.post(f"{path}/power", json=off))
    assert host.orders == [Power("light", on=False)]


async def test_a_printer_without_power_is_out_of_reach_and_not_at_fault(surface: Surface) -> None:
    host, path = await idle(surface, "unpowered")
    host.powered = False
    await host.halt()
    state = await surface.poll(f"{path}/state", lambda seen: not seen["powered"])
    assert (state["link"], state["activity"], state["ready"]) == ("online", "halted", False)
    printer = surface.farm.fleet.session(path.rpartition("/")[2]).as_printer()
    assert {one.code for one in unreadiness(printer)} == {Reason.OFFLINE}
    await ended(
        surface, await surface.client.post(f"{path}/power", json={"device": "light", "on": True})
    )
    host.powered, host.mode = True, "idle"
    await host.tell()
    await surface.until(path.rpartition("/")[2], powered=True, ready=True)


async def test_pushed_filament_occupies_the_bed_and_stale_clicks_do_not_clear_it(
    surface: Surface,
) -> None:
    _, path = await idle(surface, "pushed")
    before = (await surface.client.get(path)).json()["bed_version"]
    await ended(surface, await surface.client.post(f"{path}/extrude", json={"length": -5}))
    assert (await surface.client.get(path)).json()["bed"] == "clear"
    await ended(surface, await surface.client.post(f"{path}/extrude", json={"length": 5}))
    printer = (await surface.client.get(path)).json()
    assert (printer["bed"], printer["ready"]) == ("occupied", False)
    assert printer["bed_reason"] == "filament was pushed by hand"
    click = {"bed_version": before}
    stale = await surface.client.post(f"{path}/clear-bed", json=click)
    assert stale.json()["code"] == "bed_changed"


async def test_one_order_is_in_flight_and_the_printer_not_ready_meanwhile(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "one")
    host.reply = None
    asked = await surface.client.post(f"{path}/home", json={})
    again = await surface.client.post(f"{path}/fan", json={"speed": 1})
    assert (again.status_code, again.json()["code"]) == (409, "command_pending")
    printer = (await surface.client.get(path)).json()
    assert (printer["ready"], printer["bed"]) == (False, "clear")
    host.answered.set()
    await ended(surface, asked)
    await surface.until(path.rpartition("/")[2], ready=True)
    assert host.orders == [Home()]


async def test_an_order_without_an_answer_is_settled_and_never_sent_again(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "lost")
    host.reply = Unknown("the line went dead")
    asked = await surface.client.post(f"{path}/jog", json={"x": 1})
    command = await ended(surface, asked)
    assert command["state"] in {"unknown", "settled"}
    await surface.poll(f"/api/v1/commands/{command['id']}", lambda seen: seen["state"] == "settled")
    await surface.until(path.rpartition("/")[2], ready=True)
    assert len(host.orders) == 1


def with_power_settled_after(session: PrinterSession, seconds: float) -> None:
    timings = replace(session.parts.timings, power=seconds)
    session.parts = replace(session.parts, timings=timings)


async def test_no_print_begins_while_a_host_may_still_cut_the_power(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        printer = await surface.printer("late")
        host, path = surface.floor["late"], f"/api/v1/printers/{printer['id']}"
        session = surface.farm.fleet.session(printer["id"])
        usual = session.parts.timings.longest()
        with_power_settled_after(session, 2.0)
        host.reply = Unknown("light was told, and says that it is still on")
        off = {"device": "light", "on": False}
        command = await ended(surface, await surface.client.post(f"{path}/power", json=off))
        job = await surface.job(name="waits")
        (queued,) = await surface.prints(job["id"])
        await surface.until_print(queued["id"], state="printing")
        settled = (await surface.client.get(f"/api/v1/commands/{command['id']}")).json()
        assert settled["state"] == "settled"
        sent, ended_at = (
            datetime.fromisoformat(settled[name]) for name in ("sent_at", "settled_at")
        )
        assert (ended_at - sent).total_seconds() >= 2.0 > 2 * usual
        (started,) = host.started
        assert started.startswith("bp-")
        assert host.orders == [Power("light", on=False)]


async def test_an_order_to_give_power_holds_nothing_up(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        host, path = await idle(surface, "given")
        with_power_settled_after(surface.farm.fleet.session(path.rpartition("/")[2]), 3600.0)
        host.reply = Unknown("light was told, and says that it is still off")
        on = {"device": "light", "on": True}
        command = await ended(surface, await surface.client.post(f"{path}/power", json=on))
        told = f"/api/v1/commands/{command['id']}"
        await surface.poll(told, lambda seen: seen["state"] == "settled")
        await surface.until(path.rpartition("/")[2], ready=True)


async def test_a_server_that_begins_anew_waits_as_long_for_an_order_to_cut_power(
    tmp_path: Path,
) -> None:
    floor: dict[str, PaperHost] = {}
    async with open_surface(tmp_path, floor=floor) as surface:
        host, path = await idle(surface, "late")
        host.reply = Unknown("the line went dead")
        off = {"device": "light", "on": False}
        command = await ended(surface, await surface.client.post(f"{path}/power", json=off))
    async with open_surface(tmp_path, floor=floor) as surface:
        session = surface.farm.fleet.session(path.rpartition("/")[2])
        with_power_settled_after(session, 2.0)
        waiting = session.in_flight
        assert waiting is not None
        assert (waiting.command_id, waiting.cuts_power) == (command["id"], True)
        await surface.until(session.id, ready=True)
        now = surface.farm.fleet.session(session.id).parts.clock.boot()
        assert now - waiting.since >= 2.0
        assert host.orders == [Power("light", on=False)]


async def test_an_order_that_nobody_knows_to_be_stored_is_not_sent_and_settles(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, path = await idle(surface, "unclear")
    storage = surface.farm.fleet.session(path.rpartition("/")[2]).parts.storage
    write = storage.write

    async def unclear(script: Any, *arguments: Any, **named: Any) -> Any:
        done = await write(script, *arguments, **named)
        if script is ledger.store_control:
            raise OutcomeUnknown
        return done

    with monkeypatch.context() as breaks:
        breaks.setattr(storage, "write", unclear)
        answer = await surface.client.post(f"{path}/jog", json={"x": 1})
    assert answer.status_code == 503
    await surface.until(path.rpartition("/")[2], ready=True)
    await ended(surface, await surface.client.post(f"{path}/jog", json={"x": 2}))
    assert host.orders == [Jog({"x": 2.0})]


async def test_the_same_order_twice_at_once_is_one(surface: Surface) -> None:
    host, path = await idle(surface, "twice")
    host.reply = None
    key = {"Idempotency-Key": "jog-twice"}
    sent = [surface.client.post(f"{path}/jog", json={"x": 1}, headers=key) for _ in range(3)]
    answers = await asyncio.gather(*sent)
    assert [one.status_code for one in answers] == [202, 202, 202]
    assert len({one.json()["command_id"] for one in answers}) == 1
    assert len(host.orders) == 1


async def test_a_refusal_of_the_host_stands_in_the_ledger(surface: Surface) -> None:
    host, path = await idle(surface, "refused")
    host.reply = Refused("busy", "not now")
    command = await ended(surface, await surface.client.post(f"{path}/home", json={}))
    assert (command["state"], command["answer"]) == ("refused", "refused: busy not now")


async def test_the_same_key_orders_once_and_another_order_needs_another_key(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "keyed")
    key = {"Idempotency-Key": "jog-1"}
    first = await surface.client.post(f"{path}/jog", json={"x": 1}, headers=key)
    again = await surface.client.post(f"{path}/jog", json={"x": 1}, headers=key)
    assert first.json() == again.json()
    other = await surface.client.post(f"{path}/jog", json={"x": 2}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "order_key_reused")
    await ended(surface, first)
    assert host.orders == [Jog({"x": 1.0})]


async def test_an_emergency_stop_passes_what_is_in_flight_and_is_sent_within_20_ms(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "stop")
    host.reply = None
    held = await surface.client.post(f"{path}/home", json={})
    took = []
    for _ in range(10):
        began = asyncio.get_running_loop().time()
        await ended(surface, await surface.client.post(f"{path}/emergency-stop"))
        took.append(host.stopped_at[-1] - began)
    # Others share this machine: what it takes them now and then is not the stop's.
    assert sorted(took)[len(took) // 2] <= 0.02, took
    host.answered.set()
    await ended(surface, held)


@asynccontextmanager
async def stuck(surface: Surface, error: StorageError | None = None) -> AsyncIterator[None]:
    """The database takes no write while the block runs: the disk hangs, or is full (`error`)."""
    config = surface.farm.storage
    held, over = asyncio.Event(), asyncio.Event()
    write = config.write

    async def waits(*args: Any, **kwargs: Any) -> Any:
        held.set()
        if error is not None and not over.is_set():
            raise error
        await over.wait()
        return await write(*args, **kwargs)

    config.write = waits  # type: ignore[method-assign]
    try:
        yield
        assert held.is_set(), "nothing was written meanwhile"
    finally:
        config.write = write  # type: ignore[method-assign]
        over.set()


@pytest.mark.parametrize("error", [None, StorageFull()], ids=["hangs", "full"])
async def test_an_emergency_stop_waits_for_no_disk_and_is_on_record_once_that_works_again(
    surface: Surface, error: StorageError | None
) -> None:
    host, path = await idle(surface, f"a disk with {error}")
    began = asyncio.get_running_loop().time()
    async with stuck(surface, error):
        stopped = await surface.client.post(f"{path}/emergency-stop")
        assert stopped.status_code == 202
    assert host.stopped_at[0] - began <= 0.1  # others share this machine
    command = await ended(surface, stopped)
    assert (command["kind"], command["state"]) == ("emergency_stop", "answered")
    assert command["asked_by"] == "key first admin"


async def test_a_print_that_was_stopped_ends_by_what_is_seen_of_it(surface: Surface) -> None:
    host, print_ = await surface.running("stopped")
    path = f"/api/v1/printers/{print_['printer_id']}"
    await ended(surface, await surface.client.post(f"{path}/emergency-stop"))
    host.runs[-1][1] = "stopped"
    await host.tell()
    await surface.until_print(print_["id"], state="failed")


async def test_an_order_needs_an_operator_whose_groups_reach_the_printer(
    surface: Surface,
) -> None:
    host, path = await idle(surface, "ours")
    async with await surface.caller(Role.VIEWER) as viewer:
        for verb, (body, _) in {**ORDERS, "emergency-stop": ({}, None)}.items():
            answer = await viewer.post(f"{path}/{verb}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low"), verb
        assert (await viewer.get(f"{path}/console")).status_code == 200
    groups = frozenset({"theirs"})
    made = await surface.farm.keys.create("theirs", Role.OPERATOR, None, groups)
    async with surface.with_key(made.secret) as other:
        for verb in ("home", "emergency-stop"):
            answer = await other.post(f"{path}/{verb}", json={} if verb == "home" else None)
            assert answer.status_code == 404
        assert (await other.get(f"{path}/console")).status_code == 404
    assert host.orders == []


async def test_the_console_and_the_equipment_are_told(surface: Surface) -> None:
    host, path = await idle(surface, "talks")
    host.said = [ConsoleLine("M115", Speaker.SENT), ConsoleLine("x" * 600), ConsoleLine("!! no")]
    host.levels = Levels(position={"x": 1.0}, homed="x", fans={"part": 0.5}, speed=1.1)
    await host.tell()
    told = await surface.poll(f"{path}/console", lambda seen: len(seen["items"]) == 3)
    assert [one["seq"] for one in told["items"]] == [1, 2, 3]
    assert (told["items"][0]["speaker"], len(told["items"][1]["text"])) == ("sent", 501)
    later = (await surface.client.get(f"{path}/console", params={"after": 2})).json()
    assert ([one["text"] for one in later["items"]], later["last"]) == (["!! no"], 3)
    state = (await surface.client.get(f"{path}/state")).json()
    assert (state["position"], state["homed"], state["speed"]) == ({"x": 1.0}, "x", 1.1)
    equipment = (await surface.client.get(f"{path}/equipment")).json()
    assert equipment["macros"] == ["PURGE_LINE"]
    assert "emergency_stop" in equipment["capabilities"]
    away, its_path = await idle(surface, "away")
    await away.vanish()
    await surface.until(its_path.rpartition("/")[2], link="offline")
    unseen = await surface.client.get(f"{its_path}/equipment")
    assert (unseen.status_code, unseen.json()["code"]) == (409, "printer_not_online")
