"""A stretch of a printer's temperatures in one row: how it is gathered, packed and read again.

The row's time is that of its newest reading. One reading is an object, `{heater: [actual, target]}`
in °C, as rows of former releases are. More are a list, `[gaps, {heater: [actuals, targets]}]`: the
tenths of a second between readings; the first actual and then the differences, in tenths of °C,
null where the heater was not told; and the target from each reading on at which it changed, as
index and °C in turn.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from buildplate.drivers.sdk import Temperature
from buildplate.storage import from_json, to_json

Reading = Mapping[str, tuple[int, float | None]]
"""By heater: tenths of °C, and what it shall be, in °C."""
Readings = Mapping[str, tuple[float, float | None]]
"""By heater, in °C: what it is, and what it shall be."""

NOTABLE = 5
"""Tenths of °C: less is noise."""
_ABSENT = -(2**31)
_UNHEARD_OF_C = 1e6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TENTH = timedelta(milliseconds=100)
_TENTH_MICROS = 100_000


def tenth_of(moment: datetime) -> int:
    """Tenths of a second since 1970, cut off: so readings have the same time before and after."""
    return (moment - _EPOCH) // _TENTH


def moment_of(tenth: int) -> datetime:
    """The moment of `tenth_of`."""
    return _EPOCH + tenth * _TENTH


def reading_of(temperatures: Mapping[str, Temperature]) -> Reading:
    """What a printer tells, in tenths of °C; without what can be no temperature."""
    return {
        name: (round(heat.actual * 10), heat.target)
        for name, heat in temperatures.items()
        if -_UNHEARD_OF_C < heat.actual < _UNHEARD_OF_C
    }


def differ(before: Reading, now: Reading) -> bool:
    """Whether temperatures changed by more than noise, or what they shall be changed at all."""
    if before.keys() != now.keys():
        return True
    return any(
        heat[1] != before[name][1] or abs(heat[0] - before[name][0]) >= NOTABLE
        for name, heat in now.items()
    )


class Gathered:
    """Readings of one printer that are not written yet, in little memory; times as `tenth_of`.

    Of readings that are the same one after another only the first and the last are kept.
    """

    __slots__ = (
        "_actuals",
        "_base",
        "_last",
        "_some",
        "_targets",
        "_times",
        "_turn",
        "began",
        "newest",
    )

    def __init__(self) -> None:
        self._base: Reading = {}
        self._last: Reading = {}
        self._times = array("q")
        self._actuals: dict[str, array[int]] = {}
        self._targets: dict[str, list[float | None]] = {}
        self._some = False
        self._turn = 0.0
        self.began = self.newest = 0
        """When the first and the newest reading were told that are to be written."""

    def __bool__(self) -> bool:
        return self._some

    def wants(self, at: int, pace: float) -> bool:
        """Whether a reading is to be taken now: one in `pace` on average, by one too early."""
        if at < self._turn - pace:
            return False
        self._turn = max(self._turn, at) + pace
        return True

    def take(self, at: int, reading: Reading) -> None:
        """Gather a reading that is younger than all others."""
        if not self._some:
            self.began, self._some = at, True
        if reading != self._last:
            self._keep_newest()
            self._last = reading
            self._keep(at)
        self.newest = at

    def due(self, at: int, notable: float, steady: float) -> bool:
        """Whether they have been gathered for long enough: less long where they change."""
        lasted = at - self.began
        return lasted >= steady or (lasted >= notable and differ(self._base, self._last))

    def packed(self) -> str:
        """What stands in the row of time `newest`. There are some."""
        self._keep_newest()
        if len(self._times) == 1:
            return to_json(_celsius(self._last))
        gaps = [later - former for former, later in pairwise(self._times)]
        columns = {
            name: [_steps(actuals), self._targets[name]] for name, actuals in self._actuals.items()
        }
        return to_json([gaps, columns])

    def each(self) -> list[tuple[int, Readings]]:
        """All of them in order, with their times."""
        columns = {name: (each, self._targets[name]) for name, each in self._actuals.items()}
        found = list(zip(self._times, _rows(len(self._times), columns), strict=True))
        return [*found, (self.newest, _celsius(self._last))] if self._newest_is_left() else found

    def restart(self) -> None:
        """Forget them, as they are written; what was last told is still known."""
        self._base, self._some = self._last, False
        self._times = array("q")
        self._actuals, self._targets = {}, {}

    def _newest_is_left(self) -> bool:
        return self._some and self.newest >= self.began and self.newest not in self._times[-1:]

    def _keep_newest(self) -> None:
        """Keep what was told last before it changed, or before the end: it was so until then."""
        if self._newest_is_left():
            self._keep(self.newest)

    def _keep(self, at: int) -> None:
        index = len(self._times)
        self._times.append(at)
        for name, (actual, target) in self._last.items():
            actuals = self._actuals.setdefault(name, array("i"))
            actuals.extend([_ABSENT] * (index - len(actuals)))
            actuals.append(actual)
            targets = self._targets.setdefault(name, [])
            if not targets or targets[-1] != target:
                targets += [index, target]


def unpacked(at: int, readings: str) -> list[tuple[int, Readings]]:
    """What stands in a row of that time, in order; times in microseconds since 1970."""
    told = from_json(readings)
    if isinstance(told, dict):
        return [(at, {name: (actual, target) for name, (actual, target) in told.items()})]
    gaps, columns = told
    behind = accumulate(reversed(gaps), initial=0)
    times = [at - tenths * _TENTH_MICROS for tenths in behind]
    each = {name: (_levels(steps), targets) for name, (steps, targets) in columns.items()}
    return list(zip(reversed(times), _rows(len(times), each), strict=True))


def _celsius(reading: Reading) -> Readings:
    return {name: (tenths / 10, target) for name, (tenths, target) in reading.items()}


def _rows(
    count: int, columns: Mapping[str, tuple[Sequence[int], Sequence[float | None]]]
) -> list[Readings]:
    """The readings of columns of tenths of °C and of the targets from an index on."""
    rows: list[dict[str, tuple[float, float | None]]] = [{} for _ in range(count)]
    for name, (actuals, targets) in columns.items():
        changes = dict(zip(targets[::2], targets[1::2], strict=True))
        target = None
        for index, tenths in enumerate(actuals):
            target = changes.get(index, target)
            if tenths != _ABSENT:
                rows[index][name] = (tenths / 10, target)
    return list(rows)


def _steps(levels: Sequence[int]) -> list[int | None]:
    """The first level and then the differences; None where there is none."""
    steps: list[int | None] = []
    before = 0
    for level in levels:
        steps.append(None if level == _ABSENT else level - before)
        before = before if level == _ABSENT else level
    return steps


def _levels(steps: Sequence[int | None]) -> list[int]:
    """The levels of `_steps`."""
    levels, level = [], 0
    for step in steps:
        level += step or 0
        levels.append(_ABSENT if step is None else level)
    return levels
