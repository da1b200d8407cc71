"""The values of the fleet: a printer as stored, as seen live, its commands and its timings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from buildplate.core.evidence import Reading
from buildplate.core.printers import Activity, Bed, Link, PrinterSpec
from buildplate.drivers.sdk import Capability, Levels, Temperature


@dataclass(frozen=True, slots=True)
class PrinterRecord:
    """A printer as the database holds it; `connection` follows its driver's form."""

    spec: PrinterSpec
    version: int
    driver: str
    connection: Mapping[str, Any]
    created_at: datetime
    bed: Bed
    bed_version: int
    bed_reason: str | None
    fence: int
    owner: str | None
    seen_at: datetime | None
    fingerprint: str | None
    process: str | None
    retired_at: datetime | None

    @property
    def id(self) -> str:
        """The printer's id."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Floor:
    """A plan on which printers have their places; its size in mm."""

    id: str
    version: int
    name: str
    width_mm: float
    depth_mm: float
    created_at: datetime


class CommandState(StrEnum):
    """Where a physical command stands in the ledger."""

    ASKED = "asked"
    SENT = "sent"
    UNKNOWN = "unknown"
    ANSWERED = "answered"
    REFUSED = "refused"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One physical command: stored before it is sent, kept as the record of what was done.

    `params` are what a person asked for in detail, `key` the idempotency key that came with it.
    """

    id: str
    printer_id: str
    print_id: str | None
    kind: str
    state: CommandState
    asked_by: str | None
    asked_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    settled_at: datetime | None
    answer: str | None
    params: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class FleetTimings:
    """Durations in seconds, already scaled by the farm's time factor.

    `connect`: opening a link; `request`: one small request; `look`: one read of the printer, which
    takes several; `poll`: between reads of a printer that is quiet; `min_look`: the least time
    between two reads that nothing waits for; `gather`: how long several things a host says at once
    are waited for before it is read; `backoff_first`/`backoff_last`: reconnecting; `auth_retry`:
    after a refused credential; `command`: the longest command time-out; `settle`: TRUTH.md's settle
    time; `power`: the longest that a host may still carry out an order to cut power whose answer
    nobody has; `bed_gap`: how long an unwatched gap may be; `seen_every`: how often the last sight
    of a printer is stored; `lease`: a lease's life.
    """

    connect: float = 45.0
    request: float = 10.0
    look: float = 30.0
    poll: float = 10.0
    min_look: float = 0.1
    gather: float = 0.01
    backoff_first: float = 1.0
    backoff_last: float = 30.0
    auth_retry: float = 60.0
    command: float = 30.0
    settle: float = 5.0
    power: float = 300.0
    bed_gap: float = 600.0
    seen_every: float = 60.0
    transfer_stall: float = 1.0
    lease: float = 5.0

    def longest(self, *, cuts_power: bool = False) -> float:
        """How long a command may wait somewhere once nobody waits for its answer any more.

        A Moonraker asks an outlet how it stands before it switches it, each up to three times for
        20 s, and after its own poll: three minutes in all, and more where the network is slow to
        say that nobody is there. One that is switched on late does a print no harm.
        """
        return (max(self.power, self.command) if cuts_power else self.command) + self.settle


@dataclass(frozen=True, slots=True)
class InFlight:
    """A command that is sent and neither answered nor settled; `since` in boot-time s."""

    command_id: str
    since: float
    cuts_power: bool = False

    @classmethod
    def of(cls, command: CommandRecord, since: float) -> InFlight:
        """This command, which nobody may have answered since then."""
        on = command.params.get("on") is True
        return cls(command.id, since, cuts_power=command.kind == Capability.POWER and not on)


@dataclass(slots=True)
class LiveState:
    """What is known of a printer now; `told_at` is when it last said anything (boot-time s)."""

    link: Link = Link.CONNECTING
    problem: str = ""
    hint: str = ""
    problem_code: str = ""
    activity: Activity = Activity.UNKNOWN
    path: str | None = None
    detail: str = ""
    temperatures: dict[str, Temperature] = field(default_factory=dict)
    progress: float | None = None
    time_left_s: float | None = None
    told_at: float | None = None
    software: str = ""
    warnings: tuple[str, ...] = ()
    levels: Levels = field(default_factory=Levels)
    powered: bool = True

    def take(self, reading: Reading) -> None:
        """Note what an answered read said."""
        self.activity = reading.activity
        self.path = reading.path
        self.detail = reading.detail
        self.powered = reading.powered
        if reading.progress is not None or reading.activity is Activity.IDLE:
            self.progress = reading.progress
            self.time_left_s = reading.time_left_s
