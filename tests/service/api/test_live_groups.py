"""Callers who are confined to printer groups follow what is theirs, live and in the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from buildplate.access.model import Role
from buildplate.api import live, live_hub
from buildplate.storage import PublishedEvent, StorageBusy
from tests.service.api.people import browser, user
from tests.service.api.surface import Surface, listening
from tests.service.api.test_live import Listener, _refused, listener

OURS = frozenset({"ours"})
ASIDE = {"age_s", "printer_id", "temperatures", "progress", "time_left_s"}


@pytest.fixture
async def key(surface: Surface) -> str:
    """The secret of a key that is confined to our group."""
    return (await surface.farm.keys.create("wall display", Role.OPERATOR, None, OURS)).secret


@asynccontextmanager
async def ours(surface: Surface, port: int, key: str, **asked: str) -> AsyncIterator[Listener]:
    async with listener(surface, port, {"x-api-key": key}, **asked) as seen:
        yield seen


async def move(surface: Surface, printer: dict[str, Any], group: str | None) -> None:
    path = f"/api/v1/printers/{printer['id']}"
    assert (await surface.client.patch(path, json={"group": group})).is_success


async def ask_for(surface: Surface, job: dict[str, Any], group: str) -> None:
    change = {"requirements": {"group": group}}
    answer = await surface.client.patch(f"/api/v1/jobs/{job['id']}", json=change)
    assert answer.is_success, answer.text


async def drain(seen: Listener) -> None:
    """Take what comes for a second: levels and expectations go on changing."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while True:
                await seen.next()


async def test_what_is_sent_is_what_the_paths_show(surface: Surface, key: str) -> None:
    async with listening(surface) as port, surface.with_key(key) as mine:
        await surface.client.post("/api/v1/queue/stop", json={"reason": "by ann"})
        for group in ("ours", "theirs", None):
            await surface.printer(f"of {group}", group=group)
            await surface.job(requirements={"group": group}, copies=2)
        async with ours(surface, port, key) as seen:
            await seen.next()
            await seen.until(lambda: seen.queue["total"] == 2 and bool(seen.jobs))
            printers = (await mine.get("/api/v1/printers?live=true")).json()["items"]
            assert [one["id"] for one in printers] == list(seen.printers)
            for one in printers:
                kept = seen.printers[one["id"]]
                state = {name: value for name, value in one["state"].items() if name not in ASIDE}
                assert state.items() <= kept.items()
            jobs = (await mine.get("/api/v1/jobs")).json()["items"]
            assert {one["id"]: one for one in jobs} == seen.jobs
            queue = (await mine.get("/api/v1/queue")).json()["items"]
            moment = {"slack_s", "expected_start", "expected_end"}
            assert [_without(one, moment) for one in seen.queue["items"]] == [
                _without(one, moment) for one in queue
            ]


def _without(view: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in view.items() if name not in names}


async def test_a_printer_that_leaves_the_groups_is_gone_and_one_that_comes_is_sent_whole(
    surface: Surface, key: str
) -> None:
    left = await surface.printer("Left", group="ours")
    right = await surface.printer("Right", group="theirs")
    async with listening(surface) as port, ours(surface, port, key, topics="printers") as seen:
        await seen.next()
        assert seen.printers.keys() == {left["id"]}
        await move(surface, left, "theirs")
        await seen.until(lambda: left["id"] not in seen.printers)
        assert left["id"] in seen.frames[-1]["gone"]
        after = len(seen.frames)
        await surface.floor["Left"].halt()
        await surface.until(left["id"], activity="halted")
        surface.farm.watchers.tell_levels(left["id"])
        await drain(seen)
        assert left["id"] not in json.dumps(seen.frames[after:])
        await move(surface, right, "ours")
        await seen.until(lambda: right["id"] in seen.printers)
        assert seen.printers[right["id"]]["name"] == "Right"
        assert seen.printers[right["id"]].keys() == seen.frames[0]["printers"][0].keys()
        await move(surface, left, None)
        await drain(seen)
        assert left["id"] not in json.dumps(seen.frames[after:]), "not theirs before or after"
        answer = await surface.client.delete(f"/api/v1/printers/{right['id']}")
        assert answer.is_success
        await seen.until(lambda: right["id"] not in seen.printers)
        assert (await surface.client.delete(f"/api/v1/printers/{left['id']}")).is_success
        await drain(seen)
        assert left["id"] not in json.dumps(seen.frames[after:])


async def test_a_job_goes_and_comes_with_the_group_it_asks_for(surface: Surface, key: str) -> None:
    job = await surface.job(requirements={"group": "ours"}, hold=True)
    other = await surface.job(requirements={"group": "theirs"}, hold=True)
    async with listening(surface) as port, ours(surface, port, key) as seen:
        await seen.until(lambda: job["id"] in seen.jobs and seen.queue.get("total") == 1)
        await ask_for(surface, job, "theirs")
        await seen.until(lambda: job["id"] not in seen.jobs)
        await seen.until(lambda: seen.queue["total"] == 0)
        after = len(seen.frames)
        await surface.client.post(f"/api/v1/jobs/{job['id']}/release")
        await drain(seen)
        assert len(seen.frames) - after < 10
        assert job["id"] not in json.dumps(seen.frames[after:])
        await ask_for(surface, other, "ours")
        await seen.until(lambda: other["id"] in seen.jobs)
        await seen.until(lambda: seen.queue["total"] == 1)


async def test_a_group_s_new_name_ends_the_socket_and_the_next_one_shows_the_group(
    surface: Surface, key: str
) -> None:
    printer = await surface.printer(group="ours")
    (group,) = await surface.farm.access.groups.groups()
    async with listening(surface) as port:
        async with ours(surface, port, key) as seen:
            snapshot = await seen.next()
            await drain(seen)
            path = f"/api/v1/groups/{group.id}"
            assert (await surface.client.patch(path, json={"name": "mine"})).is_success
            code, why = await seen.closed()
            assert (code, "groups have changed" in why) == (live.OTHER_RIGHTS, True)
        asked = {"after": str(seen.frames[-1]["seq"]), "epoch": snapshot["epoch"]}
        async with ours(surface, port, key, **asked) as again:
            assert (await again.next())["type"] == "snapshot"
            assert again.printers.keys() == {printer["id"]}


@pytest.mark.parametrize("heard", [True, False])
async def test_a_name_that_is_used_again_shows_nothing_to_those_who_had_it(
    surface: Surface, key: str, monkeypatch: pytest.MonkeyPatch, *, heard: bool
) -> None:
    if not heard:  # as where the event of the renaming is late
        monkeypatch.setattr(live_hub, "OTHER_GROUPS", frozenset())
    await surface.printer("Left", group="ours")
    right = await surface.printer("Right", group="theirs")
    (group,) = [g for g in await surface.farm.access.groups.groups() if g.name == "ours"]
    async with listening(surface) as port, ours(surface, port, key) as seen:
        await seen.next()
        path = f"/api/v1/groups/{group.id}"
        assert (await surface.client.patch(path, json={"name": "mine"})).is_success
        await move(surface, right, "ours")
        await seen.closed()
        assert right["id"] not in json.dumps(seen.frames)


async def test_a_user_whose_groups_change_is_let_go_and_told_why(surface: Surface) -> None:
    ann = await user(surface, Role.OPERATOR, "ann", groups=OURS)
    await surface.printer("Left", group="ours")
    right = await surface.printer("Right", group="theirs")
    async with listening(surface) as port, aclosing(await browser(surface)) as client:
        cookie = f"buildplate_session={client.cookies['buildplate_session']}"
        headers = {"cookie": cookie, "origin": f"http://127.0.0.1:{port}"}
        async with listener(surface, port, headers) as seen:
            snapshot = await seen.next()
            changed = {"groups": ["theirs"]}
            answer = await surface.client.patch(f"/api/v1/users/{ann.id}", json=changed)
            assert answer.is_success, answer.text
            assert (await seen.closed())[0] == live.OTHER_RIGHTS
        asked = {"after": str(snapshot["seq"]), "epoch": snapshot["epoch"]}
        async with listener(surface, port, headers, **asked) as again:
            assert (await again.next())["type"] == "snapshot", "it saw other groups before"
            assert again.printers.keys() == {right["id"]}


async def test_rights_that_changed_while_nothing_was_heard_are_looked_at_afterwards(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await user(surface, Role.OPERATOR, "ann", groups=OURS)
    take = live_hub.LiveHub._take

    def fails(hub: live_hub.LiveHub, published: PublishedEvent) -> None:
        if published.event.kind == "user.changed":
            message = "a mistake of ours"
            raise RuntimeError(message)
        take(hub, published)

    async with listening(surface) as port, aclosing(await browser(surface)) as client:
        cookie = f"buildplate_session={client.cookies['buildplate_session']}"
        headers = {"cookie": cookie, "origin": f"http://127.0.0.1:{port}"}
        async with listener(surface, port, headers) as seen:
            await seen.next()
            monkeypatch.setattr(live_hub.LiveHub, "_take", fails)
            changed = {"groups": ["theirs"]}
            answer = await surface.client.patch(f"/api/v1/users/{ann.id}", json=changed)
            assert answer.is_success, answer.text
            assert (await seen.closed())[0] == live.OTHER_RIGHTS


async def test_a_user_of_the_whole_farm_who_is_confined_is_let_go_at_once(
    surface: Surface,
) -> None:
    ann = await user(surface, Role.OPERATOR, "ann")
    async with listening(surface) as port, aclosing(await browser(surface)) as client:
        cookie = f"buildplate_session={client.cookies['buildplate_session']}"
        headers = {"cookie": cookie, "origin": f"http://127.0.0.1:{port}"}
        async with listener(surface, port, headers) as seen, listener(surface, port) as other:
            await seen.next()
            await other.next()
            answer = await surface.client.patch(
                f"/api/v1/users/{ann.id}", json={"groups": ["ours"]}
            )
            assert answer.is_success, answer.text
            assert (await seen.closed())[0] == live.OTHER_RIGHTS
            await surface.printer("Left")
            await other.until(lambda: bool(other.printers))


async def test_a_ticket_of_somebody_who_has_other_groups_by_now_shows_nothing(
    surface: Surface,
) -> None:
    await surface.printer("Left", group="ours")
    for groups in (OURS, None):
        name = f"ann {groups is None}"
        ann = await user(surface, Role.OPERATOR, name, groups=groups)
        async with listening(surface) as port, aclosing(await browser(surface, name)) as client:
            ticket = (await client.post("/api/v1/live/ticket")).json()["ticket"]
            changed = {"groups": ["theirs"]}
            answer = await surface.client.patch(f"/api/v1/users/{ann.id}", json=changed)
            assert answer.is_success, answer.text
            async with listener(surface, port, {}, ticket=ticket) as seen:
                assert (await seen.closed())[0] == live.OTHER_RIGHTS
                assert seen.frames == []


async def test_a_ticket_carries_its_caller_s_groups(surface: Surface, key: str) -> None:
    left = await surface.printer("Left", group="ours")
    await surface.printer("Right", group="theirs")
    async with listening(surface) as port, surface.with_key(key) as mine:
        ticket = (await mine.post("/api/v1/live/ticket")).json()["ticket"]
        async with listener(surface, port, {}, ticket=ticket) as seen:
            await seen.next()
            assert seen.printers.keys() == {left["id"]}


async def test_nothing_is_sent_where_it_cannot_be_asked_what_may_be_seen(
    surface: Surface, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await surface.printer("Left", group="ours")
    async with listening(surface) as port, surface.with_key(key) as mine:
        ticket = (await mine.post("/api/v1/live/ticket")).json()["ticket"]

        async def unavailable(*_: Any) -> Any:
            raise StorageBusy

        monkeypatch.setattr(type(surface.farm.keys), "rights", unavailable)
        async with listener(surface, port, {}, ticket=ticket) as seen:
            assert (await seen.closed())[0] == live.TRY_LATER
            assert seen.frames == []


async def test_a_printer_of_others_is_as_unknown_as_one_that_is_not_there(
    surface: Surface, key: str
) -> None:
    right = await surface.printer("Right", group="theirs")
    async with listening(surface) as port, aiohttp.ClientSession() as http:
        said = set()
        for name in (right["id"], str(right["number"]), "4711"):
            status, told = await _refused(http, port, {"x-api-key": key}, {"printer": name})
            assert (status, told["code"]) == (404, "printer_not_found")
            said.add(told["detail"].replace(name, "…") + told["hint"])
        assert len(said) == 1


async def test_whoever_comes_back_hears_what_has_left_meanwhile(surface: Surface, key: str) -> None:
    left = await surface.printer("Left", group="ours")
    right = await surface.printer("Right", group="theirs")
    job = await surface.job(requirements={"group": "ours"}, hold=True)
    topics = {"topics": "printers,jobs"}
    async with listening(surface) as port:
        async with ours(surface, port, key, **topics) as seen:
            await seen.until(lambda: job["id"] in seen.jobs)
            await drain(seen)
            epoch = seen.frames[0]["epoch"]
            asked = {"after": str(seen.frames[-1]["seq"]), "epoch": epoch} | topics
        async with listener(surface, port) as all_:
            await move(surface, left, "theirs")
            await ask_for(surface, job, "theirs")
            await move(surface, right, "ours")
            await all_.until(
                lambda: (
                    all_.jobs.get(job["id"], {}).get("requirements", {}).get("group") == "theirs"
                )
            )
            await drain(all_)
            whole = all_.frames[0]["epoch"]
        async with ours(surface, port, key, **asked) as again:
            again.frames.append(seen.frames[-1])
            patch = await again.next()
            assert patch["type"] == "patch"
            assert (patch["gone"], patch["gone_jobs"]) == ([left["id"]], [job["id"]])
            assert again.printers[right["id"]]["name"] == "Right"
        for forged in ({"epoch": whole}, {"after": "999999999"}):
            async with ours(surface, port, key, **{**asked, **forged}) as anew:
                assert (await anew.next())["type"] == "snapshot"
        async with listener(surface, port, None, **asked) as other:
            assert (await other.next())["type"] == "snapshot", "it was confined when it saw that"


async def test_a_queue_s_places_are_those_of_the_whole_queue(surface: Surface, key: str) -> None:
    await surface.client.post("/api/v1/queue/stop", json={})
    await surface.job(requirements={"group": "theirs"}, priority="urgent")
    mine = await surface.job(requirements={"group": "ours"}, priority="low")
    async with listening(surface) as port, ours(surface, port, key, topics="queue") as seen:
        await seen.until(lambda: seen.queue.get("total") == 1)
        (row,) = seen.queue["items"]
        assert (row["job_id"], row["position"]) == (mine["id"], 2)


async def test_why_a_print_waits_counts_no_printer_of_others(surface: Surface, key: str) -> None:
    await surface.printer("Left", group="ours")
    for name in ("Right", "Middle", "Back"):
        await surface.printer(name, group="theirs" if name != "Back" else None)
    await surface.client.post("/api/v1/queue/stop", json={})
    for hold in (True, False):
        await surface.job(requirements={"group": "ours"}, hold=hold)
    async with (
        listening(surface) as port,
        surface.with_key(key) as mine,
        ours(surface, port, key, topics="queue") as seen,
    ):
        await seen.until(lambda: seen.queue.get("total") == 2)
        items = seen.queue["items"] + (await mine.get("/api/v1/queue")).json()["items"]
    assert [sum(one["count"] for one in item["waiting_summary"]) for item in items] == [1] * 4
    whole = (await surface.client.get("/api/v1/queue")).json()["items"]
    assert [sum(one["count"] for one in item["waiting_summary"]) for item in whole] == [4] * 2


async def test_events_that_come_are_those_of_the_log(surface: Surface, key: str) -> None:
    await surface.printer("Left", group="ours")
    await surface.printer("Right", group="theirs")
    async with (
        listening(surface) as port,
        surface.with_key(key) as mine,
        ours(surface, port, key) as seen,
    ):
        first = await seen.next()
        job: dict[str, Any] = {}
        for group in ("theirs", "ours"):
            job = await surface.job(requirements={"group": group}, customer=f"customer of {group}")
            (last,) = await surface.prints(job["id"])
            await surface.until_print(last["id"], state="printing")
        await surface.floor["Left"].finish()
        (last,) = await surface.prints(job["id"])
        await surface.until_print(last["id"], state="completed")
        await surface.client.post("/api/v1/queue/stop", json={"reason": "Right is on fire"})
        await seen.until(lambda: bool(seen.events) and seen.events[-1]["kind"] == "queue.stopped")
        asked = {"after": first["last_event"], "limit": 1000}
        log = (await mine.get("/api/v1/events", params=asked)).json()["items"]
        assert seen.events == log
        assert {"print.completed", "job.queued", "queue.stopped"} <= {e["kind"] for e in log}
        assert "Right" not in json.dumps(log)


async def test_a_page_of_others_events_is_gone_past(surface: Surface, key: str) -> None:
    await surface.printer("Right", group="theirs")
    for _ in range(3):
        await surface.job(requirements={"group": "theirs"}, hold=True)
    await surface.printer("Left", group="ours")
    all_ = (await surface.client.get("/api/v1/events?limit=1000")).json()
    assert all_["read_to"] == all_["items"][-1]["seq"] == len(all_["items"])
    async with surface.with_key(key) as mine:
        after, found, empty = 0, [], 0
        while True:
            page = (await mine.get("/api/v1/events", params={"after": after, "limit": 2})).json()
            empty += not page["items"]
            found += page["items"]
            assert page["read_to"] > after or page["next_cursor"] is None
            after = page["read_to"]
            if page["next_cursor"] is None:
                break
        assert empty > 1
        newest = (await surface.client.get(f"/api/v1/events?after={all_['read_to']}")).json()
        assert after == newest["read_to"], "so that what is others' is not read again and again"
        nothing = (await mine.get("/api/v1/events", params={"after": after})).json()
        assert nothing["read_to"] >= after, "also where nothing is new"
        whole = (await mine.get("/api/v1/events?limit=1000")).json()["items"]
        assert found == whole
        assert {"printer.added"} <= {event["kind"] for event in found}


async def test_whoever_hears_of_a_printer_hears_nothing_of_a_foreign_job_on_it(
    surface: Surface, key: str
) -> None:
    printer = await surface.printer("Left", group="theirs")
    job = await surface.job(requirements={"group": "theirs"})
    (print_,) = await surface.prints(job["id"])
    await surface.until_print(print_["id"], state="printing")
    await move(surface, printer, "ours")
    async with surface.with_key(key) as mine:
        for path in ("/api/v1/events", f"/api/v1/printers/{printer['id']}/events"):
            answer = await mine.get(path, params={"limit": 1000})
            kinds = {event["kind"] for event in answer.json()["items"]}
            assert "print.printing" in kinds
            assert job["id"] not in answer.text


async def test_a_confined_client_s_text_tells_of_nothing_that_is_others(
    surface: Surface, key: str
) -> None:
    secrets = await _foreign_names(surface)
    ours_printer = await surface.printer("Left", group="ours")
    async with listening(surface) as port, surface.with_key(key) as mine:
        async with ours(surface, port, key) as seen:
            await seen.next()
            foreign = await _busy(surface, ours_printer)
            await drain(seen)
            text = json.dumps(seen.frames)
        async with ours(surface, port, key) as later:
            await later.next()
            await drain(later)
            text += json.dumps(later.frames)
        for path in ("events", "printers?live=true", "jobs", "prints", "queue"):
            text += (await mine.get(f"/api/v1/{path}")).text
        text += (await mine.get("/api/v1/events?limit=1000")).text
        text += (await mine.get(f"/api/v1/printers/{ours_printer['id']}/events")).text
    assert {one["kind"] for one in seen.events} >= {"print.printing", "job.queued", "queue.stopped"}
    assert [one for one in secrets | foreign if one in text] == []


async def _foreign_names(surface: Surface) -> set[str]:
    """People and keys; what they are called and their ids."""
    ann = await user(surface, Role.OPERATOR, "annemarie", groups=frozenset({"theirs"}))
    made = await surface.farm.keys.create("their webshop", Role.OPERATOR)
    return {"annemarie", "their webshop", "first admin", "wall display", ann.id, made.key.id}


async def _busy(surface: Surface, ours_printer: dict[str, Any]) -> set[str]:
    """Let much happen in both groups; the names and ids that are not ours."""
    client = surface.client
    made = [await surface.printer(f"Foreign {n}", group="theirs") for n in range(3)]
    foreign = {"Foreign", "theirs", "secret customer", "PO-77"} | {one["id"] for one in made}
    told = {"customer": "secret customer", "reference": "PO-77", "name": "Foreign part"}
    waiting = await surface.job(requirements={"group": "ours"}, hold=True)
    for group in ("ours", "theirs", "ours", "theirs"):
        more = told if group == "theirs" else {}
        job = await surface.job(requirements={"group": group}, **more)
        if group == "theirs":
            await client.post("/api/v1/queue/reorder", json={"job_id": job["id"]})
            foreign |= {job["id"]} | {one["id"] for one in await surface.prints(job["id"])}
            for one in await surface.prints(job["id"]):
                await surface.until_print(one["id"], state="printing")
            ahead = {"job_id": waiting["id"], "before": job["id"]}
            await client.post("/api/v1/queue/reorder", json=ahead)
            await client.post(f"/api/v1/jobs/{job['id']}/cancel")
    await client.patch(f"/api/v1/printers/{made[0]['id']}", json={"name": "Foreign again"})
    await client.delete(f"/api/v1/printers/{made[2]['id']}")
    await client.post("/api/v1/queue/stop", json={"reason": "Foreign again is on fire"})
    await surface.floor["Left"].finish()
    await surface.until(ours_printer["id"], bed="occupied")
    await user(surface, Role.VIEWER, "bob who is new")
    await client.post("/api/v1/groups", json={"name": "theirs too"})
    await asyncio.sleep(1.5)
    return foreign | {"bob who is new"}
