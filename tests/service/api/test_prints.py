"""Prints over HTTP: pause, resume, cancel, resolve, confirm, assign, and the ledger behind them."""

from __future__ import annotations

import pytest

from tests.service.api.surface import Surface


async def answered(surface: Surface, command_id: str) -> dict[str, object]:
    path = f"/api/v1/commands/{command_id}"
    return await surface.poll(path, lambda seen: seen["state"] not in ("asked", "sent"))


async def test_a_running_print_is_paused_and_resumed(surface: Surface) -> None:
    _, print_ = await surface.running()
    path = f"/api/v1/prints/{print_['number']}"
    paused = await surface.client.post(f"{path}/pause")
    assert paused.status_code == 202
    command = await answered(surface, paused.json()["command_id"])
    assert paused.headers["location"] == f"/api/v1/commands/{command['id']}"
    assert (command["kind"], command["state"]) == ("pause", "answered")
    assert command["asked_by"] == "key first admin"
    await surface.until_print(print_["id"], state="paused")
    again = await surface.client.post(f"{path}/pause")
    assert (again.status_code, again.json()["code"]) == (409, "print_state")
    resumed = await surface.client.post(f"{path}/resume")
    await answered(surface, resumed.json()["command_id"])
    await surface.until_print(print_["id"], state="printing")


async def test_the_print_a_printer_holds_is_controlled_through_the_printer(
    surface: Surface,
) -> None:
    _, print_ = await surface.running()
    path = f"/api/v1/printers/{print_['printer_id']}"
    paused = await surface.client.post(f"{path}/pause")
    await answered(surface, paused.json()["command_id"])
    await surface.until_print(print_["id"], state="paused")
    resumed = await surface.client.post(f"{path}/resume")
    await answered(surface, resumed.json()["command_id"])
    await surface.until_print(print_["id"], state="printing")
    cancelled = await surface.client.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["wants_cancel"]) == (202, True)
    await surface.until_print(print_["id"], state="cancelled")
    await surface.until(print_["printer_id"], print_id=None)
    for verb in ("pause", "resume", "cancel"):
        answer = await surface.client.post(f"{path}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_active_print")


async def test_a_queued_print_is_cancelled_at_once(surface: Surface) -> None:
    job = await surface.job(copies=2)
    first, _ = await surface.prints(job["id"])
    answer = await surface.client.post(f"/api/v1/prints/{first['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    again = await surface.client.post(f"/api/v1/prints/{first['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "print_state")


@pytest.mark.parametrize(("outcome", "bed"), [("failed", "clear"), ("completed", "occupied")])
async def test_a_person_says_how_a_print_ended(surface: Surface, outcome: str, bed: str) -> None:
    host, print_ = await surface.running()
    await host.forget()
    stuck = await surface.until_print(print_["id"], state="needs_attention")
    assert stuck["reason"]
    health = await surface.poll("/health", lambda seen: seen["printers"]["attention"] == 1)
    assert health["status"] == "degraded"
    path = f"/api/v1/prints/{print_['id']}/resolve"
    answer = await surface.client.post(path, json={"outcome": outcome, "bed": bed})
    assert answer.status_code == 202
    assert answer.json()["resolution"]["by"] == "key first admin"
    await surface.until_print(print_["id"], state=outcome)
    await surface.until(print_["printer_id"], print_id=None)


async def test_a_word_on_a_print_whose_printer_is_lost_needs_an_override(surface: Surface) -> None:
    host, print_ = await surface.running()
    await host.forget()
    await surface.until_print(print_["id"], state="needs_attention")
    await host.vanish()
    await surface.until(print_["printer_id"], link="offline")
    path = f"/api/v1/prints/{print_['id']}/resolve"
    said = {"outcome": "failed", "bed": "occupied"}
    refused = await surface.client.post(path, json=said)
    assert (refused.status_code, refused.json()["code"]) == (409, "print_state")
    assert "override" in refused.json()["hint"]
    forced = await surface.client.post(path, json=said | {"override": True})
    assert forced.json()["resolution"]["override"] is True
    await surface.until_print(print_["id"], state="failed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"outcome": "failed"},
        {"outcome": "printing", "bed": "clear"},
        {"outcome": "cancelled", "bed": "clear"},
        {"outcome": "failed", "bed": "unknown"},
        {"outcome": "failed", "bed": "clear", "override": 1},
    ],
)
async def test_a_word_that_says_nothing_is_refused(surface: Surface, body: dict[str, str]) -> None:
    job = await surface.job()
    (print_,) = await surface.prints(job["id"])
    answer = await surface.client.post(f"/api/v1/prints/{print_['id']}/resolve", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_print_that_is_well_needs_nobody_s_word(surface: Surface) -> None:
    _, print_ = await surface.running()
    path = f"/api/v1/prints/{print_['id']}/resolve"
    answer = await surface.client.post(path, json={"outcome": "completed", "bed": "clear"})
    assert (answer.status_code, answer.json()["code"]) == (409, "print_state")


async def test_a_print_waits_for_a_word_where_the_printer_asks_for_it(surface: Surface) -> None:
    await surface.printer("Left", start_policy="confirm")
    job = await surface.job()
    (print_,) = await surface.prints(job["id"])
    path = f"/api/v1/prints/{print_['id']}"
    waiting = (await surface.client.get(f"{path}/waiting")).json()["items"]
    assert [reason["code"] for reason in waiting] == ["start_needs_confirm"]
    assert (await surface.client.post(f"{path}/confirm")).json()["confirmed"] is True
    await surface.until_print(print_["id"], state="printing")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_print_is_assigned_to_a_printer_by_the_owed_path(
    surface: Surface, slash: str
) -> None:
    left = await surface.printer("Left")
    right = await surface.printer("Right")
    job = await surface.job(hold=True, copies=2)
    print_, other = await surface.prints(job["id"])
    path = f"/api/v1/printers/{right['number']}/assign{slash}"
    body = {"job_id": job["number"], "queue": "JobPaid"}
    answer = await surface.client.post(path, json=body)
    assert (answer.status_code, answer.json()["id"]) == (200, print_["id"])
    assert answer.json()["assigned_printer_id"] == right["id"]
    assert (await surface.client.get(f"/api/v1/jobs/{job['id']}")).json() == job
    waiting = (await surface.client.get(f"/api/v1/prints/{print_['id']}/waiting")).json()["items"]
    (elsewhere,) = [reason for reason in waiting if reason["code"] == "printer_not_listed"]
    assert (elsewhere["printer_id"], elsewhere["unblock"]["action"]) == (left["id"], "assign_print")
    by_print = await surface.client.post(path, json={"print_id": other["id"]})
    assert by_print.status_code == 200
    back = await surface.client.post(
        elsewhere["unblock"]["path"], json=elsewhere["unblock"]["params"]
    )
    assert back.json()["assigned_printer_id"] == left["id"]
    await surface.client.post(f"/api/v1/jobs/{job['id']}/release")
    await surface.until_print(print_["id"], state="printing", printer_id=left["id"])
    await surface.until_print(other["id"], state="printing", printer_id=right["id"])
    late = await surface.client.post(path, json={"print_id": other["id"]})
    assert (late.status_code, late.json()["code"]) == (409, "print_state")
    neither = await surface.client.post(path, json={})
    assert (neither.status_code, neither.json()["code"]) == (422, "invalid_job")


async def test_prints_are_listed_by_what_they_belong_to(surface: Surface) -> None:
    _, print_ = await surface.running()
    other = await surface.job(copies=2)
    for query, count in (
        ("", 3),
        ("state=printing", 1),
        ("state=queued", 2),
        (f"job={other['number']}", 2),
        (f"printer={print_['printer_id']}", 1),
        (f"printer=1&job={other['id']}", 0),
    ):
        found = (await surface.client.get(f"/api/v1/prints?{query}")).json()["items"]
        assert len(found) == count, query
    assert (await surface.client.get("/api/v1/prints?job=77")).status_code == 404
