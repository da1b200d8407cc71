"""The use cases of a printer's panel: people order something of a machine, and see what it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from weakref import WeakKeyDictionary

from buildplate.core.controlling import FREE, Denial, Moment, Need, denial
from buildplate.core.gcode_sense import Sense
from buildplate.core.printers import Bed
from buildplate.drivers.sdk import (
    CAPABILITY_OF,
    Capability,
    Control,
    DriverError,
    EmergencyStop,
    Equipment,
    Extrude,
    FileTeller,
    HostConfused,
    HostFile,
    Picture,
)
from buildplate.fleet import ledger
from buildplate.fleet.errors import (
    ActivityUnknown,
    CommandPending,
    MachineBusy,
    NotCapable,
    OrderDenied,
    PrinterHalted,
    PrinterNotOnline,
    PrinterPrints,
    PrintReserved,
    PrintsNothing,
)
from buildplate.fleet.mail import Done
from buildplate.fleet.model import CommandRecord, CommandState, InFlight
from buildplate.fleet.orders import check_heat, kind_of, need_of, params_of, sense_of
from buildplate.fleet.pictures import Pictures, fit_to_show, shown, tag_of
from buildplate.fleet.service import FleetService
from buildplate.fleet.session import PrinterSession, SessionParts
from buildplate.storage import EventRecord, OutcomeUnknown

EQUIPMENT_KNOWN_S = 3.0
"""How long an answer about a printer's equipment is given again."""
NOTE_WAIT_S = 1.0
"""How long the answer to an emergency stop waits for its record."""

DENIALS: Mapping[Denial, tuple[type[OrderDenied], str]] = MappingProxyType(
    {
        Denial.PRINTS: (PrinterPrints, "a print runs on the printer"),
        Denial.BUSY: (MachineBusy, "the machine moves, runs G-code or is starting"),
        Denial.HALTED: (PrinterHalted, "the machine stopped with an error"),
        Denial.NOT_KNOWN: (ActivityUnknown, "the printer has not said what it is doing"),
        Denial.PRINTS_NOTHING: (PrintsNothing, "no print runs on the printer"),
        Denial.RESERVED: (PrintReserved, "a print of ours holds the printer"),
        Denial.NOT_ONLINE: (PrinterNotOnline, "the printer is not online; nothing was sent"),
        Denial.PENDING: (CommandPending, "another command to this printer is not answered yet"),
        Denial.NOT_CAPABLE: (NotCapable, "this printer's driver does not offer that"),
    }
)


@asynccontextmanager
async def turn(session: PrinterSession) -> AsyncIterator[None]:
    """Hold a printer's mailbox while the block runs: nothing of it is decided meanwhile.

    TimeoutError when it does not come to that within the longest command time-out.
    """
    ours, over = asyncio.Event(), asyncio.Event()

    async def held() -> None:
        ours.set()
        await over.wait()

    try:
        async with asyncio.timeout(session.parts.timings.command):
            await session.post(Done(held))
            await ours.wait()
        yield
    finally:
        over.set()


class ControlService:
    """Orders of people to single printers, and what those have to offer."""

    def __init__(self, parts: SessionParts, fleet: FleetService) -> None:
        self._parts = parts
        self._fleet = fleet
        self._equipment: WeakKeyDictionary[PrinterSession, _Known] = WeakKeyDictionary()
        self._pictures = Pictures()
        self._asking: WeakKeyDictionary[PrinterSession, asyncio.Lock] = WeakKeyDictionary()

    async def order(
        self, printer_id: str, order: Control, who: str, key: str | None = None
    ) -> CommandRecord:
        """Store a person's order and send it, once; the same key answers the order made first.

        Raises OrderDenied, TooHot, GcodeRefused, KeyUsed, UnknownPrinter.
        """
        session = self._fleet.session(printer_id)
        command = self._command(session, order, who, key)
        if key is not None:
            known = await self._parts.storage.read(ledger.command_of_key, command)
            if known is not None:
                return known
        does = sense_of(order)
        check_heat(does, session.record.spec.model)
        need = need_of(order, does)
        _check(session, order, need, held=False)
        try:
            async with turn(session):
                known = await self._parts.storage.read(ledger.command_of_key, command)
                if known is not None:  # the same order came again while this one waited
                    return known
                _check(session, order, need, held=True)
                return await self._store_and_send(session, command, order, does, need)
        except TimeoutError:
            message = "the printer is busy with something else; nothing was sent"
            raise CommandPending(message) from None

    async def _store_and_send(
        self,
        session: PrinterSession,
        command: CommandRecord,
        order: Control,
        does: Sense,
        need: Need,
    ) -> CommandRecord:
        events = [self._sent(session, command)]
        if does.extrudes and session.record.bed is not Bed.OCCUPIED:
            by = "filament was pushed by hand" if isinstance(order, Extrude) else _BY_CODE
            events.append(session.event(f"bed.{Bed.OCCUPIED}", reason=by))
        steward = self._parts.steward if need in FREE else None
        try:
            stored, record = await self._parts.storage.write(
                ledger.store_control, session.record, command, steward, events
            )
        except (OutcomeUnknown, asyncio.CancelledError):
            # It may stand in the ledger, and is not sent: it settles like one nobody answered.
            session.in_flight = InFlight.of(command, self._parts.clock.boot())
            session.look()
            raise
        if stored.id == command.id:
            session.record = replace(
                session.record,
                bed=record.bed,
                bed_reason=record.bed_reason,
                bed_version=record.bed_version,
            )
            session.controls.send(stored, order)
        return stored

    async def emergency_stop(self, printer_id: str, who: str) -> CommandRecord:
        """Stop a machine at once, whatever is in flight; NotCapable, PrinterNotOnline.

        The stop is sent before anything is waited for. Its record is waited for a little only.
        """
        session = self._fleet.session(printer_id)
        order = EmergencyStop()
        command = self._command(session, order, who, None)
        _check(session, order, Need.NOTHING, held=False)
        noted = session.controls.stop(command)
        await asyncio.wait([noted], timeout=NOTE_WAIT_S)
        return command

    async def equipment(self, printer_id: str) -> Equipment:
        """What the printer's host has to offer, at most some seconds old; PrinterNotOnline.

        Nothing at all where its driver does not tell.
        """
        session = self._fleet.session(printer_id)
        if Capability.EQUIPMENT not in session.manifest.capabilities:
            return Equipment()
        async with self._heard("what it has"), self._turn_to_ask(session):
            known, about = self._equipment.get(session), _doing(session)
            if known is not None and known.about == about and known.until > self._now():
                return known.equipment
            found = await session.connection.driver.equipment()
            found = replace(found, file=shown(found.file))
            until = self._now() + EQUIPMENT_KNOWN_S
            self._equipment[session] = _Known(until, about, found)
            return found

    async def picture(self, printer_id: str, tag: str | None = None) -> tuple[str, Picture] | None:
        """The picture of what the printer prints, or printed last, with the tag of its file.

        None where there is none to show; with `tag` also where it is of another file by now. It is
        fetched once for each file, when somebody asks, and again where the host only failed to give
        it. PrinterNotOnline.
        """
        session = self._fleet.session(printer_id)
        if Capability.EQUIPMENT not in session.manifest.capabilities:
            return None
        async with self._heard("what it prints"), self._turn_to_ask(session):
            driver = session.connection.driver
            if not isinstance(driver, FileTeller):
                return None
            file = shown(await driver.file())
            if file is None or not file.has_picture:
                return None
            found = tag_of(session.id, file)
            if tag not in (None, found):
                return None
            if found not in self._pictures and not await self._fetch(driver, file, found):
                return None
            picture = self._pictures.get(found)
            return None if picture is None else (found, picture)

    async def _fetch(self, driver: FileTeller, file: HostFile, tag: str) -> bool:
        """Fetch the picture of a file and keep it, or that there is none; whether that is known."""
        try:
            picture = fit_to_show(await driver.picture(file))
        except HostConfused:
            return False
        if picture is None and await driver.file() != file:
            return False  # it is not the one in print any more
        self._pictures.keep(tag, picture)
        return True

    def _turn_to_ask(self, session: PrinterSession) -> asyncio.Lock:
        """What makes those who ask one printer's host for its panel wait for each other."""
        return self._asking.setdefault(session, asyncio.Lock())

    @asynccontextmanager
    async def _heard(self, what: str) -> AsyncIterator[None]:
        """Bound what a host is asked within the block; PrinterNotOnline."""
        try:
            async with asyncio.timeout(self._parts.timings.request):
                yield
        except TimeoutError:
            message = f"the host did not say in time {what}"
            raise PrinterNotOnline(message) from None
        except DriverError as error:
            message = f"the host did not say {what}: {error}"
            raise PrinterNotOnline(message) from error

    def _now(self) -> float:
        return self._parts.clock.boot()

    def _command(
        self, session: PrinterSession, order: Control, who: str, key: str | None
    ) -> CommandRecord:
        now = self._parts.clock.now()
        occupant = self._parts.steward.occupant(session.id)
        return CommandRecord(
            id=self._parts.new_id(),
            printer_id=session.id,
            print_id=None if occupant is None else occupant[0],
            kind=kind_of(order),
            state=CommandState.SENT,
            asked_by=who,
            asked_at=now,
            sent_at=now,
            answered_at=None,
            settled_at=None,
            answer=None,
            params=params_of(order),
            key=key,
        )

    def _sent(self, session: PrinterSession, command: CommandRecord) -> EventRecord:
        return session.event(
            "command.sent", command.print_id, command_id=command.id, command=command.kind
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A printer's equipment: what the printer did when it was told, and until when it counts."""

    until: float
    about: tuple[object, ...]
    equipment: Equipment


def _doing(session: PrinterSession) -> tuple[object, ...]:
    """With what of a printer its equipment changes: what it prints, and what it was told to do."""
    return (session.live.activity, session.live.path, session.controls.answered)


_BY_CODE = "filament was pushed by a macro or by G-code"


def _check(session: PrinterSession, order: Control, need: Need, *, held: bool) -> None:
    """Refuse what does not fit what the printer does now; OrderDenied.

    Where the session's turn is not held, a command in flight may just be noted as answered.
    """
    waits = session.asked is not None or session.mid_start
    moment = Moment(
        link=session.live.link,
        activity=session.live.activity,
        reserved=session.parts.steward.occupant(session.id) is not None,
        pending=waits or (held and session.seen(released=True).unsettled),
    )
    capable = CAPABILITY_OF[type(order)] in session.manifest.capabilities
    found = denial(need, moment, capable=capable)
    if found is not None:
        kind, words = DENIALS[found]
        raise kind(words)
