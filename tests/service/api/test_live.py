"""The live socket: a snapshot, then what changes, at once; nobody's slowness is another's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from buildplate.access.errors import KeyRequired
from buildplate.access.model import Role, caller_of_key
from buildplate.api import live, live_hub, printer_views
from buildplate.api.printer_views import PanelOut
from tests.service.api.surface import Surface, listening, open_surface

SOON_S = 5.0


class Listener:
    """A live client that puts frames together as docs/reference/live.md says."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.frames: list[dict[str, Any]] = []
        self.printers: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.queue: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []

    async def heard(self) -> dict[str, Any]:
        """The next frame of any type, as it comes."""
        message = await self._socket.receive(timeout=SOON_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def next(self) -> dict[str, Any]:
        """Take one frame in that tells something."""
        while (frame := await self.heard())["type"] == "beat":
            pass
        self.frames.append(frame)
        if frame["type"] == "snapshot":
            self.printers, self.jobs, self.events = {}, {}, []
        else:
            assert frame["seq"] > self.frames[-2]["seq"]
        for view in frame.get("printers", ()):
            self.printers.setdefault(view["id"], {}).update(view)
        for printer_id in frame.get("gone", ()):
            self.printers.pop(printer_id, None)
        self.jobs |= {view["id"]: view for view in frame.get("jobs", ())}
        for job_id in frame.get("gone_jobs", ()):
            self.jobs.pop(job_id, None)
        self.queue = frame.get("queue", self.queue)
        self.events += frame.get("events", ())
        return frame

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON_S):
            while not holds():
                await self.next()

    async def closed(self) -> tuple[int | None, str]:
        """Wait for the end that the server makes: its code and words."""
        async with asyncio.timeout(SOON_S):
            while True:
                message = await self._socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return message.data, message.extra or ""


@asynccontextmanager
async def listener(
    surface: Surface, port: int, headers: Mapping[str, str] | None = None, /, **asked: str
) -> AsyncIterator[Listener]:
    sent = {"x-api-key": surface.secret} if headers is None else headers
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            f"http://127.0.0.1:{port}/api/v1/live", headers=sent, params=asked, autoclose=False
        ) as socket,
    ):
        yield Listener(socket)


async def test_a_snapshot_and_patches_make_what_the_paths_answer(surface: Surface) -> None:
    async with listening(surface) as port:
        printer = await surface.printer()
        async with listener(surface, port) as seen:
            first = await seen.next()
            assert first["type"] == "snapshot"
            assert seen.printers[printer["id"]]["activity"] == "idle"
            job = await surface.job(copies=2)
            await seen.until(lambda: seen.printers[printer["id"]]["activity"] == "ours")
            await seen.until(lambda: seen.jobs.get(job["id"], {}).get("active") == 1)
            await seen.until(lambda: seen.queue.get("total") == 1)
            await surface.floor["Left"].finish()
            await seen.until(lambda: seen.printers[printer["id"]]["bed"] == "occupied")
            await seen.until(lambda: seen.jobs[job["id"]]["finished"] == 1)
            state = (await surface.client.get(f"/api/v1/printers/{printer['id']}/state")).json()
            kept = seen.printers[printer["id"]]
            of_a_panel = PanelOut.model_fields.keys()
            for name in state.keys() - {"age_s", "printer_id", "temperatures"} - of_a_panel:
                assert kept[name] == state[name], name
            assert (await surface.client.get(f"/api/v1/jobs/{job['id']}")).json() == seen.jobs[
                job["id"]
            ]
            log = (await surface.client.get("/api/v1/events", params={"limit": 1000})).json()
            since = [one for one in log["items"] if one["seq"] > first["last_event"]]
            await seen.until(lambda: len(seen.events) >= len(since))
            assert seen.events[: len(since)] == since


@pytest.mark.parametrize("confined", [False, True])
async def test_after_a_restart_the_jobs_of_a_queue_come_that_the_board_began_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, confined: bool
) -> None:
    ours = frozenset({"ours"})
    async with open_surface(tmp_path) as before:
        # What others order first fills the part of the whole queue that is shown.
        jobs = [
            (await before.job(requirements={"group": group}))["id"]
            for group in ["theirs"] * 3 + ["ours"] * 3
        ]
    monkeypatch.setattr(live_hub, "MOST_JOBS", 1)
    monkeypatch.setattr(live_hub, "QUEUE_SHOWN", 3)
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        groups = ours if confined else None
        key = (await surface.farm.keys.create("wall", Role.OPERATOR, None, groups)).secret
        wanted = set(jobs[3:] if confined else jobs[:3])
        async with listener(surface, port, {"x-api-key": key}) as seen:
            await seen.until(lambda: seen.queue.get("total") == (3 if confined else 6))
            assert {item["job_id"] for item in seen.queue["items"]} == wanted
            await seen.until(lambda: seen.jobs.keys() >= wanted)


async def test_twenty_clients_at_once_are_told_the_same(surface: Surface) -> None:
    async with listening(surface) as port, AsyncExitStack() as stack:
        printer = await surface.printer()
        clients = [
            await stack.enter_async_context(listener(surface, port, topics="printers,jobs"))
            for _ in range(20)
        ]
        for client in clients:
            await client.next()
        job = await surface.job()

        async def follow(client: Listener) -> None:
            await client.until(lambda: client.jobs.get(job["id"], {}).get("active") == 1)
            await client.until(lambda: client.printers[printer["id"]]["activity"] == "ours")

        await asyncio.gather(*map(follow, clients))
        shown = clients[0].printers[printer["id"]].keys() - {"age_s"}
        for client in clients:
            seen = client.printers[printer["id"]]
            assert seen["print_id"] == clients[0].printers[printer["id"]]["print_id"]
            assert seen.keys() - {"age_s"} == shown
            assert client.jobs.keys() == {job["id"]}


@pytest.mark.parametrize("levels_only", [True, False])
async def test_a_change_of_state_does_not_wait_for_the_tick_and_telemetry_does(
    surface: Surface, *, levels_only: bool
) -> None:
    watchers = surface.farm.watchers
    tell = watchers.tell_levels if levels_only else watchers.tell
    async with listening(surface) as port:
        printer = await surface.printer()
        async with listener(surface, port, topics="printers") as seen:
            await seen.next()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await surface.floor["Left"].halt()
            await seen.until(lambda: seen.printers[printer["id"]]["activity"] == "halted")
            assert loop.time() - began < 0.2
            before, began = len(seen.frames), loop.time()
            session = surface.farm.fleet.session(printer["id"])
            while loop.time() < began + 1.0:
                session.live.progress = loop.time()
                tell(printer["id"])
                await asyncio.sleep(0.002)
            await seen.until(
                lambda: seen.printers[printer["id"]]["progress"] == session.live.progress
            )
            assert len(seen.frames) - before <= 6


async def test_what_nobody_told_of_is_shown_all_the_same(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_hub, "ALL_EVERY_S", 0.3)
    async with listening(surface) as port:
        printer = await surface.printer()
        async with listener(surface, port, topics="printers") as seen:
            await seen.next()
            session = surface.farm.fleet.session(printer["id"])
            for way in ("tell", "tell_levels"):
                monkeypatch.setattr(surface.farm.watchers, way, lambda _: None)
            session.live.hint = "look at the spool"
            await seen.until(lambda: seen.printers[printer["id"]]["hint"] == "look at the spool")


async def test_levels_are_the_calm_part_of_what_is_shown(surface: Surface) -> None:
    session = surface.farm.fleet.session((await surface.printer())["id"])
    levels, whole = printer_views.calm_view(session), printer_views.live_view(session)
    assert levels.keys() == printer_views.CALM
    assert levels.items() <= whole.items()


async def test_a_client_that_comes_back_is_sent_only_what_it_missed(surface: Surface) -> None:
    async with listening(surface) as port:
        left, right = await surface.printer("Left"), await surface.printer("Right")
        async with listener(surface, port) as seen:
            snapshot = await seen.next()
            while (last := (await _quiet(seen)) or seen.frames[-1]) is not seen.frames[-1]:
                pass
        await surface.floor["Left"].halt()
        await surface.until(left["id"], activity="halted")
        asked = {"after": str(last["seq"]), "epoch": snapshot["epoch"]}
        async with listener(surface, port, **asked) as again:
            again.frames.append(last)
            patch = await again.next()
            assert patch["type"] == "patch"
            assert again.printers[left["id"]]["activity"] == "halted"
            assert "activity" not in again.printers.get(right["id"], {})
        for name, wrong in (("epoch", "another"), ("after", str(10**9))):
            async with listener(surface, port, None, **{**asked, name: wrong}) as anew:
                assert (await anew.next())["type"] == "snapshot"


async def _quiet(seen: Listener) -> dict[str, Any] | None:
    """The next frame, or None where nothing comes for two ticks."""
    try:
        async with asyncio.timeout(0.5):
            return await seen.next()
    except TimeoutError:
        return None


async def test_topics_and_a_printer_narrow_what_is_sent(surface: Surface) -> None:
    async with listening(surface) as port:
        left, right = await surface.printer("Left"), await surface.printer("Right")
        asked = {"topics": "printers,events", "printer": str(right["number"])}
        async with listener(surface, port, **asked) as seen:
            first = await seen.next()
            assert first.keys() == {
                "at_s", "type", "epoch", "seq", "printers", "last_event",
            }  # fmt: skip
            await surface.floor["Left"].halt()
            await surface.until(left["id"], activity="halted")
            await surface.client.post(
                f"/api/v1/printers/{right['id']}/maintenance", json={"on": True}
            )
            await seen.until(lambda: bool(seen.printers[right["id"]]["maintenance"]))
            assert seen.printers.keys() == {right["id"]}
            await seen.until(lambda: bool(seen.events))
            assert {event["printer_id"] for event in seen.events} == {right["id"]}


async def test_a_group_s_new_name_is_seen_at_its_printers_and_jobs(surface: Surface) -> None:
    printer = await surface.printer(group="old")
    job = await surface.job(requirements={"group": "old"}, hold=True)
    (group,) = await surface.farm.access.groups.groups()
    async with listening(surface) as port, listener(surface, port) as seen:
        await seen.next()
        await seen.until(lambda: job["id"] in seen.jobs)
        before = seen.printers[printer["id"]]["version"]
        path = f"/api/v1/groups/{group.id}"
        assert (await surface.client.patch(path, json={"name": "new"})).is_success
        await seen.until(lambda: seen.printers[printer["id"]]["version"] == before + 1)
        await seen.until(lambda: "group.edited" in {event["kind"] for event in seen.events})
        await seen.until(lambda: seen.jobs[job["id"]]["requirements"]["group"] == "new")


async def test_a_printer_that_is_added_or_retired_comes_and_goes(surface: Surface) -> None:
    async with listening(surface) as port, listener(surface, port, topics="printers") as seen:
        assert (await seen.next())["printers"] == []
        printer = await surface.printer()
        await seen.until(lambda: printer["id"] in seen.printers)
        answer = await surface.client.delete(f"/api/v1/printers/{printer['id']}")
        assert answer.is_success
        await seen.until(lambda: printer["id"] not in seen.printers)


async def test_a_farm_at_rest_says_now_and_then_that_it_is_there(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.3)
    monkeypatch.setattr(live, "CHECK_AGAIN_S", 0.1)
    async with listening(surface) as port, listener(surface, port, topics="events") as seen:
        first = await seen.next()
        frames = [first]
        while sum(frame["type"] == "beat" for frame in frames) < 3:
            frames.append(await seen.heard())
        beats = [frame for frame in frames if frame["type"] == "beat"]
        assert [beat.keys() for beat in beats] == [{"type", "at_s"}] * 3
        # What the fresh farm itself has to tell may come between; a beat follows a rest.
        rests = [b["at_s"] - a["at_s"] for a, b in pairwise(frames) if b["type"] == "beat"]
        assert all(rest >= 0.29 for rest in rests), rests
        await surface.client.post("/api/v1/queue/stop")
        await seen.until(lambda: len(seen.events) == 1)
        assert seen.frames[-1]["seq"] > first["seq"], "what follows a beat goes on behind the last"


async def test_a_client_that_does_not_read_holds_up_nobody_and_is_let_go(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STALLED_S", 1.0)
    async with listening(surface) as port:
        printer = await surface.printer()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(
            b"GET /api/v1/live HTTP/1.1\r\nhost: farm\r\nupgrade: websocket\r\n"
            b"connection: upgrade\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"x-api-key: " + surface.secret.encode() + b"\r\n\r\n"
        )
        hub = surface.app.state.live
        async with listener(surface, port, topics="printers") as seen:
            await seen.next()
            async with asyncio.timeout(SOON_S):
                while hub.clients < 2:
                    await asyncio.sleep(0.01)
            session, slowest = surface.farm.fleet.session(printer["id"]), 0.0
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(20):
                while hub.clients > 1:
                    session.live.detail = f"{loop.time()} " + "x" * 400_000
                    surface.farm.watchers.tell(printer["id"])
                    began = loop.time()
                    await seen.until(
                        lambda: seen.printers[printer["id"]]["detail"] == session.live.detail
                    )
                    slowest = max(slowest, loop.time() - began)
            assert slowest < 1.0
        writer.close()
        del reader


async def test_who_may_open_it(surface: Surface, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    viewer = await surface.caller(Role.VIEWER)
    async with listening(surface) as port:
        given = (await viewer.post("/api/v1/live/ticket")).json()
        async with listener(surface, port, {}, ticket=given["ticket"]) as seen:
            assert (await seen.next())["type"] == "snapshot"
        host = {"origin": f"http://127.0.0.1:{port}", "x-api-key": surface.secret}
        async with listener(surface, port, host) as seen:
            await seen.next()
        refused: list[tuple[dict[str, str], dict[str, str], int, str]] = [
            ({}, {}, 401, "key_required"),
            ({"x-api-key": "bp_wrong"}, {}, 401, "key_required"),
            ({}, {"ticket": given["ticket"]}, 401, "key_required"),
            (host | {"origin": "https://elsewhere.example"}, {}, 403, "csrf_refused"),
            (host, {"topics": "printers,beds"}, 422, "invalid_request"),
            (host, {"topic": "printers"}, 422, "invalid_request"),
            (host, {"after": "x"}, 422, "invalid_request"),
            (host, {"printer": "4711"}, 404, "printer_not_found"),
            (host, {"printer": "9" * 20}, 422, "invalid_request"),
            (host, {"printer": "a\0b"}, 422, "invalid_request"),
        ]
        async with aiohttp.ClientSession() as http:
            for headers, asked, status, code in refused:
                got = await _refused(http, port, headers, asked)
                assert (got[0], got[1]["code"]) == (status, code)
                assert got[1]["hint"]
    for secret in (given["ticket"], surface.secret):
        assert secret not in "\n".join(
            one.getMessage() for one in caplog.records if one.name != "httpx"
        )
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


async def _refused(
    http: aiohttp.ClientSession, port: int, headers: dict[str, str], asked: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    upgrade = {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    url = f"http://127.0.0.1:{port}/api/v1/live"
    async with http.get(url, headers=headers | upgrade, params=asked) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_ticket_that_was_not_used_in_time_opens_nothing(surface: Surface) -> None:
    now = 100.0
    tickets = live.Tickets(lambda: now)
    caller = caller_of_key(await surface.farm.keys.check(surface.secret))
    kept, late = tickets.give(caller), tickets.give(caller)
    now += live.TICKET_S
    assert tickets.take(kept) is caller
    now += 1
    with pytest.raises(KeyRequired):
        tickets.take(late)


async def test_whoever_asks_for_many_tickets_drives_out_nobody_else_s(surface: Surface) -> None:
    tickets = live.Tickets(lambda: 100.0)
    made = await surface.farm.keys.create("a screen", Role.VIEWER)
    greedy = caller_of_key(made.key)
    other = caller_of_key(await surface.farm.keys.check(surface.secret))
    kept = tickets.give(other)
    many = [tickets.give(greedy) for _ in range(live.MOST_TICKETS + 1)]
    assert tickets.take(kept) is other
    assert tickets.take(many[-1]) is greedy
    with pytest.raises(KeyRequired):
        tickets.take(many[0])


async def test_many_who_come_at_once_are_not_more_than_may(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_CLIENTS", 3)
    kept = []  # what nobody refers to is closed

    async def come(http: aiohttp.ClientSession, url: str) -> int:
        try:
            kept.append(await http.ws_connect(url, headers={"x-api-key": surface.secret}))
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        return 101

    async with (
        listening(surface) as port,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        url = f"http://127.0.0.1:{port}/api/v1/live"
        came = await asyncio.gather(*(come(http, url) for _ in range(30)))
    assert sorted(came) == [101] * 3 + [503] * 27


async def test_a_revoked_key_ends_its_sockets(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CHECK_AGAIN_S", 0.1)
    made = await surface.farm.keys.create("a screen", Role.VIEWER)
    async with (
        listening(surface) as port,
        listener(surface, port, {"x-api-key": made.secret}) as seen,
    ):
        await seen.next()
        await asyncio.sleep(0.3)
        await surface.farm.keys.revoke(made.key.id)
        assert await seen.closed() == (live.POLICY, "the credential works no longer")
