"""Asks the real `next_action`, remembers its answers, and can take a rule out of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import NamedTuple

from buildplate.core import prints
from buildplate.core.actions import (
    AbandonExit,
    Action,
    BeginExit,
    DropOrder,
    Move,
    RefuseAsk,
    Revoke,
    Verdict,
    Wait,
)
from buildplate.core.deeds import Deeds, ExitStep, Order, Start
from buildplate.core.evidence import Ending, Evidence, Reading, Run
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.prints import Decision, ExitWish, PrintFacts, Seen, Timings, Wants, next_action
from tests.exploration.clock import AFTER_EFFECT, BEFORE, LONG, NOW
from tests.exploration.flags import ALL_RULES, Rules
from tests.exploration.world import HostKind, Look, Word

TIMINGS = Timings(settle=LONG, patience=LONG, resend=LONG, upload_pause=0.0)
UNSETTLED = replace(TIMINGS, settle=0.0)


class Question(NamedTuple):
    """All that a decision depends on. `again`: it follows from an effect, on the same reading."""

    state: PrintState
    exit: tuple[PrintState, str] | None
    cancel: bool
    word: Word | None
    link: Link
    look: Look | None
    again: bool
    bed: Bed
    unsettled: bool
    deeds: Deeds
    ask: str = ""


class Mind:
    """Decides for one kind of host under one set of rules."""

    def __init__(self, kind: HostKind, rules: Rules) -> None:
        self._rules = rules
        self._barrier = kind == "moonraker" and rules.barriers
        self._answer = self._ask if rules == ALL_RULES else self._without_rules
        self._known: dict[Question, Decision] = {}

    def decide(self, question: Question) -> Decision:
        """The answer to a question, asked once."""
        known = self._known.get(question)
        if known is None:
            decision = self._answer(question)
            known = Decision(_wordless(decision.action), decision.deeds)
            self._known[question] = known
        return known

    def decided(self) -> set[tuple[PrintState, Action]]:
        """Every action decided on so far, with the state in which it was."""
        return {(asked.state, known.action) for asked, known in self._known.items()}

    def _ask(self, question: Question) -> Decision:
        """Let the real function decide."""
        word, wish = question.word, question.exit
        facts = PrintFacts(question.state, exit=None if wish is None else ExitWish(*wish))
        wants = Wants(
            cancel=question.cancel,
            word=None if word is None else prints.Word(word.outcome, word.bed, word.override),
            ask=prints.Ask(question.ask, question.ask) if question.ask else None,
            timings=TIMINGS if self._rules.settles else UNSETTLED,
            barrier=self._barrier,
        )
        seen = Seen(question.link, _reading(question.look), question.bed, question.unsettled)
        now = AFTER_EFFECT if question.again else NOW
        return next_action(facts, wants, seen, question.deeds, now)

    def _without_rules(self, question: Question) -> Decision:
        """Let a version of it decide that lacks a rule."""
        rash = _rash(self._rules, question)
        if rash is not None:
            return Decision(rash, question.deeds)
        return self._without_exit(self._ask(_misread(self._rules, question)))

    def _without_exit(self, decision: Decision) -> Decision:
        rules, action = self._rules, decision.action
        if isinstance(action, Revoke) and not rules.revokes:
            return Decision(Wait(), decision.deeds.leaving(ExitStep.REVOKED, NOW))
        if not isinstance(action, BeginExit):
            return decision
        kept = {
            PrintState.COMPLETED: rules.exit_completed,
            PrintState.FAILED: rules.exit_failed,
            PrintState.CANCELLED: rules.exit_cancelled,
            PrintState.NOT_STARTED: rules.exit_not_started,
        }[action.verdict]
        if action.by == "person":
            kept = rules.exit_by_person
        if kept:
            return decision
        return Decision(Verdict(action.verdict, action.by), decision.deeds)


def _rash(rules: Rules, question: Question) -> Action | None:
    """What is done at once where a rule is missing that would have waited."""
    start, look, wish = question.deeds.start, question.look, question.exit
    starting = question.state is PrintState.STARTING and wish is None
    disbelieved = (not rules.refusal_is_observed and start is Start.REFUSED) or (
        not rules.timeout_is_unknown and start is Start.UNKNOWN
    )
    away = question.link is Link.OFFLINE and question.state is PrintState.PRINTING
    runs = look is not None and look.run is not Run.NONE
    action: Action | None = None
    if wish is not None and not rules.delete_is_no_evidence:
        action = Verdict(*wish) if question.deeds.exit is ExitStep.REVOKED else None
    elif wish == (PrintState.COMPLETED, "observation") and not rules.completed_is_final:
        action = AbandonExit() if runs else None
    elif starting and disbelieved:
        action = Verdict(PrintState.NOT_STARTED, "observation")
    elif starting and not rules.printing_is_observed and start is Start.ACCEPTED:
        action = Move(Event.OUR_RUN)
    elif away and not rules.offline_is_no_ending:
        action = Verdict(PrintState.FAILED, "observation")
    return action


def _misread(rules: Rules, question: Question) -> Question:
    """The question as it looks where a rule on reading is missing."""
    look, deeds = question.look, question.deeds
    if not rules.one_command:
        question = question._replace(unsettled=False)
    if look is not None and _unheeded(rules, question):
        look = look._replace(
            activity=Activity.IDLE, run=Run.NONE, ending=None, doubt=False, silent=False
        )
    if not rules.cancel_reads and deeds.order is Order.STORED:
        deeds = replace(deeds, order_at=BEFORE)
    if not rules.word_needs_watch:
        deeds = deeds.watched()
    if look is not None and not rules.second_read and deeds.exit is ExitStep.SETTLING_AGAIN:
        look = look._replace(
            activity=Activity.IDLE, run=Run.NONE, ending=None, doubt=False, silent=True
        )
    if look is not None and look.ending is Ending.FAILED and not rules.doubt_outweighs_failure:
        look = look._replace(doubt=False)
    return question._replace(look=look, deeds=deeds)


def _unheeded(rules: Rules, question: Question) -> bool:
    """Whether a print waits for a person, whatever its printer shows."""
    asked = question.state is PrintState.NEEDS_ATTENTION and question.exit is None
    return asked and question.word is None and not rules.attention_ends_itself


def _reading(look: Look | None) -> Reading | None:
    if look is None:
        return None
    evidence = Evidence(
        run=look.run,
        began_since=look.began_since,
        ending=look.ending,
        doubt="a completion without a print time" if look.doubt else None,
        silent=look.silent,
        others_ran=look.others_ran,
    )
    return Reading(
        begun=NOW,
        activity=look.activity,
        channel=True,
        evidence=evidence,
    )


@cache
def _wordless(action: Action) -> Action:
    """The action without its reason, which decides nothing and would only multiply states."""
    match action:
        case Move() | BeginExit() | AbandonExit() | Verdict() | DropOrder() | RefuseAsk():
            return replace(action, reason="")
    return action
