"""The composition root: the only place that knows all the concrete parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

import structlog
import uuid_utils

from buildplate import __version__
from buildplate.access.audit import who_acts
from buildplate.access.room import AccessRoom
from buildplate.access.service import KeyService
from buildplate.api.vitals import Places, Vitals
from buildplate.app.backups import BACKUPS, FarmKeys
from buildplate.app.clock import SystemClock
from buildplate.app.database import database_of
from buildplate.app.key_file import KeyFile
from buildplate.app.people import access_room
from buildplate.app.print_files import JobsOfFiles, JoinedFiles
from buildplate.app.seals import seal_everything, seals_for, tell
from buildplate.app.settings import Settings
from buildplate.app.supervisor import Pauses, Supervisor
from buildplate.backups.folder import BackupFolder
from buildplate.backups.service import BackupParts, BackupService
from buildplate.core.order import PlanPolicy
from buildplate.core.prints import Timings
from buildplate.dispatch.grouping import OrdersOfGroups
from buildplate.dispatch.parts import DispatchParts
from buildplate.dispatch.planner import Planner
from buildplate.dispatch.print_service import PrintService
from buildplate.dispatch.queue_service import QueueService
from buildplate.dispatch.service import JobService
from buildplate.dispatch.steward import Steward, StewardParts
from buildplate.dispatch.trails import TRAILS
from buildplate.drivers.sdk import Manifest
from buildplate.files.analyser import LocalAnalyser
from buildplate.files.repository import SqlFiles
from buildplate.files.service import FileRoom, FilesConfig, FileService
from buildplate.files.store import LocalBlobStore
from buildplate.files.tasks import AnalysisWorker
from buildplate.files.upload_disk import UploadFolder
from buildplate.files.uploads import UploadLimits, UploadService
from buildplate.fleet.commands import CommandService
from buildplate.fleet.controls import ControlService
from buildplate.fleet.discovery import DiscoveryService
from buildplate.fleet.floor_repository import SqlFloors
from buildplate.fleet.floor_service import FloorService
from buildplate.fleet.grouping import PrintersOfGroups
from buildplate.fleet.leases import Lease
from buildplate.fleet.local_network import LocalNetwork
from buildplate.fleet.model import FleetTimings
from buildplate.fleet.ports import Clock, Sockets, Surroundings
from buildplate.fleet.sealing import Seals
from buildplate.fleet.serial_ports import SerialPorts
from buildplate.fleet.service import FleetService
from buildplate.fleet.session import PrinterSession, SessionParts
from buildplate.fleet.transfers import TransferSlots
from buildplate.fleet.watchers import Watchers
from buildplate.history.service import HistoryService
from buildplate.history.tasks import Pace, Recorder, Retention, Sweeper
from buildplate.storage import Bus, OutboxRelay, SqliteStorage, Storage, scrub


@dataclass(frozen=True, slots=True)
class Farm:
    """A running farm: every use case, and the storage beneath."""

    storage: Storage
    bus: Bus
    fleet: FleetService
    watchers: Watchers
    discovery: DiscoveryService
    floors: FloorService
    commands: CommandService
    controls: ControlService
    jobs: JobService
    prints: PrintService
    queue: QueueService
    files: FileService
    uploads: UploadService
    history: HistoryService
    backups: BackupService
    keys: KeyService
    access: AccessRoom
    clock: Clock
    joined_files: JoinedFiles
    supervisor: Supervisor
    vitals: Vitals


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
        power=max(plain.power / by, LEAST_COMMAND_S),
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
    physical one (`before:` and `answered:` its kind). `network` and `sockets` are where printers
    are looked for.
    """

    clock: Clock
    on_step: Callable[[str], None] | None = None
    network: Surroundings | None = None
    sockets: Sockets | None = None


@asynccontextmanager
async def open_farm(
    settings: Settings, manifests: Mapping[str, Manifest], outside: Outside | None = None
) -> AsyncIterator[Farm]:
    """Open the database and the files, take the printers over, and run until the block ends."""
    outside = outside or Outside(SystemClock())
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    storage = database_of(settings, durations(settings).fleet.lease)
    await storage.open()
    if isinstance(storage, SqliteStorage) and storage.copy is not None:
        log = structlog.get_logger("serve")
        log.info("database.upgraded", action="upgrade", copy=str(storage.copy))
    storage.on_step = outside.on_step
    try:
        async with (
            LocalBlobStore(settings.data_dir / "files") as blobs,
            Supervisor(Pauses(last=30.0 / settings.time_factor)) as supervisor,
        ):
            key_file = KeyFile(settings.key_path)
            seals = await seals_for(storage, key_file)
            found = await seal_everything(storage, seals, key_file, manifests)
            tell(found)
            if found.plain and isinstance(settings.database, Path):
                await asyncio.to_thread(scrub, settings.database)
            built = _Build(settings, manifests, outside, storage, blobs, supervisor, seals)
            async with built.running() as farm:
                yield farm
    finally:
        await storage.close()


def _both(
    first: Callable[[str], None], second: Callable[[str], None] | None
) -> Callable[[str], None]:
    """One observer of steps for two."""
    if second is None:
        return first

    def told(step: str) -> None:
        first(step)
        second(step)

    return told


class _Build:
    """Joins the rooms of one farm."""

    def __init__(
        self,
        settings: Settings,
        manifests: Mapping[str, Manifest],
        outside: Outside,
        storage: Storage,
        blobs: LocalBlobStore,
        supervisor: Supervisor,
        seals: Seals,
    ) -> None:
        self._settings = settings
        self._seals = seals
        self._clock = outside.clock
        self._on_step = outside.on_step
        self._storage = storage
        self._supervisor = supervisor
        self._blobs = blobs
        self._durations = durations(settings)
        self._watchers = Watchers()
        self._log = structlog.get_logger("dispatch")
        self._access = access_room(settings, storage, self._clock.now, new_id)
        self._files, self._analysis = self._file_room(blobs)
        self._uploads = self._upload_room()
        self._joined = JoinedFiles(storage, self._files, blobs.path)
        self._planner = Planner(
            storage, self._joined, self._clock, new_id, self._log, self._durations.plan
        )
        self._steward = Steward(self._steward_parts())
        parts = self._session_parts()
        self._fleet = FleetService(parts, manifests, supervisor, new_id())
        self._access.groups.follow(PrintersOfGroups(self._fleet, parts))
        self._access.groups.follow(OrdersOfGroups(self._planner.wake))
        self._commands = CommandService(parts, self._fleet)
        self._discovery = DiscoveryService(
            outside.network or LocalNetwork(settings.mdns_addresses),
            outside.sockets or SerialPorts(),
            manifests,
            self._fleet.sessions,
        )
        self._controls = ControlService(parts, self._fleet)
        self._bus = Bus()
        file = settings.database if isinstance(settings.database, Path) else None
        places = Places(settings.data_dir, file)
        self._vitals = Vitals(self._sessions, self._bus, self._clock, places)
        storage.on_step = _both(self._vitals.step, outside.on_step)

    def _sessions(self) -> Iterable[PrinterSession]:
        return self._fleet.sessions.values()

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
            sender=who_acts,
        )
        return FileService(room, FilesConfig(max_bytes=self._settings.max_file_bytes)), worker

    def _upload_room(self) -> UploadService:
        folder = UploadFolder(self._settings.data_dir / "uploads")
        limits = UploadLimits(self._settings.max_file_bytes)
        return UploadService(folder, self._files, limits, self._clock.now, new_id)

    def _steward_parts(self) -> StewardParts:
        return StewardParts(
            storage=self._storage,
            files=self._joined,
            clock=self._clock,
            timings=self._durations.prints,
            give_back_pause=self._durations.give_back,
            new_id=new_id,
            wake_planner=self._planner.wake,
            stir_planner=self._planner.stir,
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
            seals=self._seals,
            slots=TransferSlots(self._settings.transfers, timings.transfer_stall, boot),
            host_locks=WeakValueDictionary(),
            new_id=new_id,
            log=structlog.get_logger("fleet"),
            on_step=self._on_step,
            watchers=self._watchers,
            notes=self._settings.data_dir / "notes",
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Farm]:
        """Start every task, in the order in which they need one another."""
        relay = OutboxRelay(self._storage, self._bus.publish)
        await self._files.sweep()
        await self._uploads.open()
        self._supervisor.start("outbox relay", relay.run)
        self._supervisor.start("file analysis", self._analysis.run)
        self._supervisor.start("upload sweeper", self._uploads.run)
        await self._fleet.own()
        await TRAILS.load(self._storage)
        await self._steward.load()
        await self._fleet.start()
        self._supervisor.start("lease", self._fleet.keep_lease)
        self._supervisor.start("vitals", self._vitals.run)

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
            log=self._log,
        )
        jobs = JobService(parts)
        recorder, sweeper = self._history()
        backups = await self._backup_service()
        recording = self._supervisor.start("history", recorder.run)
        self._supervisor.start("history sweeper", sweeper.run)
        try:
            yield Farm(
                storage=self._storage,
                bus=self._bus,
                fleet=self._fleet,
                watchers=self._watchers,
                discovery=self._discovery,
                floors=FloorService(SqlFloors(self._storage), self._clock, new_id),
                commands=self._commands,
                controls=self._controls,
                jobs=jobs,
                prints=PrintService(parts),
                queue=QueueService(parts),
                files=self._files,
                uploads=self._uploads,
                history=HistoryService(self._storage, self._fleet, self._clock, recorder.held),
                backups=backups,
                keys=self._access.keys,
                access=self._access,
                clock=self._clock,
                joined_files=self._joined,
                supervisor=self._supervisor,
                vitals=self._vitals,
            )
        finally:
            await recording.stop()
            await recorder.end()
            await self._fleet.stop()
            self._access.passwords.close()

    async def _backup_service(self) -> BackupService:
        settings = self._settings
        folder = BackupFolder(settings.data_dir / BACKUPS)
        await asyncio.to_thread(folder.prepare)
        parts = BackupParts(
            folder=folder,
            database=settings.database,
            content=self._blobs.path,
            hold=self._files.held,
            keys=FarmKeys(settings),
            begin=self._supervisor.start,
            now=self._clock.now,
            new_id=new_id,
            release=__version__,
            kept=settings.backups_kept,
        )
        return BackupService(parts)

    def _history(self) -> tuple[Recorder, Sweeper]:
        settings, plain = self._settings, Pace()
        by = settings.time_factor
        row = settings.history_sample_seconds
        pace = Pace(plain.write / by, row / by, plain.alive / by, plain.reading / by)
        retention = Retention(
            timedelta(days=settings.status_history_retention_days).total_seconds(),
            settings.status_history_cleanup_interval_seconds,
        )
        recorder = Recorder(self._storage, self._fleet, self._watchers, self._clock, new_id, pace)
        return recorder, Sweeper(self._storage, self._clock, retention)
