"""The Moonraker driver keeps its secrets, its time and its words on a host that means no good."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from buildplate.drivers.moonraker import DRIVER
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    AuthRequired,
    Deleted,
    Driver,
    DriverError,
    DriverTimings,
    EmergencyStop,
    FileBody,
    Gcode,
    HostConfused,
    HostFull,
    HostRefused,
    PrinterOffline,
    Push,
    Refused,
    Unknown,
    Watch,
    WrongContent,
)
from tests.contract.odd_moonraker import OddMoonraker, Refusal, odd_moonraker

TIMINGS = DriverTimings(request=1.0, command=0.6, transfer_idle=1.0, settle=0.1)
PATH = "bp-x-1.gcode"
LIES: list[Any] = [[], {}, "x", 7, True, [None], {"status": 5}, {"jobs": {}}, {"files": "no"}]


@dataclass
class Line:
    """A connected driver whose pushes are read."""

    driver: Driver
    pushes: list[Push] = field(default_factory=list)
    lost: DriverError | None = None

    async def read_on(self) -> None:
        try:
            async for push in self.driver.pushes():
                self.pushes.append(push)
        except DriverError as error:
            self.lost = error

    async def until(self, happens: Any, limit: float = 5.0) -> None:
        async with asyncio.timeout(limit):
            while not happens():
                await asyncio.sleep(0.01)


@pytest.fixture
async def host() -> AsyncIterator[OddMoonraker]:
    async with odd_moonraker() as made:
        yield made


@asynccontextmanager
async def line(host: OddMoonraker, *, wake: bool = False) -> AsyncIterator[Line]:
    driver = DRIVER.make(host.connection, TIMINGS)
    try:
        await driver.connect(wake=wake)
        joined = Line(driver)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(joined.read_on())
            yield joined
            await driver.close()
    finally:
        await driver.close()


def body(content: bytes = b"G28\n") -> FileBody:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return FileBody(len(content), hashlib.sha256(content).hexdigest(), pieces)


async def _refused(host: OddMoonraker) -> DriverError:
    driver = DRIVER.make(host.connection, TIMINGS)
    with pytest.raises(DriverError) as caught:
        await driver.connect()
    await driver.close()
    return caught.value


# --- the way in ------------------------------------------------------------------------------


async def test_a_redirected_websocket_carries_the_key_nowhere(host: OddMoonraker) -> None:
    keys: list[str | None] = []

    async def listens(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("X-Api-Key"))
        return web.Response(status=404)

    async with odd_moonraker() as other:
        other.handlers["/websocket"] = listens

        async def elsewhere(_: web.Request) -> web.StreamResponse:
            where = f"{other.connection['url']}/websocket"
            return web.Response(status=302, headers={"Location": where})

        host.handlers["/websocket"] = elsewhere
        assert isinstance(await _refused(host), HostConfused)
    assert keys == []


async def test_a_token_takes_the_place_of_a_header_that_was_dropped(host: OddMoonraker) -> None:
    host.takes_headers = False
    async with line(host) as joined:
        assert (await joined.driver.look(None)).activity in (Activity.IDLE, Activity.BUSY)
    assert len(host.sockets) == 2
    assert host.tokens == [], "it was used up"


async def test_a_wrong_key_is_asked_for_again_and_a_token_for_nothing_is_not_tried_twice(
    host: OddMoonraker,
) -> None:
    wrong = DRIVER.make({**host.connection, "api_key": "WRONG-0123456789"}, TIMINGS)
    with pytest.raises(AuthRequired, match="refuses the API key"):
        await wrong.connect()
    await wrong.close()
    assert len(host.sockets) == 1


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_what_is_no_moonraker_is_told_so(host: OddMoonraker, status: int) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>hello</html>")

    host.handlers["/websocket"] = host.handlers["/server/info"] = page
    error = await _refused(host)
    assert (type(error), error.code) == (HostConfused, "not_moonraker")


@pytest.mark.parametrize(
    ("state", "wake", "restart"),
    [
        ("shutdown", True, "printer.firmware_restart"),
        ("error", True, "printer.restart"),
        ("shutdown", False, None),
        ("startup", True, None),
        ("ready", True, None),
    ],
)
async def test_only_a_person_has_a_halted_klipper_restarted(
    host: OddMoonraker, state: str, restart: str | None, *, wake: bool
) -> None:
    host.status["webhooks"]["state"] = state
    async with line(host, wake=wake):
        pass
    orders = {name for name in host.calls if "restart" in name}
    assert orders == ({restart} if restart else set())


# --- lies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        "server.info",
        "server.config",
        "printer.info",
        "printer.objects.list",
        "printer.objects.subscribe",
        "server.history.list",
    ],
)
async def test_a_host_that_lies_while_joining_is_confused_or_joined(
    host: OddMoonraker, method: str
) -> None:
    for lie in LIES:
        host.answers[method] = lie
        driver = DRIVER.make(host.connection, TIMINGS)
        try:
            await driver.connect()
        except DriverError as error:
            assert isinstance(error, HostConfused), (lie, error)  # noqa: PT017 (else it is joined)
        finally:
            await driver.close()


@pytest.mark.parametrize(
    "method",
    [
        "printer.objects.query",
        "server.history.list",
        "server.history.totals",
        "server.files.get_directory",
        "printer.objects.list",
        "server.webcams.list",
        "machine.device_power.devices",
        "server.files.metadata",
        "printer.gcode.help",
    ],
)
async def test_a_host_that_lies_is_confused_and_nothing_else(
    host: OddMoonraker, method: str
) -> None:
    async with line(host) as joined:
        driver = joined.driver
        for lie in LIES:
            host.answers[method] = lie
            for call in (
                driver.look(Watch(PATH), deep=True),
                driver.files("bp-"),
                driver.equipment(),
                driver.barrier(),
            ):
                try:
                    await call
                except DriverError as error:
                    assert isinstance(error, HostConfused), (lie, error)  # noqa: PT017 (as above)
            assert isinstance(await driver.cancel(), Refused | Unknown)
            assert await driver.delete(PATH) in (Deleted.GONE, Deleted.UNKNOWN)
        assert joined.lost is None


async def test_pushes_full_of_lies_are_passed_over(host: OddMoonraker) -> None:
    methods = (
        "notify_status_update",
        "notify_gcode_response",
        "notify_history_changed",
        "notify_klippy_shutdown",
        "notify_klippy_ready",
        "notify_never_heard_of",
    )
    async with line(host) as joined:
        for method in methods:
            for lie in [*LIES, {"print_stats": 5}, {"webhooks": []}, {"extruder": {"target": []}}]:
                await host.tell(method, lie)
                await host.say(json.dumps({"jsonrpc": "2.0", "method": method, "params": lie}))
        await host.say('{"jsonrpc":"2.0","id":99999,"result":1}')
        await host.say('{"jsonrpc":"2.0","id":"x","error":[]}')
        await asyncio.sleep(0.1)
        assert joined.lost is None
        assert (await joined.driver.look(None)).activity in (Activity.IDLE, Activity.BUSY)


@pytest.mark.parametrize("said", ["nonsense", "[]", "7", '{"a":'])
async def test_what_is_no_json_ends_the_connection(host: OddMoonraker, said: str) -> None:
    async with line(host) as joined:
        await host.say(said)
        await joined.until(lambda: joined.lost is not None)
        assert isinstance(joined.lost, HostConfused)
        with pytest.raises(DriverError):
            await joined.driver.look(None)


async def test_a_message_without_end_is_cut_off(host: OddMoonraker) -> None:
    async with line(host) as joined:
        with suppress(ConnectionError):
            await host.say("x" * (17 << 20))
        await joined.until(lambda: joined.lost is not None)
        assert isinstance(joined.lost, PrinterOffline)


async def test_a_flood_of_events_ends_the_epoch_and_not_the_memory(host: OddMoonraker) -> None:
    async with line(host) as joined:
        await joined.until(lambda: len(joined.pushes) > 0)
        await asyncio.sleep(TIMINGS.settle)
        before = await joined.driver.look(Watch(PATH))
        assert before.channel
        for number in range(1100):
            state = "printing" if number % 2 else "complete"
            stats = {"state": state, "filename": f"{number}.gcode"}
            await host.tell("notify_status_update", {"print_stats": stats})
        await asyncio.sleep(1)
        after = await joined.driver.look(Watch(PATH, before.baseline))
        assert after.evidence is not None
        assert not after.evidence.silent
        assert after.evidence.others_ran
        assert after.baseline["epoch"] != before.baseline["epoch"]


async def test_a_flood_of_pings_is_answered_at_a_bounded_rate(host: OddMoonraker) -> None:
    async with line(host) as joined:
        for _ in range(4000):
            await host.sockets[-1].ping()
        await asyncio.sleep(TIMINGS.request / 2)
        assert 0 < host.pongs < 2000
        assert joined.lost is None


async def test_telemetry_that_nobody_reads_takes_no_room(host: OddMoonraker) -> None:
    driver = DRIVER.make(host.connection, TIMINGS)
    await driver.connect()
    try:
        for number in range(900):
            await host.tell("notify_gcode_response", f"// line {number}")
            await host.tell("notify_status_update", {"extruder": {"temperature": number / 10}})
        await asyncio.sleep(1.5)
        async with asyncio.timeout(2):
            push = await anext(aiter(driver.pushes()))
        assert len(push.console) == 200
        assert push.console[-1].text == "// line 899"
        assert push.temperatures["tool0"].actual == pytest.approx(89.9)
    finally:
        await driver.close()


# --- time ------------------------------------------------------------------------------------


async def test_a_look_that_hangs_ends_in_the_time_of_one_request(host: OddMoonraker) -> None:
    async with line(host) as joined:
        for method in ("printer.objects.query", "server.history.list"):
            host.answers[method] = None
            began = time.monotonic()
            with pytest.raises(PrinterOffline, match="no complete answer within"):
                await joined.driver.look(Watch(PATH))
            assert time.monotonic() - began < TIMINGS.request * 1.9
            del host.answers[method]
        assert (await joined.driver.look(None)).activity is not Activity.UNKNOWN
        assert joined.lost is None


async def test_an_order_without_an_answer_is_sent_once(host: OddMoonraker) -> None:
    async with line(host) as joined:
        host.answers["printer.print.start"] = None
        assert isinstance(await joined.driver.start(PATH), Unknown)
        assert host.calls["printer.print.start"] == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("ok", Accepted),
        (Refusal(400, "SD busy"), Refused),
        (Refusal(400, "Unable to open file"), Refused),
        (Refusal(400, "Must home axis first"), Refused),
        (Refusal(-32601, "Method not found"), Refused),
        (Refusal(-32602, "Unauthorized"), Refused),
        (Refusal(503, "Klippy Host not connected"), Unknown),
        (Refusal(500, "Internal Server Error"), Unknown),
        (Refusal(-32602, "Invalid params"), Unknown),
    ],
)
async def test_every_answer_to_a_start_is_one_of_three_words(
    host: OddMoonraker, answer: Any, kind: type
) -> None:
    async with line(host) as joined:
        host.answers["printer.print.start"] = answer
        assert isinstance(await joined.driver.start(PATH), kind)


async def test_ok_from_a_klipper_that_stopped_meanwhile_proves_nothing(host: OddMoonraker) -> None:
    async with line(host) as joined:
        host.answers["printer.gcode.script"] = None
        async with asyncio.TaskGroup() as tasks:
            barrier = tasks.create_task(_outcome(joined.driver.barrier()))
            order = tasks.create_task(joined.driver.control(Gcode(("G28",))))
            await joined.until(lambda: host.calls["printer.gcode.script"] == 2)
            host.status["webhooks"]["state"] = "shutdown"
            await host.tell("notify_klippy_shutdown")
            for number in range(1, 30):
                await host.say(json.dumps({"jsonrpc": "2.0", "id": number, "result": "ok"}))
        assert isinstance(order.result(), Unknown)
        assert isinstance(barrier.result(), HostConfused)


async def test_an_emergency_stop_is_accepted_although_klipper_stops_before_the_answer(
    host: OddMoonraker,
) -> None:
    async with line(host) as joined:
        host.answers["printer.emergency_stop"] = None
        async with asyncio.TaskGroup() as tasks:
            stop = tasks.create_task(joined.driver.control(EmergencyStop()))
            await joined.until(lambda: host.calls["printer.emergency_stop"] == 1)
            await host.tell("notify_klippy_shutdown")
            for number in range(1, 30):
                await host.say(json.dumps({"jsonrpc": "2.0", "id": number, "result": "ok"}))
        assert stop.result() == Accepted()


async def _outcome(call: Any) -> DriverError | None:
    try:
        await call
    except DriverError as error:
        return error
    return None


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (201, {"item": {"path": PATH}, "print_started": True}, HostConfused),
        (201, {"item": {"path": PATH}, "print_queued": True}, HostConfused),
        (201, {"item": {}}, HostConfused),
        (201, [], HostConfused),
        (401, {"error": {"message": "Unauthorized"}}, AuthRequired),
        (403, {"error": {"message": "Forbidden"}}, HostRefused),
        (413, {}, HostRefused),
        (422, {"error": {"message": "Unprocessable Entity"}}, WrongContent),
        (500, {"error": {"traceback": "[Errno 28] No space left on device"}}, HostFull),
        (500, {"error": {}}, HostConfused),
        (302, {}, HostConfused),
    ],
)
async def test_every_answer_to_an_upload_says_what_to_do(
    host: OddMoonraker, status: int, answer: Any, kind: type[DriverError]
) -> None:
    async def answers(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.json_response(answer, status=status)

    host.handlers["/server/files/upload"] = answers
    async with line(host) as joined:
        with pytest.raises(DriverError) as caught:
            await joined.driver.upload(PATH, body())
        assert type(caught.value) is kind
        assert "traceback" not in str(caught.value)


async def test_a_file_that_does_not_fit_is_not_sent(host: OddMoonraker) -> None:
    host.answers["server.files.get_directory"] = {"files": [], "disk_usage": {"free": 3}}
    async with line(host) as joined:
        with pytest.raises(HostFull):
            await joined.driver.upload(PATH, body())


@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        ({"action": "delete_file"}, Deleted.GONE),
        (Refusal(404, "File not found"), Deleted.GONE),
        (Refusal(400, "Invalid file path: gcodes/x"), Deleted.GONE),
        (Refusal(403, "File currently in use"), Deleted.IN_USE),
        (Refusal(400, "something else"), Deleted.UNKNOWN),
        (Refusal(500, "Internal Server Error"), Deleted.UNKNOWN),
        (None, Deleted.UNKNOWN),
    ],
)
async def test_every_answer_to_a_delete_is_told_honestly(
    host: OddMoonraker, answer: Any, deleted: Deleted
) -> None:
    host.answers["server.files.delete_file"] = answer
    async with line(host) as joined:
        assert await joined.driver.delete(PATH) is deleted
        assert host.calls["server.files.delete_file"] == 1


# --- old and poor hosts ----------------------------------------------------------------------


async def test_an_old_host_without_history_and_without_identify_is_driven(
    host: OddMoonraker,
) -> None:
    for method in (
        "server.connection.identify",
        "server.history.list",
        "server.history.totals",
        "server.config",
        "printer.gcode.help",
        "server.webcams.list",
    ):
        host.answers[method] = Refusal(-32601, "Method not found")
    del host.status["idle_timeout"], host.status["virtual_sdcard"]
    async with line(host) as joined:
        await asyncio.sleep(TIMINGS.settle)
        reading = await joined.driver.look(Watch(PATH), deep=True)
        assert (reading.activity, reading.channel) == (Activity.IDLE, True)
        assert reading.fingerprint
        seen = await joined.driver.look(Watch(PATH, reading.baseline))
        assert seen.evidence is not None
        assert not seen.evidence.silent, "without a history nothing proves that it never ran"
        await joined.driver.equipment()


async def test_a_printer_without_heaters_is_subscribed_to_all_the_same(host: OddMoonraker) -> None:
    del host.status["extruder"]
    async with line(host):
        wanted = host.params["printer.objects.subscribe"]["objects"]
        assert "filename" in wanted["print_stats"]


async def test_a_klippy_that_is_away_is_waited_for(host: OddMoonraker) -> None:
    away = Refusal(503, "Klippy Host not connected")
    printers = ("objects.list", "objects.query", "objects.subscribe", "info")
    host.answers |= {f"printer.{one}": away for one in printers}
    async with line(host) as joined:
        reading = await joined.driver.look(Watch(PATH))
        assert (reading.activity, reading.channel) == (Activity.UNKNOWN, False)
        assert reading.detail == "Klippy Host not connected"
        for one in printers:
            del host.answers[f"printer.{one}"]
        await host.tell("notify_klippy_ready")
        await joined.until(lambda: host.calls["printer.objects.subscribe"] > 0)
        await asyncio.sleep(TIMINGS.settle)
        assert (await joined.driver.look(None)).activity is Activity.IDLE


async def test_a_nul_of_a_noisy_line_is_told_as_what_no_database_refuses(
    host: OddMoonraker,
) -> None:
    host.status["webhooks"] = {"state": "shutdown", "state_message": "No\0 line"}
    async with line(host) as joined:
        reading = await joined.driver.look(None)
        await host.tell("notify_gcode_response", "// a\0b")
        await joined.until(lambda: any(push.console for push in joined.pushes))
    assert reading.detail == "No\ufffd line"
    assert "\0" not in repr(joined.pushes)
