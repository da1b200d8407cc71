"""Every firmware that can be played, by the name under which it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate_sim.firmware.marlin import Marlin1, Marlin2
from buildplate_sim.firmware.prusa import Prusa
from buildplate_sim.firmware.repetier import Repetier092, Repetier1
from buildplate_sim.firmware.smoothie import Smoothie

if TYPE_CHECKING:
    from buildplate_sim.firmware.dialect import Dialect

DIALECTS: dict[str, type[Dialect]] = {
    dialect.name: dialect for dialect in (Marlin1, Marlin2, Repetier092, Repetier1, Smoothie, Prusa)
}
