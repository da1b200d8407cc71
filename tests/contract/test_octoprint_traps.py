"""The OctoPrint driver on a host that lies, floods, drips and forgets."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.octoprint.driver import NEEDED
from buildplate.drivers.sdk import (
    Activity,
    AuthRequired,
    Deleted,
    Driver,
    DriverError,
    DriverTimings,
    FileBody,
    HostConfused,
    HostFull,
    PrinterOffline,
    PushKind,
    Reading,
    Refused,
    Run,
    Unknown,
    Watch,
)
from tests.contract.odd_octoprint import KEY, OddOctoPrint, job, levels, odd_octoprint

PATH = "bp-0123456789abcdef0123456789abcdef-1.gcode"
FILE = f"/api/files/local/{PATH}"
TIMINGS = DriverTimings(request=0.8, command=0.6, transfer_idle=0.8)
LOADED_S = 5.0
"""What a loaded machine may take beyond the time that a call promises."""


class Line:
    """A connected driver whose pushes are read."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.told: list[PushKind] = []
        self.lost: DriverError | None = None

    async def read_on(self) -> None:
        try:
            async for push in self.driver.pushes():
                self.told.append(push.kind)
        except DriverError as error:
            self.lost = error

    async def ends(self) -> DriverError:
        async with asyncio.timeout(LOADED_S):
            while self.lost is None:
                await asyncio.sleep(0.01)
        return self.lost

    async def silent(self, watch: Watch) -> bool:
        reading = await self.driver.look(watch)
        assert reading.evidence is not None
        return reading.evidence.silent

    async def until(self, watch: Watch | None, wanted: Callable[[Reading], bool]) -> Reading:
        """Look until a reading is as wanted."""
        async with asyncio.timeout(LOADED_S):
            while not wanted(reading := await self.driver.look(watch)):
                await asyncio.sleep(0.01)
        return reading

    async def caught_up(self) -> Watch:
        """A baseline that knows all that the host has said so far: silence is proven by a ping."""
        async with asyncio.timeout(LOADED_S):
            while not await self.silent(since := watch(await self.driver.look(Watch(PATH)))):
                pass
        return since


@asynccontextmanager
async def line(host: OddOctoPrint, **more: Any) -> AsyncIterator[Line]:
    driver = DRIVER.make({**host.connection, **more}, TIMINGS)
    try:
        await driver.connect()
        joined = Line(driver)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(joined.read_on())
            yield joined
            await driver.close()
    finally:
        await driver.close()


@pytest.fixture
async def host() -> AsyncIterator[OddOctoPrint]:
    async with odd_octoprint() as made:
        made.handlers["GET", FILE] = stored
        yield made


async def stored(_: web.Request) -> web.Response:
    return web.json_response({"path": PATH, "size": 5})


def body(size: int = 5, piece: bytes = b"G28\n\n") -> FileBody:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, size, len(piece)):
            yield piece

    return FileBody(size, "0" * 64, pieces)


def watch(reading: Reading) -> Watch:
    return Watch(PATH, reading.baseline)


def epoch(of: Reading | Watch) -> object:
    assert of.baseline is not None
    return of.baseline["epoch"]


# --- once, and only once -----------------------------------------------------------------------


async def test_each_physical_request_has_a_connection_of_its_own(host: OddOctoPrint) -> None:
    host.handlers["POST", FILE] = lambda _: answer(204)
    async with line(host) as joined:
        for _ in range(3):
            await joined.driver.look(None)
            await joined.driver.start(PATH)
            await joined.driver.delete(PATH)
    physical = [one for *key, one in host.connections if key[0] in {"POST", "DELETE"}]
    reads = [one for *key, one in host.connections if key == ["GET", "/api/job"]]
    assert len(set(physical)) == len(physical)
    assert not set(physical) & set(reads)
    assert len(set(reads)) < len(reads)


async def answer(status: int, text: str = "", **headers: str) -> web.Response:
    return web.Response(status=status, text=text, headers=headers)


async def cut(request: web.Request) -> web.StreamResponse:
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_cut_connection_is_never_tried_again(host: OddOctoPrint, method: str) -> None:
    host.handlers[method, FILE] = cut
    async with line(host) as joined:
        if method == "POST":
            assert isinstance(await joined.driver.start(PATH), Unknown)
        else:
            assert await joined.driver.delete(PATH) is Deleted.UNKNOWN
        await asyncio.sleep(0.2)
    assert host.seen[method, FILE] == 1


async def test_a_redirect_is_not_followed(host: OddOctoPrint) -> None:
    host.handlers["POST", FILE] = lambda _: answer(307, Location="/api/elsewhere")
    async with line(host) as joined:
        assert isinstance(await joined.driver.start(PATH), Unknown)
        host.handlers["GET", "/api/job"] = lambda _: answer(302, Location="/login")
        with pytest.raises(HostConfused, match="redirects"):
            await joined.driver.look(None)
    assert host.seen["POST", "/api/elsewhere"] == 0


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (409, '{"error": "busy"}', Refused),
        (404, '{"error": "missing"}', Refused),
        (403, '{"error": "forbidden"}', Refused),
        (404, "<html>no such page</html>", Unknown),
        (403, "", Unknown),
        (409, '{"error": ', Unknown),
        (400, '{"error": "command is invalid"}', Unknown),
        (500, '{"error": "internal"}', Unknown),
        (502, "<html>bad gateway</html>", Unknown),
        (200, "{}", Unknown),
        (204, "", type(None)),
    ],
)
async def test_only_the_host_s_own_word_is_a_refusal(
    host: OddOctoPrint, status: int, text: str, kind: type
) -> None:
    host.handlers["POST", FILE] = lambda _: answer(status, text)
    async with line(host) as joined:
        said = await joined.driver.start(PATH)
    assert isinstance(said, kind) or (status == 204 and not isinstance(said, Refused | Unknown))


@pytest.mark.parametrize(
    ("status", "text", "word"),
    [
        (204, "", Deleted.GONE),
        (404, '{"error": "missing"}', Deleted.GONE),
        (404, "<html>wrong server</html>", Deleted.UNKNOWN),
        (409, '{"error": "in use"}', Deleted.IN_USE),
        (500, '{"error": "internal"}', Deleted.UNKNOWN),
        (403, '{"error": "forbidden"}', Deleted.UNKNOWN),
    ],
)
async def test_a_delete_believes_only_the_host(
    host: OddOctoPrint, status: int, text: str, word: Deleted
) -> None:
    host.handlers["DELETE", FILE] = lambda _: answer(status, text)
    async with line(host) as joined:
        assert await joined.driver.delete(PATH) is word


# --- bodies ------------------------------------------------------------------------------------


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(4000):
        await response.write(b" " * 65536)
    return response


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


BOMB = gzip.compress(b"0" * (50 << 20))


async def bomb(_: web.Request) -> web.Response:
    return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (endless, HostConfused),
        (dripping, PrinterOffline),
        (bomb, HostConfused),
        (lambda _: answer(200, "<html>"), HostConfused),
        (lambda _: answer(200, "[]"), HostConfused),
        (lambda _: answer(200, '{"state": '), HostConfused),
        (lambda _: answer(200, ""), HostConfused),
        (lambda _: answer(500, '{"error": "internal"}'), HostConfused),
        (lambda _: answer(404, '{"error": "none"}'), HostConfused),
        (lambda _: answer(403, '{"error": "no right"}'), AuthRequired),
        (lambda _: answer(401, "who?"), AuthRequired),
        (cut, PrinterOffline),
    ],
)
async def test_a_bad_answer_to_a_read_is_an_error_in_bounded_time_and_memory(
    host: OddOctoPrint, handler: Callable[[web.Request], Any], error: type[DriverError]
) -> None:
    async with line(host) as joined:
        host.handlers["GET", "/api/job"] = handler
        tracemalloc.start()
        try:
            async with asyncio.timeout(TIMINGS.request + LOADED_S):
                with pytest.raises(error) as raised:
                    await joined.driver.look(None)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 40 << 20
        assert KEY not in str(raised.value)


async def test_an_upload_takes_constant_memory_and_announces_its_length(host: OddOctoPrint) -> None:
    lengths: list[str | None] = []

    async def sink(request: web.Request) -> web.Response:
        lengths.append(request.headers.get("Content-Length"))
        assert "Transfer-Encoding" not in request.headers
        async for _ in request.content.iter_any():
            pass
        local = {"path": PATH}
        return web.json_response({"done": True, "files": {"local": local}}, status=201)

    host.handlers["POST", "/api/files/local"] = sink
    async with line(host) as joined:
        tracemalloc.start()
        try:
            piece = b"0" * 65536
            async with asyncio.timeout(20):
                await joined.driver.upload("bp-x-1.gcode", body(64 << 20, piece))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 << 20
    assert int(lengths[0] or 0) > 64 << 20


async def test_a_full_host_is_told_before_and_after_the_upload(host: OddOctoPrint) -> None:
    host.free = 4
    async with line(host) as joined:
        with pytest.raises(HostFull):
            await joined.driver.upload("bp-x-1.gcode", body())
        assert host.seen["POST", "/api/files/local"] == 0

        async def fills(request: web.Request) -> web.StreamResponse:
            host.free = 0
            return await cut(request)

        host.free = 1 << 30
        host.handlers["POST", "/api/files/local"] = fills
        with pytest.raises(HostFull):
            await joined.driver.upload("bp-x-1.gcode", body())
        host.free = 1 << 30
        host.handlers["POST", "/api/files/local"] = cut
        with pytest.raises(PrinterOffline):
            await joined.driver.upload("bp-x-1.gcode", body())


async def test_an_upload_that_was_selected_all_the_same_is_not_believed(host: OddOctoPrint) -> None:
    done = {"effectiveSelect": True, "files": {"local": {"path": PATH}}}
    host.handlers["POST", "/api/files/local"] = lambda _: said(done, 201)
    async with line(host) as joined:
        with pytest.raises(HostConfused):
            await joined.driver.upload("bp-x-1.gcode", body())


async def said(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)


async def test_a_transfer_that_stands_still_is_given_up(host: OddOctoPrint) -> None:
    async def hangs(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    host.handlers["POST", "/api/files/local"] = hangs
    async with line(host) as joined:
        async with asyncio.timeout(TIMINGS.transfer_idle + LOADED_S):
            with pytest.raises(PrinterOffline, match="no progress"):
                await joined.driver.upload("bp-x-1.gcode", body(64 << 20, b"0" * 65536))


# --- being let in ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "handler", "error", "words"),
    [
        ("/api/version", lambda _: said({"server": "2.0"}), HostConfused, "not an OctoPrint"),
        ("/api/version", lambda _: answer(200, "<html>"), HostConfused, "not an OctoPrint"),
        ("/api/version", lambda _: answer(403, '{"error": "x"}'), AuthRequired, "refuses"),
        ("/api/login", lambda _: answer(400, '{"error": "CSRF"}'), AuthRequired, "key"),
        ("/api/login", lambda _: said({"name": None}), AuthRequired, "nobody"),
        ("/sockjs/websocket", lambda _: answer(404, "none"), HostConfused, "404"),
    ],
)
async def test_what_is_no_usable_octoprint_is_said_so(
    host: OddOctoPrint, path: str, handler: Any, error: type[DriverError], words: str
) -> None:
    host.handlers["GET", path] = host.handlers["POST", path] = handler
    with pytest.raises(error, match=words):
        async with line(host):
            pass


async def test_a_key_that_may_not_print_is_refused_with_what_it_lacks(host: OddOctoPrint) -> None:
    host.roles = ["status", "connection", "files_list", "files_upload", "files_download", "print"]
    with pytest.raises(AuthRequired, match="FILES_DELETE, FILES_SELECT"):
        async with line(host):
            pass


async def test_a_key_that_may_not_control_the_printer_is_taken_with_a_warning(
    host: OddOctoPrint,
) -> None:
    host.roles = list(NEEDED)
    driver = DRIVER.make(host.connection, TIMINGS)
    for lacks in (True, False):
        try:
            warnings = (await driver.connect()).warnings
        finally:
            await driver.close()
        assert any("CONTROL" in one for one in warnings) is lacks
        host.roles = [*NEEDED, "control"]
        driver = DRIVER.make(host.connection, TIMINGS)


async def test_a_socket_that_never_accepts_the_login_is_a_refused_key(host: OddOctoPrint) -> None:
    host.greets = False
    with pytest.raises(AuthRequired):
        async with line(host):
            pass


@pytest.mark.parametrize(
    ("text", "error", "auto", "asked"),
    [
        ("Offline", "", True, 1),
        ("Offline", "", False, 0),
        ("Offline after error", "Thermal Runaway", True, 0),
        ("Error", "", True, 0),
        ("Operational", "", True, 0),
        ("Printing", "", True, 0),
    ],
)
async def test_the_printer_is_connected_only_when_it_is_merely_closed(
    host: OddOctoPrint, text: str, error: str, auto: bool, asked: int
) -> None:
    host.job = job(text, error=error)
    host.handlers["POST", "/api/connection"] = lambda _: answer(204)
    async with line(host, auto_connect=auto) as joined:
        await joined.driver.look(None)
    assert host.seen["POST", "/api/connection"] == asked


# --- the evidence channel ----------------------------------------------------------------------


async def test_a_forgotten_login_breaks_the_channel_and_is_renewed(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        since = watch(await joined.driver.look(Watch(PATH)))
        assert await joined.silent(since)
        await host.say(reauthRequired={"reason": "stale"})
        reading = await joined.until(since, lambda one: one.channel and epoch(one) != epoch(since))
        assert reading.evidence is not None
        assert not reading.evidence.silent
        assert host.seen["POST", "/api/login"] == 2
        assert await joined.silent(watch(reading))


async def test_until_the_login_is_renewed_there_is_no_channel(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        host.answers_logins = False
        await host.say(reauthRequired={"reason": "stale"})
        await joined.until(None, lambda one: not one.channel)
        await asyncio.sleep(0.2)
        assert not (await joined.driver.look(None)).channel, "nor a while later"


async def test_a_login_that_is_refused_again_asks_for_a_key(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        host.greets = False
        await host.say(reauthRequired={"reason": "stale"})
        assert isinstance(await joined.ends(), AuthRequired)
        assert not (await joined.driver.look(None)).channel


async def test_more_events_than_are_kept_break_the_channel(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        since = watch(await joined.driver.look(Watch(PATH)))
        for number in range(1001):
            await host.announce("PrintCancelled", f"other-{number}.gcode")
        reading = await joined.until(since, lambda one: one.channel and epoch(one) != epoch(since))
        assert reading.evidence is not None
        assert not reading.evidence.silent


async def test_a_flood_is_read_slowly_and_costs_little(host: OddOctoPrint) -> None:
    text = b'{"current": {}}'
    frames = (bytes((0x81, len(text))) + text) * 200
    async with line(host) as joined:
        since = watch(await joined.driver.look(Watch(PATH)))
        before = len(joined.told)
        request = host.sockets[0]._req
        assert request is not None
        assert request.transport is not None
        began = asyncio.get_running_loop().time()
        tracemalloc.start()
        try:
            async with asyncio.timeout(20):
                for _ in range(75):
                    if request.transport.get_write_buffer_size() < 1 << 20:
                        request.transport.write(frames)
                    await asyncio.sleep(0.02)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        took = asyncio.get_running_loop().time() - began
        allowed = 400 + took * 1000 / TIMINGS.request
        assert allowed / 4 < len(joined.told) - before < allowed * 1.3
        assert peak < 24 << 20
        async with asyncio.timeout(TIMINGS.request * 3 + 1):
            reading = await joined.driver.look(since)
        assert reading.activity is Activity.IDLE


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (lambda socket: socket.send_str("not json"), HostConfused),
        (lambda socket: socket.send_str("[1]"), HostConfused),
        (lambda socket: socket.send_bytes(b"\xff\xfe"), HostConfused),
        (lambda socket: socket.send_str("x" * (5 << 20)), PrinterOffline),
        (lambda socket: socket.close(), PrinterOffline),
    ],
)
async def test_nonsense_on_the_socket_ends_the_channel(
    host: OddOctoPrint, say: Any, error: type[DriverError]
) -> None:
    async with line(host) as joined:
        with suppress(ConnectionError):
            await say(host.sockets[0])
        assert isinstance(await joined.ends(), error)
        assert not (await joined.driver.look(None)).channel


async def test_odd_messages_are_no_reason_to_fall(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        odd: tuple[dict[str, Any], ...] = (
            {"event": {"type": None}},
            {"event": {"type": "PrintStarted", "payload": None}},
            {"event": 5},
            {"current": {"state": 5, "job": None, "temps": "hot", "markings": {}}},
            {"current": []},
            {"plugin": {}},
            {"something": "new"},
        )
        for message in odd:
            await host.say(**message)
        await joined.caught_up()
        assert joined.lost is None
        assert (await joined.driver.look(None)).channel


async def test_without_an_answered_ping_nothing_is_silent(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        since = watch(await joined.driver.look(Watch(PATH)))
        host.answers_pings = False
        async with asyncio.timeout(TIMINGS.request + LOADED_S):
            assert not await joined.silent(since)
        host.answers_pings = True
        assert await joined.silent(since)


async def test_a_start_announced_after_the_reads_has_them_made_again(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        since = watch(await joined.driver.look(Watch(PATH)))
        reads = host.seen["GET", "/api/job"]

        async def idle_at_first(_: web.Request) -> web.Response:
            if host.seen["GET", "/api/job"] == reads + 2:
                await host.announce("PrintStarted", PATH)
            late = host.seen["GET", "/api/job"] > reads + 2
            return web.json_response(job("Printing", PATH) if late else job())

        host.handlers["GET", "/api/job"] = idle_at_first
        reading = await joined.driver.look(since)
        assert reading.evidence is not None
        assert (reading.activity, reading.evidence.run) == (Activity.OURS, Run.RUNNING)
        assert reading.evidence.doubt is None


async def test_a_host_whose_clock_jumps_back_hides_no_print(host: OddOctoPrint) -> None:
    future, past = {"type": "print", "time": 9e9}, {"type": "print", "time": 5.0}
    async with line(host) as joined:
        host.levels = levels(markings=[future])
        await host.say(current=host.levels)
        since = await joined.caught_up()
        host.levels = levels(markings=[future, past])
        await host.say(current=host.levels)
        assert not await joined.silent(since)
        assert await joined.silent(await joined.caught_up()), "and so for this reason alone"


async def test_another_starter_of_prints_on_the_host_is_warned_of(host: OddOctoPrint) -> None:
    host.handlers["GET", "/api/settings"] = lambda _: said({"plugins": {"continuousprint": {}}})
    driver = DRIVER.make(host.connection, TIMINGS)
    try:
        identity = await driver.connect()
    finally:
        await driver.close()
    assert len(identity.warnings) == 1
    assert "Continuous Print Queue" in identity.warnings[0]


async def test_a_login_forgotten_during_a_look_leaves_no_channel_to_intend_on(
    host: OddOctoPrint,
) -> None:
    async with line(host) as joined:
        await joined.driver.look(Watch(PATH))

        async def meanwhile(_: web.Request) -> web.Response:
            del host.handlers["GET", "/api/job"]
            await host.say(reauthRequired={"reason": "stale"})
            async with asyncio.timeout(LOADED_S):
                while host.seen["POST", "/api/login"] < 2:
                    await asyncio.sleep(0.01)
            return web.json_response(job())

        host.handlers["GET", "/api/job"] = meanwhile
        reading = await joined.driver.look(Watch(PATH))
        assert not reading.channel
        assert reading.baseline["epoch"] == ""
        assert (await joined.driver.look(Watch(PATH))).channel


async def test_a_look_at_a_slow_host_is_bounded_as_a_whole(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        since = watch(await joined.driver.look(Watch(PATH)))

        async def slow(_: web.Request) -> web.Response:
            await asyncio.sleep(TIMINGS.request * 0.75)
            return web.json_response(job())

        host.handlers["GET", "/api/job"] = host.handlers["GET", FILE] = slow
        host.answers_pings = False
        async with asyncio.timeout(TIMINGS.request * 3 + LOADED_S):
            with pytest.raises(PrinterOffline):
                await joined.driver.look(since)
