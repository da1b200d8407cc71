"""Drops from a world what nothing can depend on any more, so that fewer worlds are different."""

from __future__ import annotations

from functools import cache

from buildplate.core.actions import SendStart
from buildplate.core.print_table import AFTER_INTENT
from tests.exploration.effects import request_of
from tests.exploration.world import (
    NOBODY,
    Budget,
    File,
    Host,
    Local,
    Print,
    Printer,
    Request,
    Scene,
    World,
    active_print,
    file_of,
    is_live,
)


def canonical(scene: Scene, world: World) -> World:
    """The same world, without what is over."""
    prints = tuple([p if is_live(p) else _ended(p) for p in world.prints])
    if _all_over(world):
        return World(
            jobs=world.jobs,
            prints=prints,
            printers=(),
            hosts=(),
            nodes=(),
            budget=Budget(),
            made=world.made,
        )
    current = frozenset([file_of(world, i) for i, p in enumerate(prints) if is_live(p)])
    actives = [active_print(scene, world, printer) for printer in range(scene.printers)]
    intended = [i != NOBODY and prints[i].state in AFTER_INTENT for i in actives]
    rows = zip(world.printers, intended, strict=True)
    return World(
        jobs=world.jobs,
        prints=prints,
        printers=tuple([r if on or not r.touched else r._replace(touched=False) for r, on in rows]),
        hosts=tuple(
            [
                _host(scene, world, printer, current, watched=intended[printer])
                for printer in range(scene.printers)
            ]
        ),
        nodes=tuple(
            [
                tuple(
                    [
                        _local(world.printers[n], node, local, actives[n], on=intended[n])
                        for n, local in enumerate(row)
                    ]
                )
                for node, row in enumerate(world.nodes)
            ]
        ),
        budget=world.budget,
        made=world.made,
        began=world.began & current,
        did=world.did & current,
        excused=world.excused,
    )


@cache
def _ended(print_: Print) -> Print:
    return Print(print_.job, print_.state)


def _all_over(world: World) -> bool:
    """Whether every print has ended and no start of ours can happen any more."""
    return not (
        any(is_live(print_) for print_ in world.prints)
        or any(host.run is not None and host.run.ours for host in world.hosts)
        or any(request.kind == "start" for host in world.hosts for request in host.requests)
        or any(
            local.pending is not None and isinstance(local.pending.action, SendStart)
            for row in world.nodes
            for local in row
        )
    )


def _host(
    scene: Scene, world: World, printer: int, current: frozenset[File], *, watched: bool
) -> Host:
    host = world.hosts[printer]
    files = host.files
    if files:
        files = frozenset([f for f in files if _needed(scene, world, printer, host, f)])
    requests = _requests(scene, world, printer, host) if host.requests else ()
    history, last, others = host.history, host.last, host.others and watched
    if history:
        history = frozenset([entry for entry in history if entry.file in current])
    if last is not None and last.file not in current:
        last = None
    started, timeless = host.started & current, host.timeless & current
    garbled = host.garbled & current
    kept = (files, requests, history, last, started, others, timeless, garbled)
    if kept == (
        host.files,
        host.requests,
        host.history,
        host.last,
        host.started,
        host.others,
        host.timeless,
        host.garbled,
    ):
        return host
    return host._replace(
        files=files,
        requests=requests,
        history=history,
        last=last,
        started=started,
        others=others,
        timeless=timeless,
        garbled=garbled,
    )


def _needed(scene: Scene, world: World, printer: int, host: Host, file: File) -> bool:
    """Whether a stored or arriving file can still matter: current, to be started, or findable."""
    if scene.budget.foreign or not scene.rules.leftovers_wait:
        return True
    print_ = world.prints[file.print]
    if is_live(print_) and print_.attempt == file.attempt and print_.printer == printer:
        return True
    return any(request.kind == "start" and request.file == file for request in host.requests)


def _requests(scene: Scene, world: World, printer: int, host: Host) -> tuple[Request, ...]:
    """Requests that can still do something; who waits without being able to act does not wait."""
    row = world.printers[printer]
    kept: list[Request] = []
    for request in host.requests:
        if request.asker not in (NOBODY, row.owner, row.former):
            request = request._replace(asker=NOBODY)  # noqa: PLW2901 the same one, unawaited
        if request.asker != NOBODY or not _spent(scene, world, printer, host, request):
            kept.append(request)
    twice = {request for request in kept if request.kind == "start" or request.asker != NOBODY}
    once = set(kept) - twice
    return tuple(sorted([request for request in kept if request in twice] + list(once)))


def _spent(scene: Scene, world: World, printer: int, host: Host, request: Request) -> bool:
    """Whether a request that nobody waits for can change nothing."""
    file = request.file
    arrives = any(other.kind == "upload" and other.file == file for other in host.requests)
    match request.kind:
        case "barrier":
            return True
        case "start":
            return request.stage == "held" and file not in host.files and not arrives
        case "delete":
            return file not in host.files and not arrives
        case "upload":
            return not _needed(scene, world, printer, host, file)
        case "cancel" | "pause" | "resume":
            return False


def _local(row: Printer, node: int, local: Local, active: int, *, on: bool) -> Local:
    pending = local.pending
    sends = pending is not None and request_of(pending.action) is not None
    if pending is not None and not pending.fresh and not sends:
        pending = None
    if node not in (row.owner, row.former):
        if pending is None or sends:
            return Local(pending=pending)
        return local
    if local.about != active or active == NOBODY:
        return Local(pending=pending, channel=local.channel)
    if pending is not local.pending:
        local = local._replace(pending=pending, look=None)
    return local if on or not local.held else local._replace(held=False)
