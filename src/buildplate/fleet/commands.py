"""The use cases of the command ledger: people ask for a pause or a resume, and follow it."""

from __future__ import annotations

from collections.abc import Sequence

from buildplate.fleet import ledger
from buildplate.fleet.errors import CommandRefused, UnknownCommand
from buildplate.fleet.model import CommandRecord, CommandState
from buildplate.fleet.service import FleetService
from buildplate.fleet.session import SessionParts


class CommandService:
    """The ledger of physical commands."""

    def __init__(self, parts: SessionParts, fleet: FleetService) -> None:
        self._parts = parts
        self._fleet = fleet

    async def ask(self, print_id: str, printer_id: str, kind: str, who: str) -> CommandRecord:
        """Queue a person's pause or resume of a print; CommandRefused where one waits."""
        command = CommandRecord(
            id=self._parts.new_id(),
            printer_id=printer_id,
            print_id=print_id,
            kind=kind,
            state=CommandState.ASKED,
            asked_by=who,
            asked_at=self._parts.clock.now(),
            sent_at=None,
            answered_at=None,
            settled_at=None,
            answer=None,
        )
        session = self._fleet.session(printer_id)
        if session.asked is not None:
            message = f"a {session.asked.kind} of this printer still waits for its turn"
            raise CommandRefused(message)
        event = session.event("command.asked", print_id, command_id=command.id, command=kind)
        await self._parts.storage.write(ledger.ask_command, command, event)
        session.asked = command
        session.nudge()
        return command

    async def command(self, command_id: str) -> CommandRecord:
        """A command of the ledger; UnknownCommand."""
        found = await self._parts.storage.read(ledger.get_command, command_id)
        if found is None:
            message = f"there is no command {command_id}"
            raise UnknownCommand(message)
        return found

    async def commands(self, printer_id: str, limit: int = 50) -> Sequence[CommandRecord]:
        """The printer's latest commands, newest first."""
        return await self._parts.storage.read(ledger.commands_of, printer_id, limit)
