"""The fleet's use cases: printers come, change and go; each in service has one session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from buildplate.core.printers import Activity, BedClearing, Printer, PrinterSpec
from buildplate.drivers.sdk import Driver, DriverTimings, Identity, Manifest
from buildplate.fleet import repository
from buildplate.fleet.absent import missing_driver
from buildplate.fleet.errors import (
    InvalidPrinter,
    NotSeenYet,
    PrinterBusy,
    UnknownDriver,
    UnknownPrinter,
)
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.ports import Handle, Spawner
from buildplate.fleet.sealing import SecretLocked
from buildplate.fleet.session import PrinterSession, SessionParts
from buildplate.fleet.stopping import would_end
from buildplate.fleet.trying import with_stored_secrets
from buildplate.storage import EventRecord

LOOK_AGAIN_S = 0.02
RUNS_SOMETHING = frozenset({Activity.OURS, Activity.FOREIGN, Activity.PAUSED})


@dataclass(frozen=True, slots=True)
class NewPrinter:
    """What a person says of a printer that is to be added; `spec` still lacks id and number."""

    spec: PrinterSpec
    driver: str
    connection: Mapping[str, Any]


@contextmanager
def _about_to_close(session: PrinterSession | None) -> Iterator[None]:
    """Let a session begin nothing more while its end is being stored; PrinterBusy."""
    if session is None:
        yield
        return
    if would_end(session):
        message = "a print is streamed to the printer from here, and would end with the connection"
        raise PrinterBusy(message, "Wait for the print's end, or cancel it.")
    session.changes += 1  # a count: several may be stored at once, and all of them be refused
    try:
        yield
    except BaseException:
        session.changes -= 1
        raise


class FleetService:
    """All printers in service and their sessions; `seals` is what seals and opens their secrets."""

    def __init__(
        self,
        parts: SessionParts,
        manifests: Mapping[str, Manifest],
        spawner: Spawner,
        node: str,
    ) -> None:
        self._parts = parts
        self.seals = parts.seals
        self._manifests = manifests
        self._spawner = spawner
        self._node = node
        self._sessions: dict[str, PrinterSession] = {}
        self._handles: dict[str, Handle] = {}
        self._doors: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """The installed drivers by name."""
        return self._manifests

    @property
    def sessions(self) -> Mapping[str, PrinterSession]:
        """The sessions by printer id."""
        return self._sessions

    def printers(self) -> list[Printer]:
        """Every printer in service as the planner sees it."""
        return [session.as_printer() for session in self._sessions.values()]

    async def own(self) -> None:
        """Take every printer over: new fences, new versions of their active prints."""
        self._parts.lease.renew()
        records = await self._parts.storage.read(repository.list_printers)
        events = {record.id: self._event("printer.owned", record.id) for record in records}
        await self._parts.storage.write(
            repository.take_over, self._node, self._parts.steward, events
        )

    async def start(self) -> None:
        """Open a session for every printer in service; `own` comes first."""
        for record in await self._parts.storage.read(repository.list_printers):
            self._open(record)

    async def stop(self) -> None:
        """Close every session; prints on printers go on by themselves.

        A start that is on its way is waited for a while: cut off, it would need a person's eyes.
        """
        await self._starts_end(list(self._sessions.values()))
        async with asyncio.TaskGroup() as tasks:
            for handle in self._handles.values():
                tasks.create_task(handle.stop())
        self._handles.clear()

    async def _starts_end(self, sessions: Sequence[PrinterSession]) -> None:
        """Let these sessions begin nothing more, and wait for the answers to what they started."""
        for session in sessions:
            session.closing = True
        limit = self._parts.clock.boot() + self._parts.timings.command
        while any(session.mid_start for session in sessions):
            if self._parts.clock.boot() >= limit:
                break
            await asyncio.sleep(LOOK_AGAIN_S)

    async def keep_lease(self) -> None:
        """Renew the node's lease for as long as this runs."""
        while True:
            self._parts.lease.renew()
            await asyncio.sleep(self._parts.timings.lease / 5)

    async def add(self, new: NewPrinter) -> PrinterRecord:
        """Add a printer and connect to it; UnknownDriver, InvalidPrinter, NameTaken."""
        manifest = self._manifest(new.driver)
        self._check(manifest, new.spec, new.connection)
        spec = replace(new.spec, id=self._parts.new_id())
        sealed = self.seals.seal(spec.id, new.connection, manifest.secrets)
        event = self._event("printer.added", spec.id, name=spec.name, driver=new.driver)
        record = await self._parts.storage.write(
            repository.add_printer, spec, new.driver, sealed, self._node, event, self._two_ids()
        )
        self._open(record)
        return record

    async def edit(
        self, reference: str, spec: PrinterSpec, connection: Mapping[str, Any], version: int
    ) -> PrinterRecord:
        """Replace a printer's description; a changed connection opens a new session.

        PrinterBusy where that would end a print: one that is streamed lives in its session.
        """
        before = await self.get(reference)
        manifest = self._manifest(before.driver)
        self._check(manifest, spec, self._plain(before, connection))
        sealed = self.seals.seal(before.id, connection, manifest.secrets, before=before.connection)
        event = self._event("printer.edited", before.id, name=spec.name)
        ids = () if spec.group == before.spec.group else self._two_ids()
        reconnect = sealed != dict(before.connection) or spec.enabled is not before.spec.enabled
        with _about_to_close(self._sessions.get(before.id) if reconnect else None):
            record = await self._parts.storage.write(
                repository.edit_printer, spec, sealed, version, event, ids
            )
        if reconnect:
            await self._reopen(record.id)
        elif record.id in self._sessions:
            self._sessions[record.id].described(record)
        self._parts.stirred(record.id)
        return record

    async def retire(self, reference: str) -> None:
        """Take a printer out of service; PrinterBusy while a print is active on it."""
        record = await self.get(reference)
        event = self._event("printer.retired", record.id, name=record.spec.name)
        await self._parts.storage.write(
            repository.retire_printer, record.id, self._parts.steward, event
        )
        async with self._door(record.id):
            self._sessions.pop(record.id, None)
            handle = self._handles.pop(record.id, None)
            if handle is not None:
                await handle.stop()
        self._parts.stirred(record.id)

    async def get(self, reference: str) -> PrinterRecord:
        """The printer with this id or number, as stored; UnknownPrinter."""
        return await self._parts.storage.read(repository.get_printer, reference)

    def session(self, printer_id: str) -> PrinterSession:
        """The session of a printer in service; UnknownPrinter for one that is retired."""
        try:
            return self._sessions[printer_id]
        except KeyError:
            message = "the printer is not in service"
            raise UnknownPrinter(message) from None

    async def clear_bed(self, reference: str, bed_version: int) -> PrinterRecord:
        """A person has cleared the bed they saw; PrinterBusy, BedChanged."""
        record = await self.get(reference)
        session = self.session(record.id)
        if not session.seen_before:
            message = "the printer has not been seen yet"
            raise NotSeenYet(message)
        if session.live.activity in RUNS_SOMETHING:
            message = "the printer is seen to print"
            raise PrinterBusy(message)
        event = self._event("bed.clear", record.id, bed_version=bed_version)
        record = await self._parts.storage.write(
            repository.clear_bed, record.id, bed_version, self._parts.steward, event
        )
        session.record = record
        session.look(deep=True)
        self._parts.stirred(record.id)
        return record

    async def connect(self, reference: str) -> None:
        """Try to reach a printer now instead of at the end of its back-off.

        One that is switched off is switched on. One that is halted gets a fresh connection: its
        driver wakes the machine, if it can.
        """
        record = await self.get(reference)
        session = self.session(record.id)
        if not record.spec.enabled:
            spec = replace(record.spec, enabled=True)
            await self.edit(record.id, spec, record.connection, record.version)
        elif session.live.activity is Activity.HALTED:
            await self._reopen(record.id, wake=True)
        else:
            session.connection.hurry()

    async def probe(
        self, driver: str, connection: Mapping[str, Any], of: str | None = None
    ) -> Identity:
        """Try a connection before it is saved: what answers there; DriverError, UnknownDriver.

        Where it is to become that `of` a printer, secrets that it leaves out are the stored ones,
        unless it leads elsewhere: UnknownPrinter, InvalidPrinter, SecretNotSent.
        """
        manifest = self._manifest(driver)
        if of is not None:
            connection = await self._completed(of, manifest, connection)
        timings = DriverTimings(request=self._parts.timings.request)
        made: Driver = manifest.make(connection, timings)
        try:
            async with asyncio.timeout(self._parts.timings.connect):
                return await made.connect()
        finally:
            await made.close()

    async def _completed(
        self, of: str, manifest: Manifest, connection: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        record = self.session((await self.get(of)).id).record
        if record.driver != manifest.name:
            message = f"the driver of {record.spec.name} is {record.driver}, not {manifest.name}"
            raise InvalidPrinter(message)
        whole = with_stored_secrets(record.connection, connection, manifest)
        return self.seals.open(record.id, whole)

    def _event(self, kind: str, printer_id: str, **data: Any) -> EventRecord:
        return EventRecord(
            self._parts.new_id(), self._parts.clock.now(), kind, printer_id=printer_id, data=data
        )

    def _two_ids(self) -> tuple[str, str]:
        """For a group that may have to be made, and its event."""
        return self._parts.new_id(), self._parts.new_id()

    def _manifest(self, driver: str) -> Manifest:
        try:
            return self._manifests[driver]
        except KeyError:
            known = ", ".join(sorted(self._manifests)) or "none"
            message = f"there is no driver {driver}; installed: {known}"
            raise UnknownDriver(message) from None

    def _plain(
        self, before: PrinterRecord, connection: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """A connection as its driver takes it; None where it is the stored one, and locked."""
        try:
            return self.seals.open(before.id, connection)
        except SecretLocked:
            if dict(connection) == dict(before.connection):
                return None  # whatever else of the printer is changed, this is let be
            raise

    def _check(
        self, manifest: Manifest, spec: PrinterSpec, connection: Mapping[str, Any] | None
    ) -> None:
        if not spec.name.strip():
            message = "a printer needs a name"
            raise InvalidPrinter(message)
        if spec.bed_policy.clear is BedClearing.MACRO:
            message = f"the driver {manifest.name} cannot run a macro that clears the bed"
            raise InvalidPrinter(message, "Use the bed policy manual or automatic.")
        if connection is not None:
            manifest.make(connection, DriverTimings())

    def _open(self, record: PrinterRecord, *, wake: bool = False) -> None:
        manifest = self._manifests.get(record.driver) or missing_driver(record.driver)
        session = PrinterSession(record, manifest, self._parts)
        session.connection.wake = wake
        before = self._sessions.get(record.id)
        session.starts = 0 if before is None else before.starts
        if before is not None:
            session.console = before.console
        self._sessions[record.id] = session
        name = f"printer {record.spec.number} {record.spec.name}"
        self._handles[record.id] = self._spawner.start(name, session.serve)

    def _door(self, printer_id: str) -> asyncio.Lock:
        """One at a time opens or closes a printer's session: there are never two of it."""
        return self._doors.setdefault(printer_id, asyncio.Lock())

    async def _reopen(self, printer_id: str, *, wake: bool = False) -> None:
        """End a printer's session and begin another one, of what is stored by then."""
        async with self._door(printer_id):
            session = self._sessions.get(printer_id)
            if session is not None:
                await self._starts_end([session])
            handle = self._handles.pop(printer_id, None)
            if handle is not None:
                await handle.stop()
            if printer_id not in self._sessions:
                return  # it was retired meanwhile
            record = await self._parts.storage.read(repository.get_printer, printer_id)
            self._open(record, wake=wake)
