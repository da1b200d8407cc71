"""One failing task is begun again and takes nobody else with it."""

import asyncio
import gc
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
