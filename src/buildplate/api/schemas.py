"""The small types that requests are made of: strict, bounded, free of what no database takes."""

from __future__ import annotations

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
)

MOST = 2**53
VISIBLE = "only visible characters, on one line"
BLANK = "at least one character that can be seen"
TEXT = "a time is text, as in 2027-01-31T12:00:00Z"


class Body(BaseModel):
    """A request's body: unknown fields are errors, and nothing is taken for something else."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class OwedBody(BaseModel):
    """A body on a path that existing clients rely on: fields we do not know are let be."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


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
    if not isinstance(value, str):
        raise ValueError(TEXT)  # noqa: TRY004 (pydantic turns it into the field's error)
    return value


def _sorted_once(values: list[str]) -> list[str]:
    return sorted(set(values))


Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_word)]
Words = Annotated[list[Word], Field(max_length=200), AfterValidator(_sorted_once)]
Moment = Annotated[AwareDatetime, Strict(strict=False), BeforeValidator(_only_text)]
Tool = Annotated[int, Field(ge=0, le=255)]
Grams = Annotated[float, Field(ge=0, le=1e6)]
Length = Annotated[float, Field(gt=0, le=1e5, description="mm")]
Celsius = Annotated[float, Field(ge=0, le=2000, description="°C")]
Version = Annotated[int, Field(ge=0, lt=MOST)]
Reference = (
    Annotated[str, Field(pattern=r"^(\d{1,15}|[0-9a-f-]{36})$")]
    | Annotated[int, Field(ge=1, lt=10**15)]
)
"""An id, or a number as text or as a number."""

InPath = Annotated[
    str, Path(pattern=r"^(\d{1,15}|[0-9a-f-]{36})$", description="an id, or a number")
]


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
