"""One printer's session: its link, its mailbox, its bed, and the physical steps it is told to do.

Everything that happens with a printer passes through one mailbox, one message at a time: reads,
changes of the link, outcomes of physical steps, wishes of people. After each message the steward
decides. Physical steps run beside the mailbox, so that a printer that hangs blocks nobody, itself
included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from buildplate.core.beds import (
    BedChange,
    Company,
    LastSeen,
    bed_after_gap,
    bed_after_reading,
    is_foreign,
)
from buildplate.core.deeds import Deeds, Order, Start
from buildplate.core.evidence import Reading, Run
from buildplate.core.printers import Activity, Bed, Link, Printer, PrinterStatus
from buildplate.core.prints import Seen
from buildplate.drivers.sdk import Capability, Manifest, Push, Watch
from buildplate.fleet import ledger, repository
from buildplate.fleet.connection import Connection, Host
from buildplate.fleet.console import Console
from buildplate.fleet.control_hands import ControlHands
from buildplate.fleet.errors import OwnerChanged
from buildplate.fleet.hands import Hands
from buildplate.fleet.leases import Lease
from buildplate.fleet.mail import Done, LinkIs, Message, Nudge, Read
from buildplate.fleet.model import (
    CommandRecord,
    CommandState,
    FleetTimings,
    InFlight,
    LiveState,
    PrinterRecord,
)
from buildplate.fleet.ports import Clock, PrintSteward
from buildplate.fleet.sealing import Seals
from buildplate.fleet.transfers import TransferSlots
from buildplate.fleet.watchers import Watchers
from buildplate.storage import EventRecord, Storage, StorageError, to_micros


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What every session of a fleet shares; `on_step` is told around each physical step.

    `host_locks` forgets a lock that nobody holds. `notes`: where each printer's driver has a folder
    of its own, for what it must find again after a crash.
    """

    storage: Storage
    steward: PrintSteward
    clock: Clock
    timings: FleetTimings
    lease: Lease
    seals: Seals
    slots: TransferSlots
    host_locks: MutableMapping[str, asyncio.Lock]
    new_id: Callable[[], str]
    log: Any
    on_step: Callable[[str], None] | None = None
    watchers: Watchers = field(default_factory=Watchers)
    notes: Path | None = None

    def stirred(self, printer_id: str) -> None:
        """People have changed something about a printer."""
        self.steward.freed(printer_id)
        self.watchers.tell(printer_id)


MAILBOX = 256
LONGEST_LEFT_S = 365 * 86400.0
"""What any host may say is left of a print; more would overflow a date."""


class PrinterSession:
    """The one live link to a printer. `serve` runs until it is cancelled.

    `vouched`: since a person last spoke of the bed, nothing else was seen to run and the link held.
    `company`: what else may have been printed since our print was last seen to run. `intending`: an
    intent is being written. `closing`: nothing new is begun any more; nor while changes that end
    the session are being stored, of which there are `changes`.
    """

    def __init__(self, record: PrinterRecord, manifest: Manifest, parts: SessionParts) -> None:
        self.record = record
        self.manifest = manifest
        self.parts = parts
        self.live = LiveState()
        self.live.link = self._link_at_first()
        self.deeds = Deeds()
        self.reading: Reading | None = None
        self.read_for: Watch | None = None
        self.in_flight: InFlight | None = None
        self.stops: dict[str, float] = {}
        self.asked: CommandRecord | None = None
        self.console = Console()
        self.starts = 0
        self.vouched = False
        self.company = Company()
        self.intending = False
        self.closing = False
        self.changes = 0
        self._mail: asyncio.Queue[Message] = asyncio.Queue(MAILBOX)
        host = Host(self._make, self._watch, self.post, self._telemetry)
        self.connection = Connection(host, parts.timings, parts.clock.boot)
        self.hands = Hands(self)
        self.controls = ControlHands(self)
        self._kept: Message | None = None
        self._seen_stored = float("-inf")
        self._deep_from = float("-inf")
        self._foreign: str | None = None
        self._short_gap = False
        self._had_print = False

    @property
    def id(self) -> str:
        """The printer's id."""
        return self.record.id

    async def serve(self) -> None:
        """Run the link and the mailbox until cancelled.

        Called again after a failure: then only what is stored counts, and nothing that the former
        life has read, done or been told.
        """
        self.deeds = Deeds()
        self.reading = None
        self._mail, self._kept = asyncio.Queue(MAILBOX), None
        self.hands.forget()
        self.vouched = self.intending = False
        self.company = Company()
        self.live.activity, self.live.powered = Activity.UNKNOWN, True
        self.live.link = self._link_at_first()
        await self._recall()
        self.nudge()  # what waits for a printer that is disabled hears nothing else
        async with asyncio.TaskGroup() as tasks:
            self.hands.tasks = tasks
            tasks.create_task(self._mailbox())
            if self.record.spec.enabled:
                tasks.create_task(self.connection.keep())

    def _link_at_first(self) -> Link:
        return Link.CONNECTING if self.record.spec.enabled else Link.DISABLED

    async def _recall(self) -> None:
        """Read the printer's row and its open commands: a write that was cut off may be there."""
        storage = self.parts.storage
        self.record = await storage.read(repository.get_printer, self.id)
        self.asked = self.in_flight = None
        self.stops = {}
        for order in await storage.read(ledger.open_commands, self.id):
            if order.state is CommandState.ASKED:
                self.asked = order
            elif order.kind == Capability.EMERGENCY_STOP:
                self.stops[order.id] = self.parts.clock.boot()
            else:
                self.in_flight = InFlight.of(order, self.parts.clock.boot())

    async def post(self, message: Message) -> None:
        """Put a message into the mailbox; waits while it is full."""
        await self._mail.put(message)

    def nudge(self) -> None:
        """Have the steward think again soon; a full mailbox will do so anyway."""
        if not self._mail.full():
            self._mail.put_nowait(Nudge())

    def look(self, at: float | None = None, *, deep: bool = False) -> None:
        """Have the printer read at `at` (boot-time s; None: now)."""
        moment = self.parts.clock.boot() if at is None else at
        self.connection.look(moment, deep=deep)

    def seen(self, *, released: bool) -> Seen:
        """What is known of the printer, for a decision; `released`: the farm is not stopped."""
        spec = self.record.spec
        staying = not (self.closing or self.changes)
        fit = released and spec.enabled and not spec.maintenance and staying
        return Seen(
            link=self.live.link,
            reading=self.reading,
            bed=self.record.bed,
            unsettled=self._unsettled is not None,
            may_intend=fit and self.parts.lease.hold(),
        )

    def as_printer(self) -> Printer:
        """The printer as the planner sees it."""
        occupant = self.parts.steward.occupant(self.id)
        status = PrinterStatus(
            link=self.live.link,
            activity=self.live.activity,
            bed=self.record.bed,
            bed_version=self.record.bed_version,
            starts=self.starts,
            active_print_id=occupant[0] if occupant else None,
            needs_attention=occupant[1] if occupant else False,
            unsettled_command=self._unsettled,
            node_alive=self.parts.lease.hold(),
            expected_free=self._expected_free() if occupant else None,
            seen=self.seen_before,
            powered=self.live.powered,
        )
        return Printer(self.record.spec, status)

    def _expected_free(self) -> datetime | None:
        """When the running print should end, by the host's last word."""
        left, told = self.live.time_left_s, self.live.told_at
        if left is None or told is None or self.live.activity is not Activity.OURS:
            return None
        age = self.parts.clock.boot() - told
        return self.parts.clock.now() + timedelta(seconds=min(max(left - age, 0.0), LONGEST_LEFT_S))

    @property
    def seen_before(self) -> bool:
        """The printer has answered a read, now or in a former life."""
        return self.record.seen_at is not None or self.live.link is Link.ONLINE

    @property
    def _unsettled(self) -> str | None:
        """The id of a command that is sent and neither answered nor settled."""
        return self.in_flight.command_id if self.in_flight else next(iter(self.stops), None)

    @property
    def lets_tidy(self) -> bool:
        """The printer is idle and holds no active print: leftovers may be deleted."""
        idle = self.live.link is Link.ONLINE and self.live.activity is Activity.IDLE
        return idle and not self.parts.steward.keeps(self.id)

    @property
    def mid_start(self) -> bool:
        """An intent is stored, or about to be, whose start is not answered yet."""
        return self.intending or self.deeds.start in (Start.DUE, Start.UNDERWAY)

    def event(self, kind: str, print_id: str | None = None, **data: Any) -> EventRecord:
        """An event about this printer, stamped now."""
        new_id, at = self.parts.new_id(), self.parts.clock.now()
        return EventRecord(new_id, at, kind, printer_id=self.id, print_id=print_id, data=data)

    def names(self) -> dict[str, str]:
        """What a line of the log calls the printer, and the print on it."""
        occupant = self.parts.steward.occupant(self.id)
        return {"printer_id": self.id} | ({} if occupant is None else {"print_id": occupant[0]})

    # --- the link's side -------------------------------------------------------------------------

    def _make(self) -> Any:
        connection = self.parts.seals.open(self.id, self.record.connection)
        return self.manifest.make(connection, self.hands.driver_timings)

    def _watch(self) -> Watch | None:
        return self.parts.steward.watch(self.id)

    def _telemetry(self, push: Push) -> None:
        self.live.told_at = self.parts.clock.boot()
        self.live.temperatures.update(push.temperatures)
        if push.progress is not None:
            self.live.progress = push.progress
            self.live.time_left_s = push.time_left_s
        if push.levels is not None:
            self.live.levels = push.levels
        if push.console:
            self.console.add(push.console, self.parts.clock.now())
            self.parts.watchers.tell_console(self.id)
        self.parts.watchers.tell_levels(self.id)

    # --- the mailbox -----------------------------------------------------------------------------

    async def _mailbox(self) -> None:
        retry: float | None = None
        while True:
            if retry is None:
                await self._mail_waits()
            else:
                await asyncio.sleep(retry)
            retry = await self._work()

    async def _mail_waits(self) -> None:
        """Wait for a message and leave it in the mailbox."""
        if self._kept is None:
            self._kept = await self._mail.get()

    async def _work(self) -> float | None:
        """Take all messages, then let the steward act; seconds after which to try again."""
        try:
            while self._kept is not None or not self._mail.empty():
                message = self._kept or self._mail.get_nowait()
                self._kept = message
                await self._take(message)
                self._kept = None
            await self.parts.steward.attend(self)
            self._tidy_up()
        except StorageError as error:
            self.parts.log.warning("printer.storage", error=str(error), **self.names())
            return self.parts.timings.backoff_first
        except OwnerChanged:
            self.record = await self.parts.storage.read(repository.get_printer, self.id)
            return self.parts.timings.min_look
        finally:
            self.parts.watchers.tell(self.id)
        return None

    async def _take(self, message: Message) -> None:
        match message:
            case LinkIs():
                await self._link(message)
            case Read():
                await self._read(message)
            case Done():
                await message.apply()
            case Nudge():
                pass

    async def _link(self, change: LinkIs) -> None:
        before = self.live.link
        self.reading = None
        self.vouched = False
        self.company = replace(self.company, ruled_out=False)
        self.deeds = self.deeds.unwatched()
        self.live.activity, self.live.powered = Activity.UNKNOWN, True
        self.live.problem, self.live.hint = change.problem, change.hint
        self.live.problem_code = change.code
        self.live.link = change.link
        if before is not change.link:
            self._log_link(before, change)
            self.parts.steward.freed(self.id)

    def _log_link(self, before: Link, change: LinkIs) -> None:
        lost = change.link in (Link.OFFLINE, Link.AUTH_REQUIRED)
        say = self.parts.log.warning if lost else self.parts.log.info
        say(
            "printer.link",
            action=f"link {before} to {change.link}",
            **self.names(),
            printer=self.record.spec.name,
            problem=change.problem,
            **({"cause": change.cause} if change.cause else {}),
        )

    async def _read(self, message: Read) -> None:
        reading = message.reading
        before = self._standing()
        self.live.told_at = reading.begun
        if message.identity is not None:
            self.live.software = f"{message.identity.software} {message.identity.version}"
            self.live.warnings = tuple(message.identity.warnings)
            gap, last = self.parts.timings.bed_gap, self._last_seen()
            self._short_gap = last is not None and last.age <= gap
            await self._bed(bed_after_gap(self.record.bed, last, reading, gap))
        another = self._is_another(reading)
        await self._bed(bed_after_reading(self.record.bed, reading, another=another))
        self._note_company(reading)
        self.reading, self.read_for = reading, message.watch
        self.live.take(reading)
        if is_foreign(reading):
            self.hands.leftovers = True  # it may have been of a file that we had left there
            self.vouched = False
            self.deeds = self.deeds.disturbed()
        if self.live.link is Link.SYNCING:
            await self._link_up()
        await self._store_sight(reading)
        await self._settle(reading)
        if self._standing() != before:
            self.parts.steward.freed(self.id)

    def _standing(self) -> tuple[object, ...]:
        """With what of a printer what could start there changes."""
        return self.live.activity, self.live.powered, self.record.bed, self.live.link

    def _is_another(self, reading: Reading) -> bool:
        """Whether the reading shows a print of others that was not seen before."""
        before = self._foreign
        self._foreign = (reading.path or "") if reading.activity is Activity.FOREIGN else None
        if self._foreign is not None:
            return self._foreign != before
        return reading.foreign_ran and before is None

    def _note_company(self, reading: Reading) -> None:
        evidence = reading.evidence
        if evidence is not None and evidence.run is not Run.NONE and evidence.began_since:
            self.company = Company(ruled_out=True)
        elif is_foreign(reading):
            self.company = replace(self.company, seen=True)
        elif evidence is not None:
            kept = evidence.current and self._short_gap
            if kept or not evidence.others_ran:
                self.company = replace(self.company, ruled_out=True)

    async def _link_up(self) -> None:
        self.live.link, self.live.problem, self.live.hint = Link.ONLINE, "", ""
        self.live.problem_code = ""
        self.hands.leftovers, self.hands.compared = True, False
        self._log_link(Link.SYNCING, LinkIs(Link.ONLINE))

    def _last_seen(self) -> LastSeen | None:
        if self.record.seen_at is None:
            return None
        age = (self.parts.clock.now() - self.record.seen_at).total_seconds()
        return LastSeen(abs(age), self.record.fingerprint)

    async def _bed(self, change: BedChange | None) -> None:
        if change is None:
            return
        event = self.event(f"bed.{change.bed}", reason=change.reason)
        self.record = await self.parts.storage.write(
            repository.observe_bed, self.record, change.bed, change.reason, event
        )

    def described(self, record: PrinterRecord) -> None:
        """Take over an edited description; what was observed meanwhile stays."""
        self.record = replace(self.record, spec=record.spec, version=record.version)
        self.nudge()

    def bed_taken(self) -> None:
        """Note that the intent's transaction has occupied the bed."""
        self._note_bed(Bed.OCCUPIED, "a print of ours was started on it")

    def bed_left(self, bed: Bed, reason: str | None) -> None:
        """Note the bed that a verdict's transaction has stored."""
        self._note_bed(bed, reason)

    def _note_bed(self, bed: Bed, reason: str | None) -> None:
        version = self.record.bed_version + 1
        self.record = replace(self.record, bed=bed, bed_reason=reason, bed_version=version)

    async def _store_sight(self, reading: Reading) -> None:
        """Store what the host keeps, when it changed and else at a bounded rate."""
        if reading.fingerprint is None:
            if self._sight_due(reading.begun):
                self._deep_from = reading.begun + self.parts.timings.poll
                self.look(deep=True)
            return
        known = reading.fingerprint == self.record.fingerprint
        if known and reading.begun < self._seen_stored + self.parts.timings.seen_every:
            return
        now = self.parts.clock.now()
        await self.parts.storage.write(
            repository.note_seen, self.record, to_micros(now), reading.fingerprint, reading.process
        )
        self.record = replace(
            self.record, seen_at=now, fingerprint=reading.fingerprint, process=reading.process
        )
        self._seen_stored = reading.begun

    def _sight_due(self, moment: float) -> bool:
        return moment >= max(self._seen_stored + self.parts.timings.seen_every, self._deep_from)

    async def _settle(self, reading: Reading) -> None:
        """Settle commands nobody answered, once they can no longer be waiting anywhere."""
        timings, waiting = self.parts.timings, self.in_flight
        if waiting is not None and not self._has_to_wait:
            over = waiting.since + timings.longest(cuts_power=waiting.cuts_power)
            if reading.begun < over:
                self.look(over)
            else:
                await self._never_answered(waiting.command_id)
                self.in_flight = None
                self.parts.steward.freed(self.id)
        longest = timings.longest()
        for command_id, since in list(self.stops.items()):
            if reading.begun < since + longest:
                self.look(since + longest)
            elif command_id not in self.hands.stopping:
                await self._never_answered(command_id)
                self.stops.pop(command_id, None)
                self.parts.steward.freed(self.id)

    @property
    def _has_to_wait(self) -> bool:
        """The command in flight is under way, or not sent yet: the steward sends or drops it."""
        stored = self.deeds.order is Order.STORED
        return self.hands.ordering or self.hands.controlling or stored

    async def _never_answered(self, command_id: str) -> None:
        event = self.event("command.settled", command_id=command_id)
        await self.parts.storage.write(
            ledger.close_command, command_id, CommandState.SETTLED, "never answered", event
        )

    def _tidy_up(self) -> None:
        """Delete leftovers of ours when the printer is idle and holds no active print.

        While the farm is stopped they are looked at on every printer, whatever it does.
        """
        has_print = self.parts.steward.keeps(self.id)
        if self._had_print and not has_print:
            self.hands.leftovers = True
            self.look(deep=True)
        self._had_print = has_print
        online = self.live.link is Link.ONLINE
        unknown = online and self.parts.steward.stopped and not self.hands.compared
        if (self.hands.leftovers and self.lets_tidy) or unknown:
            self.hands.tidy()
