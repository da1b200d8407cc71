"""Each row of the Moonraker driver's evidence table, and what must not be concluded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.drivers.moonraker.answers import Klippy, Row, State, Stats
from buildplate.drivers.moonraker.mapping import (
    ANSWERED,
    LISTED,
    RAN,
    SAW_END,
    Baseline,
    Heard,
    Held,
    Sight,
    activity,
    baseline,
    evidence,
    fingerprint,
    foreign_ran,
    notice,
)
from buildplate.drivers.sdk import Activity, Ending, Evidence, Run

PATH = "bp-0123456789abcdef0123456789abcdef-1.gcode"
OTHER = "benchy.gcode"
BASE = Baseline("epoch", 0, "42", idle=True, ripe=True, last=7, listed=True)
STANDBY = Stats()


def sight(state: State = State.STANDBY, path: str = "", total: float = 5.0, **more: Any) -> Sight:
    """A look on a held channel, at a ready Klippy that has nothing else to say."""
    stats = Stats(state, path, total if path else 0.0)
    common: dict[str, Any] = {
        "klippy": Klippy.READY,
        "stats": stats,
        "working": False,
        "rows": (),
        "reaches": True,
        "unbroken": True,
    }
    return Sight(**(common | more))


def row(status: str, path: str = PATH, number: int = 8, **more: Any) -> Row:
    ended = None if status == "in_progress" else 1005.0
    return replace(Row(number, path, status, 1000.0, ended, 5.0), **more)


def judge(seen: Sight, base: Baseline | None = BASE) -> Evidence:
    return evidence(PATH, base, seen)


def heard(*events: tuple[str, str]) -> list[Heard]:
    return [Heard(number, kind, path) for number, (kind, path) in enumerate(events, 1)]


# --- started ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "run"),
    [
        (State.PRINTING, Run.RUNNING),
        (State.PAUSED, Run.PAUSED),
        (State.STANDBY, Run.NONE),
        (State.CANCELLED, Run.NONE),
        (State.ERROR, Run.NONE),
        (State.OTHER, Run.NONE),
    ],
)
def test_every_state_has_its_run(state: State, run: Run) -> None:
    found = judge(sight(state, PATH))
    assert found.run is run
    assert found.silent is (state is State.STANDBY)


def test_our_file_is_ours_whatever_the_case_of_its_name() -> None:
    assert judge(sight(State.PRINTING, "/" + PATH.upper())).run is Run.RUNNING


def test_another_s_run_is_none_of_ours() -> None:
    found = judge(sight(State.PRINTING, OTHER))
    assert (found.run, found.ending, found.others_ran) == (Run.NONE, None, True)


def test_a_run_without_an_intent_did_not_begin_since() -> None:
    assert not judge(sight(State.PRINTING, PATH), None).began_since
    assert not judge(sight(State.PRINTING, PATH), replace(BASE, idle=False)).began_since


# --- complete means parsed -------------------------------------------------------------------


def test_a_parsed_file_runs_until_the_head_is_idle() -> None:
    moving = judge(sight(State.COMPLETE, PATH, working=True, rows=(row("completed"),)))
    assert (moving.run, moving.ending, moving.doubt) == (Run.RUNNING, None, None)
    still = judge(sight(State.COMPLETE, PATH, rows=(row("completed"),)))
    assert (still.run, still.ending) == (Run.NONE, Ending.COMPLETED)


def test_a_completed_row_waits_for_the_head_too() -> None:
    """A macro may have reset the print's name while its last moves are still being made."""
    moving = judge(sight(working=True, rows=(row("completed"),), heard=heard((RAN, PATH))))
    assert (moving.ending, moving.doubt) == (None, None)
    assert judge(sight(rows=(row("completed"),))).ending is Ending.COMPLETED


def test_another_s_print_after_ours_shows_that_ours_was_moved() -> None:
    seen = sight(State.PRINTING, OTHER, working=True, rows=(row("completed"),))
    assert judge(seen).ending is Ending.COMPLETED


def test_klipper_that_stopped_before_the_last_moves_is_a_doubt() -> None:
    found = judge(sight(klippy=Klippy.SHUTDOWN, rows=(row("completed"),)))
    assert found.ending is None
    assert "last moves" in str(found.doubt)


# --- ended -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        ("completed", Ending.COMPLETED),
        ("cancelled", Ending.FAILED),
        ("error", Ending.FAILED),
        ("klippy_shutdown", Ending.FAILED),
        ("klippy_disconnect", Ending.FAILED),
        ("interrupted", None),
        ("server_exit", None),
        ("in_progress", None),
        ("something new", None),
    ],
)
def test_every_status_of_a_row_has_its_ending(status: str, ending: Ending | None) -> None:
    assert judge(sight(rows=(row(status),))).ending is ending


@pytest.mark.parametrize("status", ["interrupted", "server_exit"])
def test_what_moonraker_lost_is_read_in_print_stats_else_doubted(status: str) -> None:
    rows = (row(status),)
    assert judge(sight(State.COMPLETE, PATH, rows=rows)).ended is Ending.COMPLETED
    running = judge(sight(State.PRINTING, PATH, rows=rows))
    assert (running.run, running.ending, running.doubt) == (Run.RUNNING, None, None)
    for seen in (sight(rows=rows), sight(State.COMPLETE, OTHER, rows=rows)):
        assert (judge(seen).ended, "Moonraker went away" in str(judge(seen).doubt)) == (None, True)


@pytest.mark.parametrize("state", [State.CANCELLED, State.ERROR])
def test_a_print_without_a_row_is_ended_by_print_stats(state: State) -> None:
    """Moonraker misses rows; Klipper's own word on the current file is a record, too."""
    assert judge(sight(state, PATH)).ended is Ending.FAILED
    assert judge(sight(State.COMPLETE, PATH)).ended is Ending.COMPLETED


def test_a_completion_without_a_time_is_none() -> None:
    for seen in (
        sight(State.COMPLETE, PATH, 0.0),
        sight(rows=(row("completed", total_s=0.0),)),
        sight(rows=(row("completed", total_s=None),)),
        sight(rows=(row("completed", ended=None),)),
    ):
        found = judge(seen)
        assert found.ended is None
        assert "any time" in str(found.doubt)
        assert not found.silent


def test_a_completion_outweighs_every_failure() -> None:
    rows = (row("cancelled", number=9), row("completed"))
    assert judge(sight(rows=rows)).ending is Ending.COMPLETED


def test_a_run_outweighs_a_row_that_calls_it_lost() -> None:
    """Moonraker that only lost its connection to Klipper writes the print off; it goes on."""
    seen = sight(State.PRINTING, PATH, rows=(row("klippy_disconnect"),))
    assert (judge(seen).run, judge(seen).ending) == (Run.RUNNING, None)


def test_rows_and_states_from_before_the_intent_prove_nothing() -> None:
    old = row("completed")
    base = replace(BASE, rows=frozenset({old.key}), stats=(PATH, "complete", 5.0))
    found = judge(sight(State.COMPLETE, PATH, rows=(old,)), base)
    assert found.ending is None
    again = judge(sight(State.COMPLETE, PATH, 6.0, rows=(old,)), base)
    assert again.ending is Ending.COMPLETED


def test_a_row_number_that_is_given_again_is_another_row() -> None:
    base = replace(BASE, rows=frozenset({row("completed", begun=500.0).key}))
    assert judge(sight(rows=(row("completed"),)), base).ending is Ending.COMPLETED


def test_a_shut_down_klipper_s_paused_print_is_no_run() -> None:
    found = judge(sight(State.PAUSED, PATH, klippy=Klippy.SHUTDOWN))
    assert (found.run, found.ending) == (Run.NONE, None)
    seen = sight(State.PAUSED, PATH, klippy=Klippy.SHUTDOWN, rows=(row("klippy_shutdown"),))
    assert judge(seen).ended is Ending.FAILED


# --- never started ---------------------------------------------------------------------------


def test_an_unbroken_channel_without_our_file_is_silent() -> None:
    found = judge(sight())
    assert (found.silent, found.others_ran, found.doubt) == (True, False, None)


@pytest.mark.parametrize(
    "more",
    [
        {"unbroken": False},
        {"reaches": False},
        {"rows": (row("in_progress"),)},
        {"rows": (row("cancelled"),)},
        {"heard": heard((RAN, PATH))},
        {"heard": heard((SAW_END, PATH))},
        {"heard": heard((LISTED, PATH))},
        {"heard": heard((ANSWERED, PATH))},
        {"heard": heard((RAN, ""))},
        {"klippy": Klippy.SHUTDOWN},
        {"klippy": Klippy.DISCONNECTED},
        {"stats": None},
        {"stats": Stats(State.PRINTING, "")},
        {"stats": Stats(State.COMPLETE, PATH, 5.0)},
    ],
)
def test_anything_less_is_not_silent(more: dict[str, Any]) -> None:
    assert not judge(sight(**more)).silent


@pytest.mark.parametrize("less", [{"ripe": False}, {"listed": False}, {"idle": False}])
def test_an_intent_on_less_than_a_ripe_channel_is_never_silent(less: dict[str, Any]) -> None:
    assert not judge(sight(), replace(BASE, **less)).silent


def test_another_print_does_not_spoil_the_silence_but_the_bed() -> None:
    """Klipper starts what it was told by name: two starts never mix."""
    rows = (row("completed", OTHER),)
    found = judge(sight(rows=rows, heard=heard((RAN, OTHER), (LISTED, OTHER))))
    assert (found.silent, found.others_ran) == (True, True)
    assert judge(sight(rows=rows)).others_ran
    assert not judge(sight(rows=(row("completed", OTHER, number=7),))).others_ran


# --- doubts ----------------------------------------------------------------------------------


def test_a_print_that_began_and_is_gone_is_doubted() -> None:
    for seen in (
        sight(rows=(row("in_progress"),)),
        sight(heard=heard((RAN, PATH))),
        sight(heard=heard((ANSWERED, PATH))),
        sight(klippy=Klippy.SHUTDOWN, heard=heard((RAN, PATH))),
    ):
        assert "neither runs nor ended" in str(judge(seen).doubt)


def test_nothing_is_doubted_while_klipper_is_away() -> None:
    seen = sight(klippy=Klippy.DISCONNECTED, stats=None, heard=heard((RAN, PATH)))
    assert judge(seen).doubt is None


def test_a_print_without_a_name_may_be_ours() -> None:
    assert "without a name" in str(judge(sight(State.PRINTING, "")).doubt)


# --- what the machine does -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "doing"),
    [
        (sight(), Activity.IDLE),
        (sight(working=None), Activity.IDLE),
        (sight(working=True), Activity.BUSY),
        (sight(State.COMPLETE, OTHER), Activity.IDLE),
        (sight(State.COMPLETE, OTHER, working=True), Activity.BUSY),
        (sight(State.COMPLETE, PATH, working=True), Activity.OURS),
        (sight(State.CANCELLED, PATH, working=True), Activity.BUSY),
        (sight(State.PRINTING, PATH), Activity.OURS),
        (sight(State.PAUSED, PATH), Activity.PAUSED),
        (sight(State.PRINTING, OTHER), Activity.FOREIGN),
        (sight(State.PAUSED, OTHER), Activity.FOREIGN),
        (sight(State.PRINTING, ""), Activity.FOREIGN),
        (sight(State.OTHER, PATH), Activity.BUSY),
        (sight(stats=None), Activity.UNKNOWN),
        (sight(State.PRINTING, PATH, klippy=Klippy.SHUTDOWN), Activity.HALTED),
        (sight(klippy=Klippy.ERROR), Activity.HALTED),
        (sight(klippy=Klippy.STARTUP), Activity.BUSY),
        (sight(klippy=Klippy.DISCONNECTED), Activity.UNKNOWN),
        (sight(klippy=Klippy.OTHER), Activity.UNKNOWN),
    ],
)
def test_klippy_s_state_comes_before_the_print_s(seen: Sight, doing: Activity) -> None:
    assert activity(seen, PATH)[0] is doing


def test_a_machine_just_joined_is_given_no_print() -> None:
    assert activity(sight(), PATH, ripe=False)[0] is Activity.BUSY
    assert activity(sight(State.PRINTING, PATH), PATH, ripe=False)[0] is Activity.OURS


def test_klipper_s_own_words_say_why_it_is_halted() -> None:
    seen = sight(klippy=Klippy.SHUTDOWN, words="Lost communication with MCU 'mcu'")
    assert activity(seen, None) == (Activity.HALTED, "Lost communication with MCU 'mcu'")


def test_without_an_intent_our_own_file_is_foreign() -> None:
    assert activity(sight(State.PRINTING, PATH), None)[0] is Activity.FOREIGN


# --- what is heard ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, Stats(State.PRINTING, PATH), []),
        (STANDBY, Stats(State.PRINTING, PATH), [(RAN, PATH)]),
        (Stats(State.PRINTING, PATH), Stats(State.PRINTING, PATH, 2.0), []),
        (Stats(State.PAUSED, PATH), Stats(State.PRINTING, PATH), []),
        (Stats(State.PRINTING, PATH), Stats(State.COMPLETE, PATH, 9.0), [(SAW_END, PATH)]),
        (Stats(State.PRINTING, PATH), Stats(State.PRINTING, OTHER), [(RAN, OTHER)]),
        (STANDBY, Stats(State.COMPLETE, PATH, 0.1), [(RAN, PATH), (SAW_END, PATH)]),
        (
            Stats(State.COMPLETE, OTHER, 9.0),
            Stats(State.COMPLETE, PATH, 0.1),
            [(RAN, PATH), (SAW_END, PATH)],
        ),
        (
            Stats(State.COMPLETE, PATH, 9.0),
            Stats(State.COMPLETE, PATH, 8.5),
            [(RAN, PATH), (SAW_END, PATH)],
        ),
        (Stats(State.COMPLETE, PATH, 9.0), STANDBY, []),
        (Stats(State.COMPLETE, PATH, 9.0), Stats(State.COMPLETE, PATH, 9.0, message="x"), []),
    ],
)
def test_each_change_of_print_stats_tells_what_ran(
    before: Stats | None, now: Stats, told: list[tuple[str, str]]
) -> None:
    assert [(kind, path) for kind, path, _ in notice(before, now)] == told


def test_what_ran_is_foreign_unless_it_is_the_intent_s() -> None:
    assert foreign_ran(heard((RAN, OTHER)), PATH)
    assert foreign_ran(heard((LISTED, OTHER)), PATH)
    assert foreign_ran(heard((RAN, PATH)), None)
    assert foreign_ran(heard((RAN, "")), PATH)
    assert not foreign_ran(heard((RAN, PATH), (LISTED, PATH), (SAW_END, OTHER)), PATH)


def test_the_fingerprint_tells_prints_from_everything_else() -> None:
    totals = {"total_jobs": 3, "total_time": 9.5}
    seen = sight(State.COMPLETE, OTHER, rows=(row("completed", OTHER),))
    first = fingerprint(seen, "42", totals)
    assert first == fingerprint(replace(seen, progress=0.3, heard=heard((RAN, "x"))), "42", totals)
    assert (
        len(
            {
                first,
                fingerprint(seen, "43", totals),
                fingerprint(seen, "42", totals | {"total_jobs": 4}),
                fingerprint(sight(State.COMPLETE, PATH, rows=seen.rows), "42", totals),
                fingerprint(replace(seen, rows=(row("error", OTHER),)), "42", totals),
                fingerprint(replace(seen, klippy=Klippy.SHUTDOWN), "42", totals),
            }
        )
        == 6
    )


# --- the baseline ----------------------------------------------------------------------------


def test_a_baseline_survives_its_storage() -> None:
    seen = sight(State.COMPLETE, OTHER, rows=(row("completed"), row("completed", OTHER, 9)))
    held = Held("epoch", 4, "42", ripe=True, since=12.5)
    made = baseline(seen, held, PATH)
    assert Baseline.load(made.dump()) == made
    assert (made.idle, made.last, made.rows) == (True, 9, frozenset({row("completed").key}))
    assert not baseline(sight(working=True), held, PATH).idle
    assert not baseline(sight(State.PRINTING, OTHER), held, PATH).idle


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(sorted(BASE.dump())),
        st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.booleans(),
    )
)
def test_a_baseline_that_is_none_proves_nothing(stored: dict[str, Any]) -> None:
    loaded = Baseline.load(stored)
    if set(stored) != set(BASE.dump()):
        assert not judge(sight(), loaded).silent


STATES = st.sampled_from(list(State))
ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(
            ["completed", "cancelled", "error", "in_progress", "server_exit", "interrupted"]
        ),
        st.sampled_from([PATH, OTHER]),
        st.integers(1, 12),
        total_s=st.sampled_from([None, 0.0, 5.0]),
    ),
    max_size=4,
).map(tuple)


@given(
    state=STATES,
    path=st.sampled_from(["", PATH, OTHER]),
    rows=ROWS,
    working=st.booleans(),
    ready=st.booleans(),
)
def test_no_look_says_two_things_at_once(
    state: State, path: str, rows: tuple[Row, ...], *, working: bool, ready: bool
) -> None:
    klippy = Klippy.READY if ready else Klippy.SHUTDOWN
    found = judge(sight(state, path, rows=rows, working=working, klippy=klippy))
    if found.silent:
        assert (found.run, found.ending) == (Run.NONE, None)
        assert not any(one.path == PATH for one in rows)
    if found.ending is Ending.COMPLETED:
        assert found.doubt is None
        assert found.run is Run.NONE or state in (State.PRINTING, State.PAUSED)
    if found.ending is Ending.FAILED:
        assert found.run is Run.NONE
