"""Plays the faults of docs/reference/octoprint-faults.md, each as it happens on a real day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from buildplate.core.print_table import PrintState
from buildplate.core.printers import Activity, Bed, Link
from tests.integration.farm import part
from tests.integration.fault_case import LEFT_BY_A_FORMER_FARM, Case, at_once

Scene = Callable[[Case], Awaitable[None]]
SCENES: dict[str, Scene] = {}
LONG_S = 60.0
FREEZE_S = 25.0
PRINT_IT = {"command": "select", "print": True}


def scene(fault: str) -> Callable[[Scene], Scene]:
    """Register what plays a fault of the table."""

    def register(play: Scene) -> Scene:
        SCENES[fault] = play
        return play

    return register


# --- the host goes and comes back ----------------------------------------------------------------


@scene("restarted mid-print")
async def restarted(case: Case) -> None:
    await case.printing(LONG_S)
    await case.host.stop()
    await case.link(Link.OFFLINE)
    await case.meets("OctoPrint is away", hold=2)
    await case.host_is_back()
    await case.meets("OctoPrint is back")
    await case.resolve(PrintState.FAILED, Bed.CLEAR)
    await case.meets("a person says failed, bed clear")


@scene("killed mid-print")
async def killed(case: Case) -> None:
    await case.printing(5)
    await case.host.kill()
    await case.link(Link.OFFLINE)
    await case.meets("OctoPrint is away", hold=2)
    await case.host_is_back()
    await case.meets("OctoPrint is back")
    await case.start_there(await case.path())
    await case.meets("a person starts the same file again there")
    await case.meets("that print is done")


@scene("gone for good mid-print")
async def gone_for_good(case: Case) -> None:
    await case.printing(LONG_S)
    await case.host.kill()
    await case.link(Link.OFFLINE)
    await case.resolve(PrintState.FAILED, Bed.OCCUPIED, override=True)
    await case.meets("a person overrides: failed, bed occupied")
    await case.host_is_back()


@scene("frozen for 25 s during our start")
async def frozen(case: Case) -> None:
    case.farm.steps.at["before:start"] = case.host.freeze
    await case.order(5)
    try:
        await case.step("before:start")
        stands = asyncio.get_running_loop().time() + FREEZE_S
        await case.meets("OctoPrint stands still", limit=FREEZE_S)
        await asyncio.sleep(stands - asyncio.get_running_loop().time())
    finally:
        case.host.thaw()
    await case.farm.farm.fleet.connect(case.printer_id)
    await case.meets("OctoPrint goes on")
    await case.meets("the print is done")


# --- its key -------------------------------------------------------------------------------------


@scene("key revoked mid-print")
async def key_revoked(case: Case) -> None:
    await case.enter_key(await case.make_key())
    await case.link(Link.ONLINE)
    await case.printing(6)
    await case.revoke_key()
    await case.link(Link.AUTH_REQUIRED)
    await case.meets("the key is refused")
    await case.host_is_idle()
    await case.meets("the print is done, the key still refused", hold=1)
    await case.enter_key(case.host.api_key)
    await case.meets("a new key is entered")


@scene("key revoked while waiting")
async def key_revoked_while_waiting(case: Case) -> None:
    await case.enter_key(await case.make_key())
    await case.link(Link.ONLINE)
    await case.revoke_key()
    await case.link(Link.AUTH_REQUIRED)
    await case.order(1)
    await case.meets("the key is refused", hold=2)
    await case.enter_key(case.host.api_key)
    await case.meets("a new key is entered")


# --- the printer behind it -----------------------------------------------------------------------


@scene("firmware halt mid-print")
async def halted(case: Case) -> None:
    await case.printing(LONG_S)
    await case.host.send("!!DEBUG:trigger_fatal_error_marlin")
    await case.meets("the firmware halts")
    await case.host.connect_printer()


@scene("firmware halt while waiting")
async def halted_while_waiting(case: Case) -> None:
    await case.host.send("!!DEBUG:trigger_fatal_error_marlin")
    await case.activity(Activity.HALTED)
    await case.order(1)
    await case.meets("a job comes", hold=2)
    await case.host.connect_printer()
    await case.meets("a person connects the printer again")


@scene("disconnected mid-print")
async def disconnected(case: Case) -> None:
    await case.printing(LONG_S)
    await case.disconnect_there()
    await case.meets("a person disconnects the printer in OctoPrint")
    await case.host.connect_printer()


@scene("disconnected while waiting")
async def disconnected_while_waiting(case: Case) -> None:
    await case.disconnect_there()
    await case.activity(Activity.HALTED)
    await case.order(1)
    await case.meets("a job comes", hold=2)
    await case.host.connect_printer()
    await case.meets("a person connects the printer again")


@scene("serial line lost mid-print")
async def line_lost(case: Case) -> None:
    await case.printing(LONG_S)
    await case.host.send("!!DEBUG:drop_connection")
    await case.meets("the line drops")
    await case.host.connect_printer()


# --- its files -----------------------------------------------------------------------------------


@scene("file deleted before the start")
async def deleted_before_the_start(case: Case) -> None:
    def delete() -> None:
        path = case.farm.session(case.printer_id).read_for
        assert path is not None
        at_once(case.host, "DELETE", f"/api/files/local/{path.path}")

    case.farm.steps.at["before:start"] = delete
    await case.order(1)
    await case.meets("the start is refused")


@scene("file deleted mid-print")
async def deleted_mid_print(case: Case) -> None:
    await case.printing(6)
    status, _ = await case.host.api("DELETE", f"/api/files/local/{await case.path()}")
    assert status == 409
    await case.meets("OctoPrint refuses to delete it")
    await case.meets("the print is done")


@scene("file deleted right after the end")
async def deleted_after_the_end(case: Case) -> None:
    await case.printing(2)
    path = await case.path()
    await case.host_is_idle()
    status, _ = await case.host.api("DELETE", f"/api/files/local/{path}")
    assert status == 204
    await case.meets("it is gone")


# --- people with the same wish as ours -----------------------------------------------------------


@scene("cancel during the transfer")
async def cancelled_during_the_transfer(case: Case) -> None:
    case.farm.steps.at["before:upload"] = case.host.freeze
    await case.order(1)
    try:
        await case.step("before:upload")
        await case.cancel()
        await case.comes_to(PrintState.CANCELLED)
    finally:
        case.host.thaw()
    await case.meets("it is cancelled", hold=2)


@scene("cancel during the start")
async def cancelled_during_the_start(case: Case) -> None:
    case.farm.steps.at["before:start"] = case.host.freeze
    await case.order(LONG_S)
    try:
        await case.step("before:start")
        await case.cancel()
        await case.comes_to(PrintState.CANCELLING)
    finally:
        case.host.thaw()
    await case.meets("it is cancelled")


@scene("cancel mid-print")
async def cancelled_mid_print(case: Case) -> None:
    await case.printing(LONG_S)
    await case.cancel()
    await case.meets("it is cancelled")


@scene("cancel while OctoPrint is away")
async def cancelled_while_away(case: Case) -> None:
    await case.printing(LONG_S)
    await case.host.kill()
    await case.link(Link.OFFLINE)
    await case.cancel()
    await case.meets("a person cancels", hold=2)
    await case.host_is_back()
    await case.meets("OctoPrint is back")


@scene("cancel of a print that ended unseen")
async def cancelled_after_the_end(case: Case) -> None:
    await case.enter_key(await case.make_key())
    await case.link(Link.ONLINE)
    await case.printing(3)
    await case.revoke_key()
    await case.link(Link.AUTH_REQUIRED)
    await case.host_is_idle()
    await case.cancel()
    await case.meets("a person cancels", hold=1)
    await case.enter_key(case.host.api_key)
    await case.meets("a new key is entered")


@scene("cancelled at the touchscreen")
async def cancelled_there(case: Case) -> None:
    await case.printing(LONG_S)
    await case.press(command="cancel")
    await case.meets("it is cancelled")


@scene("pause and resume")
async def paused(case: Case) -> None:
    await case.printing(8)
    await case.ask("pause")
    await case.meets("a person pauses it in Buildplate")
    await case.ask("resume")
    await case.meets("a person resumes it in Buildplate")
    await case.press(command="pause", action="pause")
    await case.meets("a person pauses it at the touchscreen")
    await case.press(command="pause", action="resume")
    await case.meets("a person resumes it at the touchscreen")
    await case.meets("the print is done")


# --- people who print by themselves --------------------------------------------------------------


@scene("touchscreen print while waiting")
async def foreign(case: Case) -> None:
    await case.start_there(await case.foreign_file(8))
    await case.activity(Activity.FOREIGN)
    await case.order(1)
    await case.meets("it runs", hold=2)
    await case.meets("it is done", hold=2)
    await case.clear_bed()
    await case.meets("the bed is cleared")


@scene("touchscreen print of our leftover file")
async def leftover(case: Case) -> None:
    await case.host.put(LEFT_BY_A_FORMER_FARM, part(8), start=True)
    await case.activity(Activity.FOREIGN)
    await case.order(1)
    await case.meets("it runs", hold=2)
    await case.meets("it is done", hold=2)


@scene("touchscreen print before our intent")
async def foreign_before_our_intent(case: Case) -> None:
    name = await case.foreign_file(15)
    case.farm.steps.at["answered:fetch"] = lambda: at_once(
        case.host, "POST", f"/api/files/local/{name}", PRINT_IT
    )
    await case.order(1)
    await case.meets("it runs", hold=2)
    await case.press(command="cancel")


@scene("touchscreen print between intent and start")
async def foreign_before_our_start(case: Case) -> None:
    name = await case.foreign_file(3)
    case.farm.steps.at["before:start"] = lambda: at_once(
        case.host, "POST", f"/api/files/local/{name}", PRINT_IT
    )
    await case.order(1)
    await case.meets("it is done")
    await case.resolve(PrintState.NOT_STARTED, Bed.OCCUPIED)
    await case.meets("a person says not started, bed occupied")


# --- our side ------------------------------------------------------------------------------------


@scene("Buildplate away at the end")
async def we_are_away(case: Case) -> None:
    await case.printing(3)
    await case.close_farm()
    await case.host_is_idle()
    await case.open_farm()
    await case.meets("Buildplate is back")


@scene("disk full")
async def disk_full(case: Case) -> None:
    await case.host.put("filler.gcode", part(1, 800_000))
    await case.order(1, padding=1_500_000)
    await case.meets("the file does not fit", hold=1)
    status, _ = await case.host.api("DELETE", "/api/files/local/filler.gcode")
    assert status == 204
    await case.meets("there is room again")
