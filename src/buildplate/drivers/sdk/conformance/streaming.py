"""Checks for drivers that stream: no host keeps the file, the print lives and dies with us.

What such a driver has to prove is other than with a host: a run never outlives its connection, and
its end is known from the driver's own notes, for ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from buildplate.core.evidence import Ending, Run
from buildplate.core.printers import Activity
from buildplate.drivers.sdk.answers import Accepted, Deleted, Refused, Unknown
from buildplate.drivers.sdk.conformance.bench import (
    SLACK_S,
    Bench,
    body_of,
    completed,
    evidence,
    promise,
)
from buildplate.drivers.sdk.conformance.relay import Fate
from buildplate.drivers.sdk.conformance.wire import fails, in_time, raises
from buildplate.drivers.sdk.contract import Watch

SPOILT = (Fate.LOSE_ANSWER, Fate.GARBLE, Fate.NEVER_ANSWER, Fate.CUT)
"""A stub is left out: on a serial line it is as long as a whole answer."""


async def a_run_ends_with_its_connection(bench: Bench) -> None:
    """A run whose connection is closed has failed, is never taken up again, and never completes."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
    async with bench.session() as session:
        reading = await session.ended(watch)
        seen = evidence(reading)
        promise(seen.ending is Ending.FAILED, f"a run that was cut off has failed: {seen}")
        promise(seen.doubt is None, f"in its middle that is beyond doubt: {seen.doubt}")
        promise(not seen.silent, "and it was no silence")
        promise(seen.reason, "and people are told why")
        await session.idle(watch)
        await asyncio.sleep(bench.host.patience / 30)
        promise(await bench.host.starts(watch.path) == 1, "it is not taken up again")
        promise(await bench.host.completions(watch.path) == 0, "it is not printed to its end")


async def an_ending_is_known_for_ever(bench: Bench) -> None:
    """A completed run reads as completed on every later connection."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 30)
        promise(completed(await session.ended(watch)), "a run to its end reads as completed")
    async with bench.session() as session:
        reading = await session.ended(watch)
        promise(completed(reading), "also on another connection")
        promise(not evidence(reading).others_ran, "and no other file ran")


async def a_run_without_an_intent_is_foreign(bench: Bench) -> None:
    """A file that was started without an intent is foreign, while it runs and once afterwards."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(bench.host.patience / 30))
        watch = Watch(path)
        await session.idle(watch)
        promise(await session.driver.start(path) == Accepted(), "an idle printer accepts a start")
        seen = await session.until(watch, lambda r: r.activity is Activity.FOREIGN, "foreign")
        promise(seen.path == path, "the reading names the file")
        promise(not evidence(seen).began_since, "a run before any intent is not the intent's")
        await session.idle(watch)
        promise(not (await session.driver.look(watch)).foreign_ran, "it is told once")


async def the_fingerprint_tells_prints_from_files(bench: Bench) -> None:
    """It stays while files that never ran come and go, and moves when something was printed."""
    async with bench.session() as session:
        await session.idle()
        before = (await session.driver.look(None, deep=True)).fingerprint
        promise(before, "a deep look has a fingerprint")
        path = await session.store(bench.host.sample(1))
        promise((await session.driver.look(None, deep=True)).fingerprint == before, "upload")
        await session.driver.delete(path)
        promise((await session.driver.look(None, deep=True)).fingerprint == before, "delete")
    async with bench.session() as session:
        again = (await session.driver.look(None, deep=True)).fingerprint
        promise(again == before, "a new connection finds what the old one left")
        watch = await session.begin(bench.host.patience / 60)
        await session.ended(watch)
        after = (await session.driver.look(None, deep=True)).fingerprint
        promise(after != before, "a print changes it")


async def a_spoilt_start_is_never_made_again(bench: Bench) -> None:
    """Whatever befalls the first line: Unknown, at most one start, and it never completes."""
    host = bench.host
    for fate in SPOILT:
        async with bench.session() as session:
            path = await session.store(host.sample(host.patience / 30))
            watch = await session.intent(path)
            bench.relay.next(host.markers.start, fate)
            began = asyncio.get_running_loop().time()
            answer = await session.driver.start(path)
            took = asyncio.get_running_loop().time() - began
            promise(isinstance(answer, Unknown), f"a start spoilt by {fate.name}: {answer}")
            promise(took < host.timings.command + SLACK_S, f"start ends in time, not {took} s")
        bench.relay.reset()
        bench.relay.cut()
        async with bench.session() as session:
            seen = evidence(await session.ended(watch))
            promise(not seen.silent, "a line was written, so nobody claims that nothing ran")
            promise(seen.ending is Ending.FAILED, f"it is over: {seen}")
            promise(await host.starts(path) <= 1, "it is never started again")
            promise(await host.completions(path) == 0, "nor printed to its end")
            await session.driver.delete(path)


async def a_held_start_runs_once(bench: Bench) -> None:
    """A first line that is held on its way may still arrive: the print is one, or none."""
    host = bench.host
    async with bench.session() as session:
        path = await session.store(host.sample(host.patience / 30))
        watch = await session.intent(path)
        bench.relay.next(host.markers.start, Fate.HOLD, host.timings.command * 1.5)
        answer = await session.driver.start(path)
        promise(isinstance(answer, Unknown), f"no answer in time is Unknown, not {answer}")
        await session.ended(watch)
        promise(await host.starts(path) == 1, "it ran once")


async def an_unanswered_cancel_is_unknown(bench: Bench) -> None:
    """A cancel whose answer is lost is Unknown; no further line is sent, and the run has failed."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
        bench.relay.next(bench.host.markers.cancel, Fate.LOSE_ANSWER)
        answer = await session.driver.cancel()
        promise(isinstance(answer, Unknown), f"a lost answer is Unknown, not {answer}")
    async with bench.session() as session:
        promise(not completed(await session.ended(watch)), "a cancelled print is not completed")
        await session.idle(watch)
        promise(await bench.host.completions(watch.path) == 0, "it was not printed to its end")


async def a_delete_is_answered_honestly(bench: Bench) -> None:
    """Gone, also when it was not there; in use while it runs."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(1))
        promise(await session.driver.delete(path) is Deleted.GONE, "a stored file is deleted")
        promise(path not in await bench.files(session), "and is gone then")
        promise(await session.driver.delete(path) is Deleted.GONE, "a missing file is GONE")
        watch = await session.begin(bench.host.patience / 5)
        promise(await session.driver.delete(watch.path) is Deleted.IN_USE, "it is in use")
        promise(await session.driver.cancel() == Accepted(), "a running print can be cancelled")
        await session.ended(watch)


async def half_an_upload_is_no_file(bench: Bench) -> None:
    """A body that ends early is an error, and leaves no file."""
    async with bench.session() as session:
        body = body_of(bench.host.sample(2) * 50)
        short = replace(body, size=body.size + 10)
        await fails(lambda: session.driver.upload("bp-short-1.gcode", short), "a short body")
        promise("bp-short-1.gcode" not in await bench.files(session), "half a file is no file")


async def a_printer_that_hangs_costs_each_call_its_time_out(bench: Bench) -> None:
    """Every call that needs the printer ends within its own limit; nothing starts later."""
    host, timings = bench.host, bench.host.timings
    async with bench.session() as session:
        path = await session.store(host.sample(1))
        watch = await session.intent(path)
        bench.relay.mute()
        driver = session.driver
        await in_time(driver.start(path), timings.command + SLACK_S, Unknown | Refused)
        await in_time(driver.cancel(), timings.command + SLACK_S, Unknown | Refused)
        await raises(driver.look(None), timings.request + SLACK_S)
        bench.relay.cut()
        bench.relay.reset()
    bench.relay.mute()
    hanging = bench.driver()
    await raises(hanging.connect(), timings.request * 3 + SLACK_S)
    await hanging.close()
    bench.relay.reset()
    await asyncio.sleep(host.patience / 30)
    promise(await host.starts(path) == 0, "nothing of it was ever sent")
    async with bench.session() as session:
        seen = evidence(await session.driver.look(watch))
        promise(seen.run is Run.NONE and seen.ending is None, f"and it did not run: {seen}")
