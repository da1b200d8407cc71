"""Carries out the effects that `next_action` asked for, one step each."""

from __future__ import annotations

from buildplate.core.actions import (
    AbandonExit,
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
)
from buildplate.core.deeds import Deeds, ExitStep, Order, Start, Upload
from buildplate.core.print_table import BEFORE_INTENT, Event, PrintState, UnlistedChange
from tests.exploration import stored
from tests.exploration.clock import AFTER_EFFECT, at_rest
from tests.exploration.world import (
    NOBODY,
    ORDERS,
    File,
    LateBed,
    LateIntent,
    Pending,
    Pick,
    Place,
    Request,
    RequestKind,
    Scene,
    Step,
    World,
    active_print,
    local_at,
    put_host,
    put_local,
)

GIVE_BACK = Move(Event.GIVEN_BACK)
REQUESTS: dict[type, RequestKind] = {
    Transfer: "upload",
    SendStart: "start",
    Barrier: "barrier",
    Revoke: "delete",
}


def in_words(action: object) -> str:
    """An action as it stands in a trace."""
    said = (getattr(action, name, "") for name in ("event", "verdict", "by", "kind"))
    inside = ", ".join(str(word) for word in said if word)
    return f"{type(action).__name__}({inside})"


def request_of(action: object) -> RequestKind | None:
    """What is sent to the host by an action; None for what is only written."""
    if isinstance(action, SendOrder):
        return next(kind for kind in ORDERS if kind == action.kind)
    return REQUESTS.get(type(action))


def carry_out(scene: Scene, world: World, at: Place) -> Step:
    """Carry the pending effect out, or drop it because somebody else wrote its rows."""
    local = local_at(world, at)
    pending = local.pending
    assert pending is not None
    label = f"{at}{in_words(pending.action)} for print {pending.file.print}"
    world = put_local(world, at, local._replace(pending=None))
    kind = request_of(pending.action)
    if kind is not None:
        broken = _unstored(scene, world, at) if kind in ORDERS else None
        return Step(label, _send(world, at, pending, kind), broken=broken)
    unchecked = isinstance(pending.action, Intend) and not scene.rules.intent_rechecks
    if not pending.fresh and not unchecked:
        dropped = local._replace(pending=None, look=None, deeds=at_rest(local.deeds))
        return Step(f"{label}: stale", put_local(world, at, dropped))
    if isinstance(pending.action, Intend):
        return _intend(scene, world, at, pending.file, label)
    broken = None
    if isinstance(pending.action, Verdict):
        broken = _partless(world, pending.file, pending.action)
    try:
        return Step(label, _commit(scene, world, at, pending), broken=broken)
    except UnlistedChange as error:
        return Step(label, world, broken=f"UNLISTED CHANGE: {error}")


def _remember(world: World, at: Place, deeds: Deeds) -> World:
    local = local_at(world, at)
    if local.look is None:
        deeds = at_rest(deeds)
    return put_local(world, at, local._replace(deeds=deeds))


def _unstored(scene: Scene, world: World, at: Place) -> str | None:
    row = world.printers[at.printer]
    if row.owner != at.node or row.unsettled or not scene.rules.commands_stored:
        return None
    return "COMMAND SENT THAT IS NOT STORED"


def _send(world: World, at: Place, pending: Pending, kind: RequestKind) -> World:
    """Hand a request to the network, where it may stay for as long as it likes."""
    host = world.hosts[at.printer]
    request = Request(kind, pending.file, "held", at.node)
    requests = tuple(sorted((*host.requests, request)))
    world = put_host(world, at.printer, host._replace(requests=requests))
    deeds = local_at(world, at).deeds
    match kind:
        case "upload":
            deeds = deeds.uploading(Upload.UNDERWAY, AFTER_EFFECT)
        case "start":
            deeds = deeds.starting(Start.UNDERWAY, AFTER_EFFECT)
        case "delete":
            deeds = deeds.leaving(ExitStep.REVOKING, AFTER_EFFECT)
        case "cancel" | "pause" | "resume":
            deeds = deeds.ordering(Order.UNDERWAY, deeds.order_kind, AFTER_EFFECT)
        case "barrier":
            pass
    return _remember(world, at, deeds)


def _intend(scene: Scene, world: World, at: Place, file: File, label: str) -> Step:
    """The intent, or its refusal: then the print goes back to the queue."""
    index = file.print
    if not stored.may_intend(scene, world, at, index):
        return Step(f"{label}: refused", stored.move(scene, world, at, index, GIVE_BACK))
    broken = _unintended(world, at, index)
    if not scene.rules.intent_first:
        world = _send(world, at, Pending(file, SendStart()), "start")
        late = local_at(world, at)._replace(pending=Pending(file, LateIntent()))
        world = stored.unanswered(put_local(world, at, late), at)
        return Step(f"{at}start sent BEFORE THE INTENT for print {index}", world)
    after = world if broken else stored.intend(scene, world, at, index)
    return Step(label, after, broken=broken)


def _unintended(world: World, at: Place, index: int) -> str | None:
    """The promise that this intent breaks, if any."""
    if world.excused:
        return None
    host, print_ = world.hosts[at.printer], world.prints[index]
    if print_.state not in BEFORE_INTENT or print_.printer != at.printer:
        return f"SECOND INTENT ({print_.state})"
    unnoticed = host.foreign and host.part == "foreign"
    if host.part != "none" and host.run is None and not unnoticed:
        return f"INTENT ON A BED KNOWN TO BE OCCUPIED ({host.part})"
    if world.jobs[print_.job] and not print_.wants_cancel:
        return "INTENT FOR A CANCELLED JOB"
    return None


def _partless(world: World, file: File, action: Verdict) -> str | None:
    """The promise that this verdict breaks, if any."""
    made = action.verdict is not PrintState.COMPLETED or file in world.did
    return None if made or world.excused or action.by == "override" else "COMPLETED WITHOUT A PART"


def _commit(scene: Scene, world: World, at: Place, pending: Pending) -> World:
    """One transaction; raises UnlistedChange."""
    index, action = pending.file.print, pending.action
    match action:
        case Move():
            after = stored.move(scene, world, at, index, action)
        case BeginExit():
            after = stored.begin_exit(world, at, index, action)
        case AbandonExit():
            after = stored.abandon_exit(scene, world, index)
        case Verdict():
            after = stored.end(scene, world, at, index, action)
        case NameUpload() | StoreOrder() | DropOrder() | RefuseAsk():
            after = _prepare(scene, world, at, index, action)
        case Pick() | LateIntent() | LateBed():
            after = _without_rule(scene, world, at, index, action)
        case _:
            message = f"no effect for {action}"
            raise AssertionError(message)
    return after


def _prepare(
    scene: Scene,
    world: World,
    at: Place,
    index: int,
    action: NameUpload | StoreOrder | DropOrder | RefuseAsk,
) -> World:
    """Write down what is about to be sent, or that it is not."""
    local = local_at(world, at)
    deeds = local.deeds
    if isinstance(action, RefuseAsk) or (isinstance(action, StoreOrder) and action.command_id):
        world = put_local(world, at, local._replace(asked=""))
    match action:
        case NameUpload():
            world = stored.name_upload(scene, world, index)
            deeds = deeds.uploading(Upload.NAMED, AFTER_EFFECT)
        case StoreOrder():
            world = stored.set_unsettled(world, at.printer, unsettled=scene.rules.commands_stored)
            deeds = deeds.ordering(Order.STORED, action.kind, AFTER_EFFECT)
        case DropOrder():
            world = stored.set_unsettled(world, at.printer, unsettled=False)
            deeds = deeds.ordering(Order.NONE, "", AFTER_EFFECT)
    return _remember(world, at, deeds)


def _without_rule(
    scene: Scene, world: World, at: Place, index: int, action: Pick | LateIntent | LateBed
) -> World:
    """What only happens in worlds that lack a rule."""
    match action:
        case Pick():
            free = active_print(scene, world, at.printer) == NOBODY
            queued = world.prints[index].state is PrintState.QUEUED
            return stored.claim(world, at, index) if free and queued else world
        case LateIntent():
            world = stored.intend(scene, world, at, index)
            deeds = local_at(world, at).deeds.starting(Start.UNKNOWN, AFTER_EFFECT)
            return _remember(world, at, deeds)
        case LateBed():
            return stored.occupy(scene, world, at.printer)
