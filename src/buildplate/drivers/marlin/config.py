"""The connection settings of a serial printer: port, limits, thermal watch, scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from buildplate.drivers.marlin.thermal import Remedy, Thresholds
from buildplate.drivers.sdk import BadConnectionSettings

CANCEL = "M104 S0\nM140 S0\nM107\nG91\nG0 Z5 F600\nG90\nM84"
"""What a cancel runs where nothing else is set: heaters and fan off, nozzle up, motors free."""
LONGEST_SCRIPT = 50
_NETWORK = ("socket", "rfc2217")


class PausedHeaters(StrEnum):
    """What becomes of the heaters while a print is paused."""

    KEEP = "keep"
    NOZZLE_OFF = "nozzle_off"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Parking:
    """What a pause does with the head: mm; `place` is X and Y, None: it stays where it is."""

    retract: float = 2.0
    lift: float = 5.0
    place: tuple[float, float] | None = None
    heaters: PausedHeaters = PausedHeaters.KEEP


@dataclass(frozen=True, slots=True)
class HeatLimits:
    """What this printer's heaters may be set to, in °C."""

    nozzle: float = 300.0
    bed: float = 120.0
    chamber: float = 80.0

    def of(self, heater: str) -> float:
        """The limit of a heater by its name (`tool0`, `bed`, `chamber`)."""
        if heater == "bed":
            return self.bed
        return self.chamber if heater == "chamber" else self.nozzle


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Checked connection settings. `baud` 0: it is found out. `window` 0: it is learned."""

    port: str
    baud: int = 0
    window: int = 0
    receive_buffer: int = 127
    limits: HeatLimits = HeatLimits()
    parking: Parking = Parking()
    cancel_script: tuple[str, ...] = tuple(CANCEL.splitlines())
    thresholds: Thresholds = field(default_factory=Thresholds)
    remedy: Remedy = Remedy.PAUSE
    silence_s: float = 120.0

    @property
    def network(self) -> tuple[str, str, int] | None:
        """Scheme, host and port of a port in the network; None for one of this machine."""
        url = urlsplit(self.port)
        if url.scheme not in _NETWORK or url.hostname is None or url.port is None:
            return None
        return url.scheme, url.hostname, url.port


class SerialForm(BaseModel):
    """The form that people fill in; the source of the manifest's JSON Schema."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Serial printer")

    port: Annotated[
        str,
        Field(
            title="Port",
            description="Best the name under /dev/serial/by-id, which stays the same; also "
            "/dev/ttyUSB0, /dev/ttyACM0, socket://host:port, rfc2217://host:port.",
            min_length=5,
            max_length=300,
        ),
    ]
    baud: Annotated[
        int, Field(title="Baud rate", description="0: it is found out.", ge=0, le=4_000_000)
    ] = 0
    window: Annotated[
        int,
        Field(
            title="Lines sent ahead",
            description="0: as many as the firmware says it has room for, else one.",
            ge=0,
            le=64,
        ),
    ] = 0
    receive_buffer: Annotated[
        int,
        Field(
            title="Receive buffer",
            description="Bytes that the board's serial buffer holds; never more are under way.",
            ge=60,
            le=65536,
        ),
    ] = 127
    max_nozzle_c: Annotated[
        float, Field(title="Hottest nozzle, °C", gt=0, le=600, allow_inf_nan=False)
    ] = 300.0
    max_bed_c: Annotated[
        float, Field(title="Hottest bed, °C", ge=0, le=300, allow_inf_nan=False)
    ] = 120.0
    max_chamber_c: Annotated[
        float, Field(title="Hottest chamber, °C", ge=0, le=200, allow_inf_nan=False)
    ] = 80.0
    pause_retract_mm: Annotated[
        float, Field(title="Pause: retract, mm", ge=0, le=50, allow_inf_nan=False)
    ] = 2.0
    pause_lift_mm: Annotated[
        float, Field(title="Pause: lift, mm", ge=0, le=100, allow_inf_nan=False)
    ] = 5.0
    pause_park: Annotated[
        str,
        Field(
            title="Pause: park at",
            description="X and Y in mm, for example 0 200; empty: the head stays above the part.",
            max_length=30,
        ),
    ] = ""
    pause_heaters: Annotated[PausedHeaters, Field(title="Pause: heaters", strict=False)] = (
        PausedHeaters.KEEP
    )
    cancel_script: Annotated[
        str,
        Field(
            title="Cancel: commands",
            description="G-code run when a print is cancelled; lines divided by | or line ends.",
            max_length=2000,
        ),
    ] = CANCEL.replace("\n", " | ")
    watch_action: Annotated[
        Remedy,
        Field(
            title="Thermal watch: action",
            description="warn: only tell; pause: pause the print and switch heaters off; "
            "stop: stop the machine (M112).",
            strict=False,
        ),
    ] = Remedy.PAUSE
    watch_deviation_c: Annotated[
        float,
        Field(title="Thermal watch: deviation, °C", gt=0, le=500, allow_inf_nan=False),
    ] = 20.0
    watch_deviation_s: Annotated[
        float,
        Field(title="Thermal watch: deviation lasts, s", ge=0, le=3600, allow_inf_nan=False),
    ] = 30.0
    watch_rate_c_s: Annotated[
        float, Field(title="Thermal watch: change, °C/s", gt=0, le=1000, allow_inf_nan=False)
    ] = 20.0
    watch_rate_s: Annotated[
        float, Field(title="Thermal watch: change lasts, s", ge=0, le=600, allow_inf_nan=False)
    ] = 4.0
    watch_heating_c: Annotated[
        float, Field(title="Thermal watch: warming, °C", gt=0, le=100, allow_inf_nan=False)
    ] = 2.0
    watch_heating_s: Annotated[
        float,
        Field(
            title="Thermal watch: warming within, s",
            description="A heater below its target that warms by less than that has failed.",
            gt=0,
            le=3600,
            allow_inf_nan=False,
        ),
    ] = 120.0
    watch_slow_heating_s: Annotated[
        float,
        Field(
            title="Thermal watch: bed and chamber, warming within, s",
            description="Allowed this long while they still become warmer.",
            gt=0,
            le=7200,
            allow_inf_nan=False,
        ),
    ] = 900.0
    watch_silence_s: Annotated[
        float,
        Field(title="Thermal watch: no reading for, s", gt=0, le=3600, allow_inf_nan=False),
    ] = 60.0
    silence_s: Annotated[
        float,
        Field(
            title="Print given up after silence of, s",
            description="A printer that says nothing at all for so long has lost its print.",
            ge=5,
            le=3600,
            allow_inf_nan=False,
        ),
    ] = 120.0

    @field_validator("port")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if any(not "!" <= letter <= "~" for letter in value):
            raise ValueError("the port has letters that no port's name has")
        if "://" not in value:
            if not Path(value).is_absolute():
                raise ValueError("a port of this machine is a path like /dev/ttyUSB0")
            return value
        try:
            url = urlsplit(value)
            complete = url.scheme in _NETWORK and url.hostname and url.port
        except ValueError:
            raise ValueError("the address cannot be understood") from None
        if not complete:
            raise ValueError("a port in the network is socket://host:port or rfc2217://host:port")
        if url.username is not None or url.path not in {"", "/"} or url.query or url.fragment:
            raise ValueError("the address ends with the port's number")
        return value

    @field_validator("pause_park")
    @classmethod
    def _two_numbers(cls, value: str) -> str:
        place_in(value)
        return value

    @field_validator("cancel_script")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(script_in(value)) > LONGEST_SCRIPT:
            raise ValueError(f"at most {LONGEST_SCRIPT} commands")
        return value


def place_in(text: str) -> tuple[float, float] | None:
    """X and Y out of `0 200` or `0, 200`; None for an empty text. ValueError."""
    if not text.strip():
        return None
    found = re.fullmatch(
        r"\s*X?(-?\d{1,4}(?:\.\d{1,3})?)[\s,]+Y?(-?\d{1,4}(?:\.\d{1,3})?)\s*", text
    )
    if found is None:
        raise ValueError("two numbers in mm are needed, or nothing")
    return float(found[1]), float(found[2])


def script_in(text: str) -> tuple[str, ...]:
    """The commands of a script, comments and blank lines left out."""
    lines = (line.partition(";")[0].strip() for line in re.split(r"[|\n]", text))
    return tuple(line for line in lines if line)


def read_settings(connection: Mapping[str, Any]) -> SerialSettings:
    """Check connection settings; BadConnectionSettings names the field."""
    try:
        form = SerialForm.model_validate(dict(connection))
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)
        fields = {
            ".".join(str(part) for part in one["loc"]) or "settings": one["msg"] for one in found
        }
        detail = "; ".join(f"{name}: {wrong}" for name, wrong in fields.items())
        raise BadConnectionSettings(detail, fields=fields) from None
    return SerialSettings(
        port=form.port,
        baud=form.baud,
        window=form.window,
        receive_buffer=form.receive_buffer,
        limits=HeatLimits(form.max_nozzle_c, form.max_bed_c, form.max_chamber_c),
        parking=Parking(
            form.pause_retract_mm,
            form.pause_lift_mm,
            place_in(form.pause_park),
            form.pause_heaters,
        ),
        cancel_script=script_in(form.cancel_script),
        thresholds=Thresholds(
            deviation_c=form.watch_deviation_c,
            deviation_s=form.watch_deviation_s,
            rate_c_s=form.watch_rate_c_s,
            rate_s=form.watch_rate_s,
            silence_s=form.watch_silence_s,
            heating_c=form.watch_heating_c,
            heating_s=form.watch_heating_s,
            slow_heating_s=form.watch_slow_heating_s,
        ),
        remedy=form.watch_action,
        silence_s=form.silence_s,
    )
