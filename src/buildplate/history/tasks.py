"""Background work of the history room: writing down what printers do, and forgetting it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

import structlog

from buildplate.core.spells import pastime
from buildplate.fleet.ports import Clock
from buildplate.fleet.service import FleetService
from buildplate.fleet.session import PrinterSession
from buildplate.fleet.watchers import Watchers
from buildplate.history import repository
from buildplate.history.model import Notes, Sample, Spell
from buildplate.history.sampling import READING, Sampler
from buildplate.storage import (
    ConstraintViolated,
    ScriptError,
    Storage,
    StorageClosed,
    StorageError,
)

_LOG = structlog.get_logger("history")
KEPT = 10_000
"""Spells, and rows of readings, that wait for a database that takes none; older ones are let go."""

AT_A_TIME, TOGETHER = 2000, 500
"""Rows that are deleted, and those of a kind that are written, in one transaction."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between writes, rows of a printer, writes while nothing happens, and readings."""

    write: float = 1.0
    sample: float = 10.0
    alive: float = 60.0
    reading: float = READING


@dataclass(frozen=True, slots=True)
class Retention:
    """How long history is kept, and how often the rest is deleted, in seconds."""

    keep: float
    every: float


class Recorder:
    """Writes down spells and readings of all printers: on change, and at a bounded rate."""

    def __init__(
        self,
        storage: Storage,
        fleet: FleetService,
        watchers: Watchers,
        clock: Clock,
        new_id: Callable[[], str],
        pace: Pace,
    ) -> None:
        self._storage = storage
        self._fleet = fleet
        self._watchers = watchers
        self._clock = clock
        self._new_id = new_id
        self._pace = pace
        self._stirred = asyncio.Event()
        self._changed: set[str] = set()
        self._open: dict[str, Spell] = {}
        self._began: dict[str, Spell] = {}
        self._ended: list[tuple[str, datetime]] = []
        self._sampler = Sampler(pace.sample, pace.reading, KEPT)

    def held(self, printer_id: str) -> Sequence[Sample]:
        """A printer's readings that are not written yet, oldest first."""
        return self._sampler.held(printer_id)

    async def run(self) -> None:
        """Record until cancelled; what is noted by then is still written."""
        self._watchers.add(self._note, self._note_levels)
        try:
            await self._close_left_open()
            self._changed.update(self._fleet.sessions)
            while True:
                self._look()
                await self._write()
                await asyncio.sleep(self._pace.write)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.alive):
                        await self._stirred.wait()
                self._stirred.clear()
        finally:
            self._watchers.discard(self._note)

    async def end(self) -> None:
        """End every spell now: nobody watches any more. `run` has been stopped before."""
        self._look()
        self._sampler.close()
        for printer_id in list(self._open):
            self._end_spell(printer_id)
        await self._write()

    def _note(self, printer_id: str) -> None:
        self._changed.add(printer_id)
        self._stirred.set()

    def _note_levels(self, printer_id: str) -> None:
        if (session := self._fleet.sessions.get(printer_id)) is not None:
            self._sampler.take(printer_id, session.live.temperatures, self._clock.now())
            self._stirred.set()

    async def _close_left_open(self) -> None:
        """Spells of a former life end when it was last known to run."""
        self._open.clear()
        self._began.clear()
        self._ended.clear()
        await self._storage.write(repository.close_left_open)

    def _look(self) -> None:
        """Note what has changed about the printers that stirred."""
        changed, self._changed = self._changed, set()
        for printer_id in changed:
            session = self._fleet.sessions.get(printer_id)
            if session is None:
                self._end_spell(printer_id)
                self._sampler.forget(printer_id)
            else:
                self._see(session)
        self._sampler.close_silent(self._clock.now())

    def _see(self, session: PrinterSession) -> None:
        printer = session.as_printer()
        what, print_id = pastime(printer), printer.status.active_print_id
        before = self._open.get(session.id)
        if before is not None and (before.pastime, before.print_id) == (what, print_id):
            return
        self._end_spell(session.id)
        detail = (session.live.problem or session.live.detail).replace("\0", "")
        spell = Spell(self._new_id(), session.id, what, detail[:200], print_id, self._clock.now())
        self._open[session.id] = self._began[spell.id] = spell
        if len(self._began) > KEPT:
            del self._began[next(iter(self._began))]

    def _end_spell(self, printer_id: str) -> None:
        spell = self._open.pop(printer_id, None)
        if spell is None:
            return
        at = max(self._clock.now(), spell.began_at)
        if spell.id in self._began:  # not written yet
            self._began[spell.id] = replace(spell, ended_at=at)
        else:
            self._ended.append((spell.id, at))

    async def _write(self) -> None:
        """Write what was noted, in bounded transactions; where that fails it stays noted."""
        more = True
        while more:
            notes = Notes(
                self._clock.now(),
                tuple(islice(self._began.values(), TOGETHER)),
                tuple(self._ended),
                tuple(islice(self._sampler.closed, TOGETHER)),
            )
            lost = False
            try:
                await self._storage.write(repository.write_down, notes)
            except StorageClosed:
                return
            except (ConstraintViolated, ScriptError) as error:  # the same would be refused again
                _LOG.error("history.lost", action="write", code=error.code, error=str(error))
                lost = True
            except StorageError as error:
                _LOG.warning("history.stalled", action="write", code=error.code)
                return
            for spell in notes.began:
                del self._began[spell.id]
            if not lost:  # an end says nothing that could be refused, and the next spell needs it
                del self._ended[: len(notes.ended)]
            self._sampler.done(notes.stretches)
            more = bool(self._began or self._sampler.closed)


class Sweeper:
    """Deletes what is older than people want it kept, a little at a time."""

    def __init__(self, storage: Storage, clock: Clock, retention: Retention) -> None:
        self._storage = storage
        self._clock = clock
        self._retention = retention

    async def run(self) -> None:
        """Delete now and then until cancelled."""
        while True:
            with suppress(StorageError):
                await self.sweep()
            await asyncio.sleep(self._retention.every)

    async def sweep(self) -> int:
        """Delete everything that is old enough now; how many rows."""
        before = self._clock.now() - timedelta(seconds=self._retention.keep)
        deleted = 0
        while some := await self._storage.write(repository.forget, before, AT_A_TIME):
            deleted += some
            await asyncio.sleep(0)
        return deleted
