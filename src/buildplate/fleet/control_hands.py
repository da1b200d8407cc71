"""Sends what people order of a printer directly: once, beside the steps of its print."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from buildplate.drivers.sdk import (
    Accepted,
    Answer,
    Control,
    DriverError,
    EmergencyStop,
    Refused,
    Unknown,
)
from buildplate.fleet import ledger
from buildplate.fleet.hands import NOT_OURS, PhysicalStep, in_words
from buildplate.fleet.mail import Done
from buildplate.fleet.model import CommandRecord, CommandState, InFlight
from buildplate.storage import StorageError

if TYPE_CHECKING:
    from buildplate.fleet.session import PrinterSession

STATES = {
    Accepted: CommandState.ANSWERED,
    Refused: CommandState.REFUSED,
    Unknown: CommandState.UNKNOWN,
}
RECORD_TRIES = 40
"""How often it is tried to note an emergency stop while the database cannot be written."""


class ControlHands:
    """Carries out people's orders to one printer; an emergency stop beside everything else."""

    def __init__(self, session: PrinterSession) -> None:
        self._session = session
        self.answered = 0
        """Orders that something has come of: what the host has may be otherwise since then."""

    def send(self, command: CommandRecord, order: Control) -> None:
        """Send a stored order; the caller holds the session's turn."""
        session = self._session
        session.in_flight = InFlight.of(command, session.parts.clock.boot())
        session.hands.controlling = True
        self._tasks().create_task(self._send(command, order))

    def stop(self, command: CommandRecord) -> asyncio.Task[bool]:
        """Send an emergency stop at once; the task notes it meanwhile, and says whether it could.

        ADR 0026: the stop waits neither for what is in flight nor for the disk.
        """
        session = self._session
        tasks = self._tasks()
        session.stops[command.id] = session.parts.clock.boot()
        session.hands.stopping.add(command.id)
        answer = tasks.create_task(self._tell(PhysicalStep.STOP, EmergencyStop()))
        noted = tasks.create_task(self._note(command))
        tasks.create_task(self._stopped(command, answer, noted))
        return noted

    def _tasks(self) -> asyncio.TaskGroup:
        tasks = self._session.hands.tasks
        if tasks is None:
            message = "a session that does not run was told to do something"
            raise RuntimeError(message)
        return tasks

    async def _tell(self, step: PhysicalStep, order: Control) -> Answer:
        """One call of the driver; refused where nothing was sent."""
        session = self._session
        if step is not PhysicalStep.STOP and not session.parts.lease.hold():
            return Refused("lease_lost", NOT_OURS)
        try:
            driver = session.connection.driver
        except DriverError as error:
            return Refused(error.code, f"nothing was sent: {error}")
        return await session.hands.ask(step, lambda: driver.control(order))

    async def _send(self, command: CommandRecord, order: Control) -> None:
        session = self._session
        answer = await self._tell(PhysicalStep.CONTROL, order)

        async def answered() -> None:
            session.hands.controlling = False
            self.answered += 1
            session.in_flight = InFlight.of(command, session.parts.clock.boot())
            await self._close(command, answer)
            if not isinstance(answer, Unknown):
                session.in_flight = None
                session.parts.steward.freed(session.id)
            session.look()

        await session.post(Done(answered))

    async def _stopped(
        self, command: CommandRecord, answered: asyncio.Task[Answer], noted: asyncio.Task[bool]
    ) -> None:
        session = self._session
        answer = await answered
        session.stops[command.id] = session.parts.clock.boot()
        session.look()
        is_noted = await noted

        async def closed() -> None:
            if is_noted:
                await self._close(command, answer)
            session.hands.stopping.discard(command.id)
            if not isinstance(answer, Unknown):
                session.stops.pop(command.id, None)
                session.parts.steward.freed(session.id)
            session.look()

        await session.post(Done(closed))

    async def _note(self, command: CommandRecord) -> bool:
        """Store that the stop was sent, however long that takes."""
        session = self._session
        event = session.event(
            "command.sent", command.print_id, command_id=command.id, command=command.kind
        )
        for attempt in range(RECORD_TRIES):
            try:
                await session.parts.storage.write(ledger.store_stop, command, event)
            except StorageError as error:
                if not attempt:
                    session.parts.log.warning(
                        "stop.not_noted",
                        action="emergency_stop",
                        error=str(error),
                        asked_by=command.asked_by,
                        **session.names(),
                    )
                timings = session.parts.timings
                pause = timings.backoff_first * 2 ** min(attempt, 16)
                await asyncio.sleep(min(pause, timings.backoff_last))
            else:
                return True
        return False

    async def _close(self, command: CommandRecord, answer: Answer) -> None:
        session = self._session
        state = STATES[type(answer)]
        event = session.event(
            f"command.{state}", command.print_id, command_id=command.id, command=command.kind
        )
        words = in_words(answer)
        await session.parts.storage.write(ledger.close_command, command.id, state, words, event)
