"""One promise each, on one bad moment each: what the farm must not do, and whether it did.

These are tried on the program as it is (test_promises.py) and on mutants of it (tests/mutants),
which each of them must tell from it.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tests import postgres
from tests.faults.farms import KillAt, Refused
from tests.faults.lanes import FACTOR, Trial
from tests.faults.scenarios import DAYS, ENDLESS, SETTLE_S
from tests.faults.worlds import POSTGRESQL, World, part

if TYPE_CHECKING:
    from tests.faults.truth import Facts

START = {"method": "POST", "command": "print"}
UPLOAD = {"method": "POST", "path": "/api/files/local"}
INTENT = "dispatch.transitions.intend"
UNHURRIED = 5.0
SLOW = 2.5


async def a_start_whose_answer_is_lost_is_found_out(world: World) -> None:
    """The host starts the print, and its answer never arrives."""
    await world.furnish()
    for printer in world.printers:
        await world.admin.proxy_rule(printer["name"], "answer", "drop", **START)
    await world.order(part("answer lost", 20), 1)
    await world.until_finished()


async def a_start_whose_answer_is_lost_is_sent_once(world: World) -> None:
    """The same, seen from the network: nobody repeats a start."""
    await a_start_whose_answer_is_lost_is_found_out(world)
    sent: Counter[str] = Counter()
    for proxy in await world.admin.request("GET", "/proxies"):
        sent.update(seen["path"] for seen in proxy["seen"] if seen["command"] == "print")
    ours = {print_["path"] for print_ in (await world.state())["prints"]}
    repeated = {path: n for path, n in sent.items() if PurePosixPath(path).name in ours and n > 1}
    assert not repeated, f"a start was sent twice: {repeated}"


async def a_start_that_outlives_the_delete_is_seen(world: World) -> None:
    """A host that had taken the start prints the file although it was deleted under it.

    The farm runs slower than its printers here, so that the print begins in the middle of the
    second settle time of the exit.
    """
    late = 2.5 * SETTLE_S / UNHURRIED * FACTOR
    await world.furnish()
    for printer in world.printers:
        params = {"seconds": late, "after_delete": "unlinked"}
        await world.admin.rule(printer["name"], "start", "late", params=params)
    await world.order(part("outlives the delete", 60), 1)
    await world.until_finished()
    await asyncio.sleep(late / FACTOR)


async def every_upload_has_a_name_of_its_own(world: World) -> None:
    """The answer to an upload is lost, so that nobody knows whether the host has the file."""
    name = world.printers[0]["name"]
    await world.furnish(name)
    await world.admin.proxy_rule(name, "answer", "drop", times=2, **UPLOAD)
    await world.order(part("names"), 1)
    await world.until_finished()
    stored = Counter(one["path"] for one in await world.log(name) if one["event"] == "stored")
    assert sum(stored.values()) == 3, stored
    assert max(stored.values()) == 1, f"an upload's name was used again: {stored}"


async def a_print_that_needs_a_person_keeps_its_printer(world: World) -> None:
    """Nobody knows what became of a print: its bed is not to be cleared, nothing else starts."""
    (printer,) = await world.furnish(world.printers[0]["name"])
    await _say_clear(world, printer)
    job = await world.order(part("kept"), 2)
    await world.until_print(job, "needs_attention")
    seen = _printer(await world.state(), printer)
    said = await _refusal(world, "clear_bed", printer=printer, version=seen["bed_version"])
    assert said == "printer_has_active_print", "the bed of a print that needs a person was cleared"
    world.helpful = True
    await world.until_finished()


async def the_bed_is_occupied_from_the_intent_on(world: World) -> None:
    """What the database says of the bed while a print runs."""
    await world.furnish(world.printers[0]["name"])
    job = await world.order(part("occupied", 40), 1)
    await world.until_print(job, "printing")
    beds = world.stored("SELECT bed FROM printers")
    assert beds == [("occupied",)], f"the bed counts as {beds} while a print runs"
    await world.until_finished()


async def a_late_second_click_clears_no_other_part(world: World) -> None:
    """Two people click on the same bed; the second click arrives after the next print."""
    name = world.printers[0]["name"]
    (printer,) = await world.furnish(name)
    await _say_clear(world, printer)
    await world.order(part("first"), 1, name="first")
    await world.until_finished()
    seen = _printer(await world.state(), printer)["bed_version"]
    await world.admin.do(name, "clear-bed")
    await world.ask("clear_bed", printer=printer, version=seen)
    await world.order(part("second"), 1, name="second")
    await world.until_finished()
    said = await _refusal(world, "clear_bed", printer=printer, version=seen)
    assert said in {"bed_changed", ""}, said
    world.helpful = True
    await world.order(part("third"), 1, name="third")
    await world.until_finished()


async def a_cancel_meets_no_other_print(world: World) -> None:
    """Somebody ends our print at the touchscreen and begins another one; a cancel comes just then.

    The farm looks seldom here, and the push socket is held up: only a fresh read can tell.
    """
    name = world.printers[0]["name"]
    await world.furnish(name)
    job = await world.order(part("ended by hand", ENDLESS), 1)
    world.orders[job]["cancelled"] = True
    print_ = await world.until_print(job, "printing")
    await world.admin.proxy_do(name, "hold-sockets", seconds=ENDLESS)
    await world.admin.do(name, "cancel")
    await _until_idle(world, name)
    await world.admin.do(name, "print", path="mine.gcode", gcode=part("mine", ENDLESS))
    await world.ask("cancel_print", print_id=print_["id"])
    await world.until_print(job, "cancelled", "failed", within_s=60)
    cancels = [one for one in await world.log(name) if one.get("command") == "cancel"]
    assert not cancels, "a print that is not ours was cancelled"
    await world.admin.do(name, "cancel")
    await world.admin.proxy_do(name, "cut-sockets")


async def a_completion_without_a_print_time_is_none(world: World) -> None:
    """The host tells of a start and an end, and has not sent a line."""
    name = world.printers[0]["name"]
    await world.admin.rule(name, "start", "phantom")
    await world.furnish(name)
    job = await world.order(part("phantom"), 1)
    print_ = await world.until_print(job, "needs_attention", "completed")
    world.forgotten.add(print_["id"])
    await world.until_finished()


async def _refusal(world: World, do: str, **order: Any) -> str:
    """The code of the farm's refusal; empty when it did what it was asked."""
    try:
        await world.ask(do, **order)
    except Refused as refused:
        return refused.code
    return ""


async def _until_idle(world: World, name: str) -> None:
    async with asyncio.timeout(10):
        while (await world.admin.printer(name))["state"] != "Operational":
            await asyncio.sleep(0.01)


async def _say_clear(world: World, printer: str) -> None:
    """Say once of a bed, which is clear, that it is: nobody else helps in this world."""

    def online(state: Facts) -> Facts | None:
        seen = _printer(state, printer)
        return seen if seen["link"] == "online" else None

    seen = await world.until(online, "a printer that is online")
    if seen["bed"] != "clear":
        await world.ask("clear_bed", printer=printer, version=seen["bed_version"])


def _printer(state: Facts, printer: str) -> Facts:
    return next(one for one in state["printers"] if one["id"] == printer)


async def a_held_job_is_claimed_by_nobody(world: World) -> None:
    """Somebody holds the job through another server while a claim is not yet committed."""
    job = await world.order(part("held"), 1)
    await world.furnish()
    life = await world.marked()
    try:
        held = await asyncio.to_thread(world.hold_elsewhere, job)
    finally:
        life.signal(signal.SIGCONT)
    if held:
        await asyncio.sleep(1.0)
        (print_,) = world.stored("SELECT state FROM prints")
        assert print_ == ("queued",), "a print of a job that was on hold was claimed"
        await world.ask("hold", job=job, hold=False)
    await world.until_finished()


PROMISES: dict[str, Trial] = {
    trial.name: trial
    for trial in (
        Trial(
            "nothing_is_started_before_its_intent",
            DAYS["plain"],
            kills=[KillAt(f"before:{INTENT}")],
        ),
        Trial(
            "a_start_whose_answer_is_lost_is_found_out", a_start_whose_answer_is_lost_is_found_out
        ),
        Trial(
            "a_start_whose_answer_is_lost_is_sent_once", a_start_whose_answer_is_lost_is_sent_once
        ),
        Trial(
            "a_start_that_outlives_the_delete_is_seen",
            a_start_that_outlives_the_delete_is_seen,
            farm_factor=UNHURRIED,
        ),
        Trial("every_upload_has_a_name_of_its_own", every_upload_has_a_name_of_its_own),
        Trial(
            "a_print_that_needs_a_person_keeps_its_printer",
            a_print_that_needs_a_person_keeps_its_printer,
            kills=[KillAt(f"committed:{INTENT}")],
            helpful=False,
        ),
        Trial("the_bed_is_occupied_from_the_intent_on", the_bed_is_occupied_from_the_intent_on),
        Trial(
            "a_late_second_click_clears_no_other_part",
            a_late_second_click_clears_no_other_part,
            helpful=False,
        ),
        Trial("a_cancel_meets_no_other_print", a_cancel_meets_no_other_print, farm_factor=SLOW),
        Trial(
            "a_completion_without_a_print_time_is_none", a_completion_without_a_print_time_is_none
        ),
        Trial(
            "a_held_job_is_claimed_by_nobody",
            a_held_job_is_claimed_by_nobody,
            kills=[KillAt("before:dispatch.transitions.claim", signal=signal.SIGSTOP)],
            database=POSTGRESQL,
        ),
    )
}


def trials() -> list[Trial]:
    """All of them that have the database they need here."""
    return [trial for trial in PROMISES.values() if can_be_tried(trial)]


def can_be_tried(trial: Trial) -> bool:
    """Whether the trial's database is here; where nothing may be skipped it is an error if not."""
    return trial.database != POSTGRESQL or postgres.is_there()
