"""What people do, and the bad events that a world's budget allows."""

from __future__ import annotations

from collections.abc import Iterator

from buildplate.core.print_table import AFTER_INTENT, PrintState
from buildplate.core.printers import Bed
from tests.exploration import hosts, stored
from tests.exploration.world import (
    FOREIGN_FILE,
    NOBODY,
    Local,
    Place,
    Scene,
    Step,
    Word,
    World,
    active_print,
    file_of,
    is_reserved,
    local_at,
    put_host,
    put_local,
    put_printer,
    spend,
)

MANY = 3
RUNNING = frozenset({PrintState.PRINTING, PrintState.PAUSED})


def people_steps(scene: Scene, world: World) -> Iterator[Step]:
    """Everything that people may do next."""
    for printer in range(scene.printers):
        yield from _at_the_bed(scene, world, printer)
        yield from _at_the_host(scene, world, printer)
        yield from _asked(scene, world, printer)
        yield from _pauses(scene, world, printer)
    if world.budget.cancel and not world.jobs[0]:
        wanted = [print_ for print_ in world.prints if print_.job == 0]
        if any(print_.state is not PrintState.COMPLETED for print_ in wanted):
            cancelled = stored.cancel_job(scene, spend(world, "cancel"), 0)
            yield Step("a person CANCELS job 0", cancelled, fault=True)


def _at_the_bed(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    host, row = world.hosts[printer], world.printers[printer]
    busy = scene.rules.clear_waits_for_end and is_reserved(scene, world, printer)
    if host.run is None and not busy and (host.part != "none" or row.bed is not Bed.CLEAR):
        cleared = put_host(world, printer, host._replace(part="none", foreign=False))
        once = put_printer(cleared, printer, row._replace(bed=Bed.CLEAR))
        yield Step(f"a person clears bed {printer}", once)
        if world.budget.second_click:
            twice = put_printer(cleared, printer, row._replace(bed=Bed.CLEAR, click="valid"))
            label = f"a person clears bed {printer}, a second click is delayed"
            yield Step(label, spend(twice, "second_click"), fault=True)
    if host.run is None and host.part != "none" and scene.budget.foreign:
        taken = put_host(world, printer, host._replace(part="none"))
        yield Step(f"a person takes the part off printer {printer} and tells nobody", taken)
    if row.click != "none":
        refused = busy or row.click == "stale"
        bed = row.bed if refused else Bed.CLEAR
        clicked = put_printer(world, printer, row._replace(bed=bed, click="none"))
        yield Step(f"the second click {'is refused' if refused else 'arrives'}", clicked)


def _at_the_host(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    host = world.hosts[printer]
    if host.halted:
        healed = put_host(world, printer, host._replace(halted=False))
        yield Step(f"a person connects printer {printer} again", healed)
    if world.budget.pause and host.run is not None and not host.run.paused:
        paused = host._replace(run=host.run._replace(paused=True))
        paused_by_hand = put_host(spend(world, "pause"), printer, paused)
        yield Step(f"a person pauses at printer {printer}", paused_by_hand, fault=True)
    if world.budget.foreign and host.up and host.run is None and host.part == "none":
        paid = spend(world, "foreign")
        foreign = hosts.begin_run(scene, paid, printer, FOREIGN_FILE, ours=False)
        yield Step(f"a person starts a foreign file on printer {printer}", foreign, fault=True)
        for file in sorted(host.files):
            ours = hosts.begin_run(scene, paid, printer, file, ours=False)
            label = f"a person starts our file of print {file.print} on printer {printer}"
            yield Step(label, ours, fault=True)


def _pauses(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    """A person asks for a pause or a resume, sensible or not."""
    index = active_print(scene, world, printer)
    if not world.budget.pause or index == NOBODY or world.prints[index].state not in RUNNING:
        return
    at = Place(world.printers[printer].owner, printer)
    local = local_at(world, at)
    if local.about == index and not local.asked:
        for kind in ("pause", "resume"):
            asked = put_local(spend(world, "pause"), at, local._replace(asked=kind))
            yield Step(f"a person asks: {kind}", asked, fault=True)


def _asked(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    """A person answers needs_attention, truthfully at that moment."""
    host = world.hosts[printer]
    for index, print_ in enumerate(world.prints):
        file = file_of(world, index)
        running = host.run is not None and host.run.file == file
        if print_.printer != printer or running or print_.word is not None:
            continue
        word = Word(_truth(world, index), _bed(world, printer))
        if scene.words and print_.state is PrintState.NEEDS_ATTENTION and print_.exit is None:
            said = stored.write(world, index, print_._replace(word=word))
            said = _vouched(said, printer)
            yield Step(f"a person says: print {index} {word.outcome}, bed {word.bed}", said)
        if print_.state in AFTER_INTENT and world.budget.override and not host.up:
            word = word._replace(override=True)
            said = stored.write(spend(world, "override"), index, print_._replace(word=word))
            yield Step(f"a person OVERRIDES: print {index} {word.outcome}", said, fault=True)


def _vouched(world: World, printer: int) -> World:
    """The owner, if it watches, knows that what it saw of the bed is older than the word."""
    at = Place(world.printers[printer].owner, printer)
    local = local_at(world, at)
    return put_local(world, at, local._replace(vouched=True)) if local.channel else world


def _truth(world: World, index: int) -> PrintState:
    file = file_of(world, index)
    if file in world.did:
        return PrintState.COMPLETED
    return PrintState.FAILED if file in world.began else PrintState.NOT_STARTED


def _bed(world: World, printer: int) -> Bed:
    return Bed.CLEAR if world.hosts[printer].part == "none" else Bed.OCCUPIED


def fault_steps(scene: Scene, world: World) -> Iterator[Step]:
    """Every bad event that may still happen to machines and networks."""
    for node in range(scene.nodes):
        if world.budget.crash and any(_remembers(local) for local in world.nodes[node]):
            yield Step(f"node {node} CRASHES", _crash(scene, world, node), fault=True)
    for printer in range(scene.printers):
        yield from _lost_answers(scene, world, printer)
        yield from _host_faults(scene, world, printer)
        yield from _changes_of_owner(scene, world, printer)


def _remembers(local: Local) -> bool:
    return local.about != NOBODY or local.pending is not None


def _crash(scene: Scene, world: World, node: int) -> World:
    world = spend(world, "crash")
    for printer in range(scene.printers):
        at = Place(node, printer)
        world = stored.unanswered(put_local(world, at, Local()), at)
        index = active_print(scene, world, printer)
        if index != NOBODY and not scene.rules.evidence_stored:
            world = stored.write(world, index, world.prints[index]._replace(exit=None))
    return world


def _lost_answers(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    """A node stops waiting for an answer. For a start that may always happen."""
    host = world.hosts[printer]
    for request in host.requests:
        if request.asker == NOBODY:
            continue
        fault = request.kind != "start"
        if fault and not world.budget.lost:
            continue
        late = spend(world, "lost") if fault else world
        at = Place(request.asker, printer)
        late = stored.unanswered(late, at, request)
        late = stored.answered(late, at, request.kind, "unknown")
        yield Step(f"{at}the {request.kind} times out", late, fault=fault)
        if request.kind == "start" and not scene.rules.one_start:
            again = stored.unanswered(world, at, request)
            requests = (*again.hosts[printer].requests, request)
            sent = again.hosts[printer]._replace(requests=tuple(sorted(requests)))
            if len(requests) < MANY:
                label = f"{at}the start times out and is SENT AGAIN"
                yield Step(label, put_host(again, printer, sent))


def _host_faults(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    host = world.hosts[printer]
    if not host.up:
        yield Step(f"host {printer} is up", put_host(world, printer, host._replace(up=True)))
        return
    if world.budget.restart:
        paid = spend(world, "restart")
        dead = hosts.restart(scene, paid, printer, held_survive=False)
        yield Step(f"host {printer} DIES", dead, fault=True)
        if any(request.stage == "held" for request in host.requests):
            dead = hosts.restart(scene, paid, printer, held_survive=True)
            yield Step(f"host {printer} DIES, a proxy keeps requests", dead, fault=True)
    if world.budget.moonraker:
        blind = hosts.stop_moonraker(scene, spend(world, "moonraker"), printer)
        yield Step(f"Moonraker {printer} DIES, Klippy lives", blind, fault=True)
    watched = any(row[printer].channel for row in world.nodes)
    if world.budget.flap and watched:
        cut = hosts.break_channels(scene, spend(world, "flap"), printer)
        yield Step(f"the link to host {printer} breaks", cut, fault=True)
    free = active_print(scene, world, printer) == NOBODY and host.run is None
    if world.budget.gap and not watched and free and host.part == "none":
        unseen = put_host(spend(world, "gap"), printer, host._replace(part="foreign"))
        unseen = put_printer(unseen, printer, unseen.printers[printer]._replace(gap=True))
        label = f"nobody watches printer {printer} for long: a person prints there, without a trace"
        yield Step(label, unseen, fault=True)


def _changes_of_owner(scene: Scene, world: World, printer: int) -> Iterator[Step]:
    row = world.printers[printer]
    if world.budget.takeover and scene.nodes > 1:
        at = Place((row.owner + 1) % scene.nodes, printer)
        taken = stored.take_over(scene, spend(world, "takeover"), at)
        yield Step(f"{at}TAKES OVER", taken, fault=True)
    if row.former != NOBODY:
        over = put_printer(world, printer, row._replace(former=NOBODY))
        yield Step(f"the old lease of printer {printer} is over", over)
