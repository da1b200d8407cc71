"""The box around points, and around arcs."""

from __future__ import annotations

import math

from buildplate.files.model import Box

FULL_TURN = 2 * math.pi
UNKNOWN = math.nan
"""A coordinate nobody knows: NaN widens no box, and stays unknown under arithmetic."""

Bounds = tuple[float, float, float, float, float, float]
"""Lowest and highest x, then y, then z, in mm."""

NOWHERE: Bounds = (math.inf, -math.inf, math.inf, -math.inf, math.inf, -math.inf)


class Extent:
    """A growing box in mm; unknown coordinates do not widen it."""

    __slots__ = ("bounds",)

    def __init__(self) -> None:
        self.bounds: Bounds = NOWHERE

    def add(self, x: float, y: float, z: float) -> Bounds:
        """Widens the box to hold the point; returns its bounds."""
        x0, x1, y0, y1, z0, z1 = self.bounds
        # A comparison with NaN is false, so min and max keep what stands first.
        self.bounds = (min(x0, x), max(x1, x), min(y0, y), max(y1, y), min(z0, z), max(z1, z))
        return self.bounds

    def holds(self, x0: float, x1: float, y0: float, y1: float) -> bool:
        """Whether the rectangle lies within the box."""
        bounds = self.bounds
        return bounds[0] <= x0 and x1 <= bounds[1] and bounds[2] <= y0 and y1 <= bounds[3]

    def join(self, other: Extent) -> None:
        """Widens the box to hold another one."""
        (x0, x1, y0, y1, z0, z1), (u0, u1, v0, v1, w0, w1) = self.bounds, other.bounds
        self.bounds = (min(x0, u0), max(x1, u1), min(y0, v0), max(y1, v1), min(z0, w0), max(z1, w1))

    def box(self) -> Box | None:
        """The box, to 1 µm; None where some side of it is not known."""
        if not all(map(math.isfinite, self.bounds)):
            return None
        x0, x1, y0, y1, z0, z1 = (round(bound, 3) for bound in self.bounds)
        return Box(x0, y0, z0, x1, y1, z1)


def arc_rectangle(
    start: tuple[float, float],
    end: tuple[float, float],
    centre: tuple[float, float],
    *,
    clockwise: bool,
) -> tuple[float, float, float, float]:
    """The rectangle (x0, x1, y0, y1) around an arc; one that ends where it starts is a circle."""
    cx, cy = centre
    radius = math.hypot(start[0] - cx, start[1] - cy)
    first, last = (end, start) if clockwise else (start, end)
    begin = math.atan2(first[1] - cy, first[0] - cx)
    turn = (math.atan2(last[1] - cy, last[0] - cx) - begin) % FULL_TURN or FULL_TURN
    xs, ys = [start[0], end[0]], [start[1], end[1]]
    for quarter, (dx, dy) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
        if (quarter * math.pi / 2 - begin) % FULL_TURN <= turn:
            xs.append(cx + dx * radius)
            ys.append(cy + dy * radius)
    return min(xs), max(xs), min(ys), max(ys)
