from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.drivers.octoprint.answers import (
    CANCELLED,
    DONE,
    FAILED,
    STARTED,
    Heard,
    Job,
    Prints,
    read_event,
    read_job,
    read_marks,
    read_prints,
    read_ready,
    read_temperatures,
    walk,
)
from buildplate.drivers.octoprint.mapping import Baseline, Sight, activity, evidence, fingerprint
from buildplate.drivers.sdk import Activity, Ending, Evidence, HostConfused, Run, Temperature

PATH = "bp-0123456789abcdef0123456789abcdef-1.gcode"
OTHER = "benchy.gcode"
BASE = Baseline("epoch", 0, frozenset({100.0}), idle=True, prints=Prints())
NOTHING = Job("Operational")
SELECTED = Job("Operational", PATH, "local")
RUNNING = Job("Printing", PATH, "local", 0.5)
FOREIGN = Job("Printing", OTHER, "local")


def sight(*jobs: Job, **more: Any) -> Sight:
    """A look on a held channel, at a printer that has nothing else to say."""
    common = {
        "ready": True,
        "stored": True,
        "prints": Prints(),
        "unbroken": True,
        "proven": True,
        "marks": frozenset({100.0}),
    }
    return Sight(jobs * 2 if len(jobs) == 1 else jobs, **{**common, **more})


def heard(*events: tuple[str, str] | tuple[str, str, float | None]) -> list[Heard]:
    return [
        Heard(number, float(number), event[0], event[1], event[2] if len(event) > 2 else None)
        for number, event in enumerate(events, 1)
    ]


def judge(seen: Sight) -> Evidence:
    return evidence(PATH, BASE, seen)


# --- a run -----------------------------------------------------------------------------------


def test_an_announced_and_shown_run_is_a_run() -> None:
    found = judge(sight(RUNNING, heard=heard((STARTED, PATH)), marks=frozenset({100.0, 200.0})))
    assert (found.run, found.doubt, found.began_since) == (Run.RUNNING, None, True)
    assert not found.silent
    assert not found.others_ran


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("Starting", Run.RUNNING),
        ("Printing", Run.RUNNING),
        ("Pausing", Run.RUNNING),
        ("Paused", Run.PAUSED),
        ("Resuming", Run.RUNNING),
        ("Finishing", Run.RUNNING),
        ("Cancelling", Run.STOPPING),
        ("Operational", Run.NONE),
        ("Offline", Run.NONE),
        ("Offline after error", Run.NONE),
        ("Error: something", Run.NONE),
        ("Opening serial connection", Run.NONE),
        ("Something never seen", Run.NONE),
    ],
)
def test_every_state_has_its_run(text: str, run: Run) -> None:
    assert judge(sight(Job(text, PATH, "local"), heard=heard((STARTED, PATH)))).run is run


def test_one_of_two_reads_is_no_run() -> None:
    assert judge(sight(NOTHING, RUNNING, heard=heard((STARTED, PATH)))).run is Run.NONE
    assert judge(sight(RUNNING, SELECTED, heard=heard((STARTED, PATH)))).run is Run.NONE


def test_the_same_name_on_the_printer_s_own_card_is_not_ours() -> None:
    card = Job("Printing from SD", PATH, "sdcard")
    assert judge(sight(card)).run is Run.NONE
    assert activity(sight(card), PATH)[0] is Activity.FOREIGN


def test_after_a_broken_channel_two_reads_are_enough() -> None:
    found = judge(sight(RUNNING, unbroken=False, proven=False))
    assert (found.run, found.doubt) == (Run.RUNNING, None)
    assert found.others_ran


def test_a_run_without_an_intent_did_not_begin_since() -> None:
    assert not evidence(PATH, None, sight(RUNNING)).began_since
    assert not evidence(PATH, replace(BASE, idle=False), sight(RUNNING)).began_since


# --- doubts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (sight(RUNNING), "never announced"),
        (sight(RUNNING, proven=False), "not heard yet"),
        (sight(FOREIGN, heard=heard((STARTED, PATH))), "shows benchy.gcode running"),
        (sight(Job("Printing"), heard=heard((STARTED, PATH))), "prints no file"),
        (sight(SELECTED, heard=heard((STARTED, PATH))), "neither runs nor ended"),
        (sight(FOREIGN, heard=heard((STARTED, OTHER))), "another print (benchy.gcode)"),
        (sight(NOTHING, heard=heard((STARTED, OTHER), (DONE, OTHER, 3.0))), "another print"),
        (sight(RUNNING, heard=heard((STARTED, PATH), (STARTED, OTHER))), "shows our file"),
        (
            sight(SELECTED, heard=heard((STARTED, PATH), (DONE, PATH, None))),
            "without a print time",
        ),
        (sight(SELECTED, prints=Prints(1, 0, last_success=True)), "without a print time"),
        (
            sight(SELECTED, unbroken=False, prints=Prints(1, 0, last_success=True)),
            "without a print time",
        ),
    ],
)
def test_a_contradiction_is_a_doubt_and_never_silence(seen: Sight, words: str) -> None:
    found = judge(seen)
    assert found.doubt is not None
    assert words in found.doubt
    assert not found.silent
    assert found.ending is None


def test_the_history_may_come_after_the_event() -> None:
    found = judge(sight(SELECTED, heard=heard((STARTED, PATH), (DONE, PATH, 12.5))))
    assert (found.ending, found.doubt) == (Ending.COMPLETED, None)


# --- endings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "ending"),
    [
        (sight(SELECTED, heard=heard((STARTED, PATH), (DONE, PATH, 3.0))), Ending.COMPLETED),
        (
            sight(NOTHING, unbroken=False, prints=Prints(1, 0, last_success=True, last_time=3.0)),
            Ending.COMPLETED,
        ),
        (
            sight(SELECTED, heard=heard((STARTED, PATH), (CANCELLED, PATH), (FAILED, PATH, 1.0))),
            Ending.FAILED,
        ),
        (
            sight(NOTHING, unbroken=False, prints=Prints(0, 1, last_success=False, last_time=3.0)),
            Ending.FAILED,
        ),
        (sight(NOTHING, stored=False, prints=None, unbroken=False), None),
        (sight(FOREIGN, heard=heard((STARTED, OTHER), (DONE, OTHER, 3.0))), None),
    ],
)
def test_an_ending_needs_the_printer_s_own_record(seen: Sight, ending: Ending | None) -> None:
    assert judge(seen).ending is ending


def test_a_completion_outweighs_a_failure() -> None:
    events = heard((STARTED, PATH), (FAILED, PATH, 1.0), (STARTED, PATH), (DONE, PATH, 3.0))
    assert judge(sight(SELECTED, heard=events)).ending is Ending.COMPLETED


def test_what_the_history_held_before_the_intent_ends_nothing() -> None:
    before = Prints(1, 1, last_success=True, last_time=3.0)
    base = replace(BASE, prints=before)
    found = evidence(PATH, base, sight(SELECTED, prints=before, unbroken=False))
    assert (found.ending, found.doubt) == (None, None)


def test_a_cancel_says_so() -> None:
    event = Heard(2, 2.0, FAILED, PATH, 1.0, "cancelled")
    found = judge(sight(SELECTED, heard=[*heard((STARTED, PATH)), event]))
    assert "cancelled" in found.reason


# --- silence ---------------------------------------------------------------------------------


def test_a_held_channel_without_any_print_is_silence() -> None:
    for seen in (sight(NOTHING), sight(SELECTED)):
        found = judge(seen)
        assert found.silent
        assert not found.others_ran


@pytest.mark.parametrize(
    "spoilt",
    [
        {"unbroken": False},
        {"proven": False},
        {"heard": heard((STARTED, PATH))},
        {"heard": heard((DONE, PATH, None))},
        {"heard": heard((STARTED, OTHER))},
        {"marks": frozenset({100.0, 200.0})},
        {"marks": frozenset({50.0})},
        {"prints": Prints(0, 1, last_success=False)},
        {"prints": Prints(1, 0, last_success=True, last_time=2.0)},
    ],
)
def test_anything_heard_or_missed_is_no_silence(spoilt: dict[str, Any]) -> None:
    assert judge(sight(NOTHING)).silent
    assert not judge(sight(NOTHING, **spoilt)).silent


def test_after_the_delete_silence_needs_to_have_heard_of_it() -> None:
    gone = sight(NOTHING, stored=False, prints=None)
    assert not judge(gone).silent
    assert judge(replace(gone, removed=True)).silent


def test_a_deleted_file_that_is_still_selected_is_not_silent() -> None:
    assert not judge(sight(SELECTED, stored=False, removed=True, prints=None)).silent


def test_a_print_of_no_file_is_not_silent() -> None:
    assert not judge(sight(Job("Printing"))).silent


JOBS = st.sampled_from([NOTHING, SELECTED, RUNNING, FOREIGN, Job("Printing"), Job("Offline")])
EVENTS = st.lists(
    st.builds(
        Heard,
        st.integers(1, 9),
        st.just(0.0),
        st.sampled_from([STARTED, DONE, FAILED, CANCELLED]),
        st.sampled_from([PATH, OTHER, None]),
        st.none() | st.just(1.0),
    ),
    max_size=4,
)
PRINTS = st.none() | st.builds(
    Prints,
    st.integers(0, 2),
    st.integers(0, 2),
    st.none() | st.booleans(),
    st.none() | st.just(1.0),
)
SIGHTS = st.builds(
    Sight,
    jobs=st.lists(JOBS, min_size=2, max_size=2),
    ready=st.none() | st.booleans(),
    stored=st.booleans(),
    removed=st.booleans(),
    prints=PRINTS,
    unbroken=st.booleans(),
    proven=st.booleans(),
    heard=EVENTS,
    marks=st.sampled_from([frozenset({100.0}), frozenset({100.0, 7.0}), frozenset()]),
)


@given(SIGHTS)
def test_silence_excludes_every_sign_of_a_run(seen: Sight) -> None:
    found = judge(seen)
    if found.silent:
        assert seen.unbroken
        assert not seen.heard
        assert (found.run, found.ending, found.doubt) == (Run.NONE, None, None)
        assert not any(job.runs(PATH) for job in seen.jobs)
        assert not found.others_ran or any(job.phase != "idle" for job in seen.jobs)


@given(SIGHTS)
def test_a_completion_has_a_print_time_somewhere(seen: Sight) -> None:
    if judge(seen).ending is Ending.COMPLETED:
        told = any(one.kind == DONE and one.path == PATH and one.time for one in seen.heard)
        kept = seen.prints is not None and seen.prints.last_time is not None
        assert told or kept


@given(SIGHTS)
def test_a_foreign_print_is_never_ours(seen: Sight) -> None:
    doing, _ = activity(seen, PATH)
    if doing is Activity.OURS:
        assert all(job.runs(PATH) for job in seen.jobs)
    if doing is Activity.IDLE:
        assert seen.ready
        assert all(job.phase == "idle" for job in seen.jobs)


# --- activity --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "ready", "doing"),
    [
        ((NOTHING,), True, Activity.IDLE),
        ((NOTHING,), None, Activity.BUSY),
        ((NOTHING,), False, Activity.BUSY),
        ((NOTHING, RUNNING), True, Activity.BUSY),
        ((RUNNING,), False, Activity.OURS),
        ((Job("Starting", PATH, "local"), RUNNING), False, Activity.OURS),
        ((Job("Paused", PATH, "local"),), False, Activity.PAUSED),
        ((Job("Paused", OTHER, "local"),), False, Activity.FOREIGN),
        ((FOREIGN,), False, Activity.FOREIGN),
        ((Job("Printing"),), False, Activity.BUSY),
        ((Job("Offline"),), None, Activity.HALTED),
        ((Job("Offline after error", error="Thermal Runaway"),), None, Activity.HALTED),
        ((Job("Detecting serial connection"),), None, Activity.BUSY),
        ((Job("Transferring file to SD"),), None, Activity.BUSY),
        ((Job("A state of a later version"),), None, Activity.BUSY),
    ],
)
def test_what_the_machine_does(jobs: tuple[Job, ...], ready: bool | None, doing: Activity) -> None:
    assert activity(sight(*jobs, ready=ready), PATH)[0] is doing


def test_without_an_intent_our_own_file_is_foreign() -> None:
    assert activity(sight(RUNNING), None)[0] is Activity.FOREIGN


def test_a_halt_says_why_or_what_to_do() -> None:
    error = Job("Offline after error", error="Thermal Runaway")
    assert "Thermal Runaway" in activity(sight(error), None)[1]
    assert "connect it" in activity(sight(Job("Offline")), None)[1]


# --- baseline and fingerprint ----------------------------------------------------------------


def test_a_baseline_survives_its_storage() -> None:
    assert Baseline.load(BASE.dump()) == BASE
    unknown = replace(BASE, prints=None)
    assert Baseline.load(unknown.dump()) == unknown


@pytest.mark.parametrize("stored", [{}, {"epoch": 1}, {**BASE.dump(), "marks": [None]}])
def test_a_baseline_of_another_kind_proves_nothing(stored: dict[str, Any]) -> None:
    base = Baseline.load(stored)
    assert not base.epoch
    assert not evidence(PATH, base, sight(NOTHING)).began_since
    assert not evidence(PATH, base, sight(NOTHING)).silent


def entry(path: str, success: int = 0, date: float = 1.0) -> dict[str, Any]:
    made: dict[str, Any] = {"path": path, "name": path, "type": "machinecode", "date": date}
    if success:
        last = {"date": date, "success": True, "printTime": 2.5}
        made["prints"] = {"success": success, "failure": 0, "last": last}
    return made


def test_the_fingerprint_is_of_prints_and_not_of_order_files_or_clocks() -> None:
    files = [entry("a.gcode", 1), entry("b.gcode", 2)]
    first = fingerprint(NOTHING, files)
    assert fingerprint(NOTHING, list(reversed(files))) == first
    assert fingerprint(NOTHING, [*files, entry(PATH)]) == first
    assert fingerprint(NOTHING, [entry("a.gcode", 1, 9e9), entry("b.gcode", 2, 9e9)]) == first
    assert fingerprint(NOTHING, [entry("a.gcode", 2), entry("b.gcode", 2)]) != first
    assert fingerprint(NOTHING, files[:1]) != first
    assert fingerprint(SELECTED, files) != first
    assert fingerprint(Job("Offline"), files) != first


def test_folders_are_walked_to_their_files() -> None:
    inner = {"type": "folder", "path": "a/b", "children": [entry("a/b/c.gcode")]}
    outer = {"type": "folder", "path": "a", "prints": {"success": 1}, "children": [inner]}
    assert [one["path"] for one in walk([outer, entry("d.gcode"), None, 5])] == [
        "d.gcode",
        "a/b/c.gcode",
    ]
    assert list(walk({"not": "a list"})) == []


# --- the host's JSON -------------------------------------------------------------------------


def test_a_job_is_read() -> None:
    answer = {
        "state": "Printing",
        "job": {"file": {"path": PATH, "origin": "local"}},
        "progress": {"completion": 50.0, "printTimeLeft": 7},
    }
    assert read_job(answer) == Job("Printing", PATH, "local", 0.5, 7.0)


@pytest.mark.parametrize(
    "answer", [{}, {"state": None, "job": {}}, {"state": "x"}, {"state": "x", "job": []}]
)
def test_an_odd_job_is_confusion(answer: dict[str, Any]) -> None:
    with pytest.raises(HostConfused):
        read_job(answer)


def test_odd_parts_of_a_job_are_nothing() -> None:
    odd = {"state": "x", "job": {"file": 5}, "progress": {"completion": True}, "error": 3}
    assert read_job(odd) == Job("x")


def test_ready_needs_every_flag_to_agree() -> None:
    flags = {"operational": True, "printing": False}
    assert read_ready({"state": {"flags": flags}})
    for flag in ("printing", "paused", "pausing", "resuming", "cancelling", "finishing", "error"):
        assert not read_ready({"state": {"flags": {**flags, flag: True}}})
    assert not read_ready({"state": {"flags": {"operational": False}}})
    with pytest.raises(HostConfused):
        read_ready({"state": "Operational"})


def test_prints_are_read_and_odd_ones_are_nothing() -> None:
    last = {"success": True, "printTime": 3.5, "date": 1}
    read = read_prints({"prints": {"success": 2, "failure": 1, "last": last}})
    assert read == Prints(2, 1, last_success=True, last_time=3.5)
    assert read_prints({}) == Prints()
    assert read_prints({"prints": {"success": "2", "failure": True}}) == Prints()


def test_only_print_markings_count() -> None:
    marks = [{"type": "print", "time": 5.5}, {"type": "done", "time": 6}, {"type": "print"}, 3]
    assert read_marks({"markings": marks}) == frozenset({5.5})
    assert read_marks({}) is None


def test_an_event_of_another_storage_is_never_ours() -> None:
    assert read_event(1, 0.0, STARTED, {"path": PATH, "origin": "local"}).path == PATH
    assert read_event(1, 0.0, STARTED, {"path": PATH, "origin": "sdcard"}).path != PATH
    assert read_event(1, 0.0, DONE, {"path": PATH, "origin": "local", "time": None}).time is None
    assert read_event(1, 0.0, DONE, {"path": PATH, "origin": "local", "time": True}).time is None


def test_temperatures_are_the_newest_ones() -> None:
    temps = [{"tool0": {"actual": 1}}, {"tool0": {"actual": 2.5, "target": 60}, "time": 5,
             "chamber": {"actual": None, "target": None}}]  # fmt: skip
    assert read_temperatures({"temps": temps}) == {"tool0": Temperature(2.5, 60.0)}
    assert read_temperatures({"temps": []}) == {}
