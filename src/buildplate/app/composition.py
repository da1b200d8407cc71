"""The composition root: the only place that knows all the concrete parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from weakref import WeakValueDictionary

import structlog
import uuid_utils

from buildplate.access.room import AccessRoom
from buildplate.access.service import KeyService
from buildplate.app.clock import SystemClock
from buildplate.app.people import access_room
from buildplate.app.print_files import JobsOfFiles, JoinedFiles
from buildplate.app.settings import Settings
from buildplate.app.supervisor import Pauses, Supervisor
from buildplate.core.order import PlanPolicy
from buildplate.core.prints import Timings
from buildplate.dispatch.parts import DispatchParts
from buildplate.dispatch.planner import Planner
from buildplate.dispatch.print_service import PrintService
from buildplate.dispatch.queue_service import QueueService
from buildplate.dispatch.service import JobService
from buildplate.dispatch.steward import Steward, StewardParts
from buildplate.drivers.sdk import Manifest
from buildplate.files.analyser import LocalAnalyser
from buildplate.files.repository import SqlFiles
from buildplate.files.service import FileRoom, FilesConfig, FileService
from buildplate.files.store import LocalBlobStore
from buildplate.files.tasks import AnalysisWorker
from buildplate.fleet.commands import CommandService
from buildplate.fleet.leases import Lease
from buildplate.fleet.model import FleetTimings
from buildplate.fleet.ports import Clock
from buildplate.fleet.service import FleetService
from buildplate.fleet.session import SessionParts
from buildplate.fleet.transfers import TransferSlots
from buildplate.storage import Bus, OutboxRelay, SqliteConfig, SqliteStorage


@dataclass(frozen=True, slots=True)
class Farm:
    """A running farm: every use case, and the storage beneath."""

    storage: SqliteStorage
    bus: Bus
    fleet: FleetService
    commands: CommandService
    jobs: JobService
    prints: PrintService
    queue: QueueService
    files: FileService
    keys: KeyService
    access: AccessRoom
    clock: Clock
    joined_files: JoinedFiles


@dataclass(frozen=True, slots=True)
class Durations:
    """Every duration that the farm's time factor scales."""

    fleet: FleetTimings
    prints: Timings
    give_back: timedelta
    plan: PlanPolicy


LEAST_REQUEST_S = 3.0
LEAST_COMMAND_S = 0.5


def durations(settings: Settings) -> Durations:
    """The farm's durations, divided by the time factor.

    How long a request may take has a floor: the machine that simulates is no faster for it.
    """
    by = settings.time_factor
    plain = FleetTimings()
    fleet = FleetTimings(
        connect=max(plain.connect / by, 3 * LEAST_REQUEST_S),
        request=max(plain.request / by, LEAST_REQUEST_S),
        look=max(plain.look / by, 3 * LEAST_REQUEST_S),
        poll=settings.poll_seconds / by,
        min_look=plain.min_look / by,
        backoff_first=settings.backoff_first_seconds / by,
        backoff_last=settings.backoff_last_seconds / by,
        auth_retry=plain.auth_retry / by,
        command=max(plain.command / by, LEAST_COMMAND_S),
        settle=plain.settle / by,
        bed_gap=settings.bed_gap_seconds / by,
        seen_every=plain.seen_every / by,
        transfer_stall=plain.transfer_stall / by,
        lease=plain.lease / by,
    )
    base = Timings()
    prints = Timings(
        settle=base.settle / by,
        patience=base.patience / by,
        resend=base.resend / by,
        upload_pause=base.upload_pause / by,
        upload_tries=base.upload_tries,
        fresh=1.2 * fleet.look,  # a slow host's answer must be able to be fresh
    )
    policy = PlanPolicy()
    plan = replace(policy, retry_elsewhere=policy.retry_elsewhere / by)
    return Durations(fleet, prints, timedelta(seconds=5 / by), plan)


def new_id() -> str:
    """A fresh UUIDv7."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True, slots=True)
class Outside:
    """What tests may put in the place of the machine's own.

    `on_step` is told of every durable step (`before:` and `committed:` its script) and of every
    physical one (`before:` and `answered:` its kind).
    """

    clock: Clock
    on_step: Callable[[str], None] | None = None


@asynccontextmanager
async def open_farm(
    settings: Settings, manifests: Mapping[str, Manifest], outside: Outside | None = None
) -> AsyncIterator[Farm]:
    """Open the database and the files, take the printers over, and run until the block ends."""
    outside = outside or Outside(SystemClock())
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    storage = SqliteStorage(SqliteConfig(settings.database_path))
    await storage.open()
    storage.on_step = outside.on_step
    try:
        async with (
            LocalBlobStore(settings.data_dir / "files") as blobs,
            Supervisor(Pauses(last=30.0 / settings.time_factor)) as supervisor,
        ):
            built = _Build(settings, manifests, outside, storage, blobs, supervisor)
            async with built.running() as farm:
                yield farm
    finally:
        await storage.close()


class _Build:
    """Joins the rooms of one farm."""

    def __init__(
        self,
        settings: Settings,
        manifests: Mapping[str, Manifest],
        outside: Outside,
        storage: SqliteStorage,
        blobs: LocalBlobStore,
        supervisor: Supervisor,
    ) -> None:
        self._settings = settings
        self._clock = outside.clock
        self._on_step = outside.on_step
        self._storage = storage
        self._supervisor = supervisor
        self._durations = durations(settings)
        self._log = structlog.get_logger("farm")
        self._access = access_room(settings, storage, self._clock.now, new_id)
        self._files, self._analysis = self._file_room(blobs)
        self._joined = JoinedFiles(storage, self._files)
        self._planner = Planner(
            storage, self._joined, self._clock, new_id, self._log, self._durations.plan
        )
        self._steward = Steward(self._steward_parts())
        parts = self._session_parts()
        self._fleet = FleetService(parts, manifests, supervisor, new_id())
        self._commands = CommandService(parts, self._fleet)
        self._bus = Bus()

    def _file_room(self, blobs: LocalBlobStore) -> tuple[FileService, AnalysisWorker]:
        rows = SqlFiles(self._storage)
        analyser = LocalAnalyser(blobs)

        def tell() -> None:
            self._planner.wake()

        worker = AnalysisWorker(rows, analyser, tell)

        def wake() -> None:
            worker.wake()
            tell()

        room = FileRoom(
            store=blobs,
            files=rows,
            uses=JobsOfFiles(self._storage),
            analyser=analyser,
            wake_analysis=wake,
            new_id=new_id,
            now=self._clock.now,
        )
        return FileService(room, FilesConfig(max_bytes=self._settings.max_file_bytes)), worker

    def _steward_parts(self) -> StewardParts:
        return StewardParts(
            storage=self._storage,
            files=self._joined,
            clock=self._clock,
            timings=self._durations.prints,
            give_back_pause=self._durations.give_back,
            new_id=new_id,
            wake_planner=self._planner.wake,
            log=self._log,
            pace=self._settings.time_factor,
        )

    def _session_parts(self) -> SessionParts:
        timings = self._durations.fleet
        boot = self._clock.boot
        return SessionParts(
            storage=self._storage,
            steward=self._steward,
            clock=self._clock,
            timings=timings,
            lease=Lease(timings.lease, boot, self._storage.owned),
            slots=TransferSlots(self._settings.transfers, timings.transfer_stall, boot),
            host_locks=WeakValueDictionary(),
            new_id=new_id,
            log=self._log,
            on_step=self._on_step,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Farm]:
        """Start every task, in the order in which they need one another."""
        relay = OutboxRelay(self._storage, self._bus.publish)
        await self._files.sweep()
        self._supervisor.start("outbox relay", relay.run)
        self._supervisor.start("file analysis", self._analysis.run)
        await self._fleet.own()
        await self._steward.load()
        await self._fleet.start()
        self._supervisor.start("lease", self._fleet.keep_lease)

        async def plan() -> None:
            await self._planner.run(self._fleet, self._steward)

        self._supervisor.start("planner", plan)
        parts = DispatchParts(
            storage=self._storage,
            fleet=self._fleet,
            commands=self._commands,
            steward=self._steward,
            planner=self._planner,
            clock=self._clock,
            new_id=new_id,
        )
        jobs = JobService(parts)
        try:
            yield Farm(
                storage=self._storage,
                bus=self._bus,
                fleet=self._fleet,
                commands=self._commands,
                jobs=jobs,
                prints=PrintService(parts),
                queue=QueueService(parts),
                files=self._files,
                keys=self._access.keys,
                access=self._access,
                clock=self._clock,
                joined_files=self._joined,
            )
        finally:
            await self._fleet.stop()
            self._access.passwords.close()
