"""Checks on what people order directly: accepted, done once, and never held up in an emergency."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from buildplate.core.printers import Activity
from buildplate.drivers.sdk.answers import Accepted, Refused, Unknown
from buildplate.drivers.sdk.conformance.bench import SLACK_S, Bench, Session, promise
from buildplate.drivers.sdk.conformance.relay import Fate
from buildplate.drivers.sdk.controls import (
    CAPABILITY_OF,
    Control,
    EmergencyStop,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Macro,
    Pace,
    ShiftZ,
)
from buildplate.drivers.sdk.errors import DriverError
from buildplate.drivers.sdk.manifest import Capability

HARMLESS: Sequence[Control] = (
    Home(),
    Jog({"x": 5.0}),
    Heat("bed", 35.0),
    Heat("bed", 0.0),
    Fan(0.5),
    Fan(0.0),
    Pace(speed=1.0),
    ShiftZ(0.05),
    Gcode(("M115",)),
)
"""What any machine at rest can be asked for; pushing filament needs heat, and may be refused."""


@runtime_checkable
class Witness(Protocol):
    """A host that can tell what physically happened of the orders that it was given.

    `marker_of_orders`: bytes by which the relay knows any order but a stop. `apart`: each order
    goes out on a connection of its own, so that one which is held up holds no other one up.
    """

    marker_of_orders: bytes
    apart: bool

    async def orders(self) -> Sequence[str]:
        """The capability's name of each order that was carried out, in their order."""


def offered(bench: Bench) -> list[Control]:
    """The harmless orders that this driver says it can carry out."""
    able = bench.host.manifest.capabilities
    return [order for order in HARMLESS if CAPABILITY_OF[type(order)] in able]


async def each_order_that_is_offered_is_carried_out_once(bench: Bench) -> None:
    """An idle printer accepts what its driver lists, and does it once."""
    async with bench.session() as session:
        await session.idle()
        for order in offered(bench):
            before = await _orders(bench)
            answer = await session.driver.control(order)
            promise(answer == Accepted(), f"an idle printer accepts {order}, not {answer}")
            await session.idle()
            if before is not None:
                done = (await _orders(bench) or ())[len(before) :]
                kind = CAPABILITY_OF[type(order)].value
                promise(set(done) == {kind}, f"{order} is carried out, not {done}")
        for order in await _perhaps(bench, session):
            answer = await session.driver.control(order)
            honest = isinstance(answer, Accepted | Refused)
            promise(honest, f"{order} is done, or refused where it cannot be: not {answer}")


async def an_order_whose_answer_is_lost_is_unknown_and_not_sent_again(bench: Bench) -> None:
    """Nobody knows what came of it, and it happens once at most."""
    host, found = bench.host, offered(bench)
    if not isinstance(host, Witness) or not found:
        return
    order = found[0]
    async with bench.session() as session:
        await session.idle()
        before = len(await host.orders())
        bench.relay.next(host.marker_of_orders, Fate.LOSE_ANSWER)
        answer = await session.driver.control(order)
        promise(isinstance(answer, Unknown), f"a lost answer is Unknown, not {answer}")
        await asyncio.sleep(host.patience / 30)
        again = (await host.orders())[before:]
        promise(len(again) <= 1, f"an order is never sent again: {again}")


async def an_order_that_never_arrived_is_unknown_and_not_sent_again(bench: Bench) -> None:
    """A connection cut before the host heard of it: Unknown, and nothing happens."""
    host, found = bench.host, offered(bench)
    if not isinstance(host, Witness) or not found:
        return
    async with bench.session() as session:
        await session.idle()
        before = len(await host.orders())
        bench.relay.next(host.marker_of_orders, Fate.CUT)
        answer = await session.driver.control(found[0])
        promise(isinstance(answer, Unknown), f"a cut connection is Unknown, not {answer}")
        await asyncio.sleep(host.patience / 30)
        promise(len(await host.orders()) == before, "an order is not repeated by the driver")


async def an_emergency_stop_halts_a_printer_that_prints(bench: Bench) -> None:
    """The machine reads as halted, or as out of reach, and the print does not reach its end."""
    if Capability.EMERGENCY_STOP not in bench.host.manifest.capabilities:
        return
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 3)
        answer = await session.driver.control(EmergencyStop())
        promise(not isinstance(answer, Refused), f"a stop is never refused: {answer}")
        await _stopped(bench, session)
        promise(await bench.host.completions(watch.path) == 0, "the print has ended")


async def an_emergency_stop_passes_an_order_that_hangs(bench: Bench) -> None:
    """What was ordered before and is not answered yet does not hold the stop up."""
    host, found = bench.host, offered(bench)
    able = Capability.EMERGENCY_STOP in host.manifest.capabilities
    if not isinstance(host, Witness) or not found or not able:
        return
    async with bench.session() as session:
        await session.idle()
        if host.apart:
            bench.relay.next(host.marker_of_orders, Fate.HOLD, host.timings.command * 3)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            held = tasks.create_task(session.driver.control(found[0]))
            await asyncio.sleep(host.timings.command / 20)
            began = loop.time()
            answer = await session.driver.control(EmergencyStop())
            took = loop.time() - began
            passed = not host.apart or not held.done()
        promise(answer == Accepted(), f"a stop is accepted, not {answer}")
        promise(passed and took < SLACK_S, f"a stop waits for nothing, not {took} s")
        await _stopped(bench, session)


async def _stopped(bench: Bench, session: Session) -> None:
    loop = asyncio.get_running_loop()
    limit = loop.time() + bench.host.patience
    while True:
        try:
            reading = await session.driver.look(None)
        except DriverError:
            return
        if reading.activity is Activity.HALTED:
            return
        promise(loop.time() < limit, f"a stopped machine is halted, not {reading.activity}")
        await asyncio.sleep(bench.host.patience / 300)


async def _orders(bench: Bench) -> Sequence[str] | None:
    host = bench.host
    return await host.orders() if isinstance(host, Witness) else None


async def _perhaps(bench: Bench, session: Session) -> list[Control]:
    """Orders that a machine at rest may refuse, as its nozzle is cold."""
    able = bench.host.manifest.capabilities
    found: list[Control] = [Extrude(1.0)] if Capability.EXTRUDE in able else []
    if {Capability.MACRO, Capability.EQUIPMENT} <= able:
        found += [Macro(name) for name in list((await session.driver.equipment()).macros)[:1]]
    return found
