"""One failing task is begun again and takes nobody else with it."""

import asyncio
import gc
from functools import partial
from weakref import WeakSet

from structlog.contextvars import bound_contextvars, get_contextvars

from buildplate.app.supervisor import Pauses, SupervisedTask, Supervisor


async def test_a_task_that_fails_is_begun_again_and_its_neighbour_runs_on() -> None:
    begun = 0
    recovered, neighbour_ran_on = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            message = "broken"
            raise RuntimeError(message)
        recovered.set()
        await asyncio.Event().wait()

    async def neighbour() -> None:
        await recovered.wait()
        neighbour_ran_on.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), Supervisor(Pauses(0.001, 0.002)) as supervisor:
        supervisor.start("failing", failing)
        supervisor.start("neighbour", neighbour)
        await neighbour_ran_on.wait()
    assert begun == 3


async def test_leaving_the_supervisor_stops_every_task() -> None:
    stopped = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(name)

    async with Supervisor() as supervisor:
        supervisor.start("one", lambda: forever("one"))
        supervisor.start("two", lambda: forever("two"))
        await asyncio.sleep(0)
    assert sorted(stopped) == ["one", "two"]


async def test_tasks_that_have_ended_are_forgotten() -> None:
    known: WeakSet[SupervisedTask] = WeakSet()
    async with Supervisor() as supervisor:
        for _ in range(20):
            task = supervisor.start("short", lambda: asyncio.sleep(0))
            known.add(task)
            await task.stop()
        gc.collect()
        assert len(known) <= 2


def test_pauses_double_up_to_their_limit() -> None:
    pauses = Pauses(0.5, 30.0)
    assert [pauses.after(n) for n in (0, 1, 2, 3)] == [0.5, 1.0, 2.0, 4.0]
    assert pauses.after(100) == 30.0


async def test_a_task_says_nothing_in_the_name_of_the_request_that_started_it() -> None:
    seen: list[dict[str, object]] = []

    async def look() -> None:
        seen.append(get_contextvars())

    async with Supervisor() as supervisor:
        with bound_contextvars(correlation_id="a request"):
            task = supervisor.start("look", look)
        async with asyncio.timeout(5):
            while not seen:
                await asyncio.sleep(0)
        await task.stop()
    assert seen == [{}]


async def test_a_task_that_fails_when_it_is_cancelled_is_not_begun_again() -> None:
    begun = 0

    async def run() -> None:
        nonlocal begun
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            message = "a failure that hides the cancellation"
            raise RuntimeError(message)

    async with asyncio.timeout(5), Supervisor(Pauses(0.001, 0.002)) as supervisor:
        task = supervisor.start("run", run)
        await asyncio.sleep(0)
        await task.stop()
    assert begun == 1


async def test_a_task_that_goes_on_is_cancelled_again() -> None:
    heard = 0

    async def run() -> None:
        nonlocal heard
        while heard < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1

    async with asyncio.timeout(5), Supervisor(Pauses(patience=0.001)) as supervisor:
        task = supervisor.start("run", run)
        await asyncio.sleep(0)
        await task.stop()
    assert heard == 3


async def test_whoever_is_cancelled_while_stopping_a_task_waits_and_stays_cancelled() -> None:
    ended = []

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append("run")

    async with asyncio.timeout(5), Supervisor() as supervisor:
        task = supervisor.start("run", run)
        await asyncio.sleep(0)
        stopping = asyncio.create_task(task.stop())  # noqa: TID251
        await asyncio.sleep(0.01)
        stopping.cancel()
        await asyncio.wait([stopping])
        assert stopping.cancelled()
    assert ended == ["run"]


async def test_what_is_started_while_all_are_stopped_is_stopped_too() -> None:
    stopped = []

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("late")

    async with asyncio.timeout(5), Supervisor() as supervisor:

        async def starts_another() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                supervisor.start("late", late)
                await asyncio.sleep(0)

        supervisor.start("first", starts_another)
        await asyncio.sleep(0)
    assert stopped == ["late"]


async def test_whoever_is_cancelled_while_all_are_stopped_leaves_none_behind() -> None:
    ended = []

    async def run(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            ended.append(name)

    async def farm() -> None:
        async with Supervisor() as supervisor:
            for name in ("a", "b", "c"):
                supervisor.start(name, partial(run, name))
            await asyncio.sleep(0)

    task = asyncio.create_task(farm())  # noqa: TID251
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ended == ["c", "b", "a"]


async def test_a_task_that_is_not_meant_by_a_cancellation_is_begun_again() -> None:
    begun = 0
    again = asyncio.Event()

    async def run() -> None:
        nonlocal begun
        begun += 1
        if begun > 1:
            again.set()
            await asyncio.Event().wait()
        another: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        another.cancel()
        await another

    async with asyncio.timeout(5), Supervisor(Pauses(0.001, 0.002)) as supervisor:
        task = supervisor.start("run", run)
        await again.wait()
        await task.stop()
    assert begun == 2
