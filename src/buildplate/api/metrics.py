"""The path of the metrics, in the format that Prometheus reads.

What is counted all the time is kept in `vitals.py`; everything else is looked up when it is asked
for. The number of series grows with the printers in service and with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import Response

from buildplate.api.books import ENDS, Books
from buildplate.api.guard import LOOK
from buildplate.api.health import Checks, status_of
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.vitals import Room
from buildplate.fleet.session import PrinterSession

router = APIRouter(tags=["health"], dependencies=[LOOK])
Labels = dict[str, str]


class Present(Collector):
    """The farm as it is at this moment."""

    def __init__(self, rooms: Rooms, counted: Books | None, disk: Room | None) -> None:
        self._rooms = rooms
        self._books = counted
        self._disk = disk

    def collect(self) -> Iterator[Metric]:
        """Every series that is looked up."""
        up = self._books is not None
        status = status_of(self._rooms, beats=up)
        yield _gauge("info", "The running version.", [({"version": self._rooms.version}, 1.0)])
        yield _gauge("health", "1 for how the farm is.", [({"status": status.value}, 1.0)])
        yield _gauge("database_up", "Whether the database answers.", [({}, float(up))])
        yield from self._printers()
        if self._books is not None:
            yield from _work(self._books)
        if self._disk is not None:
            yield from _room(self._disk)

    def _printers(self) -> Iterator[Metric]:
        found = self._rooms.fleet.sessions.values()
        sessions = sorted(found, key=lambda one: one.record.spec.number)
        for name, what, state in STATES:
            samples = [(_label(one) | {"state": state(one)}, 1.0) for one in sessions]
            yield _gauge(f"printer_{name}", f"1 for {what}.", samples)
        asking = [(_label(one), float(_needs_attention(one))) for one in sessions]
        yield _gauge("printer_needs_attention", "1 where a print asks for a person.", asking)
        reconnects = CounterMetricFamily(
            "buildplate_printer_reconnects",
            "Links that were lost and tries that failed.",
            labels=("number", "name"),
        )
        for one in sessions:
            reconnects.add_metric(list(_label(one).values()), one.connection.lost)
        yield reconnects
        yield self._utilization(sessions)

    def _utilization(self, sessions: Sequence[PrinterSession]) -> Metric:
        found = GaugeMetricFamily(
            "printfarm_printer_utilization",
            "The part of the last hour in which a printer printed, in percent.",
            labels=("number", "name"),
        )
        vitals = self._rooms.vitals
        if vitals is not None:
            for one in sessions:
                found.add_metric(list(_label(one).values()), vitals.utilization(one.id))
        return found


STATES: Sequence[tuple[str, str, Callable[[PrinterSession], str]]] = (
    ("link", "the state of a printer's link", lambda one: one.live.link.value),
    ("activity", "what a printer was last seen doing", lambda one: one.live.activity.value),
    ("bed", "the state of a printer's bed", lambda one: one.record.bed.value),
)


def _label(session: PrinterSession) -> Labels:
    return {"number": str(session.record.spec.number), "name": session.record.spec.name}


def _needs_attention(session: PrinterSession) -> bool:
    occupant = session.parts.steward.occupant(session.id)
    return occupant is not None and occupant[1]


def _gauge(name: str, what: str, samples: Sequence[tuple[Labels, float]]) -> Metric:
    labels = tuple(samples[0][0]) if samples else ()
    found = GaugeMetricFamily(f"buildplate_{name}", what, labels=labels)
    for label, value in samples:
        found.add_metric(list(label.values()), value)
    return found


def _work(counted: Books) -> Iterator[Metric]:
    jobs_ = CounterMetricFamily(
        "printfarm_jobs",
        "Orders that were received, and prints of them by how they ended.",
        labels=("status",),
    )
    jobs_.add_metric(["received"], counted.orders)
    for end in ENDS:
        jobs_.add_metric([end], counted.prints.get(end, 0))
    yield jobs_
    yield SummaryMetricFamily(
        "printfarm_jobs_duration_seconds",
        "How long completed prints took, from their start to their end.",
        count_value=counted.completed,
        sum_value=counted.completed_s,
    )
    waiting, active = float(counted.waiting), float(counted.active)
    yield _gauge("queue_depth", "Prints that wait for a printer.", [({}, waiting)])
    yield _gauge("prints_active", "Prints that have a printer.", [({}, active)])


def _room(disk: Room) -> Iterator[Metric]:
    yield _gauge("disk_free_bytes", "Free room on the disk of the data.", [({}, float(disk.free))])
    yield _gauge("disk_size_bytes", "Size of the disk of the data.", [({}, float(disk.total))])
    if disk.database is not None:
        size = float(disk.database)
        yield _gauge("database_size_bytes", "The database's file and its log.", [({}, size)])


@router.get("/metrics/", include_in_schema=False)
@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(rooms: AllRooms, request: Request) -> Response:
    """Measure the farm, in Prometheus' text format."""
    checks: Checks = request.app.state.checks
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Present(rooms, await checks.books.answer(), await checks.room.answer()))
    found = generate_latest(registry)
    if rooms.vitals is not None:
        found += generate_latest(rooms.vitals.registry)
    return Response(found, media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})
