"""The steward of active prints: asks `next_action` and carries out what it answers.

Decisions are pure (core/prints.py), writes are transactions (transitions.py), physical steps are
the session's hands (fleet). This file only joins them, one effect at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from buildplate.core.actions import (
    AbandonExit,
    Action,
    Barrier,
    BeginExit,
    DropOrder,
    Intend,
    Move,
    NameUpload,
    RefuseAsk,
    Revoke,
    SendOrder,
    SendStart,
    StoreOrder,
    Transfer,
    Verdict,
    Wait,
)
from buildplate.core.beds import BedChange, bed_after_verdict
from buildplate.core.deeds import Deeds, ExitStep, Order, Start, Upload
from buildplate.core.print_table import ACTIVE, AFTER_INTENT, Event, PrintState
from buildplate.core.printers import Bed
from buildplate.core.prints import Ask, ExitWish, PrintFacts, Timings, Wants, Word, next_action
from buildplate.core.upload_names import tries_of
from buildplate.dispatch import leftovers, repository, transitions
from buildplate.dispatch.errors import DispatchError, IntentRefused, Stale
from buildplate.dispatch.model import PrintRecord
from buildplate.dispatch.ports import PrintFiles
from buildplate.dispatch.transitions import End, Stamp
from buildplate.drivers.sdk import Capability, FileBody, Watch
from buildplate.fleet import ledger
from buildplate.fleet.model import CommandRecord, CommandState, InFlight
from buildplate.fleet.ports import Clock
from buildplate.storage import Storage, Tx

if TYPE_CHECKING:
    from buildplate.fleet.session import PrinterSession

STEPS_AT_A_TIME = 64
KEPT = 256
LONGEST_PAUSE_DOUBLINGS = 7
PHYSICAL = (Transfer, SendStart, SendOrder, Revoke, Barrier)


@dataclass(frozen=True, slots=True)
class StewardParts:
    """What the steward works with; `pace` is the farm's time factor."""

    storage: Storage
    files: PrintFiles
    clock: Clock
    timings: Timings
    give_back_pause: timedelta
    new_id: Callable[[], str]
    wake_planner: Callable[[], None]
    stir_planner: Callable[[], None]
    log: Any
    pace: float = 1.0


class Steward:
    """Keeps the active prints of this node's printers and takes them on, step by step."""

    def __init__(self, parts: StewardParts) -> None:
        self._parts = parts
        self._active: dict[str, PrintRecord] = {}
        self._orders: dict[str, CommandRecord] = {}
        self._changed: set[str] = set()
        self._files: dict[str, str] = {}
        self.stopped = False

    # --- what fleet asks (fleet.ports.PrintSteward) ----------------------------------------------

    def watch(self, printer_id: str) -> Watch | None:
        """The file whose evidence the next read should carry."""
        print_ = self._active.get(printer_id)
        if print_ is None or print_.path is None:
            return None
        return Watch(print_.path, print_.baseline)

    def occupant(self, printer_id: str) -> tuple[str, bool] | None:
        """The active print's id and whether it needs attention."""
        print_ = self._active.get(printer_id)
        if print_ is None:
            return None
        return print_.id, print_.state is PrintState.NEEDS_ATTENTION

    def occupants(self) -> Mapping[str, tuple[str, bool]]:
        """What `occupant` says, of every printer that is not free."""
        return {
            printer_id: (print_.id, print_.state is PrintState.NEEDS_ATTENTION)
            for printer_id, print_ in self._active.items()
        }

    def keeps(self, printer_id: str) -> bool:
        """Whether an active print forbids deleting other files on the printer."""
        return printer_id in self._active

    async def spent(self, session: PrinterSession, paths: Sequence[str]) -> Sequence[str]:
        """Files on a printer that this farm has sent and needs no more; see the port.

        Where one shows that the database is older than the printers, the farm stops.
        """
        sorted_ = await leftovers.sort(self._parts.storage, session.record, paths)
        if sorted_.lost:
            lost = sorted_.lost
            reason = leftovers.why_stopped(session.record, lost)
            said, stamp = leftovers.told(reason, lost), self._stamp(1 + len(lost))
            await self._parts.storage.write(repository.distrust, session.id, lost, said, stamp)
            self.stopped = True
            self._parts.log.error(
                "farm.stopped", action="stop", printer_id=session.id, reason=reason
            )
            self._parts.wake_planner()
        return sorted_.spent

    def freed(self, printer_id: str) -> None:  # noqa: ARG002 (the port names the printer)
        """A printer may have become ready, or stopped being so."""
        self._parts.stir_planner()

    async def take_over(self, tx: Tx, printer_id: str, fence: int) -> None:
        """Join the take-over of a printer."""
        await transitions.take_over(tx, printer_id, fence)

    async def release(self, tx: Tx, printer_id: str) -> bool:
        """Whether the printer has no active print, inside the caller's transaction."""
        return await transitions.is_free(tx, printer_id)

    # --- what dispatch tells ---------------------------------------------------------------------

    async def load(self) -> None:
        """Read every active print from the database: the start-up's only special step."""
        self.stopped = await self._parts.storage.read(transitions.farm_stopped)
        for print_ in await self._parts.storage.read(transitions.active_prints):
            if print_.printer_id is not None:
                self._active[print_.printer_id] = print_

    def begin(self, print_: PrintRecord, session: PrinterSession) -> None:
        """A claim was committed: the print is this printer's now."""
        self._active[session.id] = print_
        session.deeds = Deeds()
        session.nudge()

    def changed(self, printer_id: str) -> None:
        """People changed the printer's print in the database: read it again before deciding."""
        self._changed.add(printer_id)

    # --- the loop --------------------------------------------------------------------------------

    async def attend(self, session: PrinterSession) -> None:
        """Take every step that is due for the printer's active print."""
        for _ in range(STEPS_AT_A_TIME):
            if session.id in self._changed:
                self._changed.discard(session.id)
                await self._reload(session)
            print_ = self._active.get(session.id)
            if print_ is None:
                await self._refuse_orphan(session)
                return
            try:
                if not await self._step(print_, session):
                    return
            except Stale:
                await self._reload(session)
        session.nudge()

    async def _step(self, print_: PrintRecord, session: PrinterSession) -> bool:
        """One decision and its effect; whether another one can follow at once."""
        if not self._is_read(print_, session):
            session.look()
            return False
        decision = next_action(
            self._facts(print_),
            self._wants(print_, session),
            session.seen(released=not self.stopped),
            session.deeds,
            self._parts.clock.boot(),
        )
        if isinstance(decision.action, PHYSICAL) and session.hands.busy:
            return False
        session.deeds = decision.deeds
        return await self._carry_out(decision.action, print_, session)

    def _is_read(self, print_: PrintRecord, session: PrinterSession) -> bool:
        """Whether the last reading is of what is to be decided on.

        The start may go out on the reading that its intent was made on, while that is fresh and the
        printer has said nothing since.
        """
        if print_.state not in AFTER_INTENT or session.reading is None:
            return True
        if session.read_for == self.watch(session.id):
            return True
        fresh = self._parts.clock.boot() - self._parts.timings.fresh
        since = max(fresh, session.connection.stirred_at)
        return session.deeds.start is Start.DUE and session.reading.begun >= since

    def _facts(self, print_: PrintRecord) -> PrintFacts:
        wish = None
        if print_.exit_verdict is not None and print_.state in ACTIVE:
            verdict = PrintState(print_.exit_verdict)
            wish = ExitWish(verdict, print_.exit_by or "", print_.reason or "")
        return PrintFacts(print_.state, print_.attempt, wish)

    def _wants(self, print_: PrintRecord, session: PrinterSession) -> Wants:
        said = print_.resolution
        word = None
        if said is not None:
            word = Word(PrintState(said["outcome"]), Bed(said["bed"]), bool(said.get("override")))
        asked = session.asked
        ask = None
        if asked is not None and asked.print_id == print_.id:
            ask = Ask(asked.id, asked.kind)
        return Wants(
            cancel=print_.wants_cancel,
            word=word,
            ask=ask,
            timings=self._parts.timings,
            barrier=Capability.BARRIER in session.manifest.capabilities,
        )

    async def _carry_out(
        self, action: Action, print_: PrintRecord, session: PrinterSession
    ) -> bool:
        match action:
            case Wait(until):
                if until is not None:
                    session.look(until)
                return False
            case Transfer() | SendStart() | SendOrder() | Revoke() | Barrier():
                return await self._physical(action, print_, session)
            case StoreOrder() | DropOrder() | RefuseAsk():
                return await self._order(action, print_, session)
            case _:
                return await self._write(action, print_, session)

    # --- physical steps --------------------------------------------------------------------------

    async def _physical(self, action: Action, print_: PrintRecord, session: PrinterSession) -> bool:
        match action:
            case Transfer():
                return await self._transfer(print_, session)
            case SendStart():
                session.hands.start(print_.path or "")
            case SendOrder():
                session.hands.order(self._orders[session.id])
            case Revoke():
                self._active[session.id] = await self._parts.storage.write(
                    transitions.step_exit, print_, "revoking"
                )
                session.hands.revoke(print_.path)
            case Barrier():
                session.hands.barrier()
        return False

    async def _transfer(self, print_: PrintRecord, session: PrinterSession) -> bool:
        try:
            body = await self._parts.files.body(await self._file_of(print_.job_id))
        except DispatchError as error:
            session.deeds = Deeds()
            await self._give_back(print_, session, str(error))
            return False

        async def stored(path: str) -> bool:
            return await self._store_path(print_, session, path, body)

        session.hands.transfer(print_.file_name, body, stored)
        return False

    async def _file_of(self, job_id: str) -> str:
        """The file that a job prints, which never changes; the last answers are kept."""
        known = self._files.get(job_id)
        if known is None:
            known = await self._parts.storage.read(transitions.file_of, job_id)
            if len(self._files) >= KEPT:
                self._files.clear()
            self._files[job_id] = known
        return known

    async def _store_path(
        self, print_: PrintRecord, session: PrinterSession, path: str, body: FileBody
    ) -> bool:
        """Commit where the file is, unless the print has moved on; people's wishes are no move."""
        for _ in range(STEPS_AT_A_TIME):
            now = self._active.get(session.id)
            if now is None or now.id != print_.id or now.attempt != print_.attempt:
                return False
            try:
                kept = await self._parts.storage.write(
                    transitions.store_path, now, path, body.sha256, body.size
                )
            except Stale:
                await self._reload(session)
                continue
            self._active[session.id] = kept
            return True
        return False

    # --- orders: cancel, pause, resume -----------------------------------------------------------

    async def _order(self, action: Action, print_: PrintRecord, session: PrinterSession) -> bool:
        now = self._parts.clock.boot()
        match action:
            case StoreOrder(kind, command_id):
                return await self._store_order(kind, command_id, print_, session)
            case DropOrder(kind, reason):
                order = self._orders.get(session.id)
                if order is not None:
                    await self._close(order, CommandState.SETTLED, f"not sent: {reason}", session)
                    self._orders.pop(session.id, None)
                session.in_flight = None
                session.deeds = session.deeds.ordering(Order.NONE, kind, now)
            case RefuseAsk(_, reason):
                if session.asked is not None:
                    await self._close(session.asked, CommandState.REFUSED, reason, session)
                session.asked = None
        return True

    async def _store_order(
        self, kind: str, command_id: str | None, print_: PrintRecord, session: PrinterSession
    ) -> bool:
        at = self._parts.clock.now()
        asked = session.asked
        if command_id is not None and asked is not None:
            order = replace(asked, sent_at=at, state=CommandState.SENT)
        else:
            order = CommandRecord(
                id=self._parts.new_id(),
                printer_id=session.id,
                print_id=print_.id,
                kind=kind,
                state=CommandState.SENT,
                asked_by=None,
                asked_at=at,
                sent_at=at,
                answered_at=None,
                settled_at=None,
                answer=None,
            )
        event = session.event("command.sent", print_.id, command_id=order.id, command=kind)
        if not await self._parts.storage.write(ledger.store_order, session.record, order, event):
            session.asked = None
            self.changed(session.id)
            return True
        if command_id is not None:
            session.asked = None
        boot = self._parts.clock.boot()
        self._orders[session.id] = order
        session.in_flight = InFlight.of(order, boot)
        session.deeds = session.deeds.ordering(Order.STORED, kind, boot)
        return True

    async def _close(
        self, order: CommandRecord, state: CommandState, words: str, session: PrinterSession
    ) -> None:
        event = session.event(f"command.{state}", order.print_id, command_id=order.id)
        await self._parts.storage.write(ledger.close_command, order.id, state, words, event)

    async def _refuse_orphan(self, session: PrinterSession) -> None:
        """A pause or resume whose print has ended has nothing to act on any more."""
        if session.asked is not None:
            asked, session.asked = session.asked, None
            await self._close(asked, CommandState.REFUSED, "the print has ended", session)

    # --- writes ----------------------------------------------------------------------------------

    def _stamp(self, ids: int = 1) -> Stamp:
        return Stamp(self._parts.clock.now(), tuple(self._parts.new_id() for _ in range(ids)))

    async def _write(self, action: Action, print_: PrintRecord, session: PrinterSession) -> bool:
        storage, now = self._parts.storage, self._parts.clock.boot()
        match action:
            case NameUpload():
                named = await storage.write(transitions.name_upload, print_, self._stamp())
                self._active[session.id] = named
                session.deeds = session.deeds.uploading(Upload.NAMED, now)
            case Intend():
                await self._intend(print_, session)
                session.nudge()
                return False  # what has come into the mailbox meanwhile is heard before the start
            case Move(event, reason):
                await self._move(event, reason, print_, session)
            case BeginExit(verdict, by, reason):
                evidence = self._evidence(session)
                leaving = await storage.write(
                    transitions.begin_exit, print_, verdict, by, reason, evidence, self._stamp()
                )
                self._active[session.id] = leaving
                session.deeds = session.deeds.leaving(ExitStep.STORED, self._parts.clock.boot())
            case AbandonExit(reason):
                kept = await storage.write(transitions.abandon_exit, print_, reason, self._stamp())
                self._active[session.id] = kept
            case Verdict(verdict, by, reason):
                await self._end(verdict, by, reason, print_, session)
        return True

    async def _intend(self, print_: PrintRecord, session: PrinterSession) -> None:
        reading = session.reading
        baseline = {} if reading is None else reading.baseline
        session.intending = True
        try:
            started = await self._parts.storage.write(
                transitions.intend, print_, session.record, baseline, self._stamp()
            )
        except IntentRefused as error:
            await self._give_back(print_, session, str(error))
            return
        finally:
            session.intending = False
        self._active[session.id] = started
        session.bed_taken()
        session.starts += 1
        session.deeds = session.deeds.starting(Start.DUE, self._parts.clock.boot())
        self._log("intent stored", started, session)

    async def _move(
        self, event: Event, reason: str, print_: PrintRecord, session: PrinterSession
    ) -> None:
        if event is Event.GIVEN_BACK:
            await self._give_back(print_, session, reason)
            return
        if print_.state not in AFTER_INTENT:
            ended = await self._parts.storage.write(
                transitions.drop_unstarted, print_, reason, self._stamp()
            )
            session.hands.drop_transfer()
            self._leave(ended, session)
            return
        moved = await self._parts.storage.write(
            transitions.move, print_, event, reason, self._evidence(session), self._stamp()
        )
        self._active[session.id] = moved
        self._log(f"{print_.state} to {moved.state}", moved, session, reason=reason)
        self._parts.stir_planner()

    async def _give_back(self, print_: PrintRecord, session: PrinterSession, reason: str) -> None:
        rounds = tries_of(print_.attempt) // self._parts.timings.upload_tries
        pause = self._parts.give_back_pause * 2 ** min(max(rounds - 1, 0), LONGEST_PAUSE_DOUBLINGS)
        not_before: datetime | None = self._parts.clock.now() + pause
        queued = await self._parts.storage.write(
            transitions.give_back, print_, reason, not_before, self._stamp()
        )
        session.hands.drop_transfer()
        self._leave(queued, session, reason=reason)

    async def _end(
        self,
        verdict: PrintState,
        by: str,
        reason: str,
        print_: PrintRecord,
        session: PrinterSession,
    ) -> None:
        change = self._bed_after(verdict, by, print_, session)
        end = End(
            verdict,
            by,
            reason,
            self._evidence(session),
            None if change is None else change.bed,
            "" if change is None else change.reason,
            self._parts.pace,
        )
        ended = await self._parts.storage.write(
            transitions.end_print, print_, session.record, end, self._stamp(3)
        )
        if change is not None:
            session.bed_left(change.bed, change.reason)
        self._leave(ended, session, reason=reason, by=by)

    def _bed_after(
        self, verdict: PrintState, by: str, print_: PrintRecord, session: PrinterSession
    ) -> BedChange | None:
        """The bed that the ended print leaves; a person's word is of the bed that they saw."""
        said = None
        if print_.resolution is not None and by != "observation":
            said = Bed(print_.resolution["bed"])
        if said is Bed.CLEAR and by != "override" and not session.vouched:
            why = "it was said to be clear, but not all was seen that happened since"
            return BedChange(Bed.UNKNOWN, why)
        evidence = session.reading.evidence if session.reading else None
        return bed_after_verdict(
            verdict,
            policy=session.record.spec.bed_policy.clear,
            before=Bed(print_.bed_before or Bed.UNKNOWN),
            nothing_ran=evidence is not None and not evidence.others_ran,
            company=session.company,
            said=said,
        )

    def _leave(self, print_: PrintRecord, session: PrinterSession, **words: str) -> None:
        """The print holds this printer no longer."""
        self._active.pop(session.id, None)
        self._orders.pop(session.id, None)
        session.deeds = Deeds()
        session.hands.leftovers = True
        self._log(f"print is {print_.state}", print_, session, **words)
        self._parts.wake_planner()

    async def _reload(self, session: PrinterSession) -> None:
        """Read the printer's print again; someone else has written it."""
        known = self._active.get(session.id)
        if known is None:
            return
        now = await self._parts.storage.read(transitions.get_print, known.id)
        if now.state in ACTIVE and now.printer_id == session.id:
            self._active[session.id] = now
        else:
            self._leave(now, session)

    def _evidence(self, session: PrinterSession) -> dict[str, Any]:
        reading = session.reading
        if reading is None:
            return {"link": session.live.link.value, "problem": session.live.problem}
        shown = {} if reading.evidence is None else asdict(reading.evidence)
        return shown | {"activity": reading.activity.value, "path": reading.path}

    def _log(self, action: str, print_: PrintRecord, session: PrinterSession, **more: str) -> None:
        self._parts.log.info(
            "print",
            action=action,
            print_id=print_.id,
            print_number=print_.number,
            job_id=print_.job_id,
            printer_id=session.id,
            **more,
        )
