"""The small types that requests are made of: strict, bounded, free of what no database takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Path
from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from buildplate.api.texts import MOST, SOMEWHERE, is_plain, oddities

FIRST_YEAR, LAST_YEAR = 1970, 9998
"""Times outside are refused: every time zone still has a date for these."""
VISIBLE = "only visible characters, on one line"
BLANK = "at least one character that can be seen"
TEXT = "a time is text, as in 2027-01-31T12:00:00Z"
OUT_OF_TIME = f"a time between {FIRST_YEAR} and {LAST_YEAR}"
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


class Body(BaseModel):
    """A request's body: unknown fields are errors, and nothing is taken for something else."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, content: Any) -> Any:
        """Refuse what cannot be kept. Fields that are let be may have numbers of 64 bit."""
        looked_at = content
        lets_be = cls.model_config.get("extra") == "ignore" and isinstance(content, Mapping)
        if lets_be and is_plain(content, large_numbers=True):
            known = {name: content[name] for name in cls.model_fields if name in content}
            looked_at = {name: one for name, one in known.items() if not isinstance(one, dict)}
        if not is_plain(looked_at):
            where, what = next(oddities(looked_at), ("", SOMEWHERE))
            raise PydanticCustomError("odd", "{what}", {"what": what, "where": where})
        return content


class OwedBody(Body):
    """A body on a path that existing clients rely on: fields we do not know are let be."""

    model_config = ConfigDict(extra="ignore")


def visible(value: str) -> str:
    """Text of visible characters on one line, or none at all; ValueError."""
    if not value.isprintable():
        raise ValueError(VISIBLE)
    return value


def _word(value: str) -> str:
    if not value.strip():
        raise ValueError(BLANK)
    return visible(value)


def _only_text(value: Any) -> Any:
    """Only text with a date: seconds since 1970 are none, whether number or digits."""
    if not isinstance(value, str) or not _DATED.match(value):
        raise ValueError(TEXT)  # (pydantic turns it into the field's error)
    return value


def _in_time(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(OUT_OF_TIME)
    return moment


def _sorted_once(values: list[str]) -> list[str]:
    return sorted(set(values))


Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_word)]
Words = Annotated[list[Word], Field(max_length=200), AfterValidator(_sorted_once)]
Moment = Annotated[
    AwareDatetime, Strict(strict=False), BeforeValidator(_only_text), AfterValidator(_in_time)
]
Tool = Annotated[int, Field(ge=0, le=255)]
Grams = Annotated[float, Field(ge=0, le=1e6)]
Length = Annotated[float, Field(gt=0, le=1e5, description="mm")]
Celsius = Annotated[float, Field(ge=0, le=2000, description="°C")]
Version = Annotated[int, Field(ge=0, lt=MOST)]
REFERENCE = r"^([0-9]{1,15}|[0-9a-f-]{36})$"
Reference = Annotated[str, Field(pattern=REFERENCE)] | Annotated[int, Field(ge=1, lt=10**15)]
"""An id, or a number as text or as a number."""

InPath = Annotated[str, Path(pattern=REFERENCE, description="an id, or a number")]


IdInPath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="an id")]


class VolumeBody(Body):
    """A size along the axes, in mm."""

    x: Length
    y: Length
    z: Length


B = TypeVar("B", bound=BaseModel)


def checked(body: type[B], content: Any) -> B:
    """`content` as a body, refused with the same answer as if it had been sent."""
    try:
        return body.model_validate(content)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None


class PageOut(BaseModel):
    """What every list answers besides its items."""

    next_cursor: str | None


def rfc3339(moment: datetime | None) -> str | None:
    """A time as the API writes it; for the few places that build text themselves."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
