"""Checks on physical commands: each goes out once, and its answer is one of three honest words."""

from __future__ import annotations

import asyncio

from buildplate.core.evidence import Run
from buildplate.core.printers import Activity
from buildplate.drivers.sdk.answers import Accepted, Deleted, Refused, Unknown
from buildplate.drivers.sdk.conformance.bench import SLACK_S, Bench, completed, evidence, promise
from buildplate.drivers.sdk.conformance.relay import Fate
from buildplate.drivers.sdk.manifest import Capability


async def a_start_runs_the_file_once(bench: Bench) -> None:
    """An accepted start is one physical start, seen running and seen ending."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 10)
        promise(completed(await session.ended(watch)), "a run to its end reads as completed")
        await session.idle(watch)
        promise(await bench.host.starts(watch.path) == 1, "one start is one physical start")
        promise(await bench.host.completions(watch.path) == 1, "it was printed to its end once")


async def an_answer_lost_after_the_start_is_unknown(bench: Bench) -> None:
    """The start happened, its answer is lost: Unknown, and it happened exactly once."""
    await _spoilt_answer(bench, Fate.LOSE_ANSWER)


async def a_garbled_answer_to_a_start_is_unknown(bench: Bench) -> None:
    """Nonsense for an answer says nothing about what happened."""
    await _spoilt_answer(bench, Fate.GARBLE)


async def a_stub_of_an_answer_to_a_start_is_unknown(bench: Bench) -> None:
    """The first bytes of an answer say nothing about what happened."""
    await _spoilt_answer(bench, Fate.STUB)


async def a_start_without_an_answer_is_unknown_in_time(bench: Bench) -> None:
    """A host that never answers costs one command time-out, and the start is not repeated."""
    await _spoilt_answer(bench, Fate.NEVER_ANSWER)


async def _spoilt_answer(bench: Bench, fate: Fate) -> None:
    host = bench.host
    async with bench.session() as session:
        path = await session.store(host.sample(host.patience / 30))
        watch = await session.intent(path)
        bench.relay.next(host.markers.start, fate)
        began = asyncio.get_running_loop().time()
        answer = await session.driver.start(path)
        took = asyncio.get_running_loop().time() - began
        promise(isinstance(answer, Unknown), f"an answer that is {fate.name} is Unknown: {answer}")
        promise(took < host.timings.command + SLACK_S, f"start ends in time, not after {took} s")
    await _ran_once(bench, watch.path)


async def _ran_once(bench: Bench, path: str) -> None:
    loop = asyncio.get_running_loop()
    limit = loop.time() + bench.host.patience
    while await bench.host.completions(path) == 0:
        promise(loop.time() < limit, "a start that arrived is carried out by the host")
        await asyncio.sleep(bench.host.patience / 100)
    await asyncio.sleep(bench.host.patience / 30)
    promise(await bench.host.starts(path) == 1, "a start is never repeated")


async def a_start_that_never_arrived_is_unknown_and_never_sent_again(bench: Bench) -> None:
    """A connection cut before the host heard of the start: Unknown, and nothing ever starts."""
    host = bench.host
    async with bench.session() as session:
        path = await session.store(host.sample(host.patience / 30))
        await session.intent(path)
        bench.relay.next(host.markers.start, Fate.CUT)
        answer = await session.driver.start(path)
        promise(isinstance(answer, Unknown), f"a cut connection is Unknown, not {answer}")
        await asyncio.sleep(host.patience / 20)
        promise(await host.starts(path) == 0, "a start is never repeated by the driver")


async def a_start_held_on_its_way_may_still_run(bench: Bench) -> None:
    """A start that is held longer than anybody waits is Unknown; it runs once, later."""
    host = bench.host
    async with bench.session() as session:
        path = await session.store(host.sample(host.patience / 30))
        await session.intent(path)
        bench.relay.next(host.markers.start, Fate.HOLD, host.timings.command * 1.5)
        answer = await session.driver.start(path)
        promise(isinstance(answer, Unknown), f"no answer in time is Unknown, not {answer}")
    await _ran_once(bench, path)


async def a_replayed_start_is_still_one_print(bench: Bench) -> None:
    """A network that delivers a start twice: the host refuses the second, the print is one."""
    host = bench.host
    async with bench.session() as session:
        path = await session.store(host.sample(host.patience / 10))
        watch = await session.intent(path)
        bench.relay.next(host.markers.start, Fate.REPLAY, host.patience / 100)
        answer = await session.driver.start(path)
        promise(isinstance(answer, Accepted), f"the first of two equal starts works: {answer}")
        promise(completed(await session.ended(watch)), "the run's end is proven")
        await session.idle(watch)
        promise(await host.starts(path) == 1, "the replay started nothing")


async def a_missing_file_is_refused(bench: Bench) -> None:
    """The start of a file that is not there is Refused, and nothing starts."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(1))
        promise(await session.driver.delete(path) is Deleted.GONE, "an idle file can be deleted")
        answer = await session.driver.start(path)
        promise(isinstance(answer, Refused), f"a missing file is Refused, not {answer}")
        promise(await bench.host.starts(path) == 0, "nothing started")


async def a_busy_printer_refuses_a_start(bench: Bench) -> None:
    """While a file runs, another start is Refused and changes nothing."""
    async with bench.session() as session:
        other = await session.store(bench.host.sample(1))
        watch = await session.begin(bench.host.patience / 5)
        for path in (other, watch.path):
            answer = await session.driver.start(path)
            promise(isinstance(answer, Refused), f"a busy printer refuses, not {answer}")
        seen = evidence(await session.driver.look(watch))
        promise(seen.run is Run.RUNNING and seen.doubt is None, "the first goes on running")
        promise(await session.driver.cancel() == Accepted(), "a running print can be cancelled")
        await session.ended(watch)
        promise(await bench.host.starts(other) == 0, "the other never started")


async def a_cancel_ends_the_run_as_failed(bench: Bench) -> None:
    """A cancelled run reads as ended and not completed, on an idle printer."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
        promise(await session.driver.cancel() == Accepted(), "a running print can be cancelled")
        promise(not completed(await session.ended(watch)), "a cancelled print is not completed")
        await session.idle(watch)
        promise(await bench.host.completions(watch.path) == 0, "it was not printed to its end")


async def an_idle_printer_refuses_a_cancel(bench: Bench) -> None:
    """There is nothing to cancel, pause or resume: Refused."""
    async with bench.session() as session:
        await session.idle()
        orders = [session.driver.cancel]
        if Capability.PAUSE in bench.host.manifest.capabilities:
            orders += [session.driver.pause, session.driver.resume]
        for order in orders:
            answer = await order()
            promise(isinstance(answer, Refused), f"an idle printer refuses it, not {answer}")


async def an_unanswered_cancel_is_unknown(bench: Bench) -> None:
    """A cancel whose answer is lost is Unknown; it was obeyed, and the next reads tell so."""
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
        bench.relay.next(bench.host.markers.cancel, Fate.LOSE_ANSWER)
        answer = await session.driver.cancel()
        promise(isinstance(answer, Unknown), f"a lost answer is Unknown, not {answer}")
    async with bench.session() as session:
        promise(not completed(await session.ended(watch)), "a cancelled print is not completed")
        await session.idle(watch)
        promise(await bench.host.completions(watch.path) == 0, "it was not printed to its end")


async def a_pause_is_seen_and_a_resume_too(bench: Bench) -> None:
    """Pause and resume are obeyed and read back."""
    if Capability.PAUSE not in bench.host.manifest.capabilities:
        return
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
        promise(await session.driver.pause() == Accepted(), "a running print can be paused")
        paused = await session.until(watch, lambda r: evidence(r).run is Run.PAUSED, "paused")
        promise(paused.activity is Activity.PAUSED, "a paused print of ours reads as paused")
        promise(await session.driver.resume() == Accepted(), "a paused print can be resumed")
        await session.until(watch, lambda r: evidence(r).run is Run.RUNNING, "running again")
        await session.driver.cancel()
        await session.ended(watch)


async def a_delete_is_answered_honestly(bench: Bench) -> None:
    """Gone, also when it was not there; in use while it runs; unknown when nobody answered."""
    async with bench.session() as session:
        path = await session.store(bench.host.sample(1))
        promise(await session.driver.delete(path) is Deleted.GONE, "a stored file is deleted")
        promise(path not in await bench.files(session), "and is gone then")
        promise(await session.driver.delete(path) is Deleted.GONE, "a missing file is GONE")
        kept = await session.store(bench.host.sample(1))
        bench.relay.next(bench.host.markers.delete, Fate.CUT)
        promise(await session.driver.delete(kept) is Deleted.UNKNOWN, "a cut connection is UNKNOWN")
    async with bench.session() as session:
        promise(kept in await bench.files(session), "a delete is not repeated by the driver")
        watch = await session.begin(bench.host.patience / 5)
        promise(await session.driver.delete(watch.path) is Deleted.IN_USE, "it is in use")
        await session.driver.cancel()
        await session.ended(watch)
