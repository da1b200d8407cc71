"""Jobs over HTTP: ordered once however often it is said, listed stably, changed by version."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.service.api.surface import Surface


async def post(surface: Surface, key: str, **body: Any) -> Any:
    headers = {"idempotency-key": key}
    return await surface.client.post("/api/v1/jobs", json=body, headers=headers)


async def test_the_same_key_and_body_order_once(surface: Surface) -> None:
    file_id = (await surface.file())["id"]
    first = await post(surface, "order-1", file_id=file_id, copies=2)
    again = await post(surface, "order-1", copies=2, file_id=file_id, priority="normal")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert len((await surface.client.get("/api/v1/jobs")).json()["items"]) == 1


async def test_the_same_key_with_another_body_is_refused(surface: Surface) -> None:
    file_id = (await surface.file())["id"]
    await post(surface, "order-1", file_id=file_id, copies=2)
    other = await post(surface, "order-1", file_id=file_id, copies=3)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_order_posted_at_once_is_taken_once(surface: Surface) -> None:
    file_id = (await surface.file())["id"]
    answers = await asyncio.gather(*(post(surface, "k", file_id=file_id) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_an_order_whose_file_was_deleted_meanwhile_is_still_known(surface: Surface) -> None:
    file_id = (await surface.file())["id"]
    first = (await post(surface, "order-1", file_id=file_id)).json()
    await surface.client.post(f"/api/v1/jobs/{first['id']}/cancel")
    assert (await surface.client.delete(f"/api/v1/files/{file_id}")).status_code == 204
    again = await post(surface, "order-1", file_id=file_id)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    fresh = await post(surface, "order-2", file_id=file_id)
    assert (fresh.status_code, fresh.json()["code"]) == (422, "file_not_found")


async def test_an_order_whose_printer_was_retired_meanwhile_is_still_known(
    surface: Surface,
) -> None:
    left, right = await surface.printer("Left"), await surface.printer("Right")
    asked = {"printers": [left["number"], right["number"]]}
    body = {"file_id": (await surface.file())["id"], "hold": True, "requirements": asked}
    first = (await post(surface, "order-1", **body)).json()
    assert (await surface.client.delete("/api/v1/printers/1")).status_code == 204
    again = await post(surface, "order-1", **body)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    path = f"/api/v1/jobs/{first['id']}"
    changed = await surface.client.patch(path, json={"requirements": {"nozzle_mm": 0.4}})
    assert changed.json()["requirements"]["printers"] == [right["id"]]
    assert (await surface.client.delete("/api/v1/printers/2")).status_code == 204
    alike = await surface.client.post(f"{path}/duplicate")
    assert (alike.status_code, alike.json()["requirements"]["printers"]) == (201, [right["id"]])
    named = {"requirements": {"printers": [left["id"], right["id"]]}}
    refused = await surface.client.patch(path, json=named)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_job")


async def test_a_job_is_found_by_id_and_by_number(surface: Surface) -> None:
    job = await surface.job(name="bracket", customer="ACME", due="2030-01-01T12:00:00+02:00")
    by_number = (await surface.client.get(f"/api/v1/jobs/{job['number']}")).json()
    assert by_number == (await surface.client.get(f"/api/v1/jobs/{job['id']}")).json()
    assert by_number["due"] == "2030-01-01T10:00:00Z"
    assert (by_number["name"], by_number["state"]) == ("bracket", "queued")


async def test_a_job_without_a_name_has_its_file_s(surface: Surface) -> None:
    assert (await surface.job())["name"] == "cube.gcode"


async def test_pages_are_stable_while_jobs_come(surface: Surface) -> None:
    made = [(await surface.job())["number"] for _ in range(5)]
    seen: list[int] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await surface.client.get("/api/v1/jobs", params=params)).json()
        seen += [job["number"] for job in page["items"]]
        await surface.job()  # rows change between two pages
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(made, reverse=True)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=-1"])
async def test_a_wrong_page_is_refused(surface: Surface, query: str) -> None:
    answer = await surface.client.get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_change_names_the_version_it_is_made_against(surface: Surface) -> None:
    job = await surface.job(copies=2)
    path = f"/api/v1/jobs/{job['id']}"
    tag = (await surface.client.get(path)).headers["etag"]
    changed = await surface.client.patch(path, json={"copies": 3}, headers={"if-match": tag})
    assert (changed.status_code, changed.json()["copies"]) == (200, 3)
    assert changed.headers["etag"] != tag
    late = await surface.client.patch(path, json={"copies": 4}, headers={"if-match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "version_mismatch")
    odd = await surface.client.patch(path, json={"copies": 4}, headers={"if-match": 'W/"1"'})
    assert odd.status_code == 412
    free = await surface.client.patch(path, json={"copies": 1}, headers={"if-match": "*"})
    assert free.json()["copies"] == 1


async def test_of_changes_made_at_once_none_is_lost(surface: Surface) -> None:
    job = await surface.job()
    path = f"/api/v1/jobs/{job['id']}"
    bodies = [{"customer": "A"}, {"reference": "B"}, {"name": "C"}]
    answers = await asyncio.gather(*(surface.client.patch(path, json=body) for body in bodies))
    done = {
        name
        for answer, body in zip(answers, bodies, strict=True)
        for name in body
        if answer.status_code == 200
    }
    assert {answer.status_code for answer in answers} <= {200, 409}
    seen = (await surface.client.get(path)).json()
    assert {name for body in bodies for name in body if seen[name] == body[name]} == done


async def test_a_job_with_a_due_time_is_changed_without_saying_it_again(surface: Surface) -> None:
    job = await surface.job(due="2030-01-01T12:00:00.5+02:00")
    path = f"/api/v1/jobs/{job['id']}"
    seen = (await surface.client.patch(path, json={"customer": "ACME"})).json()
    assert (seen["customer"], seen["due"]) == ("ACME", job["due"])


async def test_a_patch_leaves_what_it_does_not_name(surface: Surface) -> None:
    asked = {"tags_all": ["ready"], "nozzle_mm": 0.4, "materials": [{"tool": 0, "type": "PLA"}]}
    job = await surface.job(requirements=asked, customer="ACME", due="2030-01-01T00:00:00Z")
    path = f"/api/v1/jobs/{job['id']}"
    change = {"requirements": {"nozzle_mm": 0.6, "tags_all": None}, "due": None}
    seen = (await surface.client.patch(path, json=change)).json()
    assert seen["requirements"]["materials"] == job["requirements"]["materials"]
    assert seen["requirements"]["nozzle_mm"] == 0.6
    assert (seen["requirements"]["tags_all"], seen["due"]) == ([], None)
    assert (seen["customer"], seen["hold"]) == ("ACME", False)


async def test_changed_requirements_find_another_printer_and_move_nothing_that_runs(
    surface: Surface,
) -> None:
    left, right = await surface.printer("Left"), await surface.printer("Right")
    job = await surface.job(copies=2, requirements={"printers": [left["id"]]})
    path = f"/api/v1/jobs/{job['id']}"

    def on(printer: dict[str, Any], seen: dict[str, Any]) -> list[str]:
        return [p["state"] for p in seen["prints"] if p["printer_id"] == printer["id"]]

    await surface.poll(f"{path}/status", lambda seen: on(left, seen) == ["printing"])
    change = {"requirements": {"printers": [right["number"]]}}
    changed = await surface.client.patch(path, json=change)
    assert changed.json()["requirements"]["printers"] == [right["id"]]
    seen = await surface.poll(f"{path}/status", lambda seen: on(right, seen) == ["printing"])
    assert on(left, seen) == ["printing"]


@pytest.mark.parametrize(
    "change", [{"hold": True}, {"file_id": "x"}, {"copies": False}, {"name": None}, {"nam": None}]
)
async def test_what_a_patch_cannot_change_is_refused(
    surface: Surface, change: dict[str, Any]
) -> None:
    job = await surface.job()
    answer = await surface.client.patch(f"/api/v1/jobs/{job['id']}", json=change)
    assert answer.status_code == 422, answer.text


async def test_printers_may_be_required_by_number(surface: Surface) -> None:
    printer = await surface.printer("Left", start_policy="confirm")
    job = await surface.job(requirements={"printers": [printer["number"]]})
    assert job["requirements"]["printers"] == [printer["id"]]
    unknown = {"file_id": job["file_id"], "requirements": {"printers": [99]}}
    answer = await surface.client.post("/api/v1/jobs", json=unknown)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_job")


async def test_a_held_job_waits_until_its_release(surface: Surface) -> None:
    await surface.printer()
    job = await surface.job(hold=True)
    (print_,) = await surface.prints(job["id"])
    path = f"/api/v1/prints/{print_['id']}/waiting"
    assert "on_hold" in [r["code"] for r in (await surface.client.get(path)).json()["items"]]
    released = await surface.client.post(f"/api/v1/jobs/{job['number']}/release")
    assert released.json()["hold"] is False
    await surface.until_print(print_["id"], state="printing")


async def test_a_cancelled_job_ends_on_its_printer(surface: Surface) -> None:
    _, print_ = await surface.running()
    answer = await surface.client.post(f"/api/v1/jobs/{print_['job_id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "active")
    await surface.until_print(print_["id"], state="cancelled")
    assert (await surface.client.get(f"/api/v1/jobs/{print_['job_id']}")).json()["state"] == (
        "cancelled"
    )


async def test_a_missing_copy_is_tried_again_when_asked(surface: Surface) -> None:
    host, print_ = await surface.running()
    await surface.client.patch(f"/api/v1/jobs/{print_['job_id']}", json={"retries": 0})
    await host.finish("failed")
    await surface.until_print(print_["id"], state="failed")
    path = f"/api/v1/jobs/{print_['job_id']}"
    assert (await surface.client.get(path)).json()["state"] == "failed"
    assert (await surface.client.post(f"{path}/retry")).json()["queued"] == 1
    again = await surface.client.post(f"{path}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "job_ended")


async def test_a_duplicate_with_a_key_is_made_once(surface: Surface) -> None:
    job = await surface.job(copies=2, customer="ACME")
    path = f"/api/v1/jobs/{job['id']}/duplicate"
    headers = {"idempotency-key": "again"}
    first = await surface.client.post(path, headers=headers)
    second = await surface.client.post(path, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"] != job["id"]
    assert (first.json()["copies"], first.json()["customer"]) == (2, "ACME")


async def test_jobs_are_listed_by_state_and_by_field(surface: Surface) -> None:
    _, print_ = await surface.running()
    held = await surface.job(hold=True, customer="ACME")
    cancelled = await surface.job()
    await surface.client.post(f"/api/v1/jobs/{cancelled['id']}/cancel")
    for query, wanted in (
        ("state=active", [print_["job_id"]]),
        ("state=queued", [held["id"]]),
        ("state=cancelled", [cancelled["id"]]),
        ("state=completed", []),
        ("state=failed", []),
        ("customer=ACME", [held["id"]]),
        ("hold=true", [held["id"]]),
        ("state=queued&customer=nobody", []),
    ):
        found = (await surface.client.get(f"/api/v1/jobs?{query}")).json()["items"]
        assert [job["id"] for job in found] == wanted, query
    assert (await surface.client.get("/api/v1/jobs?state=odd")).status_code == 422


async def test_the_state_a_job_is_listed_under_is_the_one_it_shows(surface: Surface) -> None:
    """Also of those whose flags say something else: cancelled after the end, or too late."""
    host, made = await surface.running()
    await host.finish()
    await surface.until_print(made["id"], state="completed")
    await surface.client.post(f"/api/v1/jobs/{made['job_id']}/cancel")
    await surface.clear(1)
    _, broken = await surface.running()
    await surface.client.patch(f"/api/v1/jobs/{broken['job_id']}", json={"retries": 0})
    await host.finish("failed")
    await surface.until_print(broken["id"], state="failed")
    await surface.clear(1)
    _, running = await surface.running()
    await surface.client.patch(f"/api/v1/jobs/{running['job_id']}", json={"copies": 3})
    await surface.job(hold=True)
    dropped = await surface.job()
    await surface.client.post(f"/api/v1/jobs/{dropped['id']}/cancel")

    every = (await surface.client.get("/api/v1/jobs")).json()["items"]
    assert sorted(job["state"] for job in every) == [
        "active", "cancelled", "completed", "failed", "queued",
    ]  # fmt: skip
    for job in every:
        found = (await surface.client.get(f"/api/v1/jobs?state={job['state']}")).json()["items"]
        assert found == [job]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_owed_path_takes_jobs_with_more_than_is_known(
    surface: Surface, slash: str
) -> None:
    body = {
        "file_id": (await surface.file())["id"],
        "copies": 2,
        "broker": {"partition": 3},
        "requirements": {
            "materials": [{"tool": 0, "type": "PLA", "vendor": "X"}],
            "build_volume": {"x": 9, "y": 9, "z": 9, "unit": "mm"},
            "speed": 1,
        },
    }
    answer = await surface.client.post(f"/api/v1/jobs/receive{slash}", json=body)
    assert answer.status_code == 201
    assert answer.json()["requirements"]["materials"][0]["type"] == "PLA"
    status = await surface.client.get(f"/api/v1/jobs/{answer.json()['number']}/status{slash}")
    assert status.status_code == 200
    assert {"id", "number", "state", "copies", "finished", "failed", "active", "progress",
            "expected_end", "due", "overdue", "hold", "prints"} == status.json().keys()  # fmt: skip
    wrong = await surface.client.post(f"/api/v1/jobs/receive{slash}", json=body | {"copies": True})
    assert wrong.status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs/receive"])
async def test_a_file_to_be_fetched_is_refused_with_what_to_do(surface: Surface, path: str) -> None:
    answer = await surface.client.post(path, json={"file_url": "http://x/y.gcode"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert "not fetched from elsewhere" in problem["detail"]
    assert "upload it" in problem["hint"]


async def test_a_large_job_costs_its_lists_little_and_shows_what_is_under_way(
    surface: Surface,
) -> None:
    """Ten thousand copies: counted in the database, and of the prints a bounded part."""
    await surface.printer()
    job = await surface.job(copies=10_000, hold=True)
    last = (await surface.client.get(f"/api/v1/prints?job={job['id']}&limit=1")).json()["items"][0]
    await surface.client.post("/api/v1/printers/1/assign", json={"print_id": last["id"]})
    await surface.client.post(f"/api/v1/jobs/{job['id']}/release")
    await surface.until_print(last["id"], state="printing")
    (listed,) = (await surface.client.get("/api/v1/jobs")).json()["items"]
    assert (listed["queued"], listed["active"], listed["state"]) == (9_999, 1, "active")
    status = (await surface.client.get(f"/api/v1/jobs/{job['id']}/status")).json()
    numbers = [print_["copy_no"] for print_ in status["prints"]]
    assert numbers == [*range(1, 1000), 10_000]


async def test_the_status_says_how_far_and_until_when(surface: Surface) -> None:
    _, print_ = await surface.running()
    status = await surface.poll(
        f"/api/v1/jobs/{print_['job_id']}/status", lambda seen: seen["progress"] == 0.25
    )
    assert status["active"] == 1
    assert status["expected_end"] is not None
    assert status["prints"][0]["printer_id"] == print_["printer_id"]
