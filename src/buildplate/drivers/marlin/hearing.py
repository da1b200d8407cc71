"""What a printer says, turned into what is known of it: facts for a look, levels for the panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from buildplate.drivers.marlin.config import SerialSettings
from buildplate.drivers.marlin.notes import Notes
from buildplate.drivers.marlin.thermal import Finding, ThermalWatch
from buildplate.drivers.marlin.voice import Voice
from buildplate.drivers.sdk import Levels, Temperature
from buildplate.protocols.marlin import (
    Ability,
    Action,
    Busy,
    CardState,
    Event,
    Failure,
    Firmware,
    OutOfStep,
    Position,
    Said,
    Started,
    Temperatures,
)

MOST_TOOLS = 16
MOST_ABILITIES = 200


@dataclass(slots=True)
class Facts:
    """What is known of the firmware; changed by the streaming thread alone. Times are monotonic.

    `card_open`: a file on the printer's own card was opened, and what became of it is not known.
    `card_free`: the printer has said that it prints nothing from it, and nothing else since.
    """

    firmware: Firmware | None = None
    abilities: dict[str, bool] = field(default_factory=dict)
    heaters: dict[str, Temperature] = field(default_factory=dict)
    position: Mapping[str, float] | None = None
    baud: int = 0
    boots: int = 0
    halted: str = ""
    card: CardState | None = None
    has_card: bool = False
    card_open: bool = False
    card_free: bool = False
    heard_at: float = 0.0
    heat_at: float = 0.0
    busy_at: float = float("-inf")

    def targets(self) -> dict[str, float]:
        """What each heater that is on is set to, by the last report."""
        return {name: one.target for name, one in self.heaters.items() if one.target}


class Hearing:
    """Takes events one by one; what the thermal watch finds in them waits in `findings`."""

    def __init__(self, settings: SerialSettings, notes: Notes, voice: Voice) -> None:
        self.facts = Facts()
        self.findings: list[Finding] = []
        self.watch = ThermalWatch(settings.thresholds, _alarm_limits(settings))
        self._notes = notes
        self._voice = voice
        self._takers: dict[type, Callable[[Any, float], None]] = {
            Temperatures: self._heat,
            Busy: self._busy,
            Position: self._position,
            Started: self._started,
            Failure: self._failure,
            Firmware: self._firmware,
            Ability: self._ability,
            CardState: self._card,
            Action: self._action,
            Said: self._said,
            OutOfStep: self._out_of_step,
        }

    def take(self, event: Event, now: float) -> None:
        """Note what an event tells."""
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event, now)

    def _heat(self, report: Temperatures, now: float) -> None:
        self.facts.heat_at = now
        known = self.facts.heaters
        found = {}
        heaters = dict(report.heaters)
        tools = [name for name in known if name.startswith("tool")]
        told = [name for name in heaters if name.startswith("tool")]
        if report.active_only and len(tools) > 1:
            # Which of several it is, is not told: it is no reading of any, and a sign of life.
            del heaters["tool0"]
            self.watch.spare(tools, now)
        elif tools == ["tool0"] and len(told) == 1:
            # Several extruders may share one heater: a wait names the one that it is for.
            heaters["tool0"] = heaters.pop(told[0])
        for name, heat in heaters.items():
            before = known.get(name)
            # A sensor heats nothing: a target beside it is a heater's whose letter was spoilt.
            target = heat.target if _heats(name) else None
            if target is None and before is not None:
                target = before.target
            found[name] = Temperature(heat.actual, target)
        self.facts.heaters = dict(list((known | found).items())[: 2 * MOST_TOOLS])
        self._voice.temperatures(found)
        readings = {n: (one.actual, one.target) for n, one in found.items() if _heats(n)}
        self.findings += self.watch.report(readings, now)

    def _busy(self, _: Busy, now: float) -> None:
        self.facts.busy_at = now

    def _position(self, position: Position, _: float) -> None:
        axes = self.facts.position = position.axes
        self._voice.levels(Levels(position={name: axes[name] for name in "xyz" if name in axes}))

    def _started(self, started: Started, _: float) -> None:
        self.facts.boots += 1
        self.facts.halted = ""
        self.facts.position = None
        self.facts.card_open = self.facts.card_free = False
        self.watch.forget()
        self._voice.line(started.text)
        self._voice.changed("the printer was reset")

    def _failure(self, failure: Failure, _: float) -> None:
        self._voice.line(failure.text, error=True)
        if failure.halted:
            self.facts.halted = failure.text
            self._voice.changed(failure.text)

    def _firmware(self, firmware: Firmware, _: float) -> None:
        self.facts.firmware = firmware

    def _ability(self, ability: Ability, _: float) -> None:
        if len(self.facts.abilities) < MOST_ABILITIES:
            self.facts.abilities[ability.name] = ability.on

    def _card(self, card: CardState, _: float) -> None:
        facts = self.facts
        facts.has_card = facts.has_card or card.printing is not None or card.opened
        before = facts.card
        path = card.path or (before.path if before else "")
        running = bool(before and before.printing)
        if card.printing is None:
            facts.card = CardState(printing=running, path=path)
            if card.opened:
                facts.card_open, facts.card_free = True, False
                self._voice.changed("a file on the printer's own card was opened")
            return
        facts.card_open, facts.card_free = False, not card.printing
        facts.card = CardState(printing=card.printing, path=path)
        if (card.printing and not running) or (card.done and not running):
            self._notes.foreign(path)
            self._voice.changed("a print from the printer's own card")

    def _action(self, action: Action, _: float) -> None:
        self._voice.line(f"//action:{action.name} {action.text}".rstrip())
        self._voice.changed()

    def _said(self, said: Said, _: float) -> None:
        self._voice.line(said.text)

    def _out_of_step(self, out: OutOfStep, _: float) -> None:
        self._voice.line(f"{out.why}: line {out.number}", error=True)


def _heats(name: str) -> bool:
    return name.startswith("tool") or name in {"bed", "chamber"}


def _alarm_limits(settings: SerialSettings) -> dict[str, float]:
    """A reading above what may be set, and what a heater overshoots, is an alarm."""
    overshoot = settings.thresholds.deviation_c
    limits = settings.limits
    tools = {f"tool{number}": limits.nozzle + overshoot for number in range(MOST_TOOLS)}
    return tools | {"bed": limits.bed + overshoot, "chamber": limits.chamber + overshoot}
