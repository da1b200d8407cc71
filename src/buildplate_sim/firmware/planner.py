"""The motion planner of a firmware: a bounded queue of moves with trapezoids and look-ahead."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

Point = tuple[float, float, float, float]
"""X, Y, Z and E in mm."""

ORIGIN: Point = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the mechanics can do: mm/s, mm/s², and the jerk (mm/s) allowed at a corner."""

    speed: Point = (300.0, 300.0, 12.0, 60.0)
    accel: float = 1500.0
    jerk: Point = (8.0, 8.0, 0.4, 5.0)


@dataclass(slots=True)
class Move:
    """One planned move: mm, mm/s; `entry` is the speed that the look-ahead allows at its start."""

    target: Point
    length: float
    direction: Point
    nominal: float
    corner: float = 0.0
    entry: float = 0.0


def seconds_of(length: float, entry: float, nominal: float, leave: float, accel: float) -> float:
    """How long a trapezoid (or a triangle) of `length` mm takes between two speeds."""
    rising = (nominal**2 - entry**2) / (2 * accel)
    falling = (nominal**2 - leave**2) / (2 * accel)
    flat = length - rising - falling
    if flat >= 0:
        return (2 * nominal - entry - leave) / accel + flat / nominal
    peak = math.sqrt(max(0.0, (2 * accel * length + entry**2 + leave**2) / 2))
    peak = max(peak, entry, leave)
    if peak <= 0:
        return 0.0
    if peak in {entry, leave}:
        return 2 * length / (entry + leave)
    return (2 * peak - entry - leave) / accel


class Planner:
    """A queue of `depth` moves; the first of them is under way. Times are simulated seconds."""

    def __init__(self, depth: int, limits: Limits) -> None:
        self.depth = depth
        self.limits = limits
        self.head: Point = ORIGIN
        self.moves = 0
        self.starved = 0
        self.busy_s = 0.0
        self._queue: deque[Move] = deque()
        self._began = 0.0
        self._ends = 0.0
        self._leave = 0.0
        self._start: Point = ORIGIN

    @property
    def last(self) -> Point:
        """Where the head will be when everything planned has been moved."""
        return self._queue[-1].target if self._queue else self.head

    def advance(self, now: float) -> None:
        """Let everything happen that is due by `now`."""
        while self._queue and self._ends <= now:
            self.head = self._queue.popleft().target
            if self._queue:
                self._begin(self._ends)
            else:
                self._leave = 0.0

    def free(self, now: float) -> int:
        """Places in the queue."""
        self.advance(now)
        return self.depth - len(self._queue)

    def next_free(self, now: float) -> float:
        """Seconds until the move under way ends; 0 where none is."""
        self.advance(now)
        return max(0.0, self._ends - now) if self._queue else 0.0

    def empty(self, now: float) -> bool:
        """Whether the head stands still."""
        self.advance(now)
        return not self._queue

    def add(self, target: Point, feed: float, now: float) -> bool:
        """Plan a straight move at `feed` mm/s; False where it leads nowhere."""
        self.advance(now)
        move = self._shaped(target, feed)
        if move is None:
            return False
        self.moves += 1
        if not self._queue:
            self.starved += 1
            self._queue.append(move)
            self._begin(now)
            return True
        before = self._queue[-1]
        move.corner = self._corner(before, move)
        self._queue.append(move)
        self._look_back()
        return True

    def place(self, position: Point) -> None:
        """Call where the head stands `position` (G92, homing); nothing may be moving."""
        self.head = position

    def stop(self, now: float) -> Point:
        """Forget all moves at once; answers where the head has come to stand."""
        self.advance(now)
        self.head = self.where(now)
        self._queue.clear()
        self._leave = 0.0
        return self.head

    def where(self, now: float) -> Point:
        """Where the head is: within a move by share of its time."""
        self.advance(now)
        if not self._queue:
            return self.head
        took = max(1e-9, self._ends - self._began)
        share = min(1.0, max(0.0, (now - self._began) / took))
        x, y, z, e = (
            a + (b - a) * share for a, b in zip(self.head, self._queue[0].target, strict=True)
        )
        return (x, y, z, e)

    def _shaped(self, target: Point, feed: float) -> Move | None:
        start = self.last
        delta = [b - a for a, b in zip(start, target, strict=True)]
        length = math.hypot(*delta[:3]) or abs(delta[3])
        if length <= 0 or feed <= 0:
            return None
        x, y, z, e = (part / length for part in delta)
        speed = min(
            [feed]
            + [most / abs(u) for most, u in zip(self.limits.speed, (x, y, z, e), strict=True) if u]
        )
        return Move(target, length, (x, y, z, e), speed)

    def _corner(self, before: Move, after: Move) -> float:
        """The speed at which the corner between two moves may be taken."""
        speed = min(before.nominal, after.nominal)
        for jerk, a, b in zip(self.limits.jerk, before.direction, after.direction, strict=True):
            change = abs(b - a)
            if change > 0:
                speed = min(speed, jerk / change)
        return speed

    def _look_back(self) -> None:
        """Allow each waiting move the entry speed from which all after it can still brake."""
        accel, leave = self.limits.accel, 0.0
        for index in range(len(self._queue) - 1, 0, -1):
            move = self._queue[index]
            entry = min(move.corner, math.sqrt(leave**2 + 2 * accel * move.length))
            if move.entry == entry and index < len(self._queue) - 1:
                return
            move.entry = leave = entry

    def _begin(self, at: float) -> None:
        """The first move starts: from now on its speeds are settled."""
        move, accel = self._queue[0], self.limits.accel
        entry = min(self._leave, move.nominal)
        wanted = self._queue[1].entry if len(self._queue) > 1 else 0.0
        leave = min(wanted, move.nominal, math.sqrt(entry**2 + 2 * accel * move.length))
        took = seconds_of(move.length, entry, move.nominal, leave, accel)
        self._began, self._ends, self._leave = at, at + took, leave
        self.busy_s += took
