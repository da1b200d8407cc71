"""The physical steps of a session: each is begun once, bounded in time, and answered honestly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from buildplate.core.deeds import ExitStep, Order, Start, Upload
from buildplate.core.upload_names import PREFIX
from buildplate.drivers.sdk import (
    Accepted,
    Answer,
    Capability,
    Deleted,
    DriverError,
    DriverTimings,
    FileBody,
    FileUnreadable,
    HostFull,
    PrinterOffline,
    Refused,
    Unknown,
    WrongContent,
)
from buildplate.fleet import ledger
from buildplate.fleet.mail import Done
from buildplate.fleet.model import CommandRecord, CommandState, InFlight
from buildplate.fleet.transfers import Slot
from buildplate.storage import StorageError

if TYPE_CHECKING:
    from buildplate.fleet.session import PrinterSession

NOT_OURS = "this node may not command the printer; nothing was sent"
ACCEPTED_LOOKS = 3
"""After so many times `min_look` an accepted start is looked for, if the printer stays silent."""
T = TypeVar("T")


class PhysicalStep(StrEnum):
    """Everything that goes out to a printer and is not a read."""

    UPLOAD = "upload"
    FETCH = "fetch"
    START = "start"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    BARRIER = "barrier"
    FILES = "files"
    CONTROL = "control"
    STOP = "emergency_stop"


class Hands:
    """Carries out physical steps beside the mailbox, one at a time."""

    def __init__(self, session: PrinterSession) -> None:
        self._session = session
        self.tasks: asyncio.TaskGroup | None = None
        self.leftovers = True
        self.compared = False
        self.ordering = False
        self.controlling = False
        self.stopping: set[str] = set()
        self._tidy_from = float("-inf")
        self._busy: asyncio.Task[None] | None = None

    @property
    def driver_timings(self) -> DriverTimings:
        """The limits handed to the driver."""
        parts = self._session.parts
        timings = parts.timings
        return DriverTimings(
            request=timings.request,
            command=timings.command,
            transfer_idle=timings.command * 2,
            poll=timings.poll,
            settle=timings.settle,
            clock=parts.clock.boot,
            notes=None if parts.notes is None else parts.notes / self._session.id,
            may_act=parts.lease.hold,
        )

    @property
    def busy(self) -> bool:
        """Whether a physical step is under way."""
        return self._busy is not None and not self._busy.done()

    def forget(self) -> None:
        """Begin anew: the steps of a former life ended with it, answered or not."""
        self.ordering = self.controlling = False
        self.stopping.clear()
        self.leftovers = True
        self.compared = False
        self._busy = None

    def transfer(self, name: str, body: FileBody, stored: Callable[[str], Awaitable[bool]]) -> None:
        """Send a file and prove that it arrived; `stored` commits the path the host gave it."""
        self._session.deeds = self._session.deeds.uploading(Upload.UNDERWAY, self._now())
        self._begin(lambda: self._transfer(name, body, stored))

    def drop_transfer(self) -> None:
        """Stop sending a file that is not wanted any more."""
        if self._busy is not None:
            self._busy.cancel()

    def start(self, path: str) -> None:
        """Send the one start of an intent."""
        self._session.deeds = self._session.deeds.starting(Start.UNDERWAY, self._now())
        self._begin(lambda: self._start(path))

    def order(self, command: CommandRecord) -> None:
        """Send a stored cancel, pause or resume."""
        self.ordering = True
        deeds = self._session.deeds
        self._session.deeds = deeds.ordering(Order.UNDERWAY, command.kind, self._now())
        self._begin(lambda: self._order(command))

    def revoke(self, path: str | None) -> None:
        """Delete the print's file on the printer."""
        self._session.deeds = self._session.deeds.leaving(ExitStep.REVOKING, self._now())
        self._begin(lambda: self._revoke(path))

    def barrier(self) -> None:
        """Wait until everything queued on the host has run."""
        self._begin(self._barrier)

    def tidy(self) -> None:
        """Delete files of ours that no active print needs; after a failure not at once again.

        First they are compared with what the database knows; beside an active print that is all.
        """
        if not self.busy and self._now() >= self._tidy_from:
            self.leftovers = False
            self._begin(self._tidy)

    # --- what runs beside the mailbox ------------------------------------------------------------

    def _now(self) -> float:
        return self._session.parts.clock.boot()

    def _begin(self, step: Callable[[], Awaitable[None]]) -> None:
        if self.tasks is None:
            message = "a session that does not run was told to do something"
            raise RuntimeError(message)
        self._busy = self.tasks.create_task(self._run(step))

    async def _run(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.uncancel() > 0:
                raise

    def _may_act(self) -> None:
        """Nothing physical goes out on a lease that has run out; raises PrinterOffline."""
        if not self._session.parts.lease.hold():
            raise PrinterOffline(NOT_OURS)

    async def _observed(self, step: PhysicalStep, call: Awaitable[T]) -> T:
        """Make the call; tell the observer just before it, and once it has been answered."""
        tell = self._session.parts.on_step
        if tell is not None:
            tell(f"before:{step}")
        answer = await call
        if tell is not None:
            tell(f"answered:{step}")
        return answer

    async def _done(self, apply: Callable[[], Awaitable[None]]) -> None:
        self._busy = None
        await self._session.post(Done(apply))

    async def _transfer(
        self, name: str, body: FileBody, stored: Callable[[str], Awaitable[bool]]
    ) -> None:
        session = self._session
        try:
            path = await self._send_and_prove(name, body)
        except (DriverError, TimeoutError) as error:
            why = str(error) or "the transfer took too long"
            hopeless = isinstance(error, HostFull | FileUnreadable)
            step = Upload.NO_ROOM if hopeless else Upload.UNKNOWN

            async def failed() -> None:
                session.parts.log.warning(
                    "transfer.failed", action="transfer", error=why, **session.names()
                )
                session.deeds = session.deeds.uploading(step, self._now(), why)

            await self._done(failed)
            return

        async def arrived() -> None:
            kept = await stored(path)
            step = Upload.VERIFIED if kept else Upload.UNKNOWN
            session.deeds = session.deeds.uploading(step, self._now())
            session.look()

        await self._done(arrived)

    async def _send_and_prove(self, name: str, body: FileBody) -> str:
        parts = self._session.parts
        key = host_of(self._session.record.connection) or self._session.id
        mixed = self._session.manifest.one_upload_per_host
        fetchable = Capability.FETCH_BACK in self._session.manifest.capabilities
        lock = parts.host_locks.setdefault(key, asyncio.Lock()) if mixed else asyncio.Lock()
        async with lock, parts.slots.hold() as slot:
            self._may_act()
            driver = self._session.connection.driver
            upload = driver.upload(name, _counted(body, slot))
            path = await self._observed(PhysicalStep.UPLOAD, upload)
            found = await self._observed(PhysicalStep.FETCH, driver.fetch_sha256(path))
        if found != body.sha256 and (found is not None or fetchable):
            message = f"the printer stored other bytes than were sent for {name}"
            raise WrongContent(message)
        return path

    async def _start(self, path: str) -> None:
        session = self._session
        lease = session.parts.lease
        if lease.hold():
            answer = await self.ask(
                PhysicalStep.START, lambda: session.connection.driver.start(path)
            )
        else:
            answer = Refused("lease_lost", NOT_OURS)
        step = {Accepted: Start.ACCEPTED, Refused: Start.REFUSED}.get(type(answer), Start.UNKNOWN)

        async def answered() -> None:
            session.deeds = session.deeds.starting(step, self._now())
            session.parts.log.info(
                "start.answered", action="start", answer=in_words(answer), **session.names()
            )
            if step is Start.ACCEPTED:  # the printer will say so itself, a moment later
                session.look(self._now() + session.parts.timings.min_look * ACCEPTED_LOOKS)
            else:
                session.look()

        await self._done(answered)

    async def _order(self, command: CommandRecord) -> None:
        session = self._session

        def tell() -> Awaitable[Answer]:
            driver = session.connection.driver
            orders = {"cancel": driver.cancel, "pause": driver.pause, "resume": driver.resume}
            return orders[command.kind]()

        lease = session.parts.lease
        if lease.hold():
            answer = await self.ask(PhysicalStep(command.kind), tell)
        else:
            answer = Refused("lease_lost", NOT_OURS)

        async def answered() -> None:
            self.ordering = False
            await self._close(command, answer)
            session.look()

        await self._done(answered)

    async def _close(self, command: CommandRecord, answer: Answer) -> None:
        session = self._session
        unknown = isinstance(answer, Unknown)
        state = {
            Accepted: CommandState.ANSWERED,
            Refused: CommandState.REFUSED,
            Unknown: CommandState.UNKNOWN,
        }[type(answer)]
        event = session.event(f"command.{state}", command.print_id, command_id=command.id)
        step = Order.NONE if unknown else Order.ANSWERED
        session.deeds = session.deeds.ordering(step, command.kind, self._now())
        session.in_flight = InFlight.of(command, self._now())
        await session.parts.storage.write(
            ledger.close_command, command.id, state, in_words(answer), event
        )
        if not unknown:
            session.in_flight = None

    async def ask(self, step: PhysicalStep, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """One physical request: whatever goes wrong after it was begun is Unknown."""
        try:
            async with asyncio.timeout(self._session.parts.timings.command * 1.2):
                return await self._observed(step, call())
        except TimeoutError:
            return Unknown("no answer in time")
        except DriverError as error:
            return Unknown(str(error))

    async def _revoke(self, path: str | None) -> None:
        session = self._session
        outcome = Deleted.GONE if path is None else await self._delete(path)

        async def answered() -> None:
            step = ExitStep.REVOKED if outcome is Deleted.GONE else ExitStep.STORED
            if session.deeds.exit is ExitStep.REVOKING:
                session.deeds = session.deeds.leaving(step, self._now())
            session.look()

        await self._done(answered)

    async def _delete(self, path: str) -> Deleted:
        try:
            self._may_act()
            async with asyncio.timeout(self._session.parts.timings.command * 1.2):
                deleted = self._session.connection.driver.delete(path)
                return await self._observed(PhysicalStep.DELETE, deleted)
        except (DriverError, TimeoutError):
            return Deleted.UNKNOWN

    async def _barrier(self) -> None:
        session = self._session
        passed = True
        try:
            self._may_act()
            async with asyncio.timeout(session.parts.timings.command * 1.2):
                barrier = session.connection.driver.barrier()
                await self._observed(PhysicalStep.BARRIER, barrier)
        except (DriverError, TimeoutError):
            passed = False

        async def answered() -> None:
            after = {
                ExitStep.BARRIER: ExitStep.SETTLING,
                ExitStep.BARRIER_AGAIN: ExitStep.SETTLING_AGAIN,
            }.get(session.deeds.exit)
            if after is not None:
                step = after if passed else ExitStep.STORED
                session.deeds = session.deeds.leaving(step, self._now())
            session.look()

        await self._done(answered)

    async def _tidy(self) -> None:
        session, deleted = self._session, 0
        try:
            driver = session.connection.driver
            async with asyncio.timeout(session.parts.timings.command):
                found = await self._observed(PhysicalStep.FILES, driver.files(PREFIX))
            spent = await session.parts.steward.spent(session, found)
            self.compared = True
            for path in spent:
                if not session.lets_tidy:
                    self.leftovers = True
                    break
                if await self._delete(path) is Deleted.GONE:
                    deleted += 1
                else:
                    self._tidy_later()
        except (DriverError, StorageError, TimeoutError):
            self._tidy_later()

        async def tidied() -> None:
            if deleted:
                session.look(deep=True)

        await self._done(tidied)

    def _tidy_later(self) -> None:
        """Something is left over: try again at a read some time from now."""
        self.leftovers = True
        self._tidy_from = self._now() + self._session.parts.timings.poll


def host_of(connection: Mapping[str, Any]) -> str:
    """The machine that connection settings lead to, whatever the port; "" where they name none.

    Two services on one machine share its folder for temporary files, and so their uploads can mix.
    """
    url = connection.get("url")
    named = urlsplit(url).hostname if isinstance(url, str) else connection.get("host")
    return str(named or "").rstrip(".").casefold()


def in_words(answer: Answer) -> str:
    """An answer as the ledger keeps it."""
    match answer:
        case Accepted():
            return "accepted"
        case Refused(code, detail):
            return f"refused: {code} {detail}".strip()
        case Unknown(detail):
            return f"unknown: {detail}".strip()


def _counted(body: FileBody, slot: Slot) -> FileBody:
    """The same body, telling the slot about every piece that went out."""

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in body.open():
            slot.touch()
            yield piece
        slot.touch()

    return replace(body, open=pieces)
