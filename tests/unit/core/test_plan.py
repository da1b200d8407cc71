"""A plan breaks no constraint, leaves nobody waiting without a reason, and is always the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.core.explaining import Summaries, reasons
from buildplate.core.jobs import FileState, Priority, Queue, Requirements
from buildplate.core.materials import LoadedMaterial, MaterialNeed
from buildplate.core.printers import Activity, Bed, Link, StartPolicy
from buildplate.core.reasons import Reason
from buildplate.core.scheduling import explain, plan
from buildplate.core.survey import Survey
from tests.unit.core.farms import HOUR, NOW, job, printer, prints, queue, worlds

if TYPE_CHECKING:
    from random import Random

    from buildplate.core.jobs import JobFacts, QueuedPrint
    from buildplate.core.printers import Printer

World = tuple[Queue, "list[Printer]"]
CASES = settings(max_examples=120, deadline=None)


def started(queue_: Queue, fleet: list[Printer]) -> dict[str, str]:
    return {a.print_id: a.printer_id for a in plan(queue_, fleet, NOW).assignments}


def wrong_with_printer(machine: Printer) -> list[str]:
    """TRUTH.md's sentence on readiness, read once more, and that nothing prints without power."""
    spec, status = machine.spec, machine.status
    checks = {
        "online": status.link is Link.ONLINE,
        "powered": status.powered,
        "idle": status.activity is Activity.IDLE,
        "bed clear": status.bed is Bed.CLEAR,
        "enabled": spec.enabled,
        "not in maintenance": not spec.maintenance,
        "no active print": status.active_print_id is None,
        "no unsettled command": status.unsettled_command is None,
        "lease lives": status.node_alive,
    }
    return [name for name, holds in checks.items() if not holds]


def plain(name: str | None) -> str:
    return (name or "").lower().removeprefix("#")


def loaded_suits(need: MaterialNeed, tool: LoadedMaterial | None) -> bool:
    return (
        tool is not None
        and plain(need.type) == plain(tool.type)
        and (need.color is None or plain(need.color) == plain(tool.color))
        and (need.variant is None or need.variant == tool.variant)
    )


def wrong_with_materials(of: JobFacts, machine: Printer) -> list[str]:
    tools = {m.tool: m for m in machine.spec.materials}
    found = [
        f"material {need}"
        for need in of.requirements.materials
        if not loaded_suits(need, tools.get(need.tool))
    ]
    grams = dict(of.file.filament_g)
    grams |= {n.tool: n.grams for n in of.requirements.materials if n.grams is not None}
    for tool, amount in grams.items():
        left = tools[tool].remaining_g if tool in tools else None
        if left is not None and left < amount:
            found.append(f"grams on {tool}")
    return found


def nozzles_of(of: JobFacts, nozzles: tuple[float, ...]) -> set[float]:
    used = of.file.tools | {n.tool for n in of.requirements.materials} or {0}
    return set(nozzles) if len(nozzles) < 2 else {nozzles[tool] for tool in used}


def wrong_with_machine(of: JobFacts, machine: Printer) -> list[str]:
    asks, spec, model = of.requirements, machine.spec, machine.spec.model
    size, box = model.build_volume, of.file.box
    tags = {tag.lower() for tag in spec.tags}
    tools = max(of.file.tools - {n.tool for n in asks.materials}, default=0)
    nozzles = model.nozzles_mm
    checks = {
        "driver": spec.can_print,
        "listed": not asks.printers or spec.id in asks.printers,
        "group": asks.group is None or asks.group == spec.group,
        "model": asks.printer_model is None or plain(asks.printer_model) == plain(model.name),
        "plate": asks.plate is None or asks.plate == spec.plate,
        "tags": {tag.lower() for tag in asks.tags_all} <= tags
        and not {tag.lower() for tag in asks.tags_none} & tags,
        "nozzle": asks.nozzle_mm is None or nozzles_of(of, nozzles) == {asks.nozzle_mm},
        "tools": tools < max([len(nozzles), 1, *(m.tool + 1 for m in spec.materials)]),
        "heat": (of.file.max_nozzle_c or 0) <= (model.max_nozzle_c or 999)
        and (of.file.max_bed_c or 0) <= (model.max_bed_c or 999),
        "storage": of.file.size <= (machine.status.storage_free or 10**9),
        "size known": size is not None and (box is not None or asks.build_volume is not None),
    }
    if size is not None:
        half = size.x / 2 if model.centred else 0
        checks["box"] = box is None or (
            min(box.min_x, box.min_y) + half >= -5
            and max(box.max_x, box.max_y) + half <= size.x + 5
            and box.max_z <= size.z
        )
        checks["size"] = asks.build_volume is None or asks.build_volume.x <= size.x
    return [name for name, holds in checks.items() if not holds]


def wrong(print_: QueuedPrint, machine: Printer, queue_: Queue) -> list[str]:
    """Every constraint of the issue's list that the pair breaks, written down a second time."""
    of = print_.job
    if print_.assigned_to is not None:
        listed = replace(of.requirements, printers=frozenset({print_.assigned_to}))
        of = replace(of, requirements=listed)
    checks = {
        "farm stopped": not queue_.stopped,
        "on hold": not of.hold,
        "file": of.file.state is FileState.READY,
        "back-off": print_.not_before is None or print_.not_before <= NOW,
        "confirm": machine.spec.start_policy is StartPolicy.AUTOMATIC or print_.confirmed,
    }
    return [
        *(name for name, holds in checks.items() if not holds),
        *wrong_with_machine(of, machine),
        *wrong_with_materials(of, machine),
        *wrong_with_printer(machine),
    ]


@given(worlds())
@CASES
def test_no_assignment_breaks_a_constraint_or_gives_a_printer_twice(world: World) -> None:
    queue_, fleet = world
    by_print = {p.id: p for p in queue_.prints}
    by_printer = {p.id: p for p in fleet}
    found = started(queue_, fleet)
    assert len(set(found.values())) == len(found)
    for print_id, printer_id in found.items():
        assert wrong(by_print[print_id], by_printer[printer_id], queue_) == []


@given(worlds())
@CASES
def test_every_pair_of_a_waiting_print_has_a_reason_and_every_print_starts_or_waits(
    world: World,
) -> None:
    queue_, fleet = world
    survey = Survey(queue_, fleet, NOW)
    waiting = [p.id for p in survey.plan.waiting]
    starting = [a.print_id for a in survey.plan.assignments]
    assert sorted(waiting + starting) == sorted(p.id for p in queue_.prints)
    for print_ in survey.plan.waiting:
        found = reasons(survey, print_)
        assert list(found) == [p.id for p in fleet]
        assert all(found.values()), found


@given(worlds())
@CASES
def test_the_reasons_of_a_pair_are_the_constraints_it_breaks(world: World) -> None:
    """A pair without a reason of its own starts if the print is alone in the queue."""
    queue_, fleet = world
    survey = Survey(queue_, fleet, NOW)
    relative = {Reason.HIGHER_PRIORITY_FIRST, Reason.RETRY_ELSEWHERE_FIRST}
    for print_ in queue_.prints:
        alone = replace(queue_, prints=(replace(print_, failed_on=frozenset()),))
        for machine in fleet:
            codes = {r.code for r in reasons(survey, print_)[machine.id]} - relative
            assert bool(codes) is bool(wrong(print_, machine, queue_))
            assert bool(codes) is not bool(started(alone, [machine]))


@given(worlds())
@CASES
def test_counted_reasons_are_the_first_ones_of_each_printer(world: World) -> None:
    queue_, fleet = world
    survey = Survey(queue_, fleet, NOW)
    summaries = Summaries(survey)
    for print_ in queue_.prints:
        firsts = Counter(found[0].code for found in reasons(survey, print_).values() if found)
        assert summaries.of(print_) == firsts
        group = print_.job.requirements.group
        mine = {machine.id for machine in fleet if machine.spec.group == group}
        own = Counter(
            found[0].code
            for machine, found in reasons(survey, print_).items()
            if found and machine in mine
        )
        assert summaries.in_group(print_) == own


@given(worlds(), st.randoms(use_true_random=False))
@CASES
def test_the_same_queue_and_fleet_in_any_order_make_the_same_plan(
    world: World, random: Random
) -> None:
    queue_, fleet = world
    ids, machines = list(queue_.prints), list(fleet)
    random.shuffle(ids)
    random.shuffle(machines)
    shuffled = replace(queue_, prints=tuple(ids))
    assert plan(queue_, fleet, NOW) == plan(shuffled, machines, NOW)


@given(worlds())
@CASES
def test_a_person_s_order_holds_within_a_priority_class(world: World) -> None:
    """Of two prints that could use the same printers, the one ranked ahead starts first."""
    queue_, fleet = world
    plain_job = Requirements()
    same = [p for p in queue_.prints if p.job.requirements == plain_job and not p.job.hold]
    free: dict[str, Any] = {
        "failed_at": None,
        "not_before": None,
        "confirmed": True,
        "assigned_to": None,
    }
    same = [replace(p, **free) for p in same]
    same = [replace(p, job=replace(p.job, file=job().file)) for p in same]
    found = started(replace(queue_, prints=tuple(same)), fleet)
    for ahead in same:
        for behind in same:
            ranked = ahead.rank is not None and (behind.rank is None or ahead.rank < behind.rank)
            if ranked and ahead.job.priority is behind.job.priority and behind.id in found:
                assert ahead.id in found


def test_a_print_given_to_one_printer_goes_there_alone_and_ahead_of_its_class() -> None:
    fleet = [printer(1), printer(2)]
    one, ranked, other = job(1), job(2), job(3, priority=Priority.URGENT)
    asked = replace(one, requirements=Requirements(printers=frozenset({"printer-1"})))
    queue_ = queue(prints(ranked, 2, rank=1.0), prints(asked, 1, assigned_to="printer-2"))
    found = started(queue_, fleet)
    assert found == {"job-2-copy-1": "printer-1", "job-1-copy-1": "printer-2"}
    urgent = queue(prints(asked, 1, assigned_to="printer-2"), prints(other, 2))
    assert set(started(urgent, fleet)) == {"job-3-copy-1", "job-3-copy-2"}


@given(copies=st.integers(1, 12), machines=st.integers(1, 8), others=st.integers(0, 4))
def test_copies_spread_over_all_printers_that_can_take_them(
    copies: int, machines: int, others: int
) -> None:
    unfit = [printer(100 + n, materials=()) for n in range(others)]
    fleet = [printer(n) for n in range(1, machines + 1)] + unfit
    wanted = job(materials=(MaterialNeed(0, "PLA"),))
    found = started(queue(prints(wanted, copies)), fleet)
    assert len(found) == len(set(found.values())) == min(copies, machines)


def test_a_printer_that_asks_first_starts_nothing_unconfirmed() -> None:
    fleet = [printer(1, start_policy=StartPolicy.CONFIRM)]
    assert started(queue(prints(job())), fleet) == {}
    assert len(started(queue(prints(job(), confirmed=True)), fleet)) == 1


def test_a_print_that_can_go_elsewhere_leaves_the_special_printer_to_the_one_behind() -> None:
    only_special = job(2, printer_model="XL")
    fleet = [printer(1, name="XL"), printer(2)]
    fleet[0] = replace(
        fleet[0], spec=replace(fleet[0].spec, model=replace(fleet[0].spec.model, name="XL"))
    )
    found = started(queue(prints(job(1, priority=Priority.URGENT)), prints(only_special)), fleet)
    assert found == {"job-1-copy-1": "printer-2", "job-2-copy-1": "printer-1"}


def test_a_print_that_takes_any_colour_leaves_the_wanted_colour_loaded() -> None:
    red, black = (LoadedMaterial(0, "PLA", color) for color in ("red", "black"))
    fleet = [printer(1, materials=(red,)), printer(2, materials=(black,))]
    any_color = prints(job(1, materials=(MaterialNeed(0, "PLA"),)))
    held = prints(job(2, hold=True, materials=(MaterialNeed(0, "PLA", "red"),)), 3)
    assert started(queue(any_color, held), fleet) == {"job-1-copy-1": "printer-2"}


def test_a_print_takes_the_emptiest_spool_that_suffices() -> None:
    fleet = [
        printer(n, materials=(LoadedMaterial(0, "PLA", "black", None, grams),))
        for n, grams in enumerate((900.0, 40.0, 120.0), 1)
    ]
    found = started(queue(prints(job(filament_g=((0, 50.0),)))), fleet)
    assert found == {"job-1-copy-1": "printer-3"}


def test_the_least_used_of_equal_printers_is_taken() -> None:
    fleet = [printer(1, starts=9), printer(2, starts=3), printer(3, starts=5)]
    assert set(started(queue(prints(job())), fleet).values()) == {"printer-2"}


def test_a_retry_goes_to_another_printer_first() -> None:
    retry = prints(job(), failed_on=frozenset({"printer-1"}), failed_at=NOW)
    assert started(queue(retry), [printer(1), printer(2)]) == {"job-1-copy-1": "printer-2"}


def test_a_retry_waits_for_another_printer_in_service_but_not_for_ever() -> None:
    busy = printer(2, activity=Activity.OURS, bed=Bed.OCCUPIED, active_print_id="p")
    retry = prints(job(), failed_on=frozenset({"printer-1"}), failed_at=NOW)
    waiting = queue(retry)
    assert plan(waiting, [printer(1), busy], NOW).assignments == ()
    codes = {r.code for r in explain(retry[0], [printer(1), busy], waiting, NOW)}
    assert codes == {Reason.RETRY_ELSEWHERE_FIRST, Reason.BUSY}
    later = NOW + timedelta(minutes=15)
    assert len(plan(waiting, [printer(1), busy], later).assignments) == 1


def test_a_retry_returns_to_its_printer_when_no_other_in_service_can_take_it() -> None:
    retry = prints(job(), failed_on=frozenset({"printer-1"}), failed_at=NOW)
    others = [printer(2, link=Link.OFFLINE), printer(3, build_volume=None)]
    assert set(started(queue(retry), [printer(1), *others]).values()) == {"printer-1"}


def test_higher_priority_goes_first_then_what_is_due_first() -> None:
    waiting = queue(
        prints(job(1, due=NOW + 5 * HOUR)),
        prints(job(2, due=NOW + 3 * HOUR)),
        prints(job(3, priority=Priority.HIGH)),
        prints(job(4, priority=Priority.LOW, due=NOW + 2 * HOUR)),
    )
    survey = Survey(waiting, [], NOW)
    assert [p.job.number for p in survey.ordered] == [3, 2, 1, 4]


def test_a_long_print_with_the_same_due_time_and_enough_copies_must_begin_sooner() -> None:
    one = prints(job(1, due=NOW + 20 * HOUR, duration_s=3600.0))
    many = prints(job(2, due=NOW + 20 * HOUR, duration_s=3600.0), 12)
    survey = Survey(queue(one, many), [printer(1)], NOW)
    assert [p.job.number for p in survey.ordered][:11] == [2] * 11


def test_a_hopeless_print_does_not_make_the_others_late() -> None:
    hopeless = prints(job(1, due=NOW - HOUR, duration_s=36_000.0))
    tight = prints(job(2, due=NOW + 2 * HOUR, duration_s=3600.0))
    survey = Survey(queue(hopeless, tight), [printer(1)], NOW)
    assert [p.job.number for p in survey.ordered] == [2, 1]


def test_a_job_without_a_due_time_does_not_wait_behind_every_due_time_ahead() -> None:
    open_ended = prints(job(1), queued_at=NOW - 40 * HOUR)
    next_week = prints(job(2, due=NOW + 150 * HOUR))
    survey = Survey(queue(open_ended, next_week), [], NOW)
    assert [p.job.number for p in survey.ordered] == [1, 2]
