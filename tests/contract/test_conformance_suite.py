"""The conformance suite catches drivers that break one promise each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.octoprint.config import read_settings
from buildplate.drivers.octoprint.driver import OctoPrintDriver
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    Answer,
    Control,
    Deleted,
    DriverError,
    DriverTimings,
    Ending,
    FileBody,
    PrinterOffline,
    Push,
    Reading,
    Refused,
    Unknown,
    Watch,
)
from buildplate.drivers.sdk.conformance import (
    Bench,
    Check,
    PromiseBroken,
    Relay,
    controls,
    physical,
    proof,
    wire,
)
from buildplate_sim.launch import octoprints
from tests.contract.driver_hosts import SimulatedOctoPrint

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]


class StartsAgain(OctoPrintDriver):
    async def start(self, path: str) -> Answer:
        answer = await super().start(path)
        return await super().start(path) if isinstance(answer, Unknown) else answer


class TakesSilenceForRefusal(OctoPrintDriver):
    async def start(self, path: str) -> Answer:
        answer = await super().start(path)
        return Refused("timeout") if isinstance(answer, Unknown) else answer


class BelievesItsOwnStart(OctoPrintDriver):
    async def start(self, path: str) -> Answer:
        await super().start(path)
        return Accepted()


class SelectsItsUploads(OctoPrintDriver):
    async def upload(self, name: str, body: FileBody) -> str:
        path = await super().upload(name, body)
        select = {"command": "select"}
        while not isinstance(await self._client.order(f"api/files/local/{path}", select), Accepted):
            await asyncio.sleep(0.05)
        return path


class DeletesBlindly(OctoPrintDriver):
    async def delete(self, path: str) -> Deleted:
        await super().delete(path)
        return Deleted.GONE


class TakesSilenceForGone(OctoPrintDriver):
    async def delete(self, path: str) -> Deleted:
        answer = await super().delete(path)
        return Deleted.GONE if answer is Deleted.UNKNOWN else answer


class OnlySaysThatItCancels(OctoPrintDriver):
    async def cancel(self) -> Answer:
        return Unknown("no answer")


class CallsEveryEndCompleted(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        reading = await super().look(watch, deep=deep)
        if reading.evidence is None or reading.evidence.ending is None:
            return reading
        return replace(reading, evidence=replace(reading.evidence, ending=Ending.COMPLETED))


class ClaimsWhateverItWatches(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        reading = await super().look(watch, deep=deep)
        ours = watch is not None and reading.path == watch.path
        return replace(reading, activity=Activity.OURS) if ours else reading


class KnowsNoneOfItsFilesToBeForeign(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        reading = await super().look(watch, deep=deep)
        return replace(reading, foreign_ran=False) if watch is not None else reading


class RepeatsWhatItReadBefore(OctoPrintDriver):
    last: Reading | None = None

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        try:
            self.last = await super().look(watch, deep=deep)
        except DriverError:
            if self.last is None:
                raise
        return self.last


class ReadsForEver(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        while True:
            try:
                return await super().look(watch, deep=deep)
            except DriverError:
                await asyncio.sleep(30)


class KeepsItsTurn(OctoPrintDriver):
    busy = False

    async def files(self, prefix: str) -> Sequence[str]:
        while self.busy:
            await asyncio.sleep(0.01)
        self.busy = True
        found = await super().files(prefix)
        self.busy = False
        return found


class LosesTrackOfFetches(OctoPrintDriver):
    broken = False

    async def fetch_sha256(self, path: str) -> str | None:
        if self.broken:
            why = "a fetch was abandoned"
            raise PrinterOffline(why)
        self.broken = True
        found = await super().fetch_sha256(path)
        self.broken = False
        return found


class AlwaysSilent(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        reading = await super().look(watch, deep=deep)
        if reading.evidence is None:
            return reading
        return replace(reading, evidence=replace(reading.evidence, silent=True))


class NeverSilent(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        reading = await super().look(watch, deep=deep)
        if reading.evidence is None:
            return reading
        return replace(reading, evidence=replace(reading.evidence, silent=False))


class SeesNobodyElse(OctoPrintDriver):
    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        return replace(await super().look(watch, deep=deep), foreign_ran=False)


class ForgetsToClose(OctoPrintDriver):
    async def close(self) -> None:
        await self._channel.close()


class HearsNoEnd(OctoPrintDriver):
    async def pushes(self) -> AsyncIterator[Push]:
        self._channel.read_on = True
        while not self._closed:
            await asyncio.sleep(0.05)
        yield await anext(super().pushes())


class OrdersAgain(OctoPrintDriver):
    async def control(self, order: Control) -> Answer:
        answer = await super().control(order)
        return await super().control(order) if isinstance(answer, Unknown) else answer


class OrdersInTurn(OctoPrintDriver):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._turn = asyncio.Lock()

    async def control(self, order: Control) -> Answer:
        async with self._turn:
            return await super().control(order)


class OnlySaysThatItDoes(OctoPrintDriver):
    async def control(self, order: Control) -> Answer:
        return Accepted()


BROKEN: list[tuple[type[OctoPrintDriver], Check]] = [
    (StartsAgain, physical.a_start_that_never_arrived_is_unknown_and_never_sent_again),
    (TakesSilenceForRefusal, physical.an_answer_lost_after_the_start_is_unknown),
    (BelievesItsOwnStart, physical.a_garbled_answer_to_a_start_is_unknown),
    (BelievesItsOwnStart, physical.a_missing_file_is_refused),
    (SelectsItsUploads, wire.an_upload_neither_starts_nor_selects),
    (DeletesBlindly, physical.a_delete_is_answered_honestly),
    (DeletesBlindly, wire.a_host_that_hangs_costs_each_call_its_time_out),
    (TakesSilenceForGone, wire.a_host_that_hangs_costs_each_call_its_time_out),
    (ReadsForEver, wire.a_host_that_hangs_costs_each_call_its_time_out),
    (OnlySaysThatItCancels, physical.an_unanswered_cancel_is_unknown),
    (CallsEveryEndCompleted, physical.an_unanswered_cancel_is_unknown),
    (ClaimsWhateverItWatches, proof.our_file_without_an_intent_is_foreign),
    (
        KnowsNoneOfItsFilesToBeForeign,
        proof.a_quick_print_of_our_file_without_an_intent_is_told_afterwards,
    ),
    (RepeatsWhatItReadBefore, wire.a_spoilt_read_is_an_error_in_time),
    (ReadsForEver, wire.a_spoilt_read_is_an_error_in_time),
    (KeepsItsTurn, wire.an_abandoned_call_does_no_harm),
    (LosesTrackOfFetches, wire.an_abandoned_call_does_no_harm),
    (AlwaysSilent, proof.a_broken_connection_proves_no_silence),
    (AlwaysSilent, proof.a_run_is_never_silent),
    (NeverSilent, proof.silence_is_proven_while_nothing_runs),
    (SeesNobodyElse, proof.a_quick_print_by_hand_is_told_afterwards),
    (HearsNoEnd, wire.a_lost_connection_ends_the_pushes),
    (ForgetsToClose, wire.closing_leaves_nothing_behind),
    (OrdersAgain, controls.an_order_that_never_arrived_is_unknown_and_not_sent_again),
    (OrdersInTurn, controls.an_emergency_stop_passes_an_order_that_hangs),
    (OnlySaysThatItDoes, controls.each_order_that_is_offered_is_carried_out_once),
    (OnlySaysThatItDoes, controls.an_emergency_stop_halts_a_printer_that_prints),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedOctoPrint]:
    async with octoprints(tmp_path_factory.mktemp("host"), time_factor=10) as simulator:
        yield SimulatedOctoPrint(simulator, factor=10, patience=6.0)


@pytest.mark.parametrize(("broken", "check"), BROKEN, ids=lambda one: one.__name__)
async def test_a_broken_promise_is_caught(
    broken: type[OctoPrintDriver], check: Check, host: SimulatedOctoPrint
) -> None:
    made: list[OctoPrintDriver] = []

    def make(connection: Mapping[str, Any], timings: DriverTimings) -> OctoPrintDriver:
        made.append(broken(read_settings(connection), timings))
        return made[-1]

    await host.reset()
    lying = replace(host, manifest=replace(DRIVER, make=make))
    try:
        with pytest.raises((BaseExceptionGroup, PromiseBroken)) as caught:
            async with Relay(host.address).serving() as relay:
                await check(Bench(lying, relay))
    finally:
        for driver in made:
            await OctoPrintDriver.close(driver)
    assert _holds(caught.value, PromiseBroken), caught.value


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_holds(one, kind) for one in error.exceptions)
    return isinstance(error, kind)
