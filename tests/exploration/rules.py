"""Every rule that keeps the promises, taken out one at a time, and the world that misses it.

`flags.Rules` names them all. A rule without a world has the reason why no world can miss it, and
the test that holds it. The numbers are those of TRUTH.md's rules in the project's design notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.exploration.explorer import Trace, explore
from tests.exploration.flags import ALL_RULES
from tests.exploration.world import Budget, Scene
from tests.exploration.worlds import KLIPPER, OCTO

QUIET = Scene("nothing bad happens", OCTO)
TWO_COPIES = Scene("two copies", OCTO, copies=(2,))
CRASH = Scene("crash", OCTO, budget=Budget(crash=1))
CRASH_TWO_COPIES = Scene("crash, two copies", OCTO, copies=(2,), prints=3, budget=CRASH.budget)
KLIPPER_CRASH = Scene("crash, moonraker", KLIPPER, budget=CRASH.budget)
CANCEL = Scene("cancel", OCTO, budget=Budget(cancel=1))
CANCEL_TWO_JOBS = Scene("two jobs, cancel", OCTO, (1, 1), budget=Budget(cancel=1, lost=1))
HOST_DIES = Scene("host dies", OCTO, budget=Budget(restart=1))
CRASH_HOST_DIES = Scene("crash, host dies", OCTO, budget=Budget(crash=1, restart=1))
FOREIGN = Scene("foreign print", OCTO, budget=Budget(foreign=1))
FOREIGN_CRASH = Scene("foreign print, crash", OCTO, budget=Budget(foreign=1, crash=1))
FOREIGN_FAILS = Scene("foreign print, print fails", OCTO, budget=Budget(foreign=1, failure=1))
FOREIGN_FAILS_LINK_BREAKS = Scene(
    "foreign print, print fails, link breaks",
    OCTO,
    budget=Budget(foreign=1, failure=1, flap=1),
)
FOREIGN_HOST_DIES = Scene("foreign print, host dies", OCTO, budget=Budget(foreign=1, restart=1))
CLICK = Scene("second click", OCTO, copies=(2,), budget=Budget(second_click=1))
THREE_CLICKED = Scene("second click, three copies", OCTO, (3,), prints=3, budget=CLICK.budget)
FOREIGN_CLICK = Scene("second click, foreign print", OCTO, budget=Budget(foreign=1, second_click=1))
TAKEOVER = Scene("take-over", OCTO, nodes=2, budget=Budget(takeover=1))
TAKEOVER_CANCEL = Scene("take-over, cancel", OCTO, nodes=2, budget=Budget(takeover=1, cancel=1))
TIMELESS = Scene("done without a print time", OCTO, budget=Budget(timeless=1))
CRASH_TIMELESS = Scene("crash, no print time", OCTO, budget=Budget(crash=1, timeless=1))
DENIED = Scene("denied and executed", OCTO, budget=Budget(denied=1))
GARBLED = Scene("an upload arrives wrong", OCTO, budget=Budget(garbled=1))
LOST = Scene("lost answer", OCTO, budget=Budget(lost=1))
PARSED = Scene("complete before the last move", KLIPPER, budget=Budget(parsed=1))
LONG_GAP = Scene("link breaks for long", OCTO, budget=Budget(flap=1, gap=1))
NOBODY_ANSWERS = Scene("link breaks, nobody answers", OCTO, words=False, budget=Budget(flap=1))


@dataclass(frozen=True, slots=True)
class Removal:
    """A rule to take out, and the scene that misses it (or why none does, and what test holds it).

    `flag` is empty for a rule that these worlds have no words for. `long`: it takes more than
    10,000 states, which is left to `make explore`.
    """

    flag: str
    rule: str
    scene: Scene | None = None
    why_not: str = ""
    held_by: str = ""
    long: bool = False


@dataclass(frozen=True, slots=True)
class Caught:
    """How a missing rule showed: the promise broken after the shortest trace, among how many."""

    states: int
    promise: str
    trace: Trace


def try_without(removal: Removal, limit: int = 400_000) -> Caught:
    """Explore the removal's scene without its rule, up to the first broken promise."""
    if removal.scene is None:
        message = f"no scene misses {removal.flag}"
        raise ValueError(message)
    rules = replace(ALL_RULES, **{removal.flag: False})
    outcome = explore(replace(removal.scene, rules=rules), limit, to_first=True)
    for promise, trace in outcome.broken.items():
        return Caught(outcome.states, promise, trace)
    if outcome.dead_end is not None:
        return Caught(outcome.states, "NO END CAN BE REACHED", outcome.dead_end)
    return Caught(outcome.states, "NOT CAUGHT", ())


REMOVALS: tuple[Removal, ...] = (
    Removal("one_active", "1 one active print per printer", TWO_COPIES),
    Removal("attention_is_active", "1 needs_attention is active", CRASH_TWO_COPIES),
    Removal("job_locked", "1 the claim locks the job", CANCEL),
    Removal("unique_names", "2 every upload has its own name", CRASH_TWO_COPIES),
    Removal("upload_hashed", "2 the stored file is fetched back and hashed", GARBLED),
    Removal("transfer_only_stores", "2 a transfer neither selects nor prints", QUIET),
    Removal(
        "",
        "2 one upload at a time where a host mixes them",
        why_not="no host here has two printers; a mixed upload is a wrong file, as its hash tells",
        held_by="tests/faults/test_bad_days.py::test_a_bad_day_ends_as_it_is_written",
    ),
    Removal("intent_first", "3 intent before the start is sent", TWO_COPIES),
    Removal("intent_rechecks", "3 the intent compares and sets", FOREIGN_HOST_DIES),
    Removal("occupied_at_intent", "3 the bed is occupied from the intent on", CRASH_TWO_COPIES),
    Removal("foreign_withholds_start", "3 nobody printed between intent and start", FOREIGN),
    Removal("one_start", "4 one start, ever", QUIET),
    Removal("timeout_is_unknown", "4 a time-out is unknown", QUIET),
    Removal("refusal_is_observed", "4 a refusal needs a read afterwards", DENIED),
    Removal("commands_stored", "5 commands are stored before they are sent", CANCEL_TWO_JOBS),
    Removal("one_command", "5 one command in flight", CANCEL_TWO_JOBS),
    Removal("command_waited_for", "5 an unanswered command is waited for", CANCEL_TWO_JOBS),
    Removal(
        "printing_is_observed",
        "6 printing is entered on an observation",
        why_not="a false `printing` is shown, but only evidence ends it, so nothing is doubled",
        held_by="tests/unit/core/test_prints_start.py"
        "::test_a_start_that_may_be_executing_gets_the_settle_time_to_show",
    ),
    Removal("begun_since_intent", "6 a run from before the intent is foreign", FOREIGN),
    Removal(
        "completed_is_final",
        "7 a proven completion is kept",
        why_not="what ended after it is doubted then, so a person is asked, for nothing",
        held_by="tests/unit/core/test_prints_leaving.py"
        "::test_a_proven_completion_is_kept_while_somebody_prints_the_file_again",
    ),
    Removal("exit_completed", "7 completed takes the exit", FOREIGN),
    Removal("exit_failed", "7 failed takes the exit", FOREIGN_FAILS),
    Removal("exit_cancelled", "7 cancelled takes the exit", CANCEL),
    Removal("exit_not_started", "7 not_started takes the exit", QUIET),
    Removal("settles", "7 settle times", QUIET),
    Removal("barriers", "7 the barrier of a host with a queue", KLIPPER_CRASH),
    Removal("revokes", "7 the file is deleted before the verdict", QUIET),
    Removal("delete_is_no_evidence", "7 a delete is no evidence", QUIET),
    Removal("second_read", "7 a second read contradicts nothing", QUIET),
    Removal("replaced_with_verdict", "7 verdict and new print are one transaction", QUIET),
    Removal(
        "leftovers_deleted",
        "7 leftovers are deleted",
        why_not="nobody sends a start for them; a person who starts one makes a foreign print",
        held_by="tests/integration/test_farm_on_octoprint_faults.py"
        "::test_a_fault_ends_as_the_table_says",
    ),
    Removal("leftovers_wait", "7 no other file is deleted under an unsettled start", LOST),
    Removal(
        "evidence_stored",
        "7 the evidence is stored before the delete",
        why_not="it dies with its file in a crash, so a person is asked, for nothing",
        held_by="tests/faults/test_kill_sweep.py"
        "::test_a_kill_there_neither_loses_nor_doubles_a_print",
    ),
    Removal("channel_needed", "8 not_started needs the unbroken channel", CRASH),
    Removal("exit_by_person", "9 a person's word takes the exit", CRASH),
    Removal("contradicted_word_dies", "9 a contradicted word is dropped", CRASH_TIMELESS),
    Removal(
        "word_needs_watch", "9 'never started' counts while watched", CRASH_HOST_DIES, long=True
    ),
    Removal(
        "clear_word_needs_watch", "9 'bed clear' counts while watched", FOREIGN_CRASH, long=True
    ),
    Removal("attention_ends_itself", "10 needs_attention ends by itself", NOBODY_ANSWERS),
    Removal("offline_is_no_ending", "11 offline while printing stays printing", HOST_DIES),
    Removal("cancel_reads", "12 a cancel is sent after a fresh read", CANCEL),
    Removal("tool_head_waited", "13 the tool head is waited for", PARSED),
    Removal("print_time_needed", "13 a completion without a print time is none", TIMELESS),
    Removal(
        "doubt_outweighs_failure",
        "13 a failure with a doubt is none",
        FOREIGN_FAILS_LINK_BREAKS,
        long=True,
    ),
    Removal("clear_names_version", "bed: clearing names the version it saw", THREE_CLICKED),
    Removal("clear_waits_for_end", "bed: no clearing while a print is active", CLICK),
    Removal("occupation_bumps", "bed: every change bumps the version", FOREIGN_CLICK),
    Removal("foreign_occupies", "bed: a foreign print occupies it", FOREIGN),
    Removal("restart_unknown", "bed: unknown after lost history", FOREIGN_HOST_DIES),
    Removal("long_gap_unknown", "bed: unknown after a gap longer than bed_gap", LONG_GAP),
    Removal("bed_given_back_carefully", "bed: given back only if nothing ran", FOREIGN),
    Removal("takeover_bumps", "owners: a take-over bumps the print's version", TAKEOVER),
    Removal("lease_waited", "owners: the old lease is waited for", TAKEOVER_CANCEL, long=True),
)
