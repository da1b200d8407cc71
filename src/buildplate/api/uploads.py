"""The paths of resumable uploads, by the tus protocol 1.0.0 (core, creation, expiration, end)."""

from __future__ import annotations

import base64
import binascii
from email.utils import format_datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from buildplate.access.model import Caller
from buildplate.api.guard import OPERATE, Operator
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import IdInPath
from buildplate.files.errors import LengthMismatch, WrongOffset
from buildplate.files.naming import NAMELESS
from buildplate.files.upload_disk import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination"
OCTETS = "application/offset+octet-stream"
PATH = "/api/v1/uploads"
LONGEST_METADATA = 4096
MOST = 2**53
BODY = {
    "requestBody": {
        "required": True,
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _check_version(
    tus_resumable: Annotated[str | None, Header(description=f"always {VERSION}")] = None,
) -> None:
    if tus_resumable != VERSION:
        detail = "the request does not speak the tus protocol 1.0.0"
        hint = f"Send the header Tus-Resumable: {VERSION}."
        raise Refusal(412, "tus_version", detail, hint, {"tus-version": VERSION})


router = APIRouter(prefix="/api/v1", tags=["uploads"], dependencies=[OPERATE])
SPOKEN = Depends(_check_version)
Offset = Annotated[int, Header(ge=0, le=MOST, description="the first byte's place in the file")]
Length = Annotated[int, Header(ge=0, le=MOST, description="the file's size in bytes")]
Metadata = Annotated[
    str | None,
    Header(max_length=LONGEST_METADATA, description="`filename` and its value in base64"),
]


def owner_of(caller: Caller) -> str:
    """Whose the uploads of a caller are."""
    return f"{caller.kind}:{caller.id or caller.name}"


@router.options("/uploads", status_code=204)
async def uploads_options(rooms: AllRooms) -> Response:
    """What of the tus protocol is spoken here, and how large a file may be."""
    headers = {
        "tus-version": VERSION,
        "tus-extension": EXTENSIONS,
        "tus-max-size": str(rooms.uploads.limits.max_bytes),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "/uploads",
    status_code=201,
    response_class=Response,
    responses={412: {}, 413: {}},
    dependencies=[SPOKEN],
)
async def begin_upload(
    rooms: AllRooms, caller: Operator, upload_length: Length, upload_metadata: Metadata = None
) -> Response:
    """Begin a resumable upload; Location is where its bytes go."""
    name, said = _file_name(upload_metadata), upload_metadata or ""
    upload = await rooms.uploads.create(owner_of(caller), name, upload_length, said)
    return _told(upload, 201, {"location": f"{PATH}/{upload.id}"})


@router.head(
    "/uploads/{upload_id}", response_class=Response, responses={412: {}}, dependencies=[SPOKEN]
)
async def look_at_upload(rooms: AllRooms, caller: Operator, upload_id: IdInPath) -> Response:
    """Where an upload is: Upload-Offset bytes are kept. Upload-File-Id is what it has become."""
    upload = await rooms.uploads.get(owner_of(caller), upload_id)
    said = {"upload-metadata": upload.metadata} if upload.metadata else {}
    return _told(upload, 200, {"upload-length": str(upload.length), **said})


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    response_class=Response,
    responses={412: {}},
    dependencies=[SPOKEN],
    openapi_extra=BODY,
)
async def append_to_upload(
    rooms: AllRooms, caller: Operator, request: Request, upload_id: IdInPath, upload_offset: Offset
) -> Response:
    """Add bytes at the upload's end; with the last it becomes a file, told in Upload-File-Id.

    Bytes that have arrived are kept whatever ends the request. The later of two requests goes on.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != OCTETS:
        detail = "the body does not say that it is a part of an upload"
        raise Refusal(415, "not_octets", detail, f"Send it with Content-Type: {OCTETS}.")
    owner = owner_of(caller)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        await _check_length(rooms, owner, upload_id, upload_offset, int(announced))
    try:
        upload = await rooms.uploads.append(owner, upload_id, upload_offset, request.stream())
    except WrongOffset as error:
        where = {"upload-offset": str(error.offset)}
        raise Refusal(409, error.code, str(error), error.hint, where) from error
    return _told(upload, 204)


@router.delete("/uploads/{upload_id}", status_code=204, responses={412: {}}, dependencies=[SPOKEN])
async def end_upload(rooms: AllRooms, caller: Operator, upload_id: IdInPath) -> Response:
    """Give an upload up. A file that it has become stays."""
    await rooms.uploads.remove(owner_of(caller), upload_id)
    return Response(status_code=204)


async def _check_length(
    rooms: AllRooms, owner: str, upload_id: str, offset: int, announced: int
) -> None:
    """Refuse a body that announces more than is missing, before it is taken; LengthMismatch."""
    upload = await rooms.uploads.get(owner, upload_id)
    if offset == upload.offset and offset + announced > upload.length:
        raise LengthMismatch(offset + announced, upload.length)


def _told(upload: Upload, status: int, more: dict[str, str] | None = None) -> Response:
    headers = {
        "upload-offset": str(upload.offset),
        "upload-expires": format_datetime(upload.expires_at, usegmt=True),
        "cache-control": "no-store",
        **(more or {}),
    }
    if upload.file_id is not None:
        headers["upload-file-id"] = upload.file_id
    return Response(status_code=status, headers=headers)


def _file_name(metadata: str | None) -> str:
    """The value of `filename` in Upload-Metadata: pairs by comma, values in base64."""
    for pair in (metadata or "").split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "filename":
            try:
                return base64.b64decode(value.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                detail = "Upload-Metadata's filename is no UTF-8 in base64"
                hint = "Send Upload-Metadata: filename <base64 of its UTF-8 name>."
                raise Refusal(422, "invalid_request", detail, hint) from None
    return NAMELESS
