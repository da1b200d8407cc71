"""What a driver would read from a host: TRUTH.md's evidence table as one pure function."""

from __future__ import annotations

from buildplate.core.evidence import Ending, Run
from buildplate.core.printers import Activity
from tests.exploration.world import Ended, File, Host, Local, Look, Scene


def read(scene: Scene, host: Host, file: File, local: Local) -> Look:
    """One answered read of a host by a node, with the evidence on one file."""
    host = _shown(scene, host)
    run = _run(host, file)
    unseen = local.held and file not in host.started
    if scene.kind == "moonraker":
        unseen = unseen and (host.last is None or host.last.file != file)
    return Look(
        activity=_activity(host, run),
        run=run,
        began_since=_began_since(scene, host, run),
        ending=_ending(scene, host, file, local),
        doubt=_doubt(scene, host, file, local),
        silent=unseen or not scene.rules.channel_needed,
        others_ran=not local.held or host.others,
    )


def _shown(scene: Scene, host: Host) -> Host:
    """What is read: Klipper calls a print complete that it has parsed, and the head still moves."""
    if host.run is None or not host.run.parsed or scene.rules.tool_head_waited:
        return host
    return host._replace(run=None, last=Ended(host.run.file, Ending.COMPLETED, host.run.since))


def _run(host: Host, file: File) -> Run:
    if host.run is None or host.run.file != file:
        return Run.NONE
    return Run.PAUSED if host.run.paused else Run.RUNNING


def _activity(host: Host, run: Run) -> Activity:
    if host.halted:
        return Activity.HALTED
    if host.run is None:
        return Activity.IDLE
    return Activity.FOREIGN if run is Run.NONE else Activity.OURS


def _began_since(scene: Scene, host: Host, run: Run) -> bool:
    """Endings are told since the intent only, so the question is that of the present run."""
    if run is Run.NONE or host.run is None or not scene.rules.begun_since_intent:
        return True
    return host.run.since


def _doubt(scene: Scene, host: Host, file: File, local: Local) -> bool:
    """Whether an OctoPrint counts a completion that it gives no print time for.

    It has none when it lied, and none any more when a failure came after it.
    """
    lied = scene.rules.print_time_needed and file in host.timeless
    if scene.kind == "moonraker" or local.heard is Ending.COMPLETED:
        return lied
    return lied or {Ending.COMPLETED, Ending.FAILED} <= _told(scene, host, file)


def _told(scene: Scene, host: Host, file: File) -> set[Ending]:
    """How the file's runs ended by what the host keeps, since the intent."""
    kept = [ended for ended in (*host.history, host.last) if ended is not None]
    counts = not scene.rules.begun_since_intent
    return {e.ending for e in kept if e.file == file and (e.since or counts)}


def _ending(scene: Scene, host: Host, file: File, local: Local) -> Ending | None:
    """How our file ended: by the host's history, by an event we heard, by print_stats."""
    told = _told(scene, host, file)
    if file in host.timeless and not scene.rules.print_time_needed:
        told.add(Ending.COMPLETED)
    if local.heard is Ending.COMPLETED:
        return Ending.COMPLETED
    if scene.kind == "octoprint" and told == {Ending.COMPLETED, Ending.FAILED}:
        return Ending.FAILED
    for ending in (Ending.COMPLETED, Ending.FAILED):
        if ending in told or local.heard is ending:
            return ending
    return None
