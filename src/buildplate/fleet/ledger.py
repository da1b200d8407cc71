"""The SQL of the ledger of physical commands: stored before they are sent, then answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, update

from buildplate.core.printers import Bed
from buildplate.fleet.errors import (
    CommandPending,
    CommandRefused,
    KeyUsed,
    OwnerChanged,
    PrintReserved,
)
from buildplate.fleet.model import CommandRecord, CommandState, PrinterRecord
from buildplate.fleet.ports import PrintSteward
from buildplate.fleet.repository import (
    SHARED,
    get_printer,
    hold_printer,
    maybe_time,
    set_bed,
)
from buildplate.storage import (
    EventRecord,
    Row,
    Tx,
    from_json,
    from_micros,
    script,
    to_json,
    to_micros,
)
from buildplate.storage.tables import COMMAND_IS_UNSETTLED, commands


def command_from(row: Row) -> CommandRecord:
    """One row of `commands` as a value."""
    return CommandRecord(
        id=row["id"],
        printer_id=row["printer_id"],
        print_id=row["print_id"],
        kind=row["kind"],
        state=CommandState(row["state"]),
        asked_by=row["asked_by"],
        asked_at=from_micros(row["asked_at"]),
        sent_at=maybe_time(row["sent_at"]),
        answered_at=maybe_time(row["answered_at"]),
        settled_at=maybe_time(row["settled_at"]),
        answer=row["answer"],
        params=from_json(row["params"]),
        key=row["idempotency_key"],
    )


async def get_command(tx: Tx, command_id: str) -> CommandRecord | None:
    """The command with this id."""
    row = await tx.row(select(commands).where(commands.c.id == command_id))
    return None if row is None else command_from(row)


_OPEN_COMMANDS = (
    select(commands)
    .where(commands.c.printer_id == bindparam("of_printer"))
    .where(COMMAND_IS_UNSETTLED)
    .order_by(commands.c.asked_at)
)


async def open_commands(tx: Tx, printer_id: str) -> list[CommandRecord]:
    """The printer's commands that are asked, or sent and neither answered nor settled."""
    rows = await tx.rows(_OPEN_COMMANDS, {"of_printer": printer_id})
    return [command_from(row) for row in rows]


async def commands_of(tx: Tx, printer_id: str, limit: int) -> Sequence[CommandRecord]:
    """The printer's latest commands, newest first."""
    statement = (
        select(commands)
        .where(commands.c.printer_id == printer_id)
        .order_by(commands.c.asked_at.desc())
        .limit(limit)
    )
    return [command_from(row) for row in await tx.rows(statement)]


_NEW = insert(commands)


def _new_command(command: CommandRecord) -> dict[str, Any]:
    return {
        "id": command.id,
        "printer_id": command.printer_id,
        "print_id": command.print_id,
        "kind": command.kind,
        "state": command.state.value,
        "asked_by": command.asked_by,
        "asked_at": to_micros(command.asked_at),
        "sent_at": None if command.sent_at is None else to_micros(command.sent_at),
        "params": to_json(dict(command.params)),
        "idempotency_key": command.key,
    }


@script
async def ask_command(tx: Tx, command: CommandRecord, event: EventRecord) -> CommandRecord:
    """Store a person's pause or resume; it is sent when its turn comes. One may wait per print."""
    await hold_printer(tx, command.printer_id)
    waiting = await tx.row(
        select(commands.c.kind)
        .where(commands.c.print_id == command.print_id)
        .where(COMMAND_IS_UNSETTLED)
        .where(commands.c.state == CommandState.ASKED.value)
    )
    if waiting is not None:
        message = f"a {waiting['kind']} of this print still waits for its turn"
        raise CommandRefused(message)
    await tx.change(_NEW, _new_command(command))
    await tx.record(event)
    return command


@script
async def store_order(
    tx: Tx, printer: PrinterRecord, order: CommandRecord, event: EventRecord
) -> bool:
    """Make a physical command durable before it is sent; OwnerChanged when the fence is stale.

    False when what a person asked for has been refused or settled meanwhile.
    """
    row = await tx.row(SHARED, {"printer_id": printer.id})
    if row is None or row["fence"] != printer.fence:
        message = "the owner changed meanwhile"
        raise OwnerChanged(message)
    if order.asked_by is None:
        await tx.change(_NEW, _new_command(order))
        await tx.record(event)
        return True
    sent_at = None if order.sent_at is None else to_micros(order.sent_at)
    changed = await tx.change(
        update(commands)
        .where(and_(commands.c.id == order.id, commands.c.state == CommandState.ASKED.value))
        .values(state=CommandState.SENT.value, sent_at=sent_at)
    )
    if changed == 1:
        await tx.record(event)
    return changed == 1


_OF_KEY = select(commands).where(commands.c.idempotency_key == bindparam("of_key"))


async def command_of_key(tx: Tx, order: CommandRecord) -> CommandRecord | None:
    """The command that came with this order's key before; KeyUsed where it was another order."""
    if order.key is None:
        return None
    row = await tx.row(_OF_KEY, {"of_key": order.key})
    if row is None:
        return None
    known = command_from(row)
    same = (known.printer_id, known.kind, dict(known.params))
    if same != (order.printer_id, order.kind, dict(order.params)):
        message = "the key came with another order before"
        raise KeyUsed(message)
    return known


@script
async def store_control(
    tx: Tx,
    printer: PrinterRecord,
    order: CommandRecord,
    steward: PrintSteward | None,
    events: Sequence[EventRecord],
) -> tuple[CommandRecord, PrinterRecord]:
    """Make a person's order durable before it is sent; the same key answers the order made first.

    `steward`: the order may not meet an active print (PrintReserved). A second event occupies the
    bed. CommandPending, KeyUsed, OwnerChanged.
    """
    await hold_printer(tx, printer.id)
    known = await command_of_key(tx, order)
    record = await get_printer(tx, printer.id)
    if known is not None:
        return known, record
    if record.fence != printer.fence:
        message = "the owner changed meanwhile"
        raise OwnerChanged(message)
    if await tx.row(_UNSETTLED_OF, {"of_printer": printer.id}) is not None:
        message = "another command to this printer is not answered yet"
        raise CommandPending(message)
    if steward is not None and not await steward.release(tx, printer.id):
        message = "a print of ours holds the printer"
        raise PrintReserved(message)
    await tx.change(_NEW, _new_command(order))
    await tx.record(events[0])
    if len(events) > 1:
        await set_bed(tx, record, Bed.OCCUPIED, str(events[1].data["reason"]))
        await tx.record(events[1])
        record = await get_printer(tx, printer.id)
    return order, record


_UNSETTLED_OF = (
    select(commands.c.id)
    .where(commands.c.printer_id == bindparam("of_printer"))
    .where(COMMAND_IS_UNSETTLED)
    .limit(1)
)


@script
async def store_stop(tx: Tx, order: CommandRecord, event: EventRecord) -> None:
    """Note an emergency stop, which was sent without waiting for this; see ADR 0026.

    Once: where nobody knows whether it was noted, it is tried again.
    """
    if await get_command(tx, order.id) is not None:
        return
    await tx.change(_NEW, _new_command(order))
    await tx.record(event)


@script
async def close_command(
    tx: Tx, command_id: str, state: CommandState, answer: str, event: EventRecord
) -> None:
    """Store what came of a command: answered, refused, unknown or settled."""
    column = commands.c.settled_at if state is CommandState.SETTLED else commands.c.answered_at
    changed = await tx.change(
        update(commands)
        .where(commands.c.id == command_id)
        .where(COMMAND_IS_UNSETTLED)
        .values({"state": state.value, "answer": answer, column.name: to_micros(event.at)})
    )
    if changed:
        await tx.record(event)


async def refuse_asked(tx: Tx, print_id: str, answer: str, at: int) -> None:
    """Refuse what people asked of a print that is no longer printing."""
    await tx.change(
        update(commands)
        .where(commands.c.print_id == print_id)
        .where(COMMAND_IS_UNSETTLED)
        .where(commands.c.state == CommandState.ASKED.value)
        .values(state=CommandState.REFUSED.value, answer=answer, answered_at=at)
    )
