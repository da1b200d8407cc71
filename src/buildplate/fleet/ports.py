"""What the fleet needs from the rooms above it, as protocols that it owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from buildplate.drivers.sdk import Watch
from buildplate.fleet.found import PortSeen
from buildplate.fleet.model import Floor
from buildplate.fleet.strangers import Heard
from buildplate.storage import Tx

if TYPE_CHECKING:
    from buildplate.fleet.session import PrinterSession


class PrintSteward(Protocol):
    """Decides and writes for the active print of a printer; dispatch fulfils it."""

    async def attend(self, session: PrinterSession) -> None:
        """Take every step that is due for the printer's active print.

        Called after each observation, outcome or wish, one call at a time per printer. Physical
        steps are handed to the session and come back as another call.
        """

    stopped: bool
    """Whether the whole farm is stopped."""

    def watch(self, printer_id: str) -> Watch | None:
        """The file whose evidence the next read should carry; None without an active print."""

    def occupant(self, printer_id: str) -> tuple[str, bool] | None:
        """The active print's id and whether it needs attention; None for a free printer."""

    def occupants(self) -> Mapping[str, tuple[str, bool]]:
        """What `occupant` says, of every printer that is not free."""

    def keeps(self, printer_id: str) -> bool:
        """Whether an active print forbids deleting other files on the printer."""

    async def spent(self, session: PrinterSession, paths: Sequence[str]) -> Sequence[str]:
        """Of these files on a printer, those that this farm has sent and needs no more.

        Files of others are left alone. One that only this farm can have sent, and that its
        database does not know, means that the database is older than the printers.
        """

    def freed(self, printer_id: str) -> None:
        """A printer may have become ready, or stopped being so: think again about the queue."""

    async def take_over(self, tx: Tx, printer_id: str, fence: int) -> None:
        """Join the take-over of a printer: give its active print the fence and a new version."""

    async def release(self, tx: Tx, printer_id: str) -> bool:
        """Tell whether the printer has no active print, inside the caller's transaction."""


class FloorRows(Protocol):
    """The rows of the floors. Every call is one transaction, durable when it returns."""

    async def add(self, floor: Floor, event_id: str) -> None:
        """Stores a new floor; NameTaken."""

    async def by_id(self, floor_id: str) -> Floor:
        """The floor with this id; UnknownFloor."""

    async def every(self) -> list[Floor]:
        """All floors, by name."""

    async def edit(self, floor: Floor, event_id: str, at: datetime) -> Floor:
        """Writes a changed floor; UnknownFloor, VersionMismatch, NameTaken, FloorTooSmall."""

    async def remove(self, floor: Floor, event_id: str, at: datetime) -> None:
        """Deletes a floor; UnknownFloor, VersionMismatch, FloorInUse."""


class Deaf(Exception):
    """Nothing can be heard of the local network: `code`, `detail` and `hint` say why."""

    def __init__(self, code: str, detail: str, hint: str) -> None:
        super().__init__(detail)
        self.code = code
        self.hint = hint


class Hearing(Protocol):
    """One ear in the local network; several may wait at it at once."""

    more: bool
    """Whether more was announced than is taken."""

    async def listen(self, seconds: float) -> Sequence[Heard]:
        """What has been announced by the end of so many seconds, since the ear was opened."""

    async def close(self) -> None:
        """Stop listening; nothing is sent or received afterwards."""


class Surroundings(Protocol):
    """The local network of this machine."""

    async def open(self, services: Collection[str]) -> Hearing:
        """Begin to listen for these services (`_octoprint._tcp`); Deaf."""


class Sockets(Protocol):
    """The serial ports of this machine."""

    async def seen(self) -> Sequence[PortSeen]:
        """The ports there are now; OSError where the system does not tell."""


class Clock(Protocol):
    """Where the fleet reads time; injected, so that tests can make it jump."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""

    def boot(self) -> float:
        """The boot-time clock in seconds; it counts while the machine is suspended."""


class Handle(Protocol):
    """A supervised task."""

    async def stop(self) -> None:
        """Cancel the task and wait until it has ended."""


class Spawner(Protocol):
    """Starts supervised tasks: one that fails is logged and begun again, alone."""

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> Handle:
        """Keep `run` running under `name` until it is stopped."""
