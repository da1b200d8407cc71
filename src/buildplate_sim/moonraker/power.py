"""What a simulated Moonraker switches: the outlet that feeds its machine, and a light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.klippy import READY
from buildplate_sim.moonraker.answers import RefusedError

if TYPE_CHECKING:
    from buildplate_sim.moonraker.host import Host

Params = dict[str, Any]
RESTART_S = 1.0
"""Moonraker's `restart_delay` after a device has come on that restarts Klipper."""

UNFED = "Lost communication with MCU 'mcu'"


@dataclass(slots=True)
class Device:
    """One [power] section; `feeds`: the machine has no power without it."""

    locked: bool
    feeds: bool
    on: bool = True


class PowerDevices:
    """The power devices of one host. A refusal is a `RefusedError`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._devices = {
            "outlet": Device(locked=True, feeds=True),
            "light": Device(locked=False, feeds=False),
        }

    def config(self) -> Params:
        """The sections as `server.config` tells them."""
        return {
            f"power {name}": {
                "type": "gpio",
                "locked_while_printing": device.locked,
                "restart_klipper_when_powered": device.feeds,
                "bound_services": [],
            }
            for name, device in self._devices.items()
        }

    def truth(self) -> dict[str, bool]:
        """Which are on."""
        return {name: device.on for name, device in self._devices.items()}

    def listing(self) -> Params:
        """`machine.device_power.devices`."""
        return {"devices": [self._told(name) for name in self._devices]}

    def status(self, params: Params) -> Params:
        """`machine.device_power.get_device`."""
        name, device = self._named(params)
        return {name: _word(device)}

    def switch(self, params: Params) -> Params:
        """`machine.device_power.post_device`."""
        name, device = self._named(params)
        action = str(params.get("action"))
        if action not in {"on", "off", "toggle"}:
            raise RefusedError(400, f"Invalid requested action '{action}'")
        wanted = not device.on if action == "toggle" else action == "on"
        if wanted == device.on:
            return {name: _word(device)}
        if device.locked and self._host.running.link.stats.get("state") == "printing":
            raise RefusedError(400, f"Unable to change power for {name} while printing")
        device.on = wanted
        self._host.journal.write("switched", device=name, on=device.on)
        if device.feeds:
            self._fed()
        self._host.running.tell("notify_power_changed", self._told(name))
        return {name: _word(device)}

    def _named(self, params: Params) -> tuple[str, Device]:
        name = params.get("device")
        if name is None:
            raise RefusedError(400, "No data for argument: device")
        if name not in self._devices:
            raise RefusedError(400, f"No valid device named {name}")
        return str(name), self._devices[str(name)]

    def _told(self, name: str) -> Params:
        device = self._devices[name]
        return {
            "device": name,
            "status": _word(device),
            "locked_while_printing": device.locked,
            "type": "gpio",
        }

    def _fed(self) -> None:
        """The machine gets power, and its Klipper begins anew; or it loses it."""
        box = self._host.box
        box.fed = self._devices["outlet"].on
        if box.fed:
            box.pulse.after(RESTART_S, self._begin_anew)
            return
        box.mcu_shut_down = True
        if box.klippy is not None:
            box.klippy.shut_down(UNFED)

    def _begin_anew(self) -> None:
        box = self._host.box
        if box.fed and box.klippy is not None and box.klippy.state != READY:
            box.restart(box.klippy, firmware=True)


def _word(device: Device) -> str:
    return "on" if device.on else "off"
