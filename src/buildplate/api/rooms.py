"""What the HTTP surface works with: the use cases of every room, handed in by the composition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from buildplate import __version__
from buildplate.access.room import AccessRoom
from buildplate.access.service import KeyService
from buildplate.api.vitals import Vitals
from buildplate.backups.service import BackupService
from buildplate.dispatch.print_service import PrintService
from buildplate.dispatch.queue_service import QueueService
from buildplate.dispatch.service import JobService
from buildplate.files.service import FileService
from buildplate.files.uploads import UploadService
from buildplate.fleet.commands import CommandService
from buildplate.fleet.controls import ControlService
from buildplate.fleet.discovery import DiscoveryService
from buildplate.fleet.floor_service import FloorService
from buildplate.fleet.ports import Clock
from buildplate.fleet.service import FleetService
from buildplate.fleet.watchers import Watchers
from buildplate.history.service import HistoryService
from buildplate.storage import Bus, Storage


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds: what one request may cost.

    `body` bounds every body but an upload's, which `file` bounds; `body_time` is for a whole small
    body, `idle` for the pause between two pieces of an upload.
    """

    file: int = 500_000_000
    body: int = 1_000_000
    body_time: float = 30.0
    idle: float = 60.0


def _nothing(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Rooms:
    """The services behind the paths. `file_deleted` is told the id of a file that is gone."""

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
    storage: Storage
    bus: Bus
    clock: Clock
    version: str = __version__
    limits: Limits = Limits()
    file_deleted: Callable[[str], None] = _nothing
    vitals: Vitals | None = None


async def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.app.state.rooms
    return rooms


AllRooms = Annotated[Rooms, Depends(_rooms)]
