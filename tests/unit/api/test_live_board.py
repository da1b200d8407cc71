"""The live board: whoever puts snapshots and patches together has what the board has."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.api import live_board
from buildplate.api.live_board import Board, Topic, Wish, epoch_for
from buildplate.api.own_events import OwnedEvent

EVERYTHING = Wish(frozenset(Topic))
NAMES = ("a", "b", "c")


def printer(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "progress": None} | fields


def event(seq: int, printer_id: str | None = None) -> dict[str, Any]:
    return {"seq": seq, "kind": "bed.clear", "printer_id": printer_id}


def sent(board: Board, wish: Wish, after: int | None, now: float = 1.5) -> dict[str, Any] | None:
    frame = board.frame(wish, after, now)
    return None if frame is None else json.loads(frame)


class Client:
    """Does with frames what the documentation says."""

    def __init__(self) -> None:
        self.after: int | None = None
        self.printers: dict[str, Any] = {}
        self.jobs: dict[str, Any] = {}
        self.queue: Any = None
        self.events: list[int] = []
        self.missed_to = 0

    def take(self, board: Board) -> None:
        frame = sent(board, EVERYTHING, self.after)
        self.after = board.seq
        if frame is None:
            return
        assert frame["seq"] == board.seq
        if frame["type"] == "snapshot":
            self.printers, self.jobs, self.events = {}, {}, []
            self.missed_to = frame["last_event"]
        for view in frame.get("printers", ()):
            self.printers.setdefault(view["id"], {}).update(view)
        for one in frame.get("gone", ()):
            self.printers.pop(one, None)
        self.jobs |= {view["id"]: view for view in frame.get("jobs", ())}
        self.queue = frame.get("queue", self.queue)
        self.events += [view["seq"] for view in frame.get("events", ())]


STEPS = st.one_of(
    st.tuples(st.just("printer"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("retire"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("job"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("queued"), st.none(), st.integers(0, 3)),
    st.tuples(st.just("event"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("lose"), st.none(), st.integers(1, 3)),
    st.tuples(st.just("turn"), st.none(), st.none()),
    st.tuples(st.just("take"), st.integers(0, 2), st.none()),
)


class Farm:
    """A board, and beside it what should be on it."""

    def __init__(self) -> None:
        self.board = Board("here")
        self.printers: dict[str, Any] = {}
        self.jobs: dict[str, Any] = {}
        self.queue: Any = {"items": [], "total": 0}
        self.seq = 0
        self.clients = [Client() for _ in range(3)]

    def printer(self, name: str, value: int) -> None:
        self.printers[name] = printer(name, progress=value)
        self.board.put_printer(self.printers[name])

    def retire(self, name: str, _: None) -> None:
        self.printers.pop(name, None)
        self.board.drop_printer(name)

    def job(self, name: str, value: int) -> None:
        self.jobs[name] = {"id": name, "finished": value}
        self.board.put_job(self.jobs[name], ended=value == 3)

    def queued(self, _: None, value: int) -> None:
        self.queue = {"items": [], "total": value}
        self.board.put_queue(self.queue)

    def event(self, name: str, _: None) -> None:
        self.seq += 1
        self.board.add_event(event(self.seq, name))

    def lose(self, _: None, value: int) -> None:
        self.seq += value
        self.board.lose_events(self.seq)

    def turn(self, _: None, __: None) -> None:
        self.board.turn()

    def take(self, nth: int, _: None) -> None:
        self.clients[nth].take(self.board)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=80))
def test_clients_of_any_pace_end_with_what_the_board_has(
    steps: list[tuple[str, Any, Any]],
) -> None:
    with pytest.MonkeyPatch().context() as patched:
        patched.setattr(live_board, "KEPT_EVENTS", 4)
        patched.setattr(live_board, "KEPT_GONE", 2)
        farm = Farm()
        for what, name, value in [*steps, ("turn", None, None)]:
            getattr(farm, what)(name, value)
        for client in farm.clients:
            client.take(farm.board)
            assert client.printers == farm.printers
            assert client.jobs == farm.jobs
            assert client.queue == farm.queue
            assert client.events == list(range(client.missed_to + 1, farm.seq + 1))


def test_nothing_new_is_nothing_sent_and_a_change_of_one_field_is_one_field() -> None:
    board = Board("here")
    board.put_printer(printer("a", progress=0.1))
    board.put_printer(printer("b"))
    first = board.turn()
    assert sent(board, EVERYTHING, first) is None
    board.put_printer(printer("a", progress=0.1))
    assert not board.dirty
    assert board.put_printer(printer("a", progress=0.2)) == {"progress"}
    board.turn()
    patch = sent(board, EVERYTHING, first)
    assert patch == {
        "at_s": 1.5,
        "type": "patch",
        "seq": first + 1,
        "printers": [{"id": "a", "progress": 0.2}],
    }
    assert sent(board, Wish(frozenset({Topic.JOBS})), first) is None
    assert sent(board, Wish(frozenset(Topic), "b"), first) is None


def test_a_frame_is_made_once_for_all_who_have_seen_the_same() -> None:
    board = Board("here")
    board.put_printer(printer("a"))
    board.turn()
    made = [board.frame(EVERYTHING, None, 1.0) for _ in range(2)]
    before = board.frame(EVERYTHING, None, 2.0)
    assert made[0] == made[1] != before
    board.put_printer(printer("a", progress=1.0))
    board.turn()
    assert board.frame(EVERYTHING, None, 1.0) != made[0]


def test_memory_is_bounded_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in ("KEPT_EVENTS", "KEPT_GONE", "KEPT_ENDED"):
        monkeypatch.setattr(live_board, kept, 10)
    board = Board("here")
    for number in range(100):
        board.put_printer(printer(f"p{number}"))
        board.drop_printer(f"p{number}")
        board.put_job({"id": f"j{number}"}, ended=True)
        board.add_event(event(number + 1))
        board.turn()
    assert not board.printers
    assert list(board.jobs) == [f"j{number}" for number in range(90, 100)]
    assert board.reaches("here", board.seq - 5)
    assert not board.reaches("here", board.seq - 50)
    assert not board.reaches("elsewhere", board.seq)
    assert not board.reaches("here", board.seq + 1)
    patch = sent(board, EVERYTHING, board.seq - 5)
    assert patch is not None
    assert [one["seq"] for one in patch["events"]] == [96, 97, 98, 99, 100]
    assert (sent(board, EVERYTHING, board.seq - 50) or {})["type"] == "snapshot"


def test_an_event_that_is_known_is_not_told_again() -> None:
    board = Board("here")
    board.lose_events(7)
    start = board.turn()
    for seq in (6, 7, 8, 8, 9):
        board.add_event(event(seq))
    board.turn()
    assert [one["seq"] for one in (sent(board, EVERYTHING, start) or {})["events"]] == [8, 9]


GROUPS = ("ours", "mine", "theirs", None)
OURS = Wish(frozenset(Topic), None, frozenset({"ours", "mine"}))
MOVES = st.one_of(
    st.tuples(st.just("printer"), st.sampled_from(NAMES), st.sampled_from(GROUPS)),
    st.tuples(st.just("retire"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("job"), st.sampled_from(NAMES), st.sampled_from(GROUPS)),
    st.tuples(st.just("turn"), st.none(), st.none()),
    st.tuples(st.just("take"), st.integers(0, 2), st.none()),
)


class Confined(Client):
    """Sees some groups, and does with frames what the documentation says."""

    def __init__(self) -> None:
        super().__init__()
        self.met: set[str] = set()

    def take(self, board: Board) -> None:
        frame = sent(board, OURS, self.after)
        self.after = board.seq
        if frame is None:
            return
        if frame["type"] == "snapshot":
            self.printers, self.jobs = {}, {}
        for view in frame.get("printers", ()):
            self.printers.setdefault(view["id"], {}).update(view)
        self.jobs |= {view["id"]: view for view in frame.get("jobs", ())}
        named = {view["id"] for part in ("printers", "jobs") for view in frame.get(part, ())}
        self.met |= named | {*frame.get("gone", ()), *frame.get("gone_jobs", ())}
        for one in frame.get("gone", ()):
            self.printers.pop(one, None)
        for one in frame.get("gone_jobs", ()):
            self.jobs.pop(one, None)


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=80))
def test_confined_clients_of_any_pace_end_with_what_is_theirs_and_meet_nothing_else(
    steps: list[tuple[str, Any, Any]],
) -> None:
    with pytest.MonkeyPatch().context() as patched:
        patched.setattr(live_board, "KEPT_GONE", 3)
        board = Board("here")
        clients = [Confined() for _ in range(3)]
        printers: dict[str, tuple[dict[str, Any], str | None]] = {}
        jobs: dict[str, tuple[dict[str, Any], str | None]] = {}
        theirs: set[str] = set()
        for count, (what, name, group) in enumerate([*steps, ("turn", None, None)]):
            thing = f"{what} {name}"
            if what == "printer":
                printers[thing] = ({"id": thing, "count": count, "name": name}, group)
                board.put_printer(*printers[thing])
            elif what == "retire":
                printers.pop(f"printer {name}", None)
                board.drop_printer(f"printer {name}")
            elif what == "job":
                jobs[thing] = ({"id": thing, "count": count}, group)
                board.put_job(jobs[thing][0], ended=False, group=group)
            elif what == "turn":
                board.turn()
            else:
                clients[int(name)].take(board)
            if OURS.reaches(group) and what in ("printer", "job"):
                theirs.add(thing)
        for client in clients:
            client.take(board)
            for shown, there in ((client.printers, printers), (client.jobs, jobs)):
                assert shown == {k: view for k, (view, group) in there.items()
                                 if OURS.reaches(group)}  # fmt: skip
            assert client.met <= theirs


def test_what_is_kept_for_groups_is_bounded_and_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kept in ("KEPT_EVENTS", "KEPT_GONE"):
        monkeypatch.setattr(live_board, kept, 10)
    board = Board("here")
    board.put_printer(printer("a"), "ours")
    board.turn()
    first = board.seq
    for number in range(100):
        board.put_printer(printer("a", progress=number), GROUPS[number % 2])
        board.turn()
    assert (sent(board, OURS, first) or {})["type"] == "snapshot"
    assert (sent(board, EVERYTHING, first) or {})["type"] == "patch"


def test_another_set_of_groups_is_another_epoch() -> None:
    board = Board("here")
    seen = {
        epoch_for(board.epoch, groups) for groups in (None, frozenset[str](), *map(_only, "ab"))
    }
    assert len(seen) == 4
    assert epoch_for(board.epoch, frozenset({"a", "b"})) == epoch_for(
        board.epoch, frozenset({"b", "a"})
    )
    assert board.reaches(epoch_for(board.epoch, _only("a")), board.seq, _only("a"))
    assert not board.reaches(epoch_for(board.epoch, _only("a")), board.seq, _only("b"))
    assert not board.reaches(epoch_for(board.epoch, _only("a")), board.seq)
    assert not board.reaches(epoch_for(board.epoch, None), board.seq, _only("a"))


def _only(group: str) -> frozenset[str]:
    return frozenset({group})


def test_a_printer_that_comes_to_one_s_groups_is_sent_whole() -> None:
    board = Board("here")
    board.put_printer(printer("a", progress=0.1), "theirs")
    first = board.turn()
    board.put_printer(printer("a", progress=0.2), "ours")
    board.turn()
    assert (sent(board, OURS, first) or {})["printers"] == [printer("a", progress=0.2)]
    changed = [{"id": "a", "progress": 0.2}]
    assert (sent(board, EVERYTHING, first) or {})["printers"] == changed


def test_a_queue_that_knew_of_a_job_s_new_group_first_is_sent_with_it_later() -> None:
    board = Board("here")
    board.put_job({"id": "j"}, ended=False, group="theirs")
    board.put_queue({"items": [{"job_id": "j"}], "total": 1}, OURS.groups)
    first = board.turn()
    assert (sent(board, OURS, None) or {})["queue"] == {"items": [], "total": 0}
    board.put_job({"id": "j"}, ended=False, group="ours")
    board.turn()
    patch = sent(board, OURS, first) or {}
    assert patch["queue"] == {"items": [{"job_id": "j"}], "total": 1}
    assert patch["jobs"] == [{"id": "j"}]
    assert sent(board, EVERYTHING, first) is None, "of the job itself nothing has changed"


def test_where_names_may_stand_for_other_groups_nobody_goes_on_from_before() -> None:
    board = Board("here")
    board.put_printer(printer("a"), "ours")
    board.put_job({"id": "j"}, ended=False, group="ours")
    board.put_queue({"items": [{"job_id": "j"}], "total": 1}, OURS.groups)
    first = board.turn()
    board.put_printer(printer("a"), "theirs")
    board.lose_groups()
    board.turn()
    shown = sent(board, OURS, first) or {}
    assert (shown["type"], shown["printers"], shown["jobs"]) == ("snapshot", [], [])
    assert shown["queue"] == {"items": [], "total": 0}
    assert sent(board, EVERYTHING, first) is None
    second = board.seq
    board.put_job({"id": "j"}, ended=False, group="theirs")
    board.turn()
    assert sent(board, OURS, second) is None, "it was nobody's"


def test_frames_are_kept_within_bounds_whatever_clients_have_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_board, "KEPT_FRAMES_SIZE", 500_000)
    board = Board("here")
    board.lose_events(0)
    for count in range(100):
        board.put_job({"id": "j", "count": count, "customer": "c" * 100_000}, ended=False)
        board.turn()
    tracemalloc.start()
    try:
        for after in range(1, board.seq):
            assert (sent(board, EVERYTHING, after) or {})["type"] == "patch"
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


def test_an_event_of_a_job_is_told_by_the_newer_of_two_looks_at_the_job() -> None:
    events = Wish(frozenset({Topic.EVENTS}), None, frozenset({"ours"}))
    told = event(1) | {"kind": "job.edited", "job_id": "j", "print_id": None, "data": {}}
    for version, group, shown in ((6, "theirs", True), (8, "theirs", False), (8, "ours", True)):
        board = Board("here")
        board.put_job({"id": "j", "version": version}, ended=False, group=group)
        first = board.turn()
        board.add_own(OwnedEvent(told, None, "ours", 7))
        board.turn()
        assert (sent(board, events, first) is not None) is shown
