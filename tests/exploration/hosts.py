"""What hosts and printers do: take requests when it suits them, print, end, forget.

The two kinds differ in what a start does once its file is gone, in what they keep of an ending, and
in what a barrier proves; all of it was seen on real ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from buildplate.core.deeds import Order
from buildplate.core.evidence import Ending
from buildplate.core.print_table import AFTER_INTENT, TERMINAL
from tests.exploration import stored
from tests.exploration.world import (
    FOREIGN_FILE,
    NOBODY,
    ORDERS,
    Answer,
    Ended,
    File,
    Host,
    Place,
    Request,
    Running,
    Scene,
    Step,
    World,
    active_print,
    file_of,
    local_at,
    put_host,
    put_local,
    spend,
)


def host_steps(scene: Scene, world: World) -> Iterator[Step]:
    """Everything that hosts and printers may do next."""
    for printer, host in enumerate(world.hosts):
        if host.up:
            for request in sorted(set(host.requests)):
                yield from _take(scene, world, printer, request)
        if host.run is not None and host.run.paused:
            run = host.run._replace(paused=False)
            resumed = put_host(world, printer, host._replace(run=run))
            yield Step(f"a person resumes at printer {printer}", resumed)
        elif host.run is not None:
            yield _complete(scene, world, printer, host.run)
            if world.budget.failure:
                failed = end_run(scene, spend(world, "failure"), printer, Ending.FAILED)
                yield Step(f"printer {printer} fails", failed, fault=True)
            if world.budget.parsed and not host.run.parsed:
                parsed = host._replace(run=host.run._replace(parsed=True))
                parsed_world = put_host(spend(world, "parsed"), printer, parsed)
                label = f"host {printer} has parsed {_name(host.run.file)} to its end"
                yield Step(label, parsed_world, fault=True)


def _take(scene: Scene, world: World, printer: int, request: Request) -> Iterator[Step]:
    """The host takes a request that was held, or goes on with one it has opened."""
    host = world.hosts[printer]
    left = list(host.requests)
    left.remove(request)
    world = put_host(world, printer, host._replace(requests=tuple(left)))
    label = f"host {printer} "
    file = request.file
    match request.kind:
        case "upload":
            yield from _take_upload(scene, world, printer, request, label)
        case "delete":
            yield _take_delete(scene, world, printer, request, label)
        case "cancel" | "pause" | "resume":
            cancels = request.kind == "cancel"
            obey = _take_cancel if cancels else _take_pause
            yield obey(scene, world, printer, request, label)
        case "barrier":
            if all(other.stage != "opened" for other in left):
                done = _answer(world, printer, request, "yes")
                yield Step(label + "passes the barrier", done)
        case "start" if request.stage == "opened":
            yield from _run_opened(scene, world, printer, request, label)
        case "start":
            if file not in host.files or host.run is not None or host.halted:
                refused = _answer(world, printer, request, "no")
                yield Step(f"{label}refuses the start of {_name(file)}", refused)
            else:
                yield _open(scene, world, printer, request, label)
                if world.budget.denied:
                    denied = _answer(spend(world, "denied"), printer, request, "no")
                    request = request._replace(asker=NOBODY)
                    denied = _open(scene, denied, printer, request, label).world
                    label += f"denies and opens {_name(file)}"
                    yield Step(label, denied, fault=True)


def _take_upload(
    scene: Scene, world: World, printer: int, request: Request, label: str
) -> Iterator[Step]:
    """The upload and what is fetched back of it are one step: "yes" is that both are the same."""
    host, file = world.hosts[printer], request.file
    if host.run is not None and host.run.file == file:
        yield Step(f"{label}refuses the upload", _answer(world, printer, request, "no"))
        return
    host = host._replace(files=host.files | {file}, garbled=host.garbled - {file})
    stored_well = _answer(put_host(world, printer, host), printer, request, "yes")
    if not scene.rules.transfer_only_stores and host.run is None:
        stored_well = begin_run(scene, stored_well, printer, file, ours=True)
    yield Step(f"{label}stores {_name(file)}", stored_well)
    if world.budget.garbled:
        spoilt = host._replace(garbled=host.garbled | {file})
        answer: Answer = "no" if scene.rules.upload_hashed else "yes"
        spoilt_world = put_host(spend(world, "garbled"), printer, spoilt)
        spoilt_world = _answer(spoilt_world, printer, request, answer)
        yield Step(f"{label}stores something else as {_name(file)}", spoilt_world, fault=True)


def _take_delete(scene: Scene, world: World, printer: int, request: Request, label: str) -> Step:
    host, file = world.hosts[printer], request.file
    run = host.run
    if run is not None and run.file == file and file in host.files and not run.parsed:
        return Step(f"{label}refuses the delete", _answer(world, printer, request, "no"))
    history = host.history
    if scene.kind == "octoprint":
        history = frozenset(entry for entry in history if entry.file != file)
    host = host._replace(files=host.files - {file}, history=history)
    world = put_host(world, printer, host)
    return Step(f"{label}deletes {_name(file)}", _answer(world, printer, request, "yes"))


def _take_cancel(scene: Scene, world: World, printer: int, request: Request, label: str) -> Step:
    """A cancel is bound to no file: it stops whatever runs."""
    run = world.hosts[printer].run
    if run is None:
        done = _answer(world, printer, request, "yes")
        return Step(f"{label}has nothing to cancel", done)
    broken = note = None
    if run.file.print != request.file.print and not run.ours:
        note = "a cancel stopped a person's print"
    elif run.file.print != request.file.print and scene.nodes > 1:
        note = "a frozen node's cancel stopped the next print"
    elif run.file.print != request.file.print:
        broken = f"CANCEL STOPPED ANOTHER PRINT ({run.file.print})"
    world = end_run(scene, world, printer, Ending.FAILED)
    world = _answer(world, printer, request, "yes")
    return Step(f"{label}cancels {_name(run.file)}", world, broken=broken, note=note)


def _take_pause(scene: Scene, world: World, printer: int, request: Request, label: str) -> Step:
    """A pause or a resume is bound to no file either."""
    host = world.hosts[printer]
    note = None
    if host.run is not None:
        if host.run.file.print != request.file.print:
            note = "a pause or resume reached another print"
        run = host.run._replace(paused=request.kind == "pause")
        world = put_host(world, printer, host._replace(run=run))
    return Step(f"{label}obeys: {request.kind}", _answer(world, printer, request, "yes"), note=note)


def _open(scene: Scene, world: World, printer: int, request: Request, label: str) -> Step:
    """The start has found its file. OctoPrint answers now, Moonraker when it has run."""
    if scene.kind == "octoprint":
        world = _answer(world, printer, request, "yes")
        request = request._replace(asker=NOBODY)
    host = world.hosts[printer]
    requests = tuple(sorted((*host.requests, request._replace(stage="opened"))))
    world = put_host(world, printer, host._replace(requests=requests))
    return Step(f"{label}opens {_name(request.file)} to start it", world)


def _run_opened(
    scene: Scene, world: World, printer: int, request: Request, label: str
) -> Iterator[Step]:
    host, file = world.hosts[printer], request.file
    if host.run is not None or host.halted:
        lost = _answer(world, printer, request, "no")
        yield Step(f"{label}silently loses the start of {_name(file)}", lost)
        return
    broken, note = _wrong_start(world, host, file)
    world = _answer(world, printer, request, "yes")
    begun = begin_run(scene, world, printer, file, ours=True)
    yield Step(f"{label}STARTS {_name(file)}", begun, broken=broken, note=note)
    if scene.odd and file not in host.files:
        halted = put_host(world, printer, host._replace(halted=True))
        yield Step(f"{label}halts over a start whose file is gone", halted)
    if world.budget.timeless:
        lied = spend(world, "timeless")
        host = host._replace(timeless=host.timeless | {file}, started=host.started | {file})
        lied = put_host(lied, printer, host)
        yield Step(f"{label}marks {_name(file)} done without printing it", lied, fault=True)


def _wrong_start(world: World, host: Host, file: File) -> tuple[str | None, str | None]:
    """The promise that a start of ours breaks at this moment, or the harm it does."""
    if world.excused:
        return None, None
    if file in host.garbled:
        return "A FILE WAS STARTED THAT IS NOT WHAT WAS SENT", None
    if host.part == "ours":
        return "OUR START FELL ON A BED WITH OUR OWN PART", None
    if world.prints[file.print].state in TERMINAL:
        return f"AN ENDED PRINT STARTED ({world.prints[file.print].state})", None
    note = "our start fell on a foreign part put there after the intent"
    return None, note if host.part == "foreign" else None


def begin_run(scene: Scene, world: World, printer: int, file: File, *, ours: bool) -> World:
    """The printer begins to print, by our start or by a person's hand."""
    since = file != FOREIGN_FILE and _since_intent(world, printer, file)
    host = world.hosts[printer]
    active = active_print(scene, world, printer)
    watched = active != NOBODY and file == file_of(world, active) and since
    host = host._replace(
        run=Running(file, ours, since, host.up),
        last=None,
        started=host.started | {file} if since else host.started,
        others=host.others or not watched,
        foreign=host.foreign or not ours,
        part="ours" if ours else "foreign",
    )
    world = put_host(world, printer, host)
    return world._replace(began=world.began | {file}) if since else world


def _since_intent(world: World, printer: int, file: File) -> bool:
    print_ = world.prints[file.print]
    return (
        print_.state in AFTER_INTENT
        and print_.printer == printer
        and print_.attempt == file.attempt
    )


def _complete(scene: Scene, world: World, printer: int, run: Running) -> Step:
    label = f"printer {printer} COMPLETES {_name(run.file)}"
    broken = None
    if run.ours:
        job = world.prints[run.file.print].job
        made = tuple(n + (index == job) for index, n in enumerate(world.made))
        world = world._replace(made=made)
        if made[job] > scene.copies[job] and not world.excused:
            broken = "MORE COMPLETIONS THAN COPIES"
    if run.since:
        world = world._replace(did=world.did | {run.file})
    return Step(label, end_run(scene, world, printer, Ending.COMPLETED), broken=broken)


def end_run(scene: Scene, world: World, printer: int, ending: Ending) -> World:
    """The run is over; what is kept of that, and by whom, depends on the host."""
    host = world.hosts[printer]
    run = host.run
    assert run is not None
    history, last = host.history, None
    ended = Ended(run.file, ending, run.since)
    if scene.kind == "octoprint":
        kept = run.file in host.files
    else:
        kept = run.recorded and host.up
        last = ended
    if kept:
        history = _remembered(history, ended)
    world = put_host(world, printer, host._replace(run=None, history=history, last=last))
    return _heard(scene, world, printer, run, ending) if run.since else world


def _remembered(history: frozenset[Ended], ended: Ended) -> frozenset[Ended]:
    """What is kept of a file's runs; a failure beside a completion came after it."""
    if ended.ending is Ending.COMPLETED:
        history -= {ended._replace(ending=Ending.FAILED)}
    return history | {ended}


def _heard(scene: Scene, world: World, printer: int, run: Running, ending: Ending) -> World:
    """Whoever is connected hears how the watched file ended; a completion is not forgotten."""
    active = active_print(scene, world, printer)
    if active == NOBODY or run.file != file_of(world, active):
        return world
    for node in range(len(world.nodes)):
        at = Place(node, printer)
        local = local_at(world, at)
        if local.channel and local.heard is not Ending.COMPLETED:
            world = put_local(world, at, local._replace(heard=ending))
    return world


def _answer(world: World, printer: int, request: Request, answer: Answer) -> World:
    """Tell the node that waits, if one still does."""
    if request.asker == NOBODY:
        return world
    at = Place(request.asker, printer)
    waited = local_at(world, at).deeds.order is Order.UNDERWAY
    world = stored.answered(world, at, request.kind, answer)
    owner = world.printers[printer].owner == request.asker
    if request.kind in ORDERS and waited and owner:
        world = stored.set_unsettled(world, printer, unsettled=False)
    return world


def break_channels(scene: Scene, world: World, printer: int) -> World:
    """Every connection to a host is cut: no answer comes, and nobody has watched without a gap."""
    waiting = [r for r in world.hosts[printer].requests if r.asker != NOBODY]
    for request in waiting:
        world = stored.answered(world, Place(request.asker, printer), request.kind, "unknown")
    for node in range(len(world.nodes)):
        at = Place(node, printer)
        world = stored.unanswered(world, at)
        local = local_at(world, at)._replace(channel=False, held=False, heard=None)
        world = put_local(world, at, local)
    return world


def restart(scene: Scene, world: World, printer: int, *, held_survive: bool) -> World:
    """The host (OctoPrint, or Klippy under Moonraker) dies in the middle of whatever it does."""
    host = world.hosts[printer]
    run = host.run
    if run is not None and scene.kind == "moonraker":
        world = end_run(scene, world, printer, Ending.FAILED)
    world = break_channels(scene, world, printer)
    host = world.hosts[printer]
    held = tuple(r for r in host.requests if r.stage == "held") if held_survive else ()
    host = host._replace(
        process=host.process + 1,
        up=False,
        halted=False,
        requests=held,
        run=None,
        last=None,
        foreign=False,
    )
    return put_host(world, printer, host)


def stop_moonraker(scene: Scene, world: World, printer: int) -> World:
    """Moonraker goes away while Klippy prints on: the run will have no row in its history."""
    world = break_channels(scene, world, printer)
    host = world.hosts[printer]
    run = host.run._replace(recorded=False) if host.run is not None else None
    return put_host(world, printer, host._replace(up=False, run=run))


def _name(file: File) -> str:
    if file == FOREIGN_FILE:
        return "a foreign file"
    return f"print {file.print} (upload {file.attempt})"
