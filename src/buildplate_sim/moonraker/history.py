"""Moonraker's print history: rows that come from what it hears of print_stats, when it hears it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IDLE = frozenset({"standby", "complete", "cancelled", "error"})
ENDINGS = {
    "complete": "completed",
    "cancelled": "cancelled",
    "error": "error",
    "standby": "cancelled",
}
IN_PROGRESS = "in_progress"
Row = dict[str, Any]


class History:
    """All rows, kept on the disk. `told` hears `added` and `finished`; `asked` is what is played.

    `asked(moment)` names a fault: `lose` (no row), `nameless` (a row of no file).
    """

    def __init__(
        self, path: Path, told: Callable[[str, Row], None], asked: Callable[[str], str]
    ) -> None:
        self._path = path
        self._told = told
        self._asked = asked
        self.rows: list[Row] = orjson.loads(path.read_bytes()) if path.exists() else []
        self._current: Row | None = None
        self._last: dict[str, Any] = {}
        for row in self.rows:
            if row["status"] == IN_PROGRESS:
                row["status"] = "interrupted"
        self._save()

    def begin(self, stats: dict[str, Any]) -> None:
        """What print_stats says at the first look: a print under way is none of its own."""
        self._last = dict(stats)

    def heard(self, changes: dict[str, Any], user: str, exists: Callable[[str], bool]) -> None:
        """Print_stats has changed; what lies between two looks is never known."""
        before, self._last = self._last, {**self._last, **changes}
        old, new = before.get("state", "standby"), self._last["state"]
        if new == old:
            return
        if old in IDLE:
            if new != "standby":
                self._start(user)
            if new in IDLE:
                self.finish(ENDINGS[new], exists)
        elif new == "printing":
            resumed = before["filename"] == self._last["filename"]
            if not (old == "paused" and resumed):
                self.finish("cancelled", exists)
                self._start(user)
        elif new in IDLE:
            self.finish(ENDINGS[new], exists)

    def _start(self, user: str) -> None:
        fault = self._asked(self._last["filename"])
        if fault == "lose":
            return
        number = max((int(row["job_id"], 16) for row in self.rows), default=0) + 1
        self._current = {
            "job_id": f"{number:06X}",
            "user": user,
            "filename": "" if fault == "nameless" else self._last["filename"],
            "status": IN_PROGRESS,
            "start_time": time.time(),
            "end_time": None,
            "print_duration": self._last["print_duration"],
            "total_duration": self._last["total_duration"],
            "filament_used": self._last["filament_used"],
            "metadata": {},
            "auxiliary_data": [],
            "exists": True,
        }
        self.rows.append(self._current)
        self._save()
        self._told("added", self._current)

    def finish(self, status: str, exists: Callable[[str], bool]) -> None:
        """The print is over, or no longer known of."""
        row, self._current = self._current, None
        if row is None:
            return
        row.update(
            status=status,
            end_time=time.time(),
            print_duration=self._last["print_duration"],
            total_duration=self._last["total_duration"],
            filament_used=self._last["filament_used"],
            exists=exists(row["filename"]),
        )
        self._save()
        self._told("finished", row)

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(self.rows))
        fresh.replace(self._path)

    # --- answers

    def listing(self, params: dict[str, Any]) -> dict[str, Any]:
        """`server.history.list`: newest first unless `order` is `asc`."""
        rows = self.rows if params.get("order") == "asc" else self.rows[::-1]
        since, before = float(params.get("since", 0)), float(params.get("before", 1e18))
        rows = [row for row in rows if since < row["start_time"] < before]
        start = int(params.get("start", 0))
        return {"count": len(rows), "jobs": rows[start : start + int(params.get("limit", 50))]}

    def job(self, uid: str) -> Row | None:
        """One row."""
        return next((row for row in self.rows if row["job_id"] == uid), None)

    def totals(self) -> dict[str, Any]:
        """`server.history.totals`."""
        ended = [row for row in self.rows if row["status"] != IN_PROGRESS]
        total = [row["total_duration"] for row in ended]
        printed = [row["print_duration"] for row in ended]
        return {
            "job_totals": {
                "total_jobs": len(ended),
                "total_time": sum(total),
                "total_print_time": sum(printed),
                "total_filament_used": sum(row["filament_used"] for row in ended),
                "longest_job": max(total, default=0.0),
                "longest_print": max(printed, default=0.0),
            },
            "auxiliary_totals": [],
        }
