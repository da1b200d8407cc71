"""Every reason has its words, and doing what its unblock says removes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from buildplate.core.explaining import reasons
from buildplate.core.jobs import Box, FileState, Priority, Queue, QueuedPrint
from buildplate.core.materials import LoadedMaterial, MaterialNeed
from buildplate.core.printers import (
    Activity,
    Bed,
    Link,
    Printer,
    PrinterStatus,
    StartPolicy,
    Volume,
    is_ready,
)
from buildplate.core.readiness import unreadiness
from buildplate.core.reasons import DOCUMENTATION, REQUESTS, Reason, UnblockAction, WaitReason
from buildplate.core.scheduling import explain
from buildplate.core.survey import Survey
from tests.unit.core.farms import HOUR, NOW, job, printer, printers, prints, queue, worlds

if TYPE_CHECKING:
    from collections.abc import Mapping

Params = "Mapping[str, Any]"
CLEARED = {"activity": Activity.IDLE, "bed": Bed.CLEAR}


class Service:
    """A model of what the service does with an unblock: what a person or time then changes."""

    def __init__(self, queue_: Queue, fleet: list[Printer], now: datetime) -> None:
        self.queue = queue_
        self.fleet = fleet
        self.now = now

    def do(self, reason: WaitReason) -> bool:
        """Carry an unblock out; False where it only says that another printer has to come."""
        action, params = reason.unblock.action, reason.unblock.params
        if action is UnblockAction.WAIT:
            return self._wait(reason.printer_id, params)
        target = reason.unblock.target
        match action:
            case UnblockAction.RELEASE_QUEUE:
                self.queue = replace(self.queue, stopped=False)
            case UnblockAction.REORDER_QUEUE:
                self._reorder(str(target), str(params["before"]))
            case UnblockAction.CONFIRM_PRINT:
                self._print(target, confirmed=True)
            case UnblockAction.ASSIGN_PRINT:
                assert target == reason.printer_id
                self._print(str(params["print_id"]), assigned_to=target)
            case UnblockAction.RELEASE_JOB:
                self._job(target, hold=False)
            case UnblockAction.UPLOAD_FILE:
                self._file(target, state=FileState.READY)
            case UnblockAction.UPDATE_JOB:
                self._update_job(target, params)
            case UnblockAction.RESOLVE_PRINT:
                assert target == self._printer(reason.printer_id).status.active_print_id
                self._status(
                    reason.printer_id, active_print_id=None, needs_attention=False, **CLEARED
                )
            case _:
                assert target == reason.printer_id
                self._at_printer(action, target, params)
        return True

    def _at_printer(self, action: UnblockAction, target: str, params: Mapping[str, Any]) -> None:
        status = self._printer(target).status
        match action:
            case UnblockAction.CLEAR_BED:
                assert params["bed_version"] == status.bed_version
                assert status.active_print_id is None
                self._status(target, bed=Bed.CLEAR)
            case UnblockAction.CONNECT:
                activity = status.activity
                halted = activity is Activity.HALTED
                self._status(
                    target, link=Link.ONLINE, activity=Activity.IDLE if halted else activity
                )
            case UnblockAction.END_MAINTENANCE:
                self._spec(target, maintenance=params["on"])
            case UnblockAction.UPDATE_PRINTER:
                self._update_printer(target, params)
            case _:
                pytest.fail(f"nobody knows how to {action}")

    def _update_printer(self, target: str, params: Mapping[str, Any]) -> None:
        model = self._printer(target).spec.model
        match dict(params):
            case {"ask": ["connection"]}:
                self._status(target, link=Link.ONLINE)
            case {"ask": ["model.build_volume"]}:
                self._spec(target, model=replace(model, build_volume=Volume(500, 500, 500)))
            case {"ask": ["materials"]}:
                had = self._printer(target).spec.materials
                self._spec(target, materials=(*had, LoadedMaterial(9, "PLA")))
            case {"materials": loaded}:
                self._spec(target, materials=tuple(LoadedMaterial(**m) for m in loaded))
            case {"model": {"nozzles_mm": nozzles}}:
                self._spec(target, model=replace(model, nozzles_mm=tuple(nozzles)))
            case {"tags": tags}:
                self._spec(target, tags=frozenset(tags))
            case patch:
                assert set(patch) <= {"plate", "enabled"}
                self._spec(target, **patch)

    def _update_job(self, target: str | None, params: Mapping[str, Any]) -> None:
        asks = next(p.job.requirements for p in self.queue.prints if p.job.id == target)
        match dict(params):
            case {"ask": ["requirements.build_volume"]}:
                patch: dict[str, Any] = {"build_volume": Volume(20, 20, 20)}
            case {"requirements": {"build_volume": dict(size)}}:
                patch = {"build_volume": Volume(**size)}
            case {"requirements": asked}:
                patch = {k: frozenset(v) if isinstance(v, list) else v for k, v in asked.items()}
            case other:
                pytest.fail(f"nobody knows how to change {other}")
        self._job(target, requirements=replace(asks, **patch))

    def _wait(self, printer_id: str, params: Mapping[str, Any]) -> bool:
        status = self._printer(printer_id).status
        if isinstance(params.get("until"), datetime):
            self.now = max(self.now, params["until"])
        what = params["for"]
        if what == "print" and params["print_id"] != status.active_print_id:
            return False  # when that print has ended, the next in line may be a third one
        if what == "another_printer":
            return "until" in params
        if what == "file":
            self._file(params["file_id"], state=FileState.READY)
        elif what != "retry":
            self._status(printer_id, **self._comes_to_pass(what, params))
        return True

    @staticmethod
    def _comes_to_pass(what: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """What is seen of a printer when what was waited for has happened."""
        seen: dict[str, dict[str, Any]] = {
            "connection": {"link": Link.ONLINE, "powered": True},
            "node": {"node_alive": True},
            "first_report": CLEARED,
            "foreign_print": CLEARED,
            "printer": CLEARED,
            "command": {"unsettled_command": None},
            "room_on_the_host": {"storage_free": params.get("bytes")},
            "print": {"active_print_id": None, **CLEARED},
        }
        return seen[what]

    def _reorder(self, moved: str, before: str) -> None:
        """Put a print's job directly ahead of another's: those ranked ahead of that stay ahead."""
        jobs = {p.id: p.job.id for p in self.queue.prints}
        ranks = {p.job.id: p.rank for p in self.queue.prints}
        ranked = sorted((rank, job_id) for job_id, rank in ranks.items() if rank is not None)
        order = [job_id for _, job_id in ranked if job_id != jobs[moved]]
        at = order.index(jobs[before]) if jobs[before] in order else len(order)
        order.insert(at, jobs[moved])
        rank_of = {job_id: float(rank) for rank, job_id in enumerate(order)}
        self._prints([replace(p, rank=rank_of.get(p.job.id)) for p in self.queue.prints])

    def _printer(self, target: str) -> Printer:
        return next(p for p in self.fleet if p.id == target)

    def _spec(self, target: str, **changes: Any) -> None:
        self.fleet = [
            replace(p, spec=replace(p.spec, **changes)) if p.id == target else p for p in self.fleet
        ]

    def _status(self, target: str, **changes: Any) -> None:
        self.fleet = [
            replace(p, status=replace(p.status, **changes)) if p.id == target else p
            for p in self.fleet
        ]

    def _prints(self, found: list[QueuedPrint]) -> None:
        self.queue = replace(self.queue, prints=tuple(found))

    def _print(self, target: str | None, **changes: Any) -> None:
        self._prints([replace(p, **changes) if p.id == target else p for p in self.queue.prints])

    def _job(self, target: str | None, **changes: Any) -> None:
        self._prints(
            [
                replace(p, job=replace(p.job, **changes)) if p.job.id == target else p
                for p in self.queue.prints
            ]
        )

    def _file(self, target: str | None, **changes: Any) -> None:
        self._prints(
            [
                replace(p, job=replace(p.job, file=replace(p.job.file, **changes)))
                if p.job.file.id == target
                else p
                for p in self.queue.prints
            ]
        )


def key(reason: WaitReason) -> tuple[object, ...]:
    """Which reason it is: two that ask for different things are two, whatever their code."""
    params = reason.unblock.params
    return reason.code, reason.unblock.action, params.get("ask"), params.get("for")


def without_it(service: Service, print_id: str, reason: WaitReason) -> bool:
    """Whether the reason is gone after its unblock, or the print starts."""
    if not service.do(reason):
        return True
    survey = Survey(service.queue, service.fleet, service.now)
    starts = {a.print_id for a in survey.plan.assignments}
    if reason.unblock.action is UnblockAction.REORDER_QUEUE:
        return print_id in starts
    print_ = next(p for p in service.queue.prints if p.id == print_id)
    left = [key(r) for r in reasons(survey, print_)[reason.printer_id]]
    return print_id in starts or key(reason) not in left


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_doing_what_an_unblock_says_removes_its_reason(world: tuple[Queue, list[Printer]]) -> None:
    queue_, fleet = world
    survey = Survey(queue_, fleet, NOW)
    for print_ in survey.plan.waiting:
        for found in reasons(survey, print_).values():
            for reason in found:
                assert without_it(Service(queue_, fleet, NOW), print_.id, reason), reason


@given(printers(number=1))
@settings(max_examples=200, deadline=None)
def test_a_printer_is_ready_exactly_when_nothing_says_it_is_not(machine: Printer) -> None:
    assert is_ready(machine.spec, machine.status) is (not list(unreadiness(machine)))


@pytest.mark.parametrize("activity", Activity)
@pytest.mark.parametrize("link", Link)
@pytest.mark.parametrize("bed", Bed)
def test_only_online_idle_and_clear_is_ready(link: Link, activity: Activity, bed: Bed) -> None:
    machine = printer(link=link, activity=activity, bed=bed)
    ready = (link, activity, bed) == (Link.ONLINE, Activity.IDLE, Bed.CLEAR)
    assert is_ready(machine.spec, machine.status) is ready
    assert bool(list(unreadiness(machine))) is not ready


def test_every_reason_is_documented_and_every_action_is_a_public_call_or_to_wait() -> None:
    assert set(DOCUMENTATION) == set(Reason)
    assert all(text.endswith(".") for text in DOCUMENTATION.values())
    assert set(REQUESTS) == set(UnblockAction)
    assert [action for action, call in REQUESTS.items() if call is None] == [UnblockAction.WAIT]


def only(found: list[WaitReason]) -> WaitReason:
    assert len(found) == 1, found
    return found[0]


def why(of: Any, machine: Printer, **changes: Any) -> WaitReason:
    waiting = prints(of, **changes)
    return only(explain(waiting[0], [machine], queue(waiting), NOW))


def test_a_bed_that_is_not_clear_says_which_version_to_clear() -> None:
    reason = why(job(), printer(bed=Bed.OCCUPIED, bed_version=7))
    assert reason.code is Reason.BED_NOT_CLEAR
    assert reason.unblock.action is UnblockAction.CLEAR_BED
    assert (reason.unblock.target, reason.unblock.params) == ("printer-1", {"bed_version": 7})


def test_clearing_the_bed_is_not_offered_while_something_prints() -> None:
    reason = why(job(), printer(bed=Bed.OCCUPIED, activity=Activity.OURS, active_print_id="p"))
    assert reason.code is Reason.BUSY
    foreign = why(job(), printer(bed=Bed.OCCUPIED, activity=Activity.FOREIGN))
    assert foreign.code is Reason.FOREIGN_PRINT


def test_matte_is_not_silk() -> None:
    silk = LoadedMaterial(0, "PLA", "black", "silk")
    need = MaterialNeed(0, "PLA", "black", "matte")
    reason = why(job(materials=(need,)), printer(materials=(silk,)))
    assert reason.code is Reason.MATERIAL_VARIANT
    assert reason.detail == "tool 0 needs PLA matte black and holds PLA silk black"
    assert [m["variant"] for m in reason.unblock.params["materials"]] == ["matte"]  # type: ignore[attr-defined]


def test_loading_a_spool_keeps_what_the_other_tools_hold() -> None:
    held = (LoadedMaterial(0, "PLA", "red", None, 300.0), LoadedMaterial(1, "PLA", "blue"))
    need = MaterialNeed(1, "PETG", None, None, 80.0)
    reason = why(job(materials=(need,)), printer(materials=held))
    assert reason.code is Reason.MATERIAL_MISSING
    assert reason.unblock.params["materials"] == [
        {"tool": 0, "type": "PLA", "color": "red", "variant": None, "remaining_g": 300.0},
        {"tool": 1, "type": "PETG", "color": None, "variant": None, "remaining_g": 80.0},
    ]


def test_a_purge_line_just_off_the_plate_fits_but_a_print_off_the_plate_does_not() -> None:
    fleet = [printer(build_volume=Volume(200, 200, 200))]
    purge = prints(job(box=Box(-3, 0, 0.2, 150, 150, 50)))
    assert explain(purge[0], fleet, queue(purge), NOW) == []
    reason = why(job(box=Box(-30, 0, 0.2, 150, 150, 50)), fleet[0])
    assert reason.code is Reason.TOO_SMALL
    assert "x -30 to 150" in reason.detail


def test_what_the_farm_does_not_know_is_said_and_not_guessed() -> None:
    assert why(job(box=None), printer()).code is Reason.FIT_UNKNOWN
    assert why(job(), printer(build_volume=None)).code is Reason.FIT_UNKNOWN
    told = prints(job(box=None, build_volume=Volume(20, 20, 20)))
    assert explain(told[0], [printer()], queue(told), NOW) == []


def test_a_failed_attempt_s_pause_says_until_when() -> None:
    later = NOW + timedelta(minutes=2)
    reason = why(job(), printer(), not_before=later)
    assert reason.code is Reason.RETRY_BACKOFF
    assert reason.unblock.params == {"for": "retry", "until": later}


def test_a_print_of_the_same_class_can_be_put_ahead_and_one_of_a_higher_cannot() -> None:
    first, second = prints(job(1, due=NOW + HOUR)), prints(job(2))
    reason = only(explain(second[0], [printer()], queue(first, second), NOW))
    assert reason.code is Reason.HIGHER_PRIORITY_FIRST
    assert reason.unblock.action is UnblockAction.REORDER_QUEUE
    assert reason.unblock.params == {"before": "job-1-copy-1"}
    urgent = prints(job(3, priority=Priority.URGENT))
    reason = only(explain(second[0], [printer()], queue(urgent, second), NOW))
    assert reason.unblock.params == {"for": "print", "print_id": "job-3-copy-1"}


def test_a_printer_that_asks_first_starts_only_what_a_person_confirmed() -> None:
    machine = printer(start_policy=StartPolicy.CONFIRM)
    assert why(job(), machine).code is Reason.START_NEEDS_CONFIRM
    confirmed = prints(job(), confirmed=True)
    assert explain(confirmed[0], [machine], queue(confirmed), NOW) == []


def test_a_print_that_needs_a_person_is_named() -> None:
    machine = printer(needs_attention=True, active_print_id="p-9", activity=Activity.UNKNOWN)
    found = explain(prints(job())[0], [machine], queue(prints(job())), NOW)
    by_code = {reason.code: reason.unblock for reason in found}
    assert by_code[Reason.NEEDS_ATTENTION].target == "p-9"


def test_a_busy_printer_says_when_it_should_be_free() -> None:
    end = NOW + 3 * HOUR
    machine = printer(activity=Activity.OURS, active_print_id="p-9", expected_free=end)
    assert why(job(), machine).unblock.params == {
        "for": "print",
        "print_id": "p-9",
        "until": end,
    }


def test_a_printer_without_its_node_waits_for_another_node() -> None:
    assert why(job(), printer(node_alive=False)).code is Reason.NODE_LOST


def test_needs_attention_is_part_of_a_status() -> None:
    status: PrinterStatus = printer(needs_attention=True, active_print_id="x").status
    assert not is_ready(printer().spec, status)
