"""Before a stop: prints that this process itself streams are named and waited for.

Every other print goes on without us. One that is streamed line by line ends with its process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from buildplate.core.printers import Activity, Link
from buildplate.fleet.session import PrinterSession

LOOK_S = 0.2
TELL_AGAIN_S = 600.0
RUNS = frozenset({Activity.OURS, Activity.PAUSED})
REACHED = frozenset({Link.SYNCING, Link.ONLINE, Link.DEGRADED})


def live_here(sessions: Iterable[PrinterSession]) -> list[PrinterSession]:
    """The printers whose print lives and dies with this process."""
    return [one for one in sessions if one.manifest.streams and _runs(one)]


def _runs(session: PrinterSession) -> bool:
    ours = session.parts.steward.occupant(session.id) is not None
    return ours and (session.live.activity in RUNS or session.mid_start)


def would_end(session: PrinterSession) -> bool:
    """Whether a print of ours, or its way to the printer, would end with this link."""
    occupant = session.parts.steward.occupant(session.id)
    if occupant is None or not session.manifest.streams:
        return False
    asks = occupant[1]
    return session.live.link in REACHED and (not asks or session.live.activity in RUNS)


async def let_end(
    sessions: Callable[[], Iterable[PrinterSession]],
    now: asyncio.Event,
    tell: Callable[[str], None],
) -> None:
    """Begin nothing more, and wait until no print lives here, or until `now` is set.

    Returns at once where none does. `tell` gets a sentence for people, again after ten minutes.
    """
    loop, tell_at = asyncio.get_running_loop(), float("-inf")
    while not now.is_set():
        found = list(sessions())
        for session in found:
            session.closing = True
        living = live_here(found)
        if not living:
            return
        if loop.time() >= tell_at:
            tell(sentence(living))
            tell_at = loop.time() + TELL_AGAIN_S
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await now.wait()


def sentence(living: Iterable[PrinterSession]) -> str:
    """Which prints are waited for, and how not to."""
    named = ", ".join(f"{one.record.spec.name} ({_how_far(one)})" for one in living)
    return (
        f"Waiting for prints that would end with this server: {named}. "
        "Cancel or finish them; a second signal (scripts/stop --now) ends them at once."
    )


def _how_far(session: PrinterSession) -> str:
    progress = session.live.progress
    share = "" if progress is None else f", {progress:.0%}"
    paused = session.live.activity is Activity.PAUSED
    return f"{'paused' if paused else 'printing'}{share}"
