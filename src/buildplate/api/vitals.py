"""The farm's vital signs: what is measured all the time, for /metrics and /health/detailed."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram

from buildplate.core.printers import Activity
from buildplate.fleet.ports import Clock
from buildplate.fleet.session import PrinterSession
from buildplate.storage import Bus, Gap

AT_WORK = frozenset({Activity.OURS, Activity.PAUSED, Activity.FOREIGN})
BEAT_S = 0.5
SAMPLE_S = 10.0
HOUR_OF_SAMPLES = 360
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Places:
    """Where the farm's data lies; `database` is None where it is on a server of its own."""

    data: Path
    database: Path | None


class Vitals:
    """Keeps counting for as long as `run` runs; every series is bounded by the printers' number."""

    def __init__(
        self, sessions: Callable[[], Iterable[PrinterSession]], bus: Bus, clock: Clock, at: Places
    ) -> None:
        self.places = at
        self.registry = CollectorRegistry()
        self.lag_s = 0.0
        self._sessions = sessions
        self._bus = bus
        self._clock = clock
        self._samples: dict[str, deque[bool]] = {}
        self._committing = 0.0
        self._lag = self._histogram("event_loop_lag_seconds", "How late the event loop woke up.")
        self._commits = self._histogram(
            "database_commit_seconds", "How long a commit took to be on the disk."
        )
        self._transitions = self._histogram(
            "print_transition_seconds", "From a print's change of state to its being published."
        )
        self._requests = Counter(
            "buildplate_http_requests",
            "Answered requests.",
            ("method", "status"),
            registry=self.registry,
        )
        self._counters: dict[tuple[str, int], Counter] = {}
        self._answers = self._histogram("http_request_seconds", "From a request to its answer.")

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(f"buildplate_{name}", what, buckets=SHORT, registry=self.registry)

    async def run(self) -> None:
        """Measure until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat())
            tasks.create_task(self._listen())

    def step(self, step: str) -> None:
        """Told of every durable step, on the thread that commits: `before:…`, `committed:…`."""
        if step.startswith("before:"):
            self._committing = perf_counter()
        elif self._committing:
            self._commits.observe(perf_counter() - self._committing)
            self._committing = 0.0

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count a request; what is no method or no status is counted as such."""
        counter = self._counters.get((method, status))
        if counter is None:
            known = method if method in METHODS else "other"
            counter = self._requests.labels(known, f"{status // 100}xx")
            if known == method:  # what a client makes up is not remembered
                self._counters[method, status] = counter
        counter.inc()
        self._answers.observe(seconds)

    def utilization(self, printer_id: str) -> float:
        """The part of the last hour, or of what was seen of it, in which a printer printed (%)."""
        samples = self._samples.get(printer_id)
        return 100.0 * sum(samples) / len(samples) if samples else 0.0

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        sampled = float("-inf")
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.lag_s = max(loop.time() - due, 0.0)
            self._lag.observe(self.lag_s)
            if loop.time() >= sampled + SAMPLE_S:
                sampled = loop.time()
                self.sample()

    def sample(self) -> None:
        """Note which printers print now; forget those that are out of service."""
        kept = {}
        for session in self._sessions():
            samples = self._samples.get(session.id) or deque(maxlen=HOUR_OF_SAMPLES)
            samples.append(session.live.activity in AT_WORK)
            kept[session.id] = samples
        self._samples = kept

    async def _listen(self) -> None:
        with self._bus.subscribe() as news:
            while True:
                published = await news.next()
                if isinstance(published, Gap) or not published.event.kind.startswith("print."):
                    continue
                late = (self._clock.now() - published.event.at).total_seconds()
                self._transitions.observe(max(late, 0.0))


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on the disk of the data, and those of the database file with its log."""

    free: int
    total: int
    database: int | None


def room(places: Places) -> Room:
    """Look at the disk; blocks where it hangs. Raises OSError."""
    disk = os.statvfs(places.data)
    size = None
    if places.database is not None:
        files = (places.database, places.database.with_name(f"{places.database.name}-wal"))
        size = sum(file.stat().st_size for file in files if file.exists())
    return Room(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, size)
