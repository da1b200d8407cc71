"""The OctoPrint driver against a real OctoPrint and its virtual printer."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    AuthRequired,
    Deleted,
    Driver,
    DriverError,
    DriverTimings,
    Ending,
    FileBody,
    PrinterOffline,
    Push,
    Reading,
    Refused,
    Run,
    Unknown,
    Watch,
)
from tests.integration.octoprint_host import (
    SIMULATED_ERRORS,
    OctoPrintHost,
    gcode,
    make_template,
    octoprint_host,
    sha256,
)

pytestmark = [
    pytest.mark.needs_octoprint,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]
TIMINGS = DriverTimings(request=10, command=10, transfer_idle=10)


@dataclass
class Line:
    """A connected driver whose pushes are read, as a session does it."""

    driver: Driver
    pushes: list[Push] = field(default_factory=list)
    lost: DriverError | None = None

    async def read_on(self) -> None:
        try:
            async for push in self.driver.pushes():
                self.pushes.append(push)
        except DriverError as error:
            self.lost = error

    async def ends_itself(self, limit: float = 10.0) -> DriverError:
        """The error that ends the pushes."""
        async with asyncio.timeout(limit):
            while self.lost is None:
                await asyncio.sleep(0.01)
        return self.lost

    async def store(self, content: bytes) -> str:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        name = f"bp-{secrets.token_hex(16)}-1.gcode"
        body = FileBody(len(content), sha256(content), pieces)
        path = await self.driver.upload(name, body)
        assert await self.driver.fetch_sha256(path) == body.sha256
        return path

    async def intent(self, path: str) -> Watch:
        """What an intent does: a fresh idle reading whose baseline is kept."""
        reading = await self.until(Watch(path), lambda seen: seen.activity is Activity.IDLE)
        assert reading.channel
        return Watch(path, reading.baseline)

    async def until(
        self, watch: Watch | None, wanted: Callable[[Reading], bool], limit: float = 30.0
    ) -> Reading:
        """Look until a reading is as wanted; the last one is shown when it never is."""
        reading: Reading | None = None
        try:
            async with asyncio.timeout(limit):
                while True:
                    reading = await self.driver.look(watch)
                    if wanted(reading):
                        return reading
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"never came: {reading}")

    async def ends(self, watch: Watch) -> Reading:
        return await self.until(watch, lambda seen: ending(seen) is not None)


def ending(reading: Reading) -> Ending | None:
    assert reading.evidence is not None
    return reading.evidence.ending


def run(reading: Reading) -> Run:
    assert reading.evidence is not None
    return reading.evidence.run


@asynccontextmanager
async def line(connection: Mapping[str, Any]) -> AsyncIterator[Line]:
    driver = DRIVER.make(connection, TIMINGS)
    try:
        async with asyncio.timeout(20):
            await driver.connect()
        joined = Line(driver)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(joined.read_on())
            yield joined
            await driver.close()
    finally:
        await driver.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OctoPrintHost]:
    template = await make_template(tmp_path_factory.mktemp("octoprint") / "template")
    folder = tmp_path_factory.mktemp("host") / "base"
    async with octoprint_host(template, folder) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def joined(host: OctoPrintHost) -> AsyncIterator[Line]:
    """A connection to an idle host."""
    async with line(host.connection) as made:
        await host.printer_is("Operational")
        yield made


async def test_a_print_is_proven_from_its_start_to_its_end(joined: Line) -> None:
    path = await joined.store(gcode(1.5))
    watch = await joined.intent(path)

    assert await joined.driver.start(path) == Accepted()

    running = await joined.until(watch, lambda seen: run(seen) is Run.RUNNING)
    assert (running.activity, running.path) == (Activity.OURS, path)
    assert running.evidence is not None
    assert running.evidence.doubt is None
    assert not running.evidence.silent
    ended = await joined.ends(watch)
    assert ending(ended) is Ending.COMPLETED
    assert ended.evidence is not None
    assert not ended.evidence.others_ran
    assert not ended.foreign_ran


async def test_the_history_proves_the_end_when_nobody_was_listening(host: OctoPrintHost) -> None:
    async with line(host.connection) as first:
        path = await first.store(gcode(1))
        watch = await first.intent(path)
        assert await first.driver.start(path) == Accepted()
    await host.finishes(path)

    async with line(host.connection) as second:
        ended = await second.ends(watch)
        assert ending(ended) is Ending.COMPLETED
        assert ended.evidence is not None
        assert ended.evidence.others_ran


async def test_a_running_file_is_ours_after_our_restart(host: OctoPrintHost) -> None:
    async with line(host.connection) as first:
        path = await first.store(gcode(4))
        watch = await first.intent(path)
        assert await first.driver.start(path) == Accepted()

    async with line(host.connection) as second:
        seen = await second.driver.look(watch)
        assert (run(seen), seen.activity) == (Run.RUNNING, Activity.OURS)
        assert seen.evidence is not None
        assert seen.evidence.doubt is None
        assert seen.evidence.began_since
        assert await second.driver.cancel() == Accepted()
        await second.ends(watch)


async def test_silence_is_proven_while_nothing_runs_and_by_nobody_else(
    host: OctoPrintHost, joined: Line
) -> None:
    path = await joined.store(gcode(1))
    watch = await joined.intent(path)
    quiet = await joined.driver.look(watch)
    assert quiet.evidence is not None
    assert quiet.evidence.silent
    assert not quiet.evidence.others_ran

    async with line(host.connection) as other:
        seen = await other.driver.look(watch)
    assert seen.evidence is not None
    assert not seen.evidence.silent


async def test_a_deleted_file_that_never_ran_stays_silent(joined: Line) -> None:
    path = await joined.store(gcode(1))
    watch = await joined.intent(path)
    assert await joined.driver.delete(path) is Deleted.GONE
    assert await joined.driver.delete(path) is Deleted.GONE
    seen = await joined.driver.look(watch)
    assert seen.evidence is not None
    assert seen.evidence.silent
    assert seen.activity is Activity.IDLE
    answer = await joined.driver.start(path)
    assert isinstance(answer, Refused)
    assert answer.code == "file_missing"


async def test_pause_resume_and_cancel_are_obeyed_and_seen(joined: Line) -> None:
    path = await joined.store(gcode(20))
    watch = await joined.intent(path)
    assert isinstance(await joined.driver.pause(), Refused)
    assert await joined.driver.start(path) == Accepted()
    await joined.until(watch, lambda seen: run(seen) is Run.RUNNING)
    assert await joined.driver.delete(path) is Deleted.IN_USE

    assert await joined.driver.pause() == Accepted()
    paused = await joined.until(watch, lambda seen: run(seen) is Run.PAUSED)
    assert paused.activity is Activity.PAUSED
    assert await joined.driver.resume() == Accepted()
    await joined.until(watch, lambda seen: run(seen) is Run.RUNNING)
    assert await joined.driver.cancel() == Accepted()

    ended = await joined.until(watch, lambda seen: seen.activity is Activity.IDLE)
    assert ending(ended) is Ending.FAILED
    assert ended.evidence is not None
    assert "cancelled" in ended.evidence.reason


async def test_a_second_start_is_refused_as_busy_while_the_first_runs(joined: Line) -> None:
    path, other = await joined.store(gcode(3)), await joined.store(gcode(1))
    watch = await joined.intent(path)
    assert await joined.driver.start(path) == Accepted()
    await joined.until(watch, lambda seen: run(seen) is Run.RUNNING)
    answers = [await joined.driver.start(other), await joined.driver.start(path)]
    assert all(isinstance(answer, Refused) and answer.code == "busy" for answer in answers)
    assert await joined.driver.cancel() == Accepted()
    await joined.ends(watch)


async def test_a_print_by_hand_is_foreign_even_of_our_own_leftover(
    host: OctoPrintHost, joined: Line
) -> None:
    path = await joined.store(gcode(1.5))
    watch = await joined.intent(path)
    await host.put("by-hand.gcode", gcode(1.5), start=True)
    seen = await joined.until(watch, lambda one: one.activity is Activity.FOREIGN)
    assert seen.path == "by-hand.gcode"
    assert seen.evidence is not None
    assert seen.evidence.others_ran
    assert not seen.evidence.silent
    await host.printer_is("Operational")

    assert (await joined.until(None, lambda one: one.activity is Activity.IDLE)).foreign_ran
    assert not (await joined.driver.look(None)).foreign_ran
    await host.api("POST", f"/api/files/local/{path}", {"command": "select", "print": True})
    leftover = await joined.until(None, lambda one: one.activity is Activity.FOREIGN)
    assert leftover.path == path
    await host.printer_is("Operational")


async def test_a_quick_print_by_hand_between_two_reads_is_told(
    host: OctoPrintHost, joined: Line
) -> None:
    await joined.until(None, lambda one: one.activity is Activity.IDLE)
    await host.put("quick.gcode", b"M117 quick\n" * 5, start=True)
    await host.finishes("quick.gcode")
    seen = await joined.until(None, lambda one: one.foreign_ran)
    assert seen.activity is Activity.IDLE


async def test_the_fingerprint_moves_with_prints_and_not_with_our_files(
    host: OctoPrintHost, joined: Line
) -> None:
    async def fingerprint() -> str:
        reading = await joined.driver.look(None, deep=True)
        assert reading.fingerprint is not None
        return reading.fingerprint

    await host.put("print-me.gcode", gcode(0.2))
    await host.api("POST", "/api/files/local/print-me.gcode", {"command": "select"})
    before = await fingerprint()
    path = await joined.store(gcode(1))
    assert await fingerprint() == before
    assert await joined.driver.delete(path) is Deleted.GONE
    assert await fingerprint() == before
    await host.api("POST", "/api/job", {"command": "start"})
    await host.finishes("print-me.gcode")
    async with asyncio.timeout(20):
        while await fingerprint() == before:
            await asyncio.sleep(0.05)


async def test_strange_names_are_reached_by_the_answered_path(joined: Line) -> None:
    content = gcode(0.3)

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    body = FileBody(len(content), sha256(content), pieces)
    path = await joined.driver.upload("we ird #1 100%25?.gcode", body)
    assert path != "we ird #1 100%25?.gcode"
    assert await joined.driver.fetch_sha256(path) == body.sha256
    watch = await joined.intent(path)
    assert await joined.driver.start(path) == Accepted()
    assert ending(await joined.ends(watch)) is Ending.COMPLETED
    await joined.until(watch, lambda seen: seen.activity is Activity.IDLE)
    assert await joined.driver.delete(path) is Deleted.GONE


async def test_leftovers_are_found_by_their_prefix(host: OctoPrintHost, joined: Line) -> None:
    path = await joined.store(gcode(0.1))
    found = await joined.driver.files("bp-")
    assert path in found
    assert all(name.startswith("bp-") for name in found)


async def test_telemetry_is_pushed(joined: Line) -> None:
    await joined.until(None, lambda _: any(push.temperatures for push in joined.pushes))
    newest = next(push for push in reversed(joined.pushes) if push.temperatures)
    assert {"tool0", "bed"} <= set(newest.temperatures)


async def test_a_firmware_halt_fails_the_print_and_halts_the_printer(
    host: OctoPrintHost, joined: Line
) -> None:
    path = await joined.store(gcode(20))
    watch = await joined.intent(path)
    assert await joined.driver.start(path) == Accepted()
    await joined.until(watch, lambda seen: run(seen) is Run.RUNNING)
    await host.send("!!DEBUG:trigger_fatal_error_marlin")

    halted = await joined.until(watch, lambda seen: seen.activity is Activity.HALTED)
    assert "Thermal Runaway" in halted.detail
    assert ending(await joined.ends(watch)) is Ending.FAILED
    answer = await joined.driver.start(path)
    assert isinstance(answer, Refused)
    async with line(host.connection) as again:
        seen = await again.driver.look(None)
        assert seen.activity is Activity.HALTED, "an error is never reconnected by itself"
    await host.connect_printer()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_host_stopped_mid_print_leaves_nothing_to_conclude_from(
    host: OctoPrintHost, number: signal.Signals
) -> None:
    async with line(host.connection) as first:
        await host.printer_is("Operational")
        path = await first.store(gcode(20))
        watch = await first.intent(path)
        assert await first.driver.start(path) == Accepted()
        await first.until(watch, lambda seen: run(seen) is Run.RUNNING)
        await host.stop(number)
        assert isinstance(await first.ends_itself(), PrinterOffline)
        with pytest.raises(PrinterOffline):
            await first.driver.look(watch)
        assert isinstance(await first.driver.cancel(), Unknown)
        assert await first.driver.delete(path) is Deleted.UNKNOWN
    await host.start()
    async with line(host.connection) as second:
        seen = await second.until(watch, lambda one: one.activity is Activity.IDLE)
        assert seen.evidence is not None
        assert (seen.evidence.ending, seen.evidence.run) == (None, Run.NONE)
        assert not seen.evidence.silent


async def test_a_frozen_host_leaves_a_start_unknown_and_runs_it_later(
    host: OctoPrintHost,
) -> None:
    timings = DriverTimings(request=10, command=1.0)
    driver = DRIVER.make(host.connection, timings)
    async with line(host.connection) as joined:
        await host.printer_is("Operational")
        path = await joined.store(gcode(2))
        watch = await joined.intent(path)
        await driver.connect()
        host.freeze()
        try:
            assert isinstance(await driver.start(path), Unknown)
        finally:
            host.thaw()
        seen = await joined.ends(watch)
        assert ending(seen) is Ending.COMPLETED
        assert host.starts().count(path) == 1
    await driver.close()


async def test_a_revoked_key_is_asked_for_again(host: OctoPrintHost) -> None:
    await host.revoke_key_while_away()
    with pytest.raises(AuthRequired):
        async with line(host.connection):
            pass
    await host.restart()


async def test_prints_survive_the_simulated_errors_of_the_serial_line(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    template = await make_template(tmp_path_factory.getbasetemp() / "errors-template")
    folder = tmp_path_factory.mktemp("errors") / "base"
    async with (
        octoprint_host(template, folder, errors=SIMULATED_ERRORS) as rough,
        line(rough.connection) as joined,
    ):
        path = await joined.store(gcode(4))
        watch = await joined.intent(path)
        assert await joined.driver.start(path) == Accepted()
        assert ending(await joined.ends(watch)) is Ending.COMPLETED
        assert rough.starts() == [path] == rough.completions()
