"""The values a small world is made of: what is stored, what hosts hold, what nodes remember.

All are named tuples: immutable, quickly hashed, compared by value. Prints, printers, hosts and
nodes are known by their position; -1 stands for none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from buildplate.core.actions import Action
from buildplate.core.deeds import Deeds
from buildplate.core.evidence import Ending, Run
from buildplate.core.print_table import ACTIVE, TERMINAL, PrintState
from buildplate.core.printers import Activity, Bed
from tests.exploration.clock import FRESH_MEMORY
from tests.exploration.flags import ALL_RULES, Rules

NOBODY = -1

HostKind = Literal["octoprint", "moonraker"]
RequestKind = Literal["upload", "start", "delete", "barrier", "cancel", "pause", "resume"]
ORDERS: frozenset[RequestKind] = frozenset(("cancel", "pause", "resume"))
Stage = Literal["held", "opened"]
Part = Literal["none", "ours", "foreign"]
Answer = Literal["yes", "no", "unknown"]
Click = Literal["none", "valid", "stale"]


class Place(NamedTuple):
    """A node and one of its printers."""

    node: int
    printer: int

    def __str__(self) -> str:
        return f"node {self.node}, printer {self.printer}: "


class File(NamedTuple):
    """One upload name: the print it belongs to, and the how-manyth name of that print."""

    print: int
    attempt: int


FOREIGN_FILE = File(NOBODY, 0)


class Request(NamedTuple):
    """A request on its way. Held: in a proxy or a stalled host, for as long as it likes.

    Opened: a start that has found its file and will run, whatever happens to the file.
    """

    kind: RequestKind
    file: File
    stage: Stage = "held"
    asker: int = NOBODY


class Running(NamedTuple):
    """What a printer prints: begun by our request or by a person, before or since the intent.

    `recorded`: Moonraker has watched the run from its beginning, so that it will write a row.
    `parsed`: Klipper has read the file to its end, calls it complete, and the printer moves on.
    """

    file: File
    ours: bool
    since: bool
    recorded: bool = True
    paused: bool = False
    parsed: bool = False


class Ended(NamedTuple):
    """An ending that a host remembers, of a run that began before or since the intent."""

    file: File
    ending: Ending
    since: bool


class Host(NamedTuple):
    """The truth at one printer, with what its host would tell about it.

    `process` changes with every restart. `history` holds endings that the host keeps (an OctoPrint
    with the file, Moonraker in its rows), `last` what Klipper's print_stats say. `started` and
    `others` are what an unbroken watch since the intent has seen: our files that began, and whether
    any other did. `foreign`: a foreign run that no session has noticed. `timeless`: files with a
    success that never printed. `garbled`: files that hold something else than was sent. `part` is
    what lies on the bed.
    """

    process: int = 0
    up: bool = True
    halted: bool = False
    files: frozenset[File] = frozenset()
    requests: tuple[Request, ...] = ()
    run: Running | None = None
    history: frozenset[Ended] = frozenset()
    last: Ended | None = None
    started: frozenset[File] = frozenset()
    others: bool = False
    foreign: bool = False
    timeless: frozenset[File] = frozenset()
    garbled: frozenset[File] = frozenset()
    part: Part = "none"


class Printer(NamedTuple):
    """The stored row of a printer.

    `former`: a node that lost the printer, whose lease is not over. `seen`: the host's process when
    last in step with it. `click`: a second click on "bed cleared" that is still under way, with the
    bed's present version or an older one. `touched`: the bed's version has grown since the intent.
    `gap`: nobody has watched for longer than what the host's memory can cover.
    """

    bed: Bed = Bed.CLEAR
    owner: int = 0
    former: int = NOBODY
    unsettled: bool = False
    seen: int = 0
    click: Click = "none"
    touched: bool = False
    gap: bool = False


class Word(NamedTuple):
    """A person's stored answer to needs_attention."""

    outcome: PrintState
    bed: Bed
    override: bool = False


class Print(NamedTuple):
    """The stored row of a print. `exit` is the wanted verdict and on whose word."""

    job: int
    state: PrintState = PrintState.QUEUED
    printer: int = NOBODY
    attempt: int = 0
    wants_cancel: bool = False
    exit: tuple[PrintState, str] | None = None
    word: Word | None = None


class Look(NamedTuple):
    """What one answered read says, without its time: the content of a core Reading."""

    activity: Activity
    run: Run
    began_since: bool
    ending: Ending | None
    doubt: bool
    silent: bool
    others_ran: bool


class Pick(NamedTuple):
    """(Without the job's lock) a claim decided on after reading the job, and not yet written."""


class LateIntent(NamedTuple):
    """(Without intent before action) an intent still to be written after its start was sent."""


class LateBed(NamedTuple):
    """(Without occupying at the intent) a bed to be occupied after the print has ended."""


class Pending(NamedTuple):
    """An effect decided on and not yet carried out; fresh while nobody else wrote its rows.

    `file` is the print's upload name at the time of the decision.
    """

    file: File
    action: Action | Pick | LateIntent | LateBed
    fresh: bool = True


class Local(NamedTuple):
    """One node's volatile memory of one printer; a crash leaves `Local()`.

    `channel`: connected and in step. `held`: the channel has not broken since before the intent of
    the active print. `heard`: an ending of its file that came over this channel. `look`: the
    reading that the last decision was made on, while own effects follow from it. `vouched`: since a
    person last spoke of the bed, nobody else was seen to print, and the channel held. `asked`: a
    person's pause or resume that waits for its turn.
    """

    about: int = NOBODY
    deeds: Deeds = FRESH_MEMORY
    pending: Pending | None = None
    look: Look | None = None
    channel: bool = False
    held: bool = False
    heard: Ending | None = None
    vouched: bool = False
    asked: str = ""


class Budget(NamedTuple):
    """How many bad events of each kind may still happen."""

    crash: int = 0
    restart: int = 0
    moonraker: int = 0
    flap: int = 0
    foreign: int = 0
    failure: int = 0
    takeover: int = 0
    lost: int = 0
    cancel: int = 0
    pause: int = 0
    second_click: int = 0
    timeless: int = 0
    denied: int = 0
    override: int = 0
    garbled: int = 0
    parsed: int = 0
    gap: int = 0


class World(NamedTuple):
    """One moment. `jobs` tells which are cancelled; the rest below `budget` is the hidden truth.

    `made` counts completions of our own starts per job; `began` and `did` hold files that began and
    completed since their intent. `excused`: a person has overridden, and answers for doubles.
    """

    jobs: tuple[bool, ...]
    prints: tuple[Print, ...]
    printers: tuple[Printer, ...]
    hosts: tuple[Host, ...]
    nodes: tuple[tuple[Local, ...], ...]
    budget: Budget
    made: tuple[int, ...]
    began: frozenset[File] = frozenset()
    did: frozenset[File] = frozenset()
    excused: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays the same in a world: its hosts, its bounds, its rules.

    `copies` holds one number per job. `prints`, `uploads`: no more prints, or upload names of one
    print, than this are made; a world that reaches the bound counts as ended. `odd`: an OctoPrint
    whose start loses its file may also halt, instead of printing on. `words`: people answer for
    prints that need them.
    """

    name: str
    kind: HostKind
    copies: tuple[int, ...] = (1,)
    nodes: int = 1
    printers: int = 1
    prints: int = 2
    uploads: int = 3
    odd: bool = False
    words: bool = True
    budget: Budget = field(default_factory=Budget)
    rules: Rules = ALL_RULES


class Step(NamedTuple):
    """Something that can happen: what, the world after it, and the promise it breaks, if any.

    A `note` is a harm that TRUTH.md says no rule removes.
    """

    label: str
    world: World
    fault: bool = False
    broken: str | None = None
    note: str | None = None


def first_world(scene: Scene) -> World:
    """Jobs accepted, nothing else has happened; each printer is owned and watched by node 0."""
    prints = tuple(Print(job) for job, copies in enumerate(scene.copies) for _ in range(copies))
    return World(
        jobs=(False,) * len(scene.copies),
        prints=prints,
        printers=(Printer(),) * scene.printers,
        hosts=(Host(),) * scene.printers,
        nodes=tuple((Local(channel=node == 0),) * scene.printers for node in range(scene.nodes)),
        budget=scene.budget,
        made=(0,) * len(scene.copies),
    )


def file_of(world: World, index: int) -> File:
    """The file under the newest upload name of a print."""
    return File(index, world.prints[index].attempt)


def active_print(scene: Scene, world: World, printer: int) -> int:
    """The print that a printer's session decides for, or NOBODY."""
    attention = NOBODY
    for index, print_ in enumerate(world.prints):
        if print_.printer == printer and print_.state in ACTIVE:
            if scene.rules.attention_is_active or print_.state is not PrintState.NEEDS_ATTENTION:
                return index
            attention = index
    return attention


def is_reserved(scene: Scene, world: World, printer: int) -> bool:
    """Whether an active print keeps everything else off a printer and its bed."""
    index = active_print(scene, world, printer)
    if index == NOBODY:
        return False
    attention = world.prints[index].state is PrintState.NEEDS_ATTENTION
    return scene.rules.attention_is_active or not attention


def is_live(print_: Print) -> bool:
    """Whether a print has not ended."""
    return print_.state not in TERMINAL


def spend(world: World, kind: str) -> World:
    """The world with one bad event of that kind fewer to come."""
    left = getattr(world.budget, kind) - 1
    return world._replace(budget=world.budget._replace(**{kind: left}))


def put_print(world: World, index: int, print_: Print) -> World:
    """The world with another row for one print."""
    return world._replace(prints=(*world.prints[:index], print_, *world.prints[index + 1 :]))


def put_printer(world: World, index: int, printer: Printer) -> World:
    """The world with another row for one printer."""
    rows = world.printers
    return world._replace(printers=(*rows[:index], printer, *rows[index + 1 :]))


def put_host(world: World, index: int, host: Host) -> World:
    """The world with another truth at one printer."""
    return world._replace(hosts=(*world.hosts[:index], host, *world.hosts[index + 1 :]))


def local_at(world: World, at: Place) -> Local:
    """What a node remembers of a printer."""
    return world.nodes[at.node][at.printer]


def put_local(world: World, at: Place, local: Local) -> World:
    """The world with another memory of one node about one printer."""
    node, printer = at
    row = world.nodes[node]
    row = (*row[:printer], local, *row[printer + 1 :])
    return world._replace(nodes=(*world.nodes[:node], row, *world.nodes[node + 1 :]))
