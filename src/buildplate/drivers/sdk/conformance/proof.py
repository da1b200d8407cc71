"""Checks on evidence: what a reading proves, and above all what it must not."""

from __future__ import annotations

import asyncio

from buildplate.core.evidence import Run
from buildplate.core.printers import Activity
from buildplate.drivers.sdk.answers import Accepted, Deleted
from buildplate.drivers.sdk.conformance.bench import Bench, completed, evidence, promise
from buildplate.drivers.sdk.contract import Watch


async def an_idle_printer_reads_as_idle(bench: Bench) -> None:
    """First words: who answers, an idle printer, a working channel, plain JSON as baseline."""
    driver = bench.driver()
    identity = await driver.connect()
    promise(identity.software and identity.version, "connect tells what answers")
    await driver.close()
    async with bench.session() as session:
        before = bench.host.timings.clock()
        reading = await session.until(
            None, lambda one: one.activity is Activity.IDLE and one.channel, "idle and watched"
        )
        promise(before <= reading.begun <= bench.host.timings.clock(), "begun is our clock's")
        promise(reading.path is None, "an idle printer runs nothing")
        promise(not reading.foreign_ran, "nothing ran")


async def silence_is_proven_while_nothing_runs(bench: Bench) -> None:
    """An intent whose start was never sent is proven silent, before and after the delete."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(1))
        watch = await session.intent(path)
        quiet = evidence(await session.driver.look(watch))
        promise(quiet.silent, f"nothing ran: {quiet}")
        promise(not quiet.others_ran, "no other file ran either")
        promise(quiet.run is Run.NONE and quiet.ending is None, "no run, no ending")
        promise(quiet.doubt is None, "nothing to doubt")
        promise(await session.driver.delete(path) is Deleted.GONE, "an idle file can be deleted")
        await session.until(watch, lambda one: evidence(one).silent, "silent after the delete")


async def a_broken_connection_proves_no_silence(bench: Bench) -> None:
    """On another connection than the intent's, nothing is proven about what did not happen."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(1))
        watch = await session.intent(path)
        promise(evidence(await session.driver.look(watch)).silent, "nothing ran")
    async with bench.session() as session:
        seen = evidence(await session.driver.look(watch))
        if bench.host.keeps_every_run:
            return
        promise(not seen.silent, "a gap in the channel proves nothing")
        promise(seen.others_ran, "nor that nothing else ran")


async def a_run_is_never_silent(bench: Bench) -> None:
    """From its start to after its end a run of ours is not silent, and ends as completed."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 10)
        seen = evidence(await session.driver.look(watch))
        promise(not seen.silent, "a run is not silent")
        ended = evidence(await session.ended(watch))
        promise(not ended.silent, "an ended run is not silent")
        promise(not ended.others_ran, "no other file ran")
        promise(ended.doubt is None, f"a clean run leaves no doubt: {ended.doubt}")
        promise(not (await session.idle(watch)).foreign_ran, "our own run is not foreign")
        promise(await session.driver.delete(watch.path) is Deleted.GONE, "then it can be deleted")
        promise(not evidence(await session.driver.look(watch)).silent, "deleted is not silent")


async def an_ending_is_proven_to_who_was_not_there(bench: Bench) -> None:
    """A run that ended while nobody listened is proven by what the host keeps."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(bench.host.patience / 60))
        watch = await session.intent(path)
        promise(await session.driver.start(path) == Accepted(), "an idle printer accepts a start")
    await _completed(bench, path)
    async with bench.session() as session:
        promise(completed(await session.ended(watch)), "the host's history proves the end")


async def _completed(bench: Bench, path: str) -> None:
    loop = asyncio.get_running_loop()
    limit = loop.time() + bench.host.patience
    while await bench.host.completions(path) == 0:
        promise(loop.time() < limit, "the host prints what it has accepted")
        await asyncio.sleep(bench.host.patience / 100)


async def a_run_is_ours_after_our_restart(bench: Bench) -> None:
    """A file of ours still running is known again on a new connection."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
    async with bench.session() as session:
        reading = await session.driver.look(watch)
        seen = evidence(reading)
        promise(seen.run is Run.RUNNING and seen.began_since, f"our run is known again: {seen}")
        promise(seen.doubt is None, f"and nobody doubts it: {seen.doubt}")
        promise(reading.activity is Activity.OURS, "and it reads as ours")
        await session.driver.cancel()
        await session.ended(watch)


async def a_print_by_hand_is_foreign(bench: Bench) -> None:
    """A print that was not ours is foreign while it runs and told of afterwards."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(1))
        other = await session.store(bench.host.sample(bench.host.patience / 6))
        watch = await session.intent(path)
        await bench.host.start_by_hand(other)
        seen = await session.until(watch, lambda r: r.activity is Activity.FOREIGN, "foreign")
        promise(seen.path == other, "the reading names the file")
        promise(evidence(seen).others_ran, "another file ran")
        promise(evidence(seen).run is Run.NONE, "ours does not run")
        await session.idle(watch)
        after = evidence(await session.driver.look(watch))
        promise(after.others_ran, "another file ran since the intent")
        promise(after.ending is None, "ours has not ended, it never ran")


async def a_quick_print_by_hand_is_told_afterwards(bench: Bench) -> None:
    """A print that began and ended between two reads is told by the next one, once."""
    async with bench.session() as session:
        other = await session.store(bench.host.sample(bench.host.patience / 100))
        await session.idle()
        await bench.host.start_by_hand(other)
        await _completed(bench, other)
        await session.until(None, lambda one: one.foreign_ran, "a print by another")
        await session.idle()
        promise(not (await session.driver.look(None)).foreign_ran, "it is told once")


async def our_file_without_an_intent_is_foreign(bench: Bench) -> None:
    """A leftover of ours that a person starts is a foreign print, whoever watches the file."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(bench.host.patience / 6))
        await session.idle()
        await bench.host.start_by_hand(path)
        seen = await session.until(None, lambda r: r.activity is Activity.FOREIGN, "foreign")
        promise(seen.path == path, "the reading names the file")
        watched = await session.driver.look(Watch(path))
        promise(watched.activity is Activity.FOREIGN, "it is foreign to who only watches the file")
        promise(not evidence(watched).began_since, "a run before any intent is not the intent's")
        await session.idle()


async def a_quick_print_of_our_file_without_an_intent_is_told_afterwards(bench: Bench) -> None:
    """A leftover of ours that ran between two reads of who watches it is told as foreign, once."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(bench.host.patience / 100))
        await session.idle(Watch(path))
        await bench.host.start_by_hand(path)
        await _completed(bench, path)
        await session.until(Watch(path), lambda one: one.foreign_ran, "a print by another")
        await session.idle(Watch(path))
        promise(not (await session.driver.look(Watch(path))).foreign_ran, "it is told once")


async def the_fingerprint_tells_prints_from_files(bench: Bench) -> None:
    """It stays while files that never ran come and go, and moves when something was printed."""
    async with bench.session() as session:
        printed = await session.store(bench.host.sample(bench.host.patience / 60))
        await session.idle()
        before = (await session.driver.look(None, deep=True)).fingerprint
        promise(before, "a deep look has a fingerprint")
        promise((await session.driver.look(None)).fingerprint is None, "a shallow one has none")
        path = await session.store(bench.host.sample(1))
        promise((await session.driver.look(None, deep=True)).fingerprint == before, "upload")
        await session.driver.delete(path)
        promise((await session.driver.look(None, deep=True)).fingerprint == before, "delete")
    async with bench.session() as session:
        again = (await session.driver.look(None, deep=True)).fingerprint
        promise(again == before, "a new connection finds what the old one left")
        await bench.host.start_by_hand(printed)
        await _completed(bench, printed)
        await session.idle()
        after = (await session.driver.look(None, deep=True)).fingerprint
        promise(after != before, "a print changes it")
