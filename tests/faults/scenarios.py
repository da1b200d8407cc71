"""Days on a small farm, each of which takes some of the program's steps, to be cut short anywhere.

A day is a coroutine over a world with two printers. Every order in it may have to be given again
after a kill, so each asks only for what is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uuid_utils

from buildplate.app.key_file import KeyFile
from buildplate.core.upload_names import upload_name
from tests.faults.farms import Refused
from tests.faults.worlds import AT_REST, World, part

Day = Callable[[World], Awaitable[None]]
DAYS: dict[str, Day] = {}
ENDLESS = 1e6
SETTLE_S = 5.0
SLOW = 2.5
SLOW_DAYS = {"abandoned": SLOW, "unproven": 2 * SLOW}
"""Days on which the farm has a time factor of its own."""
UPLOADS: dict[str, Any] = {"method": "POST", "path": "/api/files/local"}


def day(run: Day) -> Day:
    """Note a day under its name."""
    DAYS[run.__name__] = run
    return run


async def tried(world: World, do: str, *accepted: str, **order: Any) -> Any:
    """Ask; a refusal that only says that it was done already is as good as a yes."""
    with suppress_codes(*accepted):
        return await world.ask(do, **order)


class suppress_codes(suppress):  # noqa: N801 (reads like the `suppress` it is)
    """Let refusals with these codes pass."""

    def __init__(self, *codes: str) -> None:
        super().__init__()
        self._codes = codes

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        return isinstance(error, Refused) and error.code in self._codes


@day
async def plain(world: World) -> None:
    """Two printers make three copies."""
    await world.furnish()
    await world.order(part("plain"), 3)
    await world.until_finished()


@day
async def cancelled(world: World) -> None:
    """A long print is cancelled on its printer."""
    await world.furnish(world.printers[0]["name"])
    job = await world.order(part("cancelled", ENDLESS), 1)
    print_ = await world.until_print(job, "printing")
    await cancel(world, job, print_["id"])


async def cancel(world: World, job: str, print_id: str) -> None:
    """Cancel a print and wait until it is; nothing more is expected of its job.

    One that has failed with the farm before it was asked leads to another, which is cancelled.
    """
    world.orders[job]["cancelled"] = True
    await tried(world, "cancel_print", "print_state", print_id=print_id)
    if await world.until(lambda now: at_rest(now, print_id), "an end of the print") == "failed":
        print_ = await world.until_print(job, "printing")
        await cancel(world, job, print_["id"])
    else:
        await world.until_print(job, "cancelled")


def at_rest(now: Any, print_id: str) -> str | None:
    """How the print has ended; None: it has not."""
    (state,) = (one["state"] for one in now["prints"] if one["id"] == print_id)
    return state if state in AT_REST else None


@day
async def dropped(world: World) -> None:
    """A print is cancelled while its file is on its way; the copy is wanted after all."""
    name = world.printers[0]["name"]
    await world.furnish(name)
    await world.admin.proxy_rule(name, "request", "hold", params={"seconds": 60}, **UPLOADS)
    job = await world.order(part("dropped"), 1)
    print_ = await world.until_print(job, "transferring")
    await tried(world, "cancel_print", "print_state", print_id=print_["id"])
    await world.until_print(job, "cancelled")
    await world.admin.clear_proxy_rules(name)
    await tried(world, "retry_job", "job_ended", job=job)
    await world.until_finished()


@day
async def paused(world: World) -> None:
    """A print is paused, resumed and cancelled by a person."""
    await world.furnish(world.printers[0]["name"])
    job = await world.order(part("paused", ENDLESS), 1)
    while True:
        print_ = await world.until_print(job, "printing")
        stood = await asked(world, print_["id"], "pause", "paused")
        if stood and await asked(world, print_["id"], "resume", "printing"):
            break
    await cancel(world, job, print_["id"])


async def asked(world: World, print_id: str, kind: str, state: str) -> bool:
    """Pause or resume; asked again where a kill has swallowed the order on its way out.

    False where the print has ended meanwhile: one that is streamed ends with the farm.
    """

    def settled(now: Any) -> str | None:
        (print_,) = (one for one in now["prints"] if one["id"] == print_id)
        if at_rest(now, print_id) is not None:
            return str(print_["state"])
        (printer,) = (one for one in now["printers"] if one["id"] == print_["printer"])
        idle = printer["link"] == "online" and printer["unsettled"] is None
        return str(print_["state"]) if idle or print_["state"] == state else None

    while (found := await world.until(settled, f"an end of the {kind}")) != state:
        if found in AT_REST:
            return False
        await tried(world, "ask", "print_state", "command_refused", print_id=print_id, kind=kind)
    return True


@day
async def by_hand(world: World) -> None:
    """A person moves a printer, stops it in an emergency, connects it again and lets it print."""
    name = world.printers[0]["name"]
    (printer,) = await world.furnish(name)
    await moved(world, name, printer)
    while not await stands_still(world, name, printer):
        with suppress_codes("printer_not_online"):
            await world.ask("emergency_stop", printer=printer)
            await world.until(lambda now: settled(now, printer, mute=True), "an end of the stop")
    await world.wake(name)
    while (await seen(world, printer))["activity"] == "halted":
        await world.ask("connect", printer=printer)
        await asyncio.sleep(0.2)
    await world.order(part("after the stop"), 1)
    await world.until_finished()


async def stands_still(world: World, name: str, printer: str) -> bool:
    """Whether the stop has come through: the farm sees it, or a board has stopped that is mute."""
    return (await seen(world, printer))["activity"] == "halted" or await world.stopped(name)


async def moved(world: World, name: str, printer: str) -> None:
    """Jog by 10 mm, ordered again with the same key until something has come of it: once."""
    state = ""
    while state not in {"answered", "settled"}:
        waits = ("printer_not_online", "activity_unknown", "command_pending")
        command = await tried(world, "jog", *waits, printer=printer, by={"x": 10.0}, key="once")
        found = await world.ask("commands", printer=printer)
        state = next((one["state"] for one in found if one["id"] == command), "")
        await asyncio.sleep(0.05)
    jogs = await world.jogs(name)
    assert jogs == 1 if state == "answered" else jogs <= 1, (state, jogs)


async def seen(world: World, printer: str) -> Any:
    """The printer as the farm has it now."""
    return next(one for one in (await world.state())["printers"] if one["id"] == printer)


def settled(now: Any, printer: str, *, mute: bool = False) -> bool:
    """Whether nothing that was sent to the printer waits for an answer, or `mute`: it is gone."""
    (one,) = (one for one in now["printers"] if one["id"] == printer)
    return one["unsettled"] is None or (mute and one["link"] == "offline")


@day
async def uploaded_again(world: World) -> None:
    """The answer to an upload is lost, so the file is sent again under another name."""
    name = world.printers[0]["name"]
    await world.admin.proxy_rule(name, "answer", "drop", **UPLOADS)
    await world.furnish(name)
    await world.order(part("uploaded again"), 1)
    await world.until_finished()


@day
async def given_back(world: World) -> None:
    """A printer does not take the file, so another one gets the print."""
    first, second = (printer["name"] for printer in world.printers[:2])
    await world.admin.proxy_rule(first, "request", "cut", times=3, **UPLOADS)
    await world.furnish(first)
    job = await world.order(part("given back"), 1)
    await world.until_print(job, "transferring")
    await world.furnish(second)
    await world.until_finished()


@day
async def not_started(world: World) -> None:
    """A host accepts a start and forgets it."""
    await world.admin.rule(world.printers[0]["name"], "start", "lost")
    await world.furnish(world.printers[0]["name"])
    await world.order(part("not started"), 1)
    await world.until_finished()


@day
async def unproven(world: World) -> None:
    """A host forgets a start, and the push socket is lost before that can be proven.

    The farm runs slower than its printer here, so that there is time to cut the socket.
    """
    name = world.printers[0]["name"]
    await world.admin.rule(name, "start", "lost")
    await world.furnish(name)
    job = await world.order(part("unproven"), 1)

    def leaving(state: Any) -> Any:
        return [p for p in state["prints"] if p["job"] == job and p["exit_verdict"]]

    await world.until(leaving, "an exit that has begun")
    await world.admin.proxy_do(name, "cut-sockets")
    print_ = await world.until_print(job, "needs_attention", "not_started")
    world.forgotten.add(print_["id"])
    await world.until_finished()


@day
async def abandoned(world: World) -> None:
    """A host begins the print while the farm is already taking it for not started.

    The farm runs slower than its printers here: the start comes in the middle of the first of the
    exit's settle times, which begins one settle time after the start was accepted.
    """
    name = world.printers[0]["name"]
    late = 1.5 * SETTLE_S * world.printer_factor / SLOW
    await world.admin.rule(name, "start", "late", params={"seconds": late})
    await world.furnish(name)
    await world.order(part("abandoned", 30), 1)
    await world.until_finished()


@day
async def attention(world: World) -> None:
    """A host is killed in the middle of a print and remembers nothing: a person has to say."""
    name = world.printers[0]["name"]
    await world.admin.rule(name, "print", "kill", params={"down_s": 4})
    await world.furnish(name)
    job = await world.order(part("attention", 30), 1)
    print_ = await world.until_print(job, "needs_attention", "failed")
    world.forgotten.add(print_["id"])
    await world.until_finished()


@day
async def foreign(world: World) -> None:
    """Somebody prints at the touchscreen on a bed that was clear."""
    name = world.printers[0]["name"]
    (printer,) = await world.furnish(name)

    def clear(state: Any) -> bool:
        return any(p["id"] == printer and p["bed"] == "clear" for p in state["printers"])

    await world.until(clear, "a clear bed")
    await world.admin.do(name, "print", path="mine.gcode", gcode=part("foreign"))
    await world.until(lambda state: not clear(state), "an occupied bed")
    await world.order(part("after a foreign print"), 1)
    await world.until_finished()


@day
async def paperwork(world: World) -> None:
    """What people do with orders, printers and files, while one print is made."""
    first, second = await world.furnish()
    await world.ask("stop_farm", stopped=True)
    job = await world.order(part("paperwork"), 1)
    other = await world.order(part("other"), 1, name="other")
    unwanted = await world.order(part("unwanted"), 1, name="unwanted")
    await world.ask("hold", job=job, hold=True)
    await world.ask("edit_job", job=job, copies=2)
    world.orders[job]["copies"] = 2
    await world.ask("reorder", job=other, before=job)
    await world.ask("reorder", job=other, before=None)
    print_ = await world.until_print(job, "queued")
    await world.ask("remark", print_id=print_["id"], text="for the fair")
    await tried(world, "confirm", "print_state", print_id=print_["id"])
    await tried(world, "assign", "print_state", print_id=print_["id"], printer=first)
    await world.ask("cancel_job", job=unwanted)
    file = world.orders.pop(unwanted)["file"]
    await tried(world, "rename_file", "file_not_found", file=file, name="useless.gcode")
    await tried(world, "delete_file", "file_not_found", file=file)
    await tried(world, "edit_printer", "version_mismatch", printer=second, location="the attic")
    await tried(world, "retire", "printer_not_found", printer=second)
    await world.ask("hold", job=job, hold=False)
    await world.ask("stop_farm", stopped=False)
    await world.until_finished(job, other)
    assert first


@day
async def older(world: World) -> None:
    """A printer keeps a file of ours that the database does not know: somebody restored it."""
    name = world.printers[0]["name"]
    await world.furnish(name)
    lost = upload_name(str(uuid_utils.uuid7()), 1)
    await world.admin.do(name, "print", path=lost, gcode=part("older"))
    while not await world.ask("events", kind="queue.stopped"):
        await asyncio.sleep(0.05)
    await world.ask("stop_farm", stopped=False)
    await world.order(part("after the older"), 1)
    await world.until_finished()


@day
async def keys(world: World) -> None:
    """Keys are made and revoked."""
    await world.ask("first_key")
    made = await world.ask("create_key", name="shop")
    await tried(world, "revoke_key", "key_not_found", key=made)
    found = await world.ask("keys")
    assert [key["revoked"] for key in found if key["name"] == "first admin"] == [False], found
    assert [key["revoked"] for key in found if key["id"] == made] == [True], found


@day
async def people(world: World) -> None:
    """The first administrator comes by a link, makes a user, and both come and go."""
    await world.ask("set_up", name="ann")
    await tried(world, "add_user", "user_exists", name="bob")
    await world.ask("log_in", name="ann")
    await world.ask("refresh", name="ann")
    await world.ask("visit", name="ann")
    await tried(world, "edit_user", "user_not_found", name="bob", role="operator")
    await tried(world, "remove_user", "user_not_found", name="bob")
    assert await world.ask("users") == [{"name": "ann", "role": "admin"}]
    await world.ask("note")


@day
async def places(world: World) -> None:
    """A group is renamed with all that is called by it; a floor is made; both are removed."""
    printer = await world.furnish(world.printers[0]["name"])
    await tried(world, "add_group", "group_exists", name="hall")
    await world.ask("join", printer=printer[0], group="hall")
    job = await world.order(part("places"), 1, group="hall")
    await tried(world, "rename_group", "group_not_found", name="hall", to="attic")
    called = await world.ask("groups")
    assert called == {"groups": ["attic"], "printers": ["attic"], "jobs": ["attic"]}, called
    await world.until_finished(job)
    await world.ask("join", printer=printer[0], group=None)
    await tried(world, "remove_group", "group_not_found", name="attic")
    await tried(world, "add_floor", "name_taken", name="ground")
    await tried(world, "edit_floor", "floor_not_found", name="ground", to="upper")
    await tried(world, "remove_floor", "floor_not_found", name="upper")
    assert (await world.ask("groups"))["groups"] == []


@day
async def large(world: World) -> None:
    """A file so large that it is read after its upload."""
    await world.furnish(world.printers[0]["name"])
    await world.order(part("large") + "; padding padding padding\n" * 50_000, 1)
    await world.until_finished()


@day
async def taken_over(world: World) -> None:
    """The server is killed while a print runs, and the next one takes the printers over."""
    await world.furnish()
    job = await world.order(part("taken over", 60), 2)
    await world.until_print(job, "starting", "printing", "completed")
    if world.deaths == 0:
        await world.kill()
    await world.until_finished()


@day
async def rotated(world: World) -> None:
    """A rotation of the key file was cut off: the next start seals with the new key."""
    name = world.printers[0]["name"]
    await world.furnish(name)
    key_file = KeyFile(world.database.with_name("secrets.key"))
    former = key_file.read()
    if world.deaths == 0:
        key_file.replace([b"a key of 32 bytes for this world", *former])
        await world.kill()
    await world.order(part("rotated"), 1)
    await world.until_finished()
    assert len(key_file.read()) == 1
