"""Where the server is killed: every durable step and every physical one, taken from the code.

A kill point names a step of the program and the day that reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass

import buildplate.app.composition  # noqa: F401 (registers every script of the server)
from buildplate.core.print_table import Event
from buildplate.fleet.hands import PhysicalStep
from buildplate.storage import SCRIPTS
from tests.faults.farms import KillAt

DAY_OF = {
    "access.audit_repository.note_deed": "people",
    "access.group_repository.add_group": "places",
    "access.group_repository.edit_group": "places",
    "access.group_repository.remove_group": "places",
    "access.repository.add_first_key": "keys",
    "access.repository.add_key": "keys",
    "access.repository.revoke_key": "keys",
    "access.user_repository.add_user": "people",
    "access.user_repository.edit_user": "people",
    "access.user_repository.end_session": "people",
    "access.user_repository.offer_setup": "people",
    "access.user_repository.rehash": "people",
    "access.user_repository.remove_user": "people",
    "access.user_repository.rotate_refresh": "people",
    "access.user_repository.start_session": "people",
    "access.user_repository.take_setup": "people",
    "access.user_repository.touch_session": "people",
    "dispatch.ranking.place_before": "paperwork",
    "dispatch.ranking.unrank": "paperwork",
    "dispatch.remarks.note_print": "paperwork",
    "dispatch.repository.assign_print": "paperwork",
    "dispatch.repository.cancel_job": "paperwork",
    "dispatch.repository.cancel_print": "cancelled",
    "dispatch.repository.confirm_print": "paperwork",
    "dispatch.repository.create_job": "plain",
    "dispatch.repository.distrust": "older",
    "dispatch.repository.edit_job": "paperwork",
    "dispatch.repository.hold_job": "paperwork",
    "dispatch.repository.resolve_print": "attention",
    "dispatch.repository.retry_job": "dropped",
    "dispatch.repository.stop_farm": "paperwork",
    "dispatch.transitions.abandon_exit": "abandoned",
    "dispatch.transitions.begin_exit": "plain",
    "dispatch.transitions.claim": "plain",
    "dispatch.transitions.drop_unstarted": "dropped",
    "dispatch.transitions.end_print": "plain",
    "dispatch.transitions.give_back": "given_back",
    "dispatch.transitions.intend": "plain",
    "dispatch.transitions.move": "plain",
    "dispatch.transitions.name_upload": "plain",
    "dispatch.transitions.step_exit": "plain",
    "dispatch.transitions.store_path": "plain",
    "files.repository.add_file": "plain",
    "files.repository.delete_file": "paperwork",
    "files.repository.rename_file": "paperwork",
    "files.repository.store_analysis": "large",
    "fleet.floor_repository.add_floor": "places",
    "fleet.floor_repository.edit_floor": "places",
    "fleet.floor_repository.remove_floor": "places",
    "fleet.repository.add_printer": "plain",
    "fleet.ledger.ask_command": "paused",
    "fleet.repository.clear_bed": "plain",
    "fleet.ledger.close_command": "cancelled",
    "fleet.ledger.store_control": "by_hand",
    "fleet.ledger.store_stop": "by_hand",
    "fleet.repository.edit_printer": "paperwork",
    "fleet.repository.note_seen": "plain",
    "fleet.repository.observe_bed": "foreign",
    "fleet.repository.reseal_connections": "rotated",
    "fleet.repository.retire_printer": "paperwork",
    "fleet.ledger.store_order": "cancelled",
    "fleet.repository.take_over": "taken_over",
    "history.repository.close_left_open": "plain",
    "history.repository.forget": "plain",
    "history.repository.write_down": "plain",
    "storage.outbox.publish_batch": "plain",
}
"""The day in which each script of the running server is killed: before and after its commit."""

PHYSICAL_DAY_OF = {
    PhysicalStep.UPLOAD: "plain",
    PhysicalStep.FETCH: "plain",
    PhysicalStep.START: "plain",
    PhysicalStep.CANCEL: "cancelled",
    PhysicalStep.PAUSE: "paused",
    PhysicalStep.RESUME: "paused",
    PhysicalStep.DELETE: "plain",
    PhysicalStep.FILES: "plain",
    PhysicalStep.CONTROL: "by_hand",
    PhysicalStep.STOP: "by_hand",
}
"""The day in which each physical step is killed: before it is sent and after its answer."""

NOT_REACHED = {
    PhysicalStep.BARRIER: "only Klipper has a barrier: test_kill_sweep_moonraker",
}


@dataclass(frozen=True, slots=True)
class KillPoint:
    """One kill: in which day, and where in it; `earlier` are the deaths before (None: any)."""

    day: str
    kill: KillAt
    earlier: tuple[KillAt | None, ...] = ()

    @property
    def name(self) -> str:
        """As tests are called."""
        return f"{self.day}-{self.kill.step}-{self.kill.nth}"

    @property
    def kills(self) -> tuple[KillAt | None, ...]:
        """The deaths of the farm's lives, in their order."""
        return (*self.earlier, self.kill)


SECOND_LIFE = frozenset({"rotated", "taken_over"})
"""Days that kill the farm once themselves: what they are about happens at the next start."""

_INTENT = "committed:dispatch.transitions.intend"
MOVE_OF: dict[Event, tuple[str, ...]] = {
    Event.READY_PRINTER: ("plain", "queued>claimed"),
    Event.NEW_UPLOAD: ("uploaded_again", "transferring>transferring"),
    Event.UPLOAD_VERIFIED: ("plain", "transferring>starting"),
    Event.GIVEN_BACK: ("given_back", "transferring>queued"),
    Event.CANCEL: ("cancelled", "printing>cancelling"),
    Event.OUR_RUN: ("plain", "starting>printing"),
    Event.OUR_RUN_PAUSED: ("paused", "printing>paused"),
    Event.GAP: ("plain", "starting>needs_attention", _INTENT),
    Event.NO_EVIDENCE: ("attention", "printing>needs_attention"),
    Event.PROOF_INCOMPLETE: ("unproven", "starting>needs_attention"),
    Event.EXIT_COMPLETED: ("plain", "printing>completed"),
    Event.EXIT_FAILED: ("attention", "needs_attention>failed"),
    Event.EXIT_CANCELLED: ("cancelled", "cancelling>cancelled"),
    Event.EXIT_NOT_STARTED: ("not_started", "starting>not_started"),
}
"""For each event of the table of states a change that it makes, killed right after its commit.

After the day and the change stand the deaths that have to come before it.
"""

_FURTHER = [
    ("plain", "committed:dispatch.transitions.intend", 2),
    ("plain", "committed:dispatch.transitions.end_print", 2),
    ("cancelled", "committed:dispatch.transitions.begin_exit", 1),
    ("not_started", "committed:dispatch.transitions.begin_exit", 1),
    ("not_started", "answered:delete", 1),
    ("attention", "committed:dispatch.transitions.begin_exit", 1),
    ("attention", "answered:delete", 1),
    ("paused", "committed:fleet.ledger.store_order", 1),
    ("paused", "committed:fleet.ledger.store_order", 2),
]
"""The same steps on other ways through the table of states."""


def program_scripts() -> list[str]:
    """Every transaction script of the program; tests register some of their own."""
    return sorted(name for name in SCRIPTS if not name.startswith("tests."))


def kill_points() -> list[KillPoint]:
    """All of them; KeyError for a step of the program for which there is no day."""
    wanted = [
        (DAY_OF[name], f"{moment}:{name}", 1)
        for name in program_scripts()
        for moment in ("before", "committed")
    ]
    wanted += [
        (PHYSICAL_DAY_OF[step], f"{moment}:{step}", 1)
        for step in PhysicalStep
        if step not in NOT_REACHED
        for moment in ("before", "answered")
    ]
    points = [_point(*place) for place in dict.fromkeys([*wanted, *_FURTHER])]
    return points + [_move(event) for event in Event]


def _point(day: str, step: str, nth: int) -> KillPoint:
    return KillPoint(day, KillAt(step, nth), (None,) if day in SECOND_LIFE else ())


def _move(event: Event) -> KillPoint:
    day, move, *earlier = MOVE_OF[event]
    return KillPoint(day, KillAt(f"moved:{move}"), tuple(KillAt(step) for step in earlier))
