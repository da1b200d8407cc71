"""Which files on a printer are ours, which of them may go, and which the database should know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.core.upload_names import (
    Gap,
    gap_of,
    made_at,
    read_upload_name,
    sort_uploads,
    tries_of,
    upload_name,
)

NOW = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
SERIAL = count(1)


def print_id(at: datetime = NOW) -> str:
    """A UUIDv7 of that moment."""
    return str(UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | next(SERIAL)))


@given(attempt=st.integers(1, 10**15 - 1))
def test_a_name_is_read_as_it_was_made(attempt: int) -> None:
    name = upload_name(print_id(), attempt)
    found = read_upload_name(name)
    assert found is not None
    assert upload_name(*found) == name


@pytest.mark.parametrize(
    "path",
    [
        "bp-bracket.gcode",
        "bp-holder-1.gcode",
        "archive/" + upload_name(print_id(), 1),
        upload_name(print_id(), 1).upper(),
        upload_name(print_id(), 1) + ".bak",
        upload_name(print_id(), 0),
    ],
)
def test_files_of_people_are_never_ours(path: str) -> None:
    assert read_upload_name(path) is None
    assert sort_uploads((path,), {}, NOW - timedelta(days=1)) == sort_uploads((), {}, NOW)


def test_an_id_tells_when_its_print_was_made() -> None:
    assert abs(made_at(print_id()) - NOW) < timedelta(seconds=2)


@pytest.mark.parametrize("version_and_variant", ["4fc5-bfe2", "7fc5-3fe2", "7fc5-cfe2"])
def test_an_id_of_another_kind_was_made_at_the_beginning_of_time(version_and_variant: str) -> None:
    id_ = f"4c6efb70-25bb-{version_and_variant}-d69e38153e57"
    assert made_at(id_) == datetime(1970, 1, 1, tzinfo=UTC)


def test_what_was_sent_may_go_and_what_the_database_forgot_is_lost() -> None:
    known, forgotten = print_id(), print_id()
    stranger = print_id(NOW - timedelta(days=30))
    paths = tuple(
        upload_name(one, attempt)
        for one, attempt in ((known, 1), (known, 2), (known, 3), (forgotten, 1), (stranger, 1))
    )
    found = sort_uploads(paths, {known: 2}, NOW - timedelta(days=1))
    assert found.spent == (*paths[:2], paths[4])
    assert found.lost == paths[2:4]


def test_an_id_that_tells_no_time_is_of_no_future() -> None:
    path = upload_name("538a325e-b658-c455-0a1a-8532cb6f04b8", 1)
    assert sort_uploads((path,), {}, NOW - timedelta(days=1)).lost == ()


@given(attempt=st.integers(0, 10**14), seconds=st.integers(0, 4 * 10**9))
def test_after_a_restore_no_name_is_used_that_may_have_been_used_since(
    attempt: int, seconds: int
) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    gap = gap_of(attempt, at, under_way=False)
    later = gap_of(gap.to + 5, at + timedelta(seconds=1), under_way=False)
    assert gap.after == attempt < gap.to < later.to
    assert tries_of(gap.to + 1) == 1, "pauses begin anew"
    again = gap_of(attempt, at + timedelta(seconds=1), under_way=False)
    assert attempt >= seconds * 1000 or again.to > gap.to, "a second restore of the same backup"


def test_what_was_sent_after_the_backup_is_lost_and_what_before_may_go() -> None:
    print_ = print_id()
    gap = gap_of(2, NOW, under_way=False)
    names = {n: upload_name(print_, n) for n in (1, 2, 3, 9, gap.to, gap.to + 1, gap.to + 2)}
    attempts = {print_: gap.to + 1}
    found = sort_uploads(tuple(names.values()), attempts, NOW, {print_: [gap]})
    assert found.spent == (names[1], names[2], names[gap.to + 1])
    assert found.lost == (names[3], names[9], names[gap.to], names[gap.to + 2])


def test_an_upload_under_way_at_the_backup_may_have_been_started_since() -> None:
    print_ = print_id()
    gap = gap_of(2, NOW, under_way=True)
    paths = (upload_name(print_, 1), upload_name(print_, 2))
    found = sort_uploads(paths, {print_: gap.to}, NOW, {print_: [gap]})
    assert (found.spent, found.lost) == (paths[:1], paths[1:])


def test_each_restore_leaves_its_own_gap() -> None:
    print_ = print_id()
    gaps = [Gap(1, 5000), Gap(5002, 9000)]
    names = {n: upload_name(print_, n) for n in (1, 2, 5000, 5001, 5002, 5003, 9000, 9001)}
    found = sort_uploads(tuple(names.values()), {print_: 9001}, NOW, {print_: gaps})
    assert found.lost == (names[2], names[5000], names[5003], names[9000])
