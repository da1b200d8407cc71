"""Orders of people as the ledger keeps them, and what each needs of the moment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from buildplate.core.controlling import Need, limit_of
from buildplate.core.gcode_sense import Forbidden, Sense, Target, sense
from buildplate.core.printers import PrinterModel
from buildplate.drivers.sdk import (
    CAPABILITY_OF,
    Control,
    EmergencyStop,
    ExcludeObject,
    Extrude,
    Gcode,
    Heat,
    Home,
    Jog,
    Macro,
    Power,
)
from buildplate.fleet.errors import GcodeRefused, TooHot

_CODE = re.compile(r"[GMTgmt][0-9]+")


def kind_of(order: Control) -> str:
    """What the ledger calls the order: as the capability it asks for."""
    return CAPABILITY_OF[type(order)].value


def params_of(order: Control) -> dict[str, Any]:
    """The order in detail, as plain JSON."""
    plain = asdict(order) if not isinstance(order, Jog | Macro) else _with_mapping(order)
    return {name: list(one) if isinstance(one, tuple) else one for name, one in plain.items()}


def _with_mapping(order: Jog | Macro) -> dict[str, Any]:
    """The SDK's own mappings may be read-only views, which are not copied."""
    if isinstance(order, Jog):
        return {"by": dict(order.by), "speed": order.speed}
    return {"name": order.name, "params": dict(order.params)}


def sense_of(order: Control) -> Sense:
    """What the order does to the machine; GcodeRefused for words that are never sent."""
    try:
        match order:
            case Gcode(lines):
                return sense(lines)
            case Macro(name, params):
                return sense([" ".join([name, *_words(name, params)])])
            case Heat(heater, target):
                return Sense(targets=(Target(heater, target),))
            case Extrude(length):
                return Sense(moves=True, extrudes=length > 0)
            case Home() | Jog():
                return Sense(moves=True)
            case _:
                return Sense()
    except Forbidden as error:
        raise GcodeRefused(str(error), error.hint) from None


def _words(macro: str, params: Mapping[str, str]) -> list[str]:
    """The parameters as its host writes them: a macro may be called as a code is."""
    if _CODE.fullmatch(macro):
        return [f"{name}{value}" for name, value in params.items()]
    return [f'{name}="{value}"' for name, value in params.items()]


def need_of(order: Control, does: Sense) -> Need:
    """What the order asks of the moment."""
    if isinstance(order, EmergencyStop):
        return Need.NOTHING
    if isinstance(order, ExcludeObject):
        return Need.A_PRINT
    if isinstance(order, Power):
        return Need.REACHED if order.on else Need.AT_REST
    if does.moves:
        return Need.STILL
    return Need.NO_PRINT if does.restarts else Need.ALIVE


def check_heat(does: Sense, model: PrinterModel) -> None:
    """Refuse what is hotter than the printer bears; TooHot."""
    for target in does.targets:
        limit = limit_of(target.heater, model)
        if target.celsius > limit:
            message = f"{target.celsius:g} °C is more than the {limit:g} °C {target.heater} may get"
            raise TooHot(message)
