"""Transactions: what each effect writes, and when it is refused.

This is what the executor of the program must do: compare-and-set on the print's version and the
printer's fence (here: the pending effect is still fresh), states only by the table.
"""

from __future__ import annotations

from buildplate.core.actions import BeginExit, Move, Verdict
from buildplate.core.deeds import Deeds, ExitStep, Order, Start, Upload
from buildplate.core.print_table import (
    AFTER_INTENT,
    EXIT_EVENT,
    Event,
    PrintState,
    after,
)
from buildplate.core.printers import Bed
from tests.exploration.clock import AFTER_EFFECT, FRESH_MEMORY, at_rest
from tests.exploration.world import (
    NOBODY,
    ORDERS,
    Answer,
    Click,
    File,
    LateBed,
    Local,
    Pending,
    Place,
    Print,
    Printer,
    Request,
    RequestKind,
    Scene,
    World,
    active_print,
    is_live,
    local_at,
    put_host,
    put_local,
    put_print,
    put_printer,
)

_START = {"yes": Start.ACCEPTED, "no": Start.REFUSED, "unknown": Start.UNKNOWN}
_BARRIERS = {
    ExitStep.BARRIER: ExitStep.SETTLING,
    ExitStep.BARRIER_AGAIN: ExitStep.SETTLING_AGAIN,
}
RETRIED = frozenset({PrintState.FAILED, PrintState.NOT_STARTED})


def outdate(world: World, index: int) -> World:
    """Somebody wrote the print's row: effects decided on its former version will be refused."""
    for node, row in enumerate(world.nodes):
        for printer, local in enumerate(row):
            pending = local.pending
            if pending is not None and pending.file.print == index and pending.fresh:
                outdated = local._replace(pending=pending._replace(fresh=False))
                world = put_local(world, Place(node, printer), outdated)
    return world


def write(world: World, index: int, print_: Print) -> World:
    """Write a print's row."""
    return outdate(put_print(world, index, print_), index)


def forget(world: World, at: Place) -> World:
    """The node lets go of a print: nobody waits for its requests any more."""
    local = local_at(world, at)
    world = put_local(world, at, Local(channel=local.channel))
    return unanswered(world, at)


def unanswered(world: World, at: Place, only: Request | None = None) -> World:
    """The node no longer waits for an answer (or any) from a printer; the requests go on."""
    host = world.hosts[at.printer]
    requests = tuple(
        request._replace(asker=NOBODY)
        if request.asker == at.node and only in (None, request)
        else request
        for request in host.requests
    )
    return put_host(world, at.printer, host._replace(requests=requests))


def claim(world: World, at: Place, index: int) -> World:
    """Reserve a printer for a print."""
    print_ = world.prints[index]
    state = after(print_.state, Event.READY_PRINTER)
    world = write(world, index, print_._replace(state=state, printer=at.printer))
    local = Local(about=index, channel=local_at(world, at).channel)
    return put_local(world, at, local)


def name_upload(scene: Scene, world: World, index: int) -> World:
    """Give out the next upload name."""
    print_ = world.prints[index]
    attempt = print_.attempt + 1 if scene.rules.unique_names else 1
    state = after(print_.state, Event.NEW_UPLOAD)
    return write(world, index, print_._replace(state=state, attempt=attempt))


def may_intend(scene: Scene, world: World, at: Place, index: int) -> bool:
    """The claim's conditions, repeated inside the intent's transaction."""
    row = world.printers[at.printer]
    return not scene.rules.intent_rechecks or (
        row.bed is Bed.CLEAR
        and row.owner == at.node
        and not row.unsettled
        and not world.prints[index].wants_cancel
        and local_at(world, at).channel
    )


def intend(scene: Scene, world: World, at: Place, index: int) -> World:
    """Write the intent: the bed counts as occupied from here on, and the watch has its baseline."""
    print_ = world.prints[index]
    row = world.printers[at.printer]
    if scene.rules.occupied_at_intent:
        row = row._replace(bed=Bed.OCCUPIED)
    row = row._replace(touched=False, click=_bumped(scene, row))
    host = world.hosts[at.printer]._replace(others=False)
    world = put_host(put_printer(world, at.printer, row), at.printer, host)
    state = after(print_.state, Event.UPLOAD_VERIFIED)
    world = write(world, index, print_._replace(state=state))
    local = local_at(world, at)
    deeds = FRESH_MEMORY.starting(Start.DUE, AFTER_EFFECT)
    local = local._replace(deeds=deeds, held=local.channel, heard=None)
    return put_local(world, at, local)


def _bumped(scene: Scene, row: Printer) -> Click:
    return "stale" if row.click == "valid" and scene.rules.clear_names_version else row.click


def notice_foreign(scene: Scene, world: World, at: Place) -> World:
    """A newer reading shows a foreign run. The next decision may be taken on one newer still."""
    host, local = world.hosts[at.printer], local_at(world, at)
    world = put_host(world, at.printer, host._replace(foreign=False))
    deeds = at_rest(local.deeds)
    if scene.rules.foreign_withholds_start:
        deeds = deeds.disturbed()
    local = local._replace(deeds=deeds, look=None, vouched=False)
    world = put_local(world, at, local)
    return occupy(scene, world, at.printer)


def occupy(scene: Scene, world: World, printer: int) -> World:
    """A part lies on the bed."""
    row = world.printers[printer]
    if scene.rules.foreign_occupies:
        row = row._replace(bed=Bed.OCCUPIED)
        if scene.rules.occupation_bumps:
            row = row._replace(touched=True, click=_bumped(scene, row))
    return put_printer(world, printer, row)


def move(scene: Scene, world: World, at: Place, index: int, action: Move) -> World:
    """Change a print's state; whatever was wanted of the former state is over."""
    print_ = world.prints[index]
    state = after(print_.state, action.event)
    print_ = print_._replace(state=state, exit=None)
    if scene.rules.contradicted_word_dies:
        print_ = print_._replace(word=None)
    if state is PrintState.QUEUED:
        print_ = print_._replace(printer=NOBODY)
    world = write(world, index, print_)
    if state not in AFTER_INTENT:
        return forget(world, at)
    if state in (PrintState.CANCELLING, PrintState.NEEDS_ATTENTION):
        world = put_local(world, at, local_at(world, at)._replace(asked=""))
    return world


def begin_exit(world: World, at: Place, index: int, action: BeginExit) -> World:
    """Store the wanted verdict, and so the evidence for it."""
    print_ = world.prints[index]
    world = write(world, index, print_._replace(exit=(action.verdict, action.by)))
    local = local_at(world, at)
    deeds = local.deeds.leaving(ExitStep.STORED, AFTER_EFFECT)
    return put_local(world, at, local._replace(deeds=deeds))


def abandon_exit(scene: Scene, world: World, index: int) -> World:
    """Drop the wanted verdict, and with it the word that it may stand on."""
    print_ = world.prints[index]._replace(exit=None)
    if scene.rules.contradicted_word_dies:
        print_ = print_._replace(word=None)
    return write(world, index, print_)


def end(scene: Scene, world: World, at: Place, index: int, action: Verdict) -> World:
    """Write the verdict, the bed and the replacement print in one transaction."""
    print_ = world.prints[index]
    row = _bed_after(scene, world, at, index, action)
    world = put_printer(world, at.printer, row)
    state = after(print_.state, EXIT_EVENT[action.verdict])
    world = write(world, index, print_._replace(state=state))
    if action.by == "override":
        world = world._replace(excused=True)
    if scene.rules.replaced_with_verdict:
        world = replacement(scene, world, index)
    world = forget(world, at)
    if scene.rules.occupied_at_intent or action.verdict is PrintState.NOT_STARTED:
        return world
    late = local_at(world, at)._replace(pending=Pending(File(index, 0), LateBed()))
    return put_local(world, at, late)


def replacement(scene: Scene, world: World, index: int) -> World:
    """Add the new print that a failed or never started one leads to, if it is still wanted."""
    print_ = world.prints[index]
    wanted = not print_.wants_cancel and not world.jobs[print_.job]
    if print_.state in RETRIED and wanted and len(world.prints) < scene.prints:
        return world._replace(prints=(*world.prints, Print(print_.job)))
    return world


def _bed_after(scene: Scene, world: World, at: Place, index: int, action: Verdict) -> Printer:
    """The bed once a print has ended: as a person said, or given back where nothing ever ran."""
    row, local = world.printers[at.printer], local_at(world, at)
    word = world.prints[index].word
    if word is not None and action.by in ("person", "override"):
        believed = local.vouched or not scene.rules.clear_word_needs_watch
        doubted = word.bed is Bed.CLEAR and action.by == "person" and not believed
        return row._replace(bed=Bed.UNKNOWN if doubted else word.bed)
    if action.verdict is PrintState.NOT_STARTED and action.by == "observation":
        look = local.look
        untouched = look is not None and not look.others_ran and not row.touched
        if untouched or not scene.rules.bed_given_back_carefully:
            return row._replace(bed=Bed.CLEAR)
    return row


def set_unsettled(world: World, printer: int, *, unsettled: bool) -> World:
    """Note in the ledger that a physical command is under way, or that it no longer is."""
    return put_printer(world, printer, world.printers[printer]._replace(unsettled=unsettled))


def cancel_job(scene: Scene, world: World, job: int) -> World:
    """A person cancels a job: queued prints end, active ones are wanted to."""
    cancelled = tuple(done or index == job for index, done in enumerate(world.jobs))
    world = world._replace(jobs=cancelled)
    for index, print_ in enumerate(world.prints):
        if print_.job != job or not is_live(print_):
            continue
        if print_.state is PrintState.QUEUED:
            if scene.rules.job_locked:
                ended = print_._replace(state=after(print_.state, Event.CANCEL))
                world = write(world, index, ended)
        else:
            world = write(world, index, print_._replace(wants_cancel=True))
    return world


def take_over(scene: Scene, world: World, at: Place) -> World:
    """Another node becomes the owner: the fence and the active print's version grow."""
    row = world.printers[at.printer]
    former = NOBODY if scene.rules.lease_waited else row.owner
    world = put_printer(world, at.printer, row._replace(owner=at.node, former=former))
    index = active_print(scene, world, at.printer)
    if scene.rules.takeover_bumps and index != NOBODY:
        world = outdate(world, index)
    world = put_local(world, at, Local())
    return unanswered(world, at)


def gap_noticed(scene: Scene, world: World, printer: int) -> World:
    """The host has forgotten what it did, or we looked away for long: the bed may hold anything."""
    row = world.printers[printer]
    restarted, long = row.seen != world.hosts[printer].process, row.gap
    row = row._replace(seen=world.hosts[printer].process, gap=False)
    rules = scene.rules
    if (restarted and rules.restart_unknown) or (long and rules.long_gap_unknown):
        bed = Bed.UNKNOWN if row.bed is Bed.CLEAR else row.bed
        row = row._replace(bed=bed, touched=True, click=_bumped(scene, row))
    return put_printer(world, printer, row)


def answered(world: World, at: Place, kind: RequestKind, answer: Answer) -> World:
    """An answer, or its failure to come, reaches the node that waited for it."""
    local = local_at(world, at)
    deeds = _with_answer(local.deeds, kind, answer)
    if local.look is None:
        deeds = at_rest(deeds)
    return put_local(world, at, local._replace(deeds=deeds))


def _with_answer(deeds: Deeds, kind: RequestKind, answer: Answer) -> Deeds:
    done = answer == "yes"
    if kind == "upload" and deeds.upload is Upload.UNDERWAY:
        return deeds.uploading(Upload.VERIFIED if done else Upload.UNKNOWN, AFTER_EFFECT)
    if kind == "start" and deeds.start is Start.UNDERWAY:
        return deeds.starting(_START[answer], AFTER_EFFECT)
    if kind == "delete" and deeds.exit is ExitStep.REVOKING:
        return deeds.leaving(ExitStep.REVOKED if done else ExitStep.STORED, AFTER_EFFECT)
    if kind == "barrier" and deeds.exit in _BARRIERS:
        step = _BARRIERS[deeds.exit] if done else ExitStep.STORED
        return deeds.leaving(step, AFTER_EFFECT)
    if kind in ORDERS and deeds.order is Order.UNDERWAY:
        order = Order.NONE if answer == "unknown" else Order.ANSWERED
        return deeds.ordering(order, deeds.order_kind, AFTER_EFFECT)
    return deeds
