"""The queue over HTTP: its order, putting a job ahead, stopping the whole farm."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from buildplate.core.survey import Survey
from buildplate.dispatch import queue_service
from tests.service.api.surface import Surface


async def order(surface: Surface) -> list[int]:
    items = (await surface.client.get("/api/v1/queue")).json()["items"]
    assert [item["position"] for item in items] == list(range(1, len(items) + 1))
    return [item["job_number"] for item in items]


async def test_the_queue_shows_what_to_expect_and_why_prints_wait(surface: Surface) -> None:
    await surface.running()
    await surface.job(due="2030-01-01T00:00:00Z")
    (item,) = (await surface.client.get("/api/v1/queue")).json()["items"]
    assert (item["job_number"], item["priority"], item["late"]) == (2, "normal", False)
    assert item["slack_s"] > 0
    assert item["printer_id"] is not None
    assert item["waiting_summary"] == [{"code": "busy", "count": 1}]


async def test_the_queue_comes_page_by_page(surface: Surface) -> None:
    await surface.job(copies=5)
    first = (await surface.client.get("/api/v1/queue?limit=3")).json()
    rest = await surface.client.get(f"/api/v1/queue?limit=3&cursor={first['next_cursor']}")
    found = first["items"] + rest.json()["items"]
    assert [item["position"] for item in found] == [1, 2, 3, 4, 5]
    assert rest.json()["next_cursor"] is None


async def test_no_print_is_passed_over_when_others_leave_between_two_pages(
    surface: Surface,
) -> None:
    job = await surface.job(copies=8)
    prints = await surface.prints(job["id"])
    first = (await surface.client.get("/api/v1/queue?limit=4")).json()
    for print_ in (prints[0], prints[1], prints[3]):  # the last of the page among them
        await surface.client.post(f"/api/v1/prints/{print_['id']}/cancel")
    cursor = first["next_cursor"]
    rest = (await surface.client.get(f"/api/v1/queue?limit=4&cursor={cursor}")).json()
    assert [item["copy_no"] for item in rest["items"]] == [5, 6, 7, 8]
    for print_ in prints[2:4]:
        await surface.client.post(f"/api/v1/prints/{print_['id']}/cancel")
    again = (await surface.client.get(f"/api/v1/queue?cursor={cursor}")).json()
    assert [item["copy_no"] for item in again["items"]] == [5, 6, 7, 8]
    odd = await surface.client.get("/api/v1/queue?cursor=4")
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("path", ["/api/v1/queue", "/api/v1/prints/1/waiting"])
async def test_who_asks_about_a_long_queue_holds_up_nobody_else(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    await surface.job(hold=True)
    seen = threading.Event()

    class LongSurvey(Survey):
        def __init__(self, *moment: Any) -> None:
            assert seen.wait(10), "the farm stood still meanwhile"
            super().__init__(*moment)

    monkeypatch.setattr(queue_service, "Survey", LongSurvey)
    asking = asyncio.get_running_loop().create_task(surface.client.get(path))
    await asyncio.sleep(0.1)
    assert (await surface.client.get("/health")).status_code == 200
    assert not asking.done()
    seen.set()
    assert (await asking).status_code == 200


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", "\x1b[31m"])
async def test_the_reason_of_a_stop_is_bounded_and_visible(surface: Surface, reason: str) -> None:
    answer = await surface.client.post("/api/v1/queue/stop", json={"reason": reason})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_job_is_put_ahead_and_back(surface: Surface) -> None:
    jobs = [await surface.job() for _ in range(3)]
    assert await order(surface) == [1, 2, 3]
    path = "/api/v1/queue/reorder"
    answer = await surface.client.post(path, json={"job_id": 3, "before": jobs[0]["id"]})
    assert answer.status_code == 204
    assert (await order(surface))[0] == 3
    (print_,) = await surface.prints(jobs[1]["id"])
    body = {"print_id": print_["number"], "before": jobs[2]["id"]}
    assert (await surface.client.post(path, json=body)).status_code == 204
    assert (await order(surface))[:2] == [2, 3]
    for number in (2, 3):
        await surface.client.post(path, json={"job_id": number, "before": None})
    assert await order(surface) == [1, 2, 3]


async def test_a_job_moves_to_right_ahead_of_another_and_passes_nobody_else(
    surface: Surface,
) -> None:
    for _ in range(5):
        await surface.job()
    path = "/api/v1/queue/reorder"
    await surface.client.post(path, json={"job_id": 5, "before": 3})
    assert await order(surface) == [1, 2, 5, 3, 4]
    await surface.client.post(path, json={"job_id": 4, "before": 2})
    assert await order(surface) == [1, 4, 2, 5, 3]
    await surface.client.post(path, json={"job_id": 1, "before": 5})
    assert await order(surface) == [4, 2, 1, 5, 3]


async def test_a_job_is_put_ahead_only_of_one_that_waits_in_its_class(surface: Surface) -> None:
    path = "/api/v1/queue/reorder"
    await surface.job()
    await surface.job(priority="high")
    await surface.job()
    gone = await surface.job()
    await surface.client.post(f"/api/v1/jobs/{gone['id']}/cancel")
    before = await order(surface)
    for other in (2, 4):
        answer = await surface.client.post(path, json={"job_id": 3, "before": other})
        assert (answer.status_code, answer.json()["code"]) == (409, "print_state")
    assert await order(surface) == before == [2, 1, 3]


async def test_the_ranks_of_jobs_that_ended_are_let_be(surface: Surface) -> None:
    path = "/api/v1/queue/reorder"
    for _ in range(4):
        await surface.job()
    await surface.client.post(path, json={"job_id": 3, "before": 1})
    await surface.client.post("/api/v1/jobs/3/cancel")
    await surface.client.post(path, json={"job_id": 4, "before": 1})
    ranks = [(await surface.farm.jobs.job(str(number))).job.rank for number in (1, 2, 3, 4)]
    assert ranks == [None, None, 1.0, 1.0]
    assert await order(surface) == [4, 1, 2]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"job_id": 1, "before": 1}, 409),
        ({"job_id": 99, "before": 1}, 404),
        ({"job_id": 1, "before": 99}, 404),
        ({"before": 1}, 422),
        ({"job_id": 1, "print_id": 1}, 422),
        ({"job_id": True}, 422),
    ],
)
async def test_an_order_that_cannot_be_is_refused(
    surface: Surface, body: dict[str, Any], status: int
) -> None:
    await surface.job()
    assert (await surface.client.post("/api/v1/queue/reorder", json=body)).status_code == status


async def test_a_stopped_farm_starts_nothing_until_its_release(surface: Surface) -> None:
    await surface.printer()
    stopped = await surface.client.post("/api/v1/queue/stop", json={"reason": "fire drill"})
    assert stopped.json() == {"stopped": True}
    job = await surface.job()
    (print_,) = await surface.prints(job["id"])
    waiting = await surface.client.get(f"/api/v1/prints/{print_['id']}/waiting")
    assert [reason["code"] for reason in waiting.json()["items"]] == ["farm_stopped"]
    assert (await surface.client.post("/api/v1/queue/release")).json() == {"stopped": False}
    await surface.until_print(print_["id"], state="printing")
    events = (await surface.client.get("/api/v1/events?limit=1000")).json()["items"]
    (event,) = [event for event in events if event["kind"] == "queue.stopped"]
    assert event["data"]["reason"] == "fire drill"
