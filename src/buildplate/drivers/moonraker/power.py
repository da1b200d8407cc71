"""Switches a power device of a Moonraker, and believes it once the device itself has said so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from buildplate.drivers.moonraker.answers import RUNNING, text
from buildplate.drivers.moonraker.equipment import read_power
from buildplate.drivers.moonraker.mapping import Sight, activity
from buildplate.drivers.moonraker.rpc import NO_METHOD, Rpc, Said
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    Answer,
    DriverError,
    DriverTimings,
    Power,
    Refused,
    Unknown,
)
from buildplate.drivers.sdk.web_files import bounded

DEVICES = "machine.device_power.devices"
SWITCH, STATUS = "machine.device_power.post_device", "machine.device_power.get_device"
LOOKS, BETWEEN_SHARE = 6, 0.05
"""How often a device is asked how it stands, and the part of a request's time in between."""

AT_REST = frozenset({Activity.IDLE, Activity.HALTED})
ON, OFF = "on", "off"
LOCKED, NO_SUCH, SHUT = (
    "Unable to change power",
    "No valid device named",
    "when Klipper is shutdown",
)


async def switch(
    rpc: Rpc, order: Power, timings: DriverTimings, sight: Callable[[], Awaitable[Sight]]
) -> Answer:
    """Switch a device once; off only where `sight`, read just before, shows a rest. Never raises.

    Accepted where the device says afterwards that it is as wished. Moonraker's own answer is not
    enough: it tells what it has sent to some kinds of devices, and not what became of it. What has
    not followed yet may still do so, so that such an order is Unknown.
    """
    wanted = ON if order.on else OFF
    try:
        async with bounded(min(timings.request, timings.command)):
            known = await _devices(rpc)
            if order.device not in known:
                return Refused("no_such_device", _unknown(order.device, known))
            if not order.on and (why_not := _moves(await sight())) is not None:
                return why_not
    except (Said, DriverError) as error:
        return Refused("not_asked", f"nothing was switched: {error}")
    wish = {"device": order.device, "action": wanted}
    try:
        async with bounded(timings.command):
            try:
                await rpc.call(SWITCH, wish, seconds=timings.command)
            except Said as said:
                return _refused(said)
            state = await _state(rpc, order.device, wanted, timings)
    except (Said, DriverError) as error:
        return Unknown(str(error))
    if state == wanted:
        return Accepted()
    if state in (ON, OFF):
        return Unknown(f"{order.device} was told, and says that it is still {state}")
    return Unknown(f"{order.device} does not say whether it is {wanted}")


def _moves(sight: Sight) -> Refused | None:
    """Why nothing is switched off now; None where the machine is known to be at rest.

    What does not say that it rests may print: Klipper goes on while Moonraker has lost it.
    """
    doing, detail = activity(sight, None)
    if doing in AT_REST:
        return None
    if sight.current.state in RUNNING:
        return Refused("prints", f"nothing was switched: a print is {detail}")
    return Refused("not_at_rest", f"nothing was switched: the machine is {doing} ({detail})")


async def _devices(rpc: Rpc) -> list[str]:
    try:
        return [device.name for device in read_power(await rpc.call(DEVICES))]
    except Said as said:
        if said.code == NO_METHOD:  # no [power] in its configuration
            return []
        raise


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return "the printer's Moonraker has no power devices"
    return f"there is no power device {name!r}; there are {', '.join(known)}"


async def _state(rpc: Rpc, device: str, wanted: str, timings: DriverTimings) -> str:
    """What the device says of itself, asked a few times until it is what is wished."""
    said = ""
    for look in range(LOOKS):
        if look:
            await asyncio.sleep(timings.request * BETWEEN_SHARE)
        told: Any = await rpc.call(STATUS, {"device": device}, seconds=timings.command)
        said = text(told.get(device), 20) if isinstance(told, dict) else ""
        if said == wanted:
            break
    return said


def _refused(said: Said) -> Answer:
    """What an error says: only where nothing was switched it is a refusal."""
    if said.words.startswith(LOCKED):
        return Refused("locked", said.words)
    if said.words.startswith(NO_SUCH):
        return Refused("no_such_device", said.words)
    if said.words.endswith(SHUT):
        return Refused("halted", said.words)
    if said.code == NO_METHOD or said.unauthorized:
        return Refused("refused", said.words)
    return Unknown(f"the host answered {said.code}: {said.words}")
