"""Which power devices feed a machine, and what is concluded from one that is off."""

from __future__ import annotations

from typing import Any

import pytest

from buildplate.drivers.moonraker.feeds import Feeds

FED = {"restart_klipper_when_powered": True}
CONFIG = {
    "config": {
        "power mains": FED,
        "power strip": {"bound_services": ["klipper-2"], "restart_klipper_when_powered": False},
        "power light": {"bound_services": ["webcamd"]},
        "server": {"restart_klipper_when_powered": True},
    }
}


def told(name: str, status: str) -> dict[str, Any]:
    return {"device": name, "status": status, "locked_while_printing": False, "type": "gpio"}


def feeds(config: Any = CONFIG) -> Feeds:
    made = Feeds()
    made.configured(config)
    return made


def test_only_devices_that_klipper_hangs_on_say_anything_of_the_machine() -> None:
    made = feeds()
    made.listed({"devices": [told(name, "off") for name in ("mains", "strip", "light", "server")]})
    assert list(made.off) == ["mains", "strip"]
    assert not made.cut, "nobody saw them go off"
    made.changed(told("mains", "on"))
    made.changed(told("strip", "error"))
    assert not made.off
    for device in ("mains", "light"):
        made.changed(told(device, "off"))
    assert made.cut == made.off == ("mains",)
    made.listed({"devices": [told("mains", "on")]})
    assert not made.cut


@pytest.mark.parametrize(
    "config",
    [None, [], {}, {"config": []}, {"config": {"power x": 5}}, {"config": {"power x": {}}}],
)
def test_without_such_a_device_nothing_is_asked_or_concluded(config: Any) -> None:
    made = feeds(config)
    assert not made.any
    made.listed({"devices": [told("x", "off")]})
    lies: list[Any] = [None, [], "x", {"device": 5}, {"device": "x", "status": None}]
    for lie in lies:
        made.changed(lie)
    assert not made.off
