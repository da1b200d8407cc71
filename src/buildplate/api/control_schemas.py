"""What people order of a printer directly, as requests: strict, with units and bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from buildplate.api.schemas import Body
from buildplate.core.gcode_sense import LONGEST_LINE, MOST_LINES
from buildplate.drivers.sdk import (
    ExcludeObject,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Macro,
    Pace,
    Power,
    ShiftZ,
)

ONE_LINE = "printable characters on one line"
NO_VALUE = "printable characters without a double quote"
SHARE = "a share: 1 is as in the file"
NOTHING_TO_DO = "name at least one field that is not null"
_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$"


def _line(value: str) -> str:
    if not value.replace("\t", " ").isprintable() or not value.strip():
        raise ValueError(ONE_LINE)
    return value.strip()


def _value(value: str) -> str:
    if not value.isprintable() or '"' in value:
        raise ValueError(NO_VALUE)
    return value


Axis = Literal["x", "y", "z"]
Millimetres = Annotated[float, Field(ge=-1000, le=1000, description="mm")]
Speed = Annotated[float, Field(gt=0, le=1000, description="mm/s; null: the driver's choice")]
Line = Annotated[str, Field(min_length=1, max_length=LONGEST_LINE), AfterValidator(_line)]
Value = Annotated[str, Field(max_length=200), AfterValidator(_value)]
Parameter = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,49}$")]
ObjectName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_value)]


class HomeBody(Body):
    """Which axes to send to their end stops; none named is all of them."""

    axes: Annotated[list[Axis], Field(max_length=3, default_factory=list)]

    def order(self) -> Home:
        """As the drivers take it."""
        return Home(tuple(sorted(set(self.axes))))


class JogBody(Body):
    """How far to move the head along each axis, in mm from where it is."""

    x: Millimetres | None = None
    y: Millimetres | None = None
    z: Millimetres | None = None
    speed: Speed | None = None

    @model_validator(mode="after")
    def _moves(self) -> JogBody:
        if not self.order().by:
            raise ValueError(NOTHING_TO_DO)
        return self

    def order(self) -> Jog:
        """As the drivers take it."""
        by = {"x": self.x, "y": self.y, "z": self.z}
        return Jog({axis: one for axis, one in by.items() if one is not None}, self.speed)


class ExtrudeBody(Body):
    """How much filament to push through a tool, in mm; a negative length pulls it back."""

    length: Annotated[float, Field(ge=-500, le=500, description="mm")]
    speed: Annotated[float, Field(gt=0, le=100, description="mm/s")] | None = None
    tool: Annotated[int, Field(ge=0, le=31)] = 0

    def order(self) -> Extrude:
        """As the drivers take it."""
        return Extrude(self.length, self.speed, self.tool)


class TemperatureBody(Body):
    """A heater's target in °C; 0 switches it off. What is too hot for the model is refused."""

    heater: Annotated[str, Field(pattern=r"^(tool([0-9]|[12][0-9]|3[01])|bed|chamber)$")]
    target: Annotated[float, Field(ge=0, le=1000, description="°C")]

    def order(self) -> Heat:
        """As the drivers take it."""
        return Heat(self.heater, self.target)


class FanBody(Body):
    """A fan's share of its full speed; `part` is the one that cools the part."""

    speed: Annotated[float, Field(ge=0, le=1, description="a share, 0 to 1")]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_ -]{1,100}$")] = "part"

    def order(self) -> Fan:
        """As the drivers take it."""
        return Fan(self.speed, self.name)


class PaceBody(Body):
    """Shares of the file's own speed and flow: 1 is as in the file."""

    speed: Annotated[float, Field(ge=0.01, le=10, description=SHARE)] | None = None
    flow: Annotated[float, Field(ge=0.01, le=3, description=SHARE)] | None = None

    @model_validator(mode="after")
    def _changes(self) -> PaceBody:
        if self.speed is None and self.flow is None:
            raise ValueError(NOTHING_TO_DO)
        return self

    def order(self) -> Pace:
        """As the drivers take it."""
        return Pace(self.speed, self.flow)


class MacroBody(Body):
    """One of the host's own macros, and its parameters."""

    name: Annotated[str, Field(pattern=_NAME)]
    params: Annotated[dict[Parameter, Value], Field(max_length=50, default_factory=dict)]

    def order(self) -> Macro:
        """As the drivers take it."""
        return Macro(self.name, dict(self.params))


class ExcludeObjectBody(Body):
    """One object of the running print, by the name that its equipment tells."""

    name: ObjectName

    def order(self) -> ExcludeObject:
        """As the drivers take it."""
        return ExcludeObject(self.name)


class ShiftZBody(Body):
    """By how much to raise the nozzle for all moves to come, in mm; negative lowers it."""

    by: Annotated[float, Field(ge=-5, le=5, description="mm")]

    def order(self) -> ShiftZ:
        """As the drivers take it."""
        return ShiftZ(self.by)


class GcodeBody(Body):
    """Lines of G-code, one command each, as the printer's own console takes them."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]

    def order(self) -> Gcode:
        """As the drivers take it."""
        return Gcode(tuple(self.lines))


class PowerBody(Body):
    """One of the power devices that its equipment tells, and whether it is to be on."""

    device: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_line)]
    on: bool

    def order(self) -> Power:
        """As the drivers take it."""
        return Power(self.device, self.on)


OrderBody = (
    HomeBody
    | JogBody
    | ExtrudeBody
    | TemperatureBody
    | FanBody
    | PaceBody
    | MacroBody
    | ExcludeObjectBody
    | ShiftZBody
    | GcodeBody
    | PowerBody
)
