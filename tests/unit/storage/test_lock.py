from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from buildplate.storage import DatabaseInUse, DatabaseUnreachable
from buildplate.storage.lock import ProcessLock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_held_lock_is_refused_with_the_holders_process_id(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "farm.db")
    lock.take()
    with pytest.raises(DatabaseInUse, match=f"process {os.getpid()}") as refusal:
        ProcessLock(tmp_path / "farm.db").take()
    assert refusal.value.pid == os.getpid()
    assert "--data-dir" in refusal.value.hint
    lock.release()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    first, second = (ProcessLock(tmp_path / "farm.db") for _ in range(2))
    first.take()
    first.release()
    first.release()
    second.take()
    second.release()


def test_a_lock_without_a_readable_id_still_holds(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "farm.db")
    lock.take()
    (tmp_path / "farm.db.lock").write_text("")
    with pytest.raises(DatabaseInUse, match="another process") as refusal:
        ProcessLock(tmp_path / "farm.db").take()
    assert refusal.value.pid is None
    lock.release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="nowhere"):
        ProcessLock(tmp_path / "nowhere" / "farm.db").take()


def test_a_lock_is_held_while_it_stands_where_the_next_server_looks(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "farm.db")
    seen = [lock.held]
    lock.take()
    seen.append(lock.held)
    (tmp_path / "farm.db.lock").unlink()
    seen.append(lock.held)
    (tmp_path / "farm.db.lock").write_text("1")
    seen.append(lock.held)
    lock.release()
    assert seen == [False, True, False, False]
