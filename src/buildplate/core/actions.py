"""The single effects that `next_action` can ask for: values that the executor carries out."""

from __future__ import annotations

from dataclasses import dataclass

from buildplate.core.print_table import Event, PrintState


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing; read the printer at `until` (boot-time s), or only when it speaks (None)."""

    until: float | None = None


@dataclass(frozen=True, slots=True)
class NameUpload:
    """Commit the next upload name (n + 1) before its first byte is sent."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Send the print file under the committed name, fetch it back and compare its hash."""


@dataclass(frozen=True, slots=True)
class Intend:
    """Commit the intent: state starting, bed occupied, baseline; the check is repeated there."""


@dataclass(frozen=True, slots=True)
class SendStart:
    """Send the one start. Only ever asked for by the process that committed the intent."""


@dataclass(frozen=True, slots=True)
class Move:
    """Commit a change of state by `event` of the table. GIVEN_BACK carries a waiting reason."""

    event: Event
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BeginExit:
    """Commit the wanted verdict with its evidence: step one of the one way out."""

    verdict: PrintState
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Barrier:
    """Send the host's barrier command, whose answer proves that all before it has run."""


@dataclass(frozen=True, slots=True)
class Revoke:
    """Delete our file on the printer; the step is stored, the answer is never evidence."""


@dataclass(frozen=True, slots=True)
class AbandonExit:
    """Commit that the wanted verdict is dropped, because the printer contradicts it."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Commit the end: state, bed and, if one is due, the replacement print in one transaction."""

    verdict: PrintState
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """Commit a physical command (cancel, pause, resume) before it is sent."""

    kind: str
    command_id: str | None = None


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Send the stored physical command."""

    kind: str


@dataclass(frozen=True, slots=True)
class DropOrder:
    """Settle a stored command that was not sent, because our file no longer runs."""

    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefuseAsk:
    """Refuse a person's pause or resume that has nothing to act on."""

    command_id: str
    reason: str


Action = (
    Wait
    | NameUpload
    | Transfer
    | Intend
    | SendStart
    | Move
    | BeginExit
    | Barrier
    | Revoke
    | AbandonExit
    | Verdict
    | StoreOrder
    | SendOrder
    | DropOrder
    | RefuseAsk
)
