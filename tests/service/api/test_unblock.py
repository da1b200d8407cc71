"""Why prints wait, and what helps: the request that a reason names removes that very reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from buildplate.core.reasons import REQUESTS, UnblockAction
from tests.service.api.paper import KEY
from tests.service.api.surface import VOLUME, Surface

Reason = dict[str, Any]
BIG = {"x": 300, "y": 300, "z": 300}
ANSWERS: dict[str, Any] = {
    "connection": {"api_key": KEY},
    "materials": [{"tool": tool, "type": "PLA"} for tool in range(8)],
    "model.build_volume": BIG,
    "requirements.build_volume": {"x": 10, "y": 10, "z": 10},
    "outcome": "failed",
    "bed": "clear",
}


async def waiting(surface: Surface, print_id: str) -> list[Reason]:
    answer = await surface.client.get(f"/api/v1/prints/{print_id}/waiting")
    found: list[Reason] = answer.json()["items"]
    return found


def body_of(unblock: dict[str, Any]) -> dict[str, Any]:
    """The request's body as the reason gives it, with a person's part filled in."""
    body = dict(unblock["params"])
    for field in body.pop("ask", ()):
        *path, last = field.split(".")
        place = body
        for part in path:
            place = place.setdefault(part, {})
        place[last] = ANSWERS[field]
    return body


async def execute(surface: Surface, unblock: dict[str, Any]) -> None:
    """The unblock, exactly as it is named."""
    if unblock["action"] == "upload_file":
        await surface.file()
        return
    request = REQUESTS[UnblockAction(unblock["action"])]
    assert request is not None
    assert unblock["path"] == request.path.format(target=unblock["target"])
    body = body_of(unblock)
    answer = await surface.client.request(unblock["method"], unblock["path"], json=body or None)
    assert answer.is_success, (unblock, answer.text)


async def removed(surface: Surface, print_id: str, reason: Reason) -> None:
    """Wait until the reason is gone, or the print is."""

    def same(other: Reason) -> bool:
        return all(other[name] == reason[name] for name in ("printer_id", "code", "detail"))

    try:
        async with asyncio.timeout(8):
            while any(map(same, await waiting(surface, print_id))):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(reason) from None


# --- one situation for each reason that something can be done about --------------------------


async def order(surface: Surface, **job: Any) -> str:
    found = await surface.job(**{"due": "2030-01-01T00:00:00Z"} | job)
    (print_,) = await surface.prints(found["id"])
    return str(print_["id"])


async def stopped_farm(surface: Surface) -> str:
    await surface.printer()
    await surface.client.post("/api/v1/queue/stop")
    return await order(surface)


async def held(surface: Surface) -> str:
    await surface.printer()
    return await order(surface, hold=True)


async def asking_printer(surface: Surface) -> str:
    await surface.printer(start_policy="confirm")
    return await order(surface)


async def unknown_bed(surface: Surface) -> str:
    model = {"name": "P", "build_volume": VOLUME}
    body = {"name": "L", "driver": "paper", "connection": {"host": "L", "api_key": KEY}}
    await surface.client.post("/api/v1/printers", json=body | {"model": model})
    await surface.until(1, link="online")
    return await order(surface)


async def full_bed(surface: Surface) -> str:
    host, print_ = await surface.running()
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    return await order(surface)


async def disabled(surface: Surface) -> str:
    await surface.printer()
    await surface.client.patch("/api/v1/printers/1", json={"enabled": False})
    return await order(surface)


async def maintained(surface: Surface) -> str:
    await surface.printer()
    await surface.client.post("/api/v1/printers/1/maintenance", json={"on": True})
    return await order(surface)


async def locked_out(surface: Surface) -> str:
    await surface.printer()
    await surface.client.patch("/api/v1/printers/1", json={"connection": {"api_key": "no"}})
    await surface.until(1, link="auth_required")
    return await order(surface)


async def halted(surface: Surface) -> str:
    await surface.printer()
    await surface.floor["Left"].halt()
    await surface.until(1, activity="halted")
    return await order(surface)


async def lost_track(surface: Surface) -> str:
    host, print_ = await surface.running()
    await host.forget()
    await surface.until_print(print_["id"], state="needs_attention")
    return await order(surface)


async def behind(surface: Surface) -> str:
    """A print that another of its class goes before, though the free printer is held back."""
    await surface.printer(start_policy="confirm")
    first = await order(surface)
    print_id = await order(surface)
    for one in (first, print_id):
        await surface.client.post(f"/api/v1/prints/{one}/confirm")
    return print_id


async def assigned(surface: Surface) -> str:
    """A print that a person gave to a printer which is out of service by now."""
    await surface.printer("Left")
    await surface.client.post("/api/v1/queue/stop")
    print_id = await order(surface)
    await surface.client.post("/api/v1/printers/1/assign", json={"print_id": print_id})
    await surface.client.delete("/api/v1/printers/1")
    await surface.printer("Right")
    await surface.client.post("/api/v1/queue/release")
    return print_id


async def lost_file(surface: Surface) -> str:
    await surface.printer()
    job = await surface.job(hold=True)
    (print_,) = await surface.prints(job["id"])
    await surface.client.post(f"/api/v1/prints/{print_['id']}/cancel")
    assert (await surface.client.delete(f"/api/v1/files/{job['file_id']}")).status_code == 204
    assert (await surface.client.post(f"/api/v1/jobs/{job['id']}/retry")).status_code == 200
    await surface.client.post(f"/api/v1/jobs/{job['id']}/release")
    return str((await surface.prints(job["id"]))[-1]["id"])


def misfit(asked: dict[str, Any], **printer: Any) -> Callable[[Surface], Awaitable[str]]:
    async def make(surface: Surface) -> str:
        await surface.printer(**printer)
        return await order(surface, requirements=asked)

    return make


async def unsized(surface: Surface) -> str:
    """A file that says nothing of its size."""
    await surface.printer()
    file = await surface.file(b"G28\nM104 S0\n", "home.gcode")
    return await order(surface, file_id=file["id"])


PLA = [{"tool": 0, "type": "PLA", "color": "red", "remaining_g": 5}]
SITUATIONS: dict[str, tuple[str, Callable[[Surface], Awaitable[str]]]] = {
    "farm_stopped": ("release_queue", stopped_farm),
    "on_hold": ("release_job", held),
    "start_needs_confirm": ("confirm_print", asking_printer),
    "bed_unknown": ("clear_bed", unknown_bed),
    "bed_not_clear": ("clear_bed", full_bed),
    "disabled": ("update_printer", disabled),
    "maintenance": ("end_maintenance", maintained),
    "auth_required": ("update_printer", locked_out),
    "halted": ("connect", halted),
    "needs_attention": ("resolve_print", lost_track),
    "file_not_ready": ("upload_file", lost_file),
    "printer_not_listed": ("assign_print", assigned),
    "fit_unknown": ("update_job", unsized),
    "fit_unknown ": ("update_printer", misfit({}, model={"name": "unmeasured"})),
    "nozzle_mismatch": ("update_printer", misfit({"nozzle_mm": 0.8})),
    "plate_mismatch": ("update_printer", misfit({"plate": "PEI"})),
    "tag_mismatch": ("update_printer", misfit({"tags_all": ["a"], "tags_none": ["b"]}, tags=["b"])),
    "tag_mismatch ": ("update_job", misfit({"tags_all": ["a"], "tags_none": ["a"]})),
    "group_mismatch": ("update_job", misfit({"group": "big"}, group="small")),
    "model_mismatch": ("update_job", misfit({"printer_model": "MK4"})),
    "too_small": ("update_job", misfit({"build_volume": BIG})),
    "material_missing": ("update_printer", misfit({"materials": [{"tool": 1, "type": "PETG"}]})),
    "material_variant": (
        "update_printer",
        misfit({"materials": [{"tool": 0, "type": "PLA", "variant": "silk"}]}, materials=PLA),
    ),
    "not_enough_material": (
        "update_printer",
        misfit({"materials": [{"tool": 0, "type": "PLA", "grams": 50}]}, materials=PLA),
    ),
}


@pytest.mark.parametrize("code", SITUATIONS)
async def test_the_request_that_a_reason_names_removes_it(surface: Surface, code: str) -> None:
    action, make = SITUATIONS[code]
    print_id = await make(surface)
    reasons = await waiting(surface, print_id)
    found = [reason for reason in reasons if reason["code"] == code.strip()]
    assert [reason["unblock"]["action"] for reason in found] == [action], reasons
    await execute(surface, found[0]["unblock"])
    await removed(surface, print_id, found[0])


async def test_a_printer_that_is_not_listed_is_added_to_the_list(surface: Surface) -> None:
    left, right = await surface.printer("Left"), await surface.printer("Right")
    await surface.client.post("/api/v1/printers/1/maintenance", json={"on": True})
    print_id = await order(surface, requirements={"printers": [left["number"]]})
    (reason,) = [r for r in await waiting(surface, print_id) if r["printer_id"] == right["id"]]
    assert (reason["code"], reason["unblock"]["action"]) == ("printer_not_listed", "update_job")
    await execute(surface, reason["unblock"])
    await surface.until_print(print_id, printer_id=right["id"])


async def test_a_retired_printer_stands_in_no_remedy_s_way(surface: Surface) -> None:
    left, right = await surface.printer("Left"), await surface.printer("Right")
    await surface.client.post("/api/v1/printers/2/maintenance", json={"on": True})
    await surface.client.post("/api/v1/queue/stop")
    print_id = await order(surface, requirements={"printers": [left["id"], right["id"]]})
    assert (await surface.client.delete("/api/v1/printers/1")).status_code == 204
    third = await surface.printer("Third")
    await surface.client.post("/api/v1/queue/release")
    reasons = await waiting(surface, print_id)
    (reason,) = [r for r in reasons if r["code"] == "printer_not_listed"]
    asked = reason["unblock"]["params"]["requirements"]["printers"]
    assert sorted(asked) == sorted([right["id"], third["id"]])
    await execute(surface, reason["unblock"])
    await surface.until_print(print_id, printer_id=third["id"])


async def test_a_print_behind_another_is_put_ahead(surface: Surface) -> None:
    """Both wait for the one printer; putting the second ahead starts it first."""
    await surface.client.post("/api/v1/queue/stop")
    await surface.printer()
    first, second = await order(surface), await order(surface)
    await surface.client.post("/api/v1/queue/reorder", json={"print_id": second, "before": first})
    await surface.client.post("/api/v1/queue/release")
    await surface.until_print(second, state="printing")
    assert (await surface.client.get(f"/api/v1/prints/{first}")).json()["state"] == "queued"


async def test_every_action_that_can_be_taken_is_tried_here() -> None:
    tried = {action for action, _ in SITUATIONS.values()} | {"reorder_queue"}
    assert tried == {action.value for action in UnblockAction} - {"wait"}


# --- any situation ---------------------------------------------------------------------------

words = st.sampled_from(["a", "b"])
maybe = st.none() | words
materials = st.lists(
    st.fixed_dictionaries(
        {"tool": st.integers(0, 1), "type": st.sampled_from(["PLA", "PETG"])},
        optional={"color": words, "variant": words},
    ),
    max_size=2,
    unique_by=lambda one: one["tool"],
)
printers = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries(
            {"name": words, "nozzles_mm": st.lists(st.sampled_from([0.4, 0.6]), max_size=2)},
            optional={"build_volume": st.sampled_from([VOLUME, BIG])},
        ),
        "materials": materials,
        "plate": maybe,
        "group": maybe,
        "tags": st.lists(words, unique=True),
        "enabled": st.booleans(),
        "start_policy": st.sampled_from(["automatic", "confirm"]),
    }
)
requirements = st.fixed_dictionaries(
    {},
    optional={
        "materials": materials,
        "nozzle_mm": st.sampled_from([0.4, 0.6]),
        "build_volume": st.sampled_from([VOLUME, BIG]),
        "printer_model": words,
        "group": words,
        "plate": words,
        "tags_all": st.lists(words, unique=True, max_size=1),
        "tags_none": st.lists(words, unique=True, max_size=1),
    },
)


async def follow(
    surface: Surface, printer: dict[str, Any], asked: dict[str, Any], *, hold: bool, stop: bool
) -> None:
    """Take the first action that helps, until the print starts: each removes its reason."""
    name = f"printer {len(surface.floor)}"
    body = {"name": name, "driver": "paper", "connection": {"host": name, "api_key": KEY}} | printer
    added = (await surface.client.post("/api/v1/printers", json=body)).json()
    if printer["enabled"]:
        await surface.until(added["id"], link="online")
    if stop:
        await surface.client.post("/api/v1/queue/stop")
    due = "2030-01-01T00:00:00Z" if hold else None
    job = await surface.job(requirements=asked, hold=hold, due=due)
    (print_,) = await surface.prints(job["id"])
    try:
        async with asyncio.timeout(20):
            while (await _state(surface, print_["id"])) == "queued":
                reasons = await waiting(surface, print_["id"])
                helps = [reason for reason in reasons if reason["unblock"]["method"]]
                if helps:
                    await execute(surface, helps[0]["unblock"])
                    await removed(surface, print_["id"], helps[0])
                else:
                    assert all(passing(reason, print_["id"]) for reason in reasons), reasons
                    await asyncio.sleep(0.01)
        await surface.until_print(print_["id"], state="printing")
    finally:
        await surface.client.post(f"/api/v1/jobs/{job['id']}/cancel")
        await surface.poll(f"/api/v1/jobs/{job['id']}", lambda seen: seen["state"] == "cancelled")
        await surface.client.delete(f"/api/v1/printers/{added['id']}")


def passing(reason: Reason, print_id: str) -> bool:
    """Whether a reason goes by itself: we are connecting, or this very print is being claimed."""
    itself: bool = reason["unblock"]["params"].get("print_id") == print_id
    return itself or bool(reason["code"] == "syncing")


async def _state(surface: Surface, print_id: str) -> str:
    return str((await surface.client.get(f"/api/v1/prints/{print_id}")).json()["state"])


@pytest.mark.timeout(240)
async def test_following_the_reasons_always_ends_in_a_print(surface: Surface, seed: int) -> None:
    loop = asyncio.get_running_loop()

    @hypothesis_seed(seed)
    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # each example takes its time; the printed one tells enough
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(printers, requirements, st.booleans(), st.booleans())
    def examples(printer: dict[str, Any], asked: dict[str, Any], hold: bool, stop: bool) -> None:
        work = follow(surface, printer, asked, hold=hold, stop=stop)
        asyncio.run_coroutine_threadsafe(work, loop).result(timeout=60)

    await asyncio.to_thread(examples)
