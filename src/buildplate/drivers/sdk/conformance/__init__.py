"""The conformance suite: every check that a driver must pass, over every transport that lies.

A driver's tests bring a Host (the thing itself or a simulator of it, under control) and run each
of `CHECKS` with a Bench on it. A check that is about something the driver does not offer passes.
"""

from collections.abc import Awaitable, Callable

from buildplate.drivers.sdk.conformance import controls, physical, proof, streaming, wire
from buildplate.drivers.sdk.conformance.bench import Bench, Host, Markers, PromiseBroken, Session
from buildplate.drivers.sdk.conformance.controls import Witness
from buildplate.drivers.sdk.conformance.relay import Fate, Relay

Check = Callable[[Bench], Awaitable[None]]

CHECKS: tuple[Check, ...] = (
    proof.an_idle_printer_reads_as_idle,
    proof.silence_is_proven_while_nothing_runs,
    proof.a_broken_connection_proves_no_silence,
    proof.a_run_is_never_silent,
    proof.an_ending_is_proven_to_who_was_not_there,
    proof.a_run_is_ours_after_our_restart,
    proof.a_print_by_hand_is_foreign,
    proof.a_quick_print_by_hand_is_told_afterwards,
    proof.our_file_without_an_intent_is_foreign,
    proof.a_quick_print_of_our_file_without_an_intent_is_told_afterwards,
    proof.the_fingerprint_tells_prints_from_files,
    physical.a_start_runs_the_file_once,
    physical.an_answer_lost_after_the_start_is_unknown,
    physical.a_garbled_answer_to_a_start_is_unknown,
    physical.a_stub_of_an_answer_to_a_start_is_unknown,
    physical.a_start_without_an_answer_is_unknown_in_time,
    physical.a_start_that_never_arrived_is_unknown_and_never_sent_again,
    physical.a_start_held_on_its_way_may_still_run,
    physical.a_replayed_start_is_still_one_print,
    physical.a_missing_file_is_refused,
    physical.a_busy_printer_refuses_a_start,
    physical.a_cancel_ends_the_run_as_failed,
    physical.an_idle_printer_refuses_a_cancel,
    physical.an_unanswered_cancel_is_unknown,
    physical.a_pause_is_seen_and_a_resume_too,
    physical.a_delete_is_answered_honestly,
    wire.an_upload_neither_starts_nor_selects,
    wire.a_broken_upload_raises_and_stores_nothing,
    wire.half_a_file_is_never_taken_for_the_whole,
    wire.a_host_that_hangs_costs_each_call_its_time_out,
    wire.a_spoilt_read_is_an_error_in_time,
    wire.a_lost_connection_ends_the_pushes,
    wire.a_silent_channel_is_a_lost_one,
    wire.single_bytes_make_no_difference,
    wire.closing_leaves_nothing_behind,
    wire.an_abandoned_call_does_no_harm,
    controls.each_order_that_is_offered_is_carried_out_once,
    controls.an_order_whose_answer_is_lost_is_unknown_and_not_sent_again,
    controls.an_order_that_never_arrived_is_unknown_and_not_sent_again,
    controls.an_emergency_stop_halts_a_printer_that_prints,
    controls.an_emergency_stop_passes_an_order_that_hangs,
)

STREAMING_CHECKS: tuple[Check, ...] = (
    proof.an_idle_printer_reads_as_idle,
    proof.silence_is_proven_while_nothing_runs,
    proof.a_broken_connection_proves_no_silence,
    proof.a_run_is_never_silent,
    streaming.a_run_ends_with_its_connection,
    streaming.an_ending_is_known_for_ever,
    streaming.a_run_without_an_intent_is_foreign,
    streaming.the_fingerprint_tells_prints_from_files,
    physical.a_start_runs_the_file_once,
    streaming.a_spoilt_start_is_never_made_again,
    streaming.a_held_start_runs_once,
    physical.a_missing_file_is_refused,
    physical.a_busy_printer_refuses_a_start,
    physical.a_cancel_ends_the_run_as_failed,
    physical.an_idle_printer_refuses_a_cancel,
    streaming.an_unanswered_cancel_is_unknown,
    physical.a_pause_is_seen_and_a_resume_too,
    streaming.a_delete_is_answered_honestly,
    controls.each_order_that_is_offered_is_carried_out_once,
    controls.an_order_whose_answer_is_lost_is_unknown_and_not_sent_again,
    controls.an_order_that_never_arrived_is_unknown_and_not_sent_again,
    controls.an_emergency_stop_halts_a_printer_that_prints,
    controls.an_emergency_stop_passes_an_order_that_hangs,
    wire.an_upload_neither_starts_nor_selects,
    streaming.half_an_upload_is_no_file,
    streaming.a_printer_that_hangs_costs_each_call_its_time_out,
    wire.a_spoilt_read_is_an_error_in_time,
    wire.a_lost_connection_ends_the_pushes,
    wire.a_silent_channel_is_a_lost_one,
    wire.single_bytes_make_no_difference,
    wire.closing_leaves_nothing_behind,
    wire.an_abandoned_call_does_no_harm,
)
"""For a driver that streams a print itself: no host keeps the file, none prints on without us."""

__all__ = [
    "CHECKS",
    "STREAMING_CHECKS",
    "Bench",
    "Check",
    "Fate",
    "Host",
    "Markers",
    "PromiseBroken",
    "Relay",
    "Session",
    "Witness",
]
