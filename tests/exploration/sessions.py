"""What a node does of itself: connect, notice, claim, and decide with the real `next_action`."""

from __future__ import annotations

from collections.abc import Iterator

from buildplate.core.actions import Action, SendOrder, SendStart, Wait
from buildplate.core.deeds import Order
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed, Link
from tests.exploration import stored
from tests.exploration.clock import NOW, at_rest, long_after
from tests.exploration.driver import read
from tests.exploration.effects import carry_out, in_words
from tests.exploration.mind import Mind, Question
from tests.exploration.world import (
    NOBODY,
    ORDERS,
    File,
    Local,
    Look,
    Pending,
    Pick,
    Place,
    Scene,
    Step,
    World,
    active_print,
    file_of,
    is_reserved,
    local_at,
    put_host,
    put_local,
)


def node_steps(scene: Scene, mind: Mind, world: World) -> Iterator[Step]:
    """Everything that nodes may do next.

    A decision and its effect are two steps, so that anything may come between them: a crash,
    another node, a person, a printer that changes its mind.
    """
    for node, row in enumerate(world.nodes):
        for printer, local in enumerate(row):
            at, stored_row = Place(node, printer), world.printers[printer]
            if local.pending is not None:
                step = carry_out(scene, world, at)
                yield step._replace(world=_follow_up(scene, mind, step.world, at))
            elif node in (stored_row.owner, stored_row.former):
                yield from _session(scene, mind, world, at)


def _follow_up(scene: Scene, mind: Mind, world: World, at: Place) -> World:
    """Keep the reading after an effect only while it leads to another one."""
    local, index = local_at(world, at), active_print(scene, world, at.printer)
    if local.look is None or local.pending is not None or local.about != index:
        return world
    decision = mind.decide(question(world, at, index, local.look))
    if isinstance(decision.action, Wait):
        local = local._replace(look=None, deeds=at_rest(decision.deeds))
        return put_local(world, at, local)
    return world


def _session(scene: Scene, mind: Mind, world: World, at: Place) -> Iterator[Step]:
    local, host = local_at(world, at), world.hosts[at.printer]
    index = active_print(scene, world, at.printer)
    if index != NOBODY and not (local.channel and host.foreign):
        yield from _decide(scene, mind, world, at, index)
    if not local.channel:
        if host.up:
            yield Step(f"{at}connects", connect(scene, world, at))
        return
    if host.foreign:
        noticed = stored.notice_foreign(scene, world, at)
        yield Step(f"{at}notices a foreign print", noticed)
    if _may_settle(scene, world, at.printer, local):
        settled = stored.set_unsettled(world, at.printer, unsettled=False)
        yield Step(f"{at}settles the command", settled)
    if index == NOBODY or not scene.rules.leftovers_wait:
        yield from _tidy(scene, world, at, index)
    if not is_reserved(scene, world, at.printer) or not scene.rules.one_active:
        yield from _claims(scene, world, at)


def connect(scene: Scene, world: World, at: Place) -> World:
    """Open the channel and get in step: what happened meanwhile is noticed before any decision."""
    host = world.hosts[at.printer]
    if host.foreign:
        world = stored.notice_foreign(scene, world, at)
    row = world.printers[at.printer]
    if row.seen != host.process or row.gap:
        world = stored.gap_noticed(scene, world, at.printer)
    local = local_at(world, at)
    local = local._replace(
        deeds=local.deeds.unwatched(),
        vouched=False,
        look=None,
        channel=True,
        held=False,
        heard=None,
    )
    return put_local(world, at, local)


def _may_settle(scene: Scene, world: World, printer: int, local: Local) -> bool:
    """Whether a command of unknown fate is over: TRUTH.md takes it that none outlives its time."""
    if not world.printers[printer].unsettled or local.deeds.order in (Order.STORED, Order.UNDERWAY):
        return False
    waiting = any(request.kind in ORDERS for request in world.hosts[printer].requests)
    return not waiting or not scene.rules.command_waited_for


def _tidy(scene: Scene, world: World, at: Place, index: int) -> Iterator[Step]:
    """Delete files that no active print needs, while the printer is idle and free."""
    host = world.hosts[at.printer]
    kept = host.files & {file_of(world, index)} if index != NOBODY else frozenset()
    if host.files != kept and host.run is None and scene.rules.leftovers_deleted:
        tidied = put_host(world, at.printer, host._replace(files=kept))
        harmful = index != NOBODY and any(r.stage == "opened" for r in host.requests)
        broken = "A FILE WAS DELETED UNDER A START BEING EXECUTED" if harmful else None
        yield Step(f"{at}deletes leftover files", tidied, broken=broken)


def _claims(scene: Scene, world: World, at: Place) -> Iterator[Step]:
    row, host = world.printers[at.printer], world.hosts[at.printer]
    ready = row.bed is Bed.CLEAR and host.run is None and not host.halted
    if not ready or row.owner != at.node or (row.unsettled and scene.rules.commands_stored):
        return
    for index, print_ in enumerate(world.prints):
        if print_.state is not PrintState.QUEUED or print_.attempt >= scene.uploads:
            continue
        if not scene.rules.job_locked:
            local = local_at(world, at)._replace(pending=Pending(file_of(world, index), Pick()))
            picked = put_local(world, at, local)
            yield Step(f"{at}reads the job, picks print {index}", picked)
        elif not world.jobs[print_.job]:
            yield Step(f"{at}claims print {index}", stored.claim(world, at, index))


def question(world: World, at: Place, index: int, look: Look | None) -> Question:
    """All that the decision about a print depends on, at this moment."""
    local = local_at(world, at)
    row, print_ = world.printers[at.printer], world.prints[index]
    away = Link.CONNECTING if world.hosts[at.printer].up else Link.OFFLINE
    return Question(
        state=print_.state,
        exit=print_.exit,
        cancel=print_.wants_cancel,
        word=print_.word,
        link=Link.ONLINE if local.channel else away,
        look=look,
        again=local.look is not None,
        bed=row.bed,
        unsettled=row.unsettled,
        deeds=local.deeds,
        ask=local.asked,
    )


def _decide(scene: Scene, mind: Mind, world: World, at: Place, index: int) -> Iterator[Step]:
    """Decide on the reading that the last effect followed from, or on a fresh one."""
    local, file = local_at(world, at), file_of(world, index)
    if local.about != index:
        local = Local(about=index, channel=local.channel)
    if local.look is not None:
        decision = mind.decide(question(world, at, index, local.look))
        if not isinstance(decision.action, Wait):
            decided = local._replace(pending=Pending(file, decision.action), deeds=decision.deeds)
            label = f"{at}decides on the same reading: {in_words(decision.action)}"
            broken = _rash(world, at, file, decision.action)
            yield Step(label, put_local(world, at, decided), broken=broken)
        local = local._replace(look=None, deeds=at_rest(local.deeds))
    world = put_local(world, at, local)
    host = world.hosts[at.printer]
    look = read(scene, host, file, local) if local.channel else None
    decision = mind.decide(question(world, at, index, look))
    action, deeds = decision.action, decision.deeds
    if not isinstance(action, Wait):
        pending = Pending(file, action)
        decided = local._replace(pending=pending, look=look, deeds=deeds)
        label = f"{at}reads, decides: {in_words(action)}"
        broken = _rash(world, at, file, action)
        yield Step(label, put_local(world, at, decided), broken=broken)
        return
    deeds = at_rest(deeds)
    if deeds != local.deeds:
        noted = put_local(world, at, local._replace(deeds=deeds))
        yield Step(f"{at}reads, waits ({deeds.exit})", noted)
    elif (action.until or NOW) > NOW and _time_may_pass(scene, world, at.printer):
        waited = put_local(world, at, local._replace(deeds=long_after(deeds)))
        yield Step(f"{at}has waited long ({deeds.exit})", waited)


def _rash(world: World, at: Place, file: File, action: Action) -> str | None:
    """The promise that the decision to send something breaks, if any."""
    run = world.hosts[at.printer].run
    if isinstance(action, SendStart) and world.printers[at.printer].touched:
        return "START SENT TO A BED KNOWN TO BE OCCUPIED"
    unread = local_at(world, at).deeds.order_at > NOW
    if isinstance(action, SendOrder) and unread and (run is None or run.file != file):
        return "COMMAND FOR A FILE THAT HAD ENDED BEFORE IT WAS STORED"
    return None


def _time_may_pass(scene: Scene, world: World, printer: int) -> bool:
    """Whether a settle time can pass now.

    An OctoPrint that has opened a file starts within milliseconds, so none sits there any more
    when a settle time is over. Klipper may hold an opened start for as long as its queue is
    blocked: there only the barrier tells.
    """
    opened = any(request.stage == "opened" for request in world.hosts[printer].requests)
    return scene.kind == "moonraker" or not opened
