"""The rules of TRUTH.md as switches, so that each can be taken out of a world."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule in force. `rules.REMOVALS` says in words what each one is."""

    # what is stored, and when
    unique_names: bool = True
    intent_first: bool = True
    intent_rechecks: bool = True
    occupied_at_intent: bool = True
    attention_is_active: bool = True
    job_locked: bool = True
    one_active: bool = True
    replaced_with_verdict: bool = True
    commands_stored: bool = True
    takeover_bumps: bool = True
    lease_waited: bool = True
    evidence_stored: bool = True
    # beds
    clear_names_version: bool = True
    clear_waits_for_end: bool = True
    occupation_bumps: bool = True
    restart_unknown: bool = True
    long_gap_unknown: bool = True
    foreign_occupies: bool = True
    foreign_withholds_start: bool = True
    bed_given_back_carefully: bool = True
    # people
    contradicted_word_dies: bool = True
    word_needs_watch: bool = True
    clear_word_needs_watch: bool = True
    # what is sent
    one_start: bool = True
    timeout_is_unknown: bool = True
    refusal_is_observed: bool = True
    command_waited_for: bool = True
    leftovers_deleted: bool = True
    leftovers_wait: bool = True
    upload_hashed: bool = True
    transfer_only_stores: bool = True
    # what the driver says
    print_time_needed: bool = True
    doubt_outweighs_failure: bool = True
    begun_since_intent: bool = True
    channel_needed: bool = True
    tool_head_waited: bool = True
    # what core decides
    settles: bool = True
    barriers: bool = True
    revokes: bool = True
    second_read: bool = True
    delete_is_no_evidence: bool = True
    completed_is_final: bool = True
    exit_completed: bool = True
    exit_failed: bool = True
    exit_cancelled: bool = True
    exit_not_started: bool = True
    exit_by_person: bool = True
    cancel_reads: bool = True
    one_command: bool = True
    attention_ends_itself: bool = True
    printing_is_observed: bool = True
    offline_is_no_ending: bool = True


ALL_RULES = Rules()
