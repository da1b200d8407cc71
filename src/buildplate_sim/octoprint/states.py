"""The states of a simulated OctoPrint's serial side, with the words and flags it shows for them."""

from __future__ import annotations

from enum import StrEnum

FLAGS = (
    "cancelling",
    "closedOrError",
    "error",
    "finishing",
    "operational",
    "paused",
    "pausing",
    "printing",
    "ready",
    "resuming",
    "sdReady",
)


class State(StrEnum):
    """A state, by the id its change event carries."""

    OFFLINE = "OFFLINE"
    OPENING = "OPEN_SERIAL"
    CONNECTING = "CONNECTING"
    OPERATIONAL = "OPERATIONAL"
    STARTING = "STARTING"
    PRINTING = "PRINTING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    CANCELLING = "CANCELLING"
    FINISHING = "FINISHING"
    ERROR = "ERROR"


TEXT = {
    State.OFFLINE: "Offline",
    State.OPENING: "Opening serial connection",
    State.CONNECTING: "Connecting",
    State.OPERATIONAL: "Operational",
    State.STARTING: "Starting",
    State.PRINTING: "Printing",
    State.PAUSING: "Pausing",
    State.PAUSED: "Paused",
    State.RESUMING: "Resuming",
    State.CANCELLING: "Cancelling",
    State.FINISHING: "Finishing",
    State.ERROR: "Error",
}

_SET = {
    State.OFFLINE: {"closedOrError"},
    State.OPENING: set(),
    State.CONNECTING: set(),
    State.OPERATIONAL: {"operational", "ready"},
    State.STARTING: {"operational", "printing"},
    State.PRINTING: {"operational", "printing"},
    State.PAUSING: {"operational", "pausing", "printing"},
    State.PAUSED: {"operational", "paused"},
    State.RESUMING: {"operational", "printing", "resuming"},
    State.CANCELLING: {"operational", "cancelling", "printing"},
    State.FINISHING: {"operational", "finishing", "printing"},
    State.ERROR: {"closedOrError", "error"},
}

BUSY = frozenset(
    {
        State.STARTING,
        State.PRINTING,
        State.PAUSING,
        State.PAUSED,
        State.RESUMING,
        State.CANCELLING,
        State.FINISHING,
    }
)
"""States in which no other file can be selected."""

OPERATIONAL = BUSY | {State.OPERATIONAL}
"""States in which the printer can be talked to."""


def flags(state: State) -> dict[str, bool]:
    """All flags of a state."""
    shown = _SET[state] | ({"sdReady"} if state in OPERATIONAL else set())
    return {flag: flag in shown for flag in FLAGS}
