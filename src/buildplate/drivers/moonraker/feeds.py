"""Which power devices feed a Klipper's machine, and whether one of them is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildplate.drivers.moonraker.answers import text
from buildplate.drivers.moonraker.equipment import POWER_LIMIT, read_power

_SECTION, _SERVICE = "power ", "klipper"


class Feeds:
    """The devices that a Klipper depends on, by its Moonraker's own configuration.

    Of other devices nothing follows for the machine: they may be lights. What a device feeds is
    only known where Moonraker starts and stops Klipper's service with it, or restarts Klipper after
    it.
    """

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._off: set[str] = set()
        self._cut: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether there is a device whose state has to be known."""
        return bool(self._names)

    @property
    def off(self) -> tuple[str, ...]:
        """Those that are off."""
        return tuple(sorted(self._off))

    @property
    def cut(self) -> tuple[str, ...]:
        """Those that went off while somebody listened, and are off since.

        Klipper seems ready for seconds after that, and for good where its board is fed by USB. One
        that was off all along beside a ready Klipper may as well be wrong about itself.
        """
        return tuple(sorted(self._cut))

    def configured(self, answer: object) -> None:
        """Take what `server.config` says."""
        config = answer.get("config") if isinstance(answer, dict) else None
        parts = config if isinstance(config, dict) else {}
        found = [
            name.removeprefix(_SECTION)
            for name, part in parts.items()
            if name.startswith(_SECTION) and isinstance(part, dict) and _feeds(part)
        ]
        self._names = frozenset(found[:POWER_LIMIT])

    def listed(self, answer: object) -> None:
        """Take what `machine.device_power.devices` says."""
        for device in read_power(answer):
            self._note(device.name, on=device.on)

    def changed(self, told: object) -> None:
        """Take what `notify_power_changed` says of one device."""
        before = set(self._off)
        self.listed({"devices": [told]})
        self._cut |= self._off - before

    def _note(self, name: str, *, on: bool | None) -> None:
        if on is False and name in self._names:
            self._off.add(name)
        else:
            self._off.discard(name)
            self._cut.discard(name)


def _feeds(part: Mapping[str, Any]) -> bool:
    services = part.get("bound_services")
    bound = services if isinstance(services, list) else []
    return part.get("restart_klipper_when_powered") is True or any(
        text(service).startswith(_SERVICE) for service in bound
    )
