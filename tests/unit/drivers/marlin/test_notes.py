"""What a streaming driver finds again after a crash, and what it concludes from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.drivers.marlin import notes as module
from buildplate.drivers.marlin.notes import Notes, Outcome, Step
from tests.unit.drivers.marlin.full_disk import full_disk


def crashed(folder: Path) -> Notes:
    """The notes as another process finds them: the former one has closed nothing."""
    return Notes(folder)


def test_a_run_that_was_streamed_when_its_process_died_has_failed(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    run = notes.begin("bp-1-1.gcode").run
    notes.accepted(run, 41)
    again = crashed(tmp_path)
    (lost,) = again.lost()
    assert (lost.outcome, lost.line, lost.step) == (Outcome.FAILED, 41, Step.ENDED)
    assert "line 41" in lost.reason
    assert again.hot
    assert again.store == notes.store


def test_a_note_written_ahead_is_no_doubt_while_the_last_moves_were_not_written(
    tmp_path: Path,
) -> None:
    notes = Notes(tmp_path)
    run = notes.begin("bp-1-1.gcode").run
    notes.finishing(run)
    (lost,) = crashed(tmp_path).lost()
    assert lost.outcome is Outcome.FAILED


def test_a_crash_once_the_last_moves_are_written_is_a_doubt(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    run = notes.begin("bp-1-1.gcode").run
    notes.finishing(run)
    notes.tail(run)
    (lost,) = crashed(tmp_path).lost()
    assert lost.outcome is Outcome.DOUBT


def test_after_a_power_cut_what_was_not_synced_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(tmp_path)
    notes.finishing(notes.begin("bp-1-1.gcode").run)
    other = tmp_path / "boot"
    other.write_text("another-life")
    monkeypatch.setattr(module, "_BOOT", other)
    (lost,) = crashed(tmp_path).lost()
    assert lost.outcome is Outcome.DOUBT


def test_an_end_is_known_for_ever_and_runs_are_told_apart(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    first = notes.begin("a").run
    notes.ended(first, Outcome.COMPLETED, "", 10, cooled=True)
    second = notes.begin("b").run
    notes.ended(second, Outcome.CANCELLED, "cancelled", 3, cooled=True)
    again = crashed(tmp_path)
    assert again.lost() == []
    assert not again.hot
    assert [n.outcome for n in again.of("a", 0)] == [Outcome.COMPLETED]
    assert again.of("a", first) == []
    assert again.others("a", 0)
    assert not again.others("b", first)


def test_half_a_line_of_the_journal_is_none(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    run = notes.begin("a").run
    notes.close()
    journal = tmp_path / "runs.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"run": 1, "pa')
    again = crashed(tmp_path)
    again.ended(run, Outcome.COMPLETED, "", 5, cooled=True)
    assert [n.outcome for n in crashed(tmp_path).of("a", 0)] == [Outcome.COMPLETED]


def test_a_run_whose_note_does_not_fit_on_the_disk_does_not_begin(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    with full_disk(tmp_path / "runs.jsonl", 20), pytest.raises(OSError, match="too large"):
        notes.begin("a")
    assert notes.last_run == 0
    run = notes.begin("b").run
    assert [note.path for note in crashed(tmp_path).runs.values()] == ["b"]
    notes.finishing(run)
    assert crashed(tmp_path).runs[run].step is Step.FINISHING


def test_another_folder_is_another_memory(tmp_path: Path) -> None:
    assert Notes(tmp_path / "one").store != Notes(tmp_path / "two").store
    assert Notes(None).store != Notes(None).store


def test_the_journal_is_written_anew_before_it_grows_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(tmp_path)
    monkeypatch.setattr(module, "KEPT_RUNS", 20)
    for _ in range(module.KEPT_RUNS + 20):
        run = notes.begin("a").run
        notes.ended(run, Outcome.COMPLETED, "", 1, cooled=True)
        notes.remember_baud(run)
        notes.cooled()
    crashed(tmp_path)
    lines = (tmp_path / "runs.jsonl").read_bytes().count(b"\n")
    assert lines <= module.KEPT_RUNS + 2
    again = crashed(tmp_path)
    assert again.last_run == module.KEPT_RUNS + 20
    assert again.store == notes.store
