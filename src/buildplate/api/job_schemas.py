"""What requests say of jobs, and how it becomes dispatch's values and back."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, Strict

from buildplate.api.printer_schemas import merged
from buildplate.api.prints import PrintOut
from buildplate.api.rooms import Rooms
from buildplate.api.schemas import (
    Body,
    Grams,
    Length,
    Moment,
    PageOut,
    Reference,
    Tool,
    VolumeBody,
    Word,
    Words,
    checked,
    rfc3339,
)
from buildplate.core.job_state import JobState
from buildplate.core.jobs import Priority, Requirements
from buildplate.core.materials import MaterialNeed
from buildplate.core.printers import Volume
from buildplate.dispatch.model import NewJob
from buildplate.dispatch.repository import Key
from buildplate.dispatch.service import MOST_COPIES, MOST_RETRIES

_Lax = Strict(strict=False)
Copies = Annotated[int, Field(ge=1, le=MOST_COPIES)]
Retries = Annotated[int, Field(ge=0, le=MOST_RETRIES, description="for each copy")]
Class = Annotated[Priority, _Lax]


class NeedBody(Body):
    """What one tool must hold; a field left out accepts anything."""

    tool: Tool = 0
    type: Word
    color: Word | None = None
    variant: Word | None = None
    grams: Grams | None = None


class RequirementsBody(Body):
    """What a job asks of a printer; a field left out accepts any."""

    materials: Annotated[list[NeedBody], Field(max_length=256)] | None = None
    nozzle_mm: Length | None = None
    build_volume: VolumeBody | None = None
    printer_model: Word | None = None
    printers: Annotated[list[Reference], Field(max_length=1000)] | None = None
    group: Word | None = None
    tags_all: Words | None = None
    tags_none: Words | None = None
    plate: Word | None = None


def _not_fetched(value: Any) -> None:
    if value is not None:
        raise ValueError(NOT_FETCHED)


NOT_FETCHED = "files are not fetched from elsewhere yet"


class JobBody(Body):
    """An order: a file, how many copies, how urgent, on what."""

    file_url: Annotated[
        Any,
        AfterValidator(_not_fetched),
        Field(exclude=True, description="not supported yet: upload the file, name its file_id"),
    ] = None
    file_id: Annotated[str, Field(min_length=1, max_length=36)]
    name: Word | None = None
    copies: Copies = 1
    priority: Class = Priority.NORMAL
    due: Moment | None = None
    requirements: RequirementsBody = Field(default_factory=RequirementsBody)
    retries: Retries = 1
    hold: bool = False
    customer: Word | None = None
    reference: Word | None = None
    origin: Word | None = None


class OwedNeed(NeedBody):
    """`NeedBody`, and whatever else an existing client says."""

    model_config = ConfigDict(extra="ignore")


class OwedVolume(VolumeBody):
    """`VolumeBody`, and whatever else an existing client says."""

    model_config = ConfigDict(extra="ignore")


class OwedRequirements(RequirementsBody):
    """`RequirementsBody`, and whatever else an existing client says."""

    model_config = ConfigDict(extra="ignore")
    materials: Annotated[list[OwedNeed], Field(max_length=256)] | None = None  # type: ignore[assignment]
    build_volume: OwedVolume | None = None


class OwedJob(JobBody):
    """`JobBody`, and whatever else an existing client says."""

    model_config = ConfigDict(extra="ignore")
    requirements: OwedRequirements = Field(default_factory=OwedRequirements)


class JobPatch(Body):
    """A merge patch (RFC 7396); what it asks of printers touches prints without one only."""

    name: Word | None = None
    copies: Copies | None = None
    priority: Class | None = None
    due: Moment | None = None
    requirements: RequirementsBody | None = None
    retries: Retries | None = None
    customer: Word | None = None
    reference: Word | None = None
    origin: Word | None = None


class Changeable(Body):
    """What a patch may change of a job, with the values it takes where null is sent."""

    name: Word
    copies: Copies = 1
    priority: Class = Priority.NORMAL
    due: Moment | None = None
    requirements: RequirementsBody = Field(default_factory=RequirementsBody)
    retries: Retries = 1
    customer: Word | None = None
    reference: Word | None = None
    origin: Word | None = None


class JobOut(BaseModel):
    """An order and where it stands: `finished`, `failed` and `active` count its prints."""

    id: str
    number: int
    version: int
    file_id: str
    name: str
    copies: int
    priority: Priority
    due: AwareDatetime | None
    requirements: RequirementsBody
    retries: int
    hold: bool
    customer: str | None
    reference: str | None
    origin: str | None
    created_at: AwareDatetime
    state: JobState
    finished: int
    failed: int
    active: int
    queued: int
    overdue: bool


class JobPage(PageOut):
    """A part of the list of jobs."""

    items: list[JobOut]


class JobStatusOut(BaseModel):
    """Where an order stands: `progress` from 0 to 1 over all copies, and when it should end."""

    id: str
    number: int
    state: JobState
    copies: int
    finished: int
    failed: int
    active: int
    progress: float
    expected_end: AwareDatetime | None
    due: AwareDatetime | None
    overdue: bool
    hold: bool
    prints: list[PrintOut]


def requirements_view(asked: Requirements) -> dict[str, Any]:
    """What a job asks, as plain values in the shape of `RequirementsBody`."""
    volume = asked.build_volume
    return {
        "materials": [
            {
                "tool": need.tool,
                "type": need.type,
                "color": need.color,
                "variant": need.variant,
                "grams": need.grams,
            }
            for need in asked.materials
        ],
        "nozzle_mm": asked.nozzle_mm,
        "build_volume": None if volume is None else {"x": volume.x, "y": volume.y, "z": volume.z},
        "printer_model": asked.printer_model,
        "printers": sorted(asked.printers),
        "group": asked.group,
        "tags_all": sorted(asked.tags_all),
        "tags_none": sorted(asked.tags_none),
        "plate": asked.plate,
    }


def requirements_from(body: RequirementsBody, rooms: Rooms) -> Requirements:
    """What a job asks, in dispatch's words; printers may be named by number."""
    volume = body.build_volume
    return Requirements(
        materials=tuple(MaterialNeed(**need.model_dump()) for need in body.materials or ()),
        nozzle_mm=body.nozzle_mm,
        build_volume=None if volume is None else Volume(volume.x, volume.y, volume.z),
        printer_model=body.printer_model,
        printers=frozenset(_printer_id(str(one), rooms) for one in body.printers or ()),
        group=body.group,
        tags_all=frozenset(body.tags_all or ()),
        tags_none=frozenset(body.tags_none or ()),
        plate=body.plate,
    )


def _printer_id(reference: str, rooms: Rooms) -> str:
    for session in rooms.fleet.sessions.values():
        if str(session.record.spec.number) == reference:
            return session.id
    return reference


def order_from(body: JobBody, rooms: Rooms) -> NewJob:
    """The order in dispatch's words."""
    return NewJob(
        file_id=body.file_id,
        name=body.name,
        copies=body.copies,
        priority=body.priority,
        due=body.due,
        requirements=requirements_from(body.requirements, rooms),
        retries=body.retries,
        hold=body.hold,
        customer=body.customer,
        reference=body.reference,
        origin=body.origin,
    )


def key_for(body: JobBody, key: str | None) -> Key | None:
    """The idempotency key with what it was used for: the body as understood, in one spelling."""
    if key is None:
        return None
    canonical = orjson.dumps(body.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return Key(key, "jobs", sha256(canonical).hexdigest())


def duplicate_key_for(job_id: str, key: str | None) -> Key | None:
    """The idempotency key of a duplicate, whose request has no body."""
    return None if key is None else Key(key, f"duplicate of {job_id}", sha256().hexdigest())


def changes_from(current: Mapping[str, Any], patch: JobPatch, rooms: Rooms) -> dict[str, Any]:
    """The changed fields in dispatch's words, with null as each field's default."""
    sent = patch.model_dump(exclude_unset=True, mode="json")
    known = {name: current[name] for name in Changeable.model_fields}
    known["due"] = rfc3339(current["due"])
    whole = checked(Changeable, merged(known, sent))
    changes: dict[str, Any] = {name: getattr(whole, name) for name in sent}
    if "requirements" in changes:
        changes["requirements"] = requirements_from(whole.requirements, rooms)
    return changes
