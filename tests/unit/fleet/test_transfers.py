"""The bound on transfers: kept by those that move, not used up by those that stand still."""

import asyncio

from buildplate.fleet.transfers import Slot, TransferSlots


class _Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


async def _holder(slots: TransferSlots, entered: list[Slot], leave: asyncio.Event) -> None:
    async with slots.hold() as slot:
        entered.append(slot)
        await leave.wait()


async def _until(entered: list[Slot], count: int) -> None:
    async with asyncio.timeout(5):
        while len(entered) < count:
            await asyncio.sleep(0.001)


async def test_no_more_transfers_than_the_limit_move_at_a_time() -> None:
    slots, entered, leave = TransferSlots(2, 0.02, _Time()), list[Slot](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(_holder(slots, entered, leave))
        await _until(entered, 2)
        await asyncio.sleep(0.05)
        assert len(entered) == 2
        leave.set()
        await _until(entered, 3)


async def test_a_transfer_that_stands_still_gives_its_place_to_another() -> None:
    time = _Time()
    slots, entered, leave = TransferSlots(1, 0.02, time), list[Slot](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_holder(slots, entered, leave))
        await _until(entered, 1)
        tasks.create_task(_holder(slots, entered, leave))
        await asyncio.sleep(0.03)
        assert len(entered) == 1
        time.now += 0.03
        await _until(entered, 2)
        leave.set()


async def test_a_transfer_that_moves_keeps_its_place() -> None:
    time = _Time()
    slots, entered, leave = TransferSlots(1, 0.02, time), list[Slot](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_holder(slots, entered, leave))
        await _until(entered, 1)
        tasks.create_task(_holder(slots, entered, leave))
        for _ in range(5):
            time.now += 0.015
            entered[0].touch()
            await asyncio.sleep(0.01)
        assert len(entered) == 1
        leave.set()
        await _until(entered, 2)


async def test_places_are_given_in_the_order_of_asking_and_past_those_who_gave_up() -> None:
    slots, served = TransferSlots(1, 10.0, _Time()), list[int]()
    leave = asyncio.Event()

    async def take(nth: int) -> None:
        async with slots.hold():
            served.append(nth)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_holder(slots, [], leave))
        await asyncio.sleep(0)
        waiting = []
        for nth in range(6):
            waiting.append(tasks.create_task(take(nth)))
            await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[3].cancel()
        await asyncio.sleep(0)
        leave.set()
    assert served == [1, 2, 4, 5]


async def test_a_place_that_is_freed_wakes_one_of_those_who_wait() -> None:
    time, count = _Time(), 100
    slots = TransferSlots(1, 10.0, time)

    async def take() -> None:
        async with slots.hold():
            await asyncio.sleep(0)

    await asyncio.gather(*(take() for _ in range(count)))
    assert time.asked < 5 * count
