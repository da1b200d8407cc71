"""The paths of print files: upload as a stream, look, rename, fetch, delete."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Header, Request
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response, StreamingResponse

from buildplate.access.model import Caller
from buildplate.api.answers import IdCursor, Json, Limit, check_tag, page
from buildplate.api.guard import LOOK, OPERATE, Operator, Viewer
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import Body, InPath, PageOut, Word
from buildplate.api.web_files import matches
from buildplate.files.digests import announced_sha256
from buildplate.files.errors import BadMultipart, DigestMismatch, TooLarge
from buildplate.files.hashing import BlobHasher
from buildplate.files.model import FileState, PrintFile
from buildplate.files.multipart import MOST_AROUND, MultipartFile
from buildplate.files.scan.layers import VERSION

router = APIRouter(prefix="/api/v1", tags=["files"], dependencies=[LOOK])

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class BoxOut(BaseModel):
    """An axis-parallel box in mm."""

    min_x: float
    min_y: float
    min_z: float
    max_x: float
    max_y: float
    max_z: float


class ToolUseOut(BaseModel):
    """What one tool does in a file."""

    tool: int
    filament_mm: float | None
    filament_g: float | None
    filament_type: str | None
    nozzle_mm: float | None


class AnalysisOut(BaseModel):
    """What the content says about the print: mm, °C, s, g; null is unknown."""

    lines: int
    print_box: BoxOut | None
    travel_box: BoxOut | None
    tools: list[ToolUseOut]
    max_nozzle_c: float | None
    max_bed_c: float | None
    max_chamber_c: float | None
    slicer: str | None
    slicer_version: str | None
    estimated_s: float | None
    filament_mm: float | None
    filament_g: float | None
    layers: int | None
    layer_height: float | None
    first_layer_height: float | None
    printer_model: str | None
    has_thumbnail: bool


class LayersOut(BaseModel):
    """Where the layers of a file begin: bytes from its start, in order.

    By the slicer's own marks: `starts` is empty where there are none, or more than 100,000.
    """

    size: int
    starts: list[int]


class FileOut(BaseModel):
    """A stored print file; `sha256` and `size` (bytes) are of what was uploaded.

    `sent_by` names who sent it first, as in `user ann`; null where that is not known, and for
    callers who are confined to printer groups.
    """

    id: str
    name: str
    sha256: str
    size: int
    state: FileState
    created_at: AwareDatetime
    sent_by: str | None
    analysis: AnalysisOut | None


class FilePage(PageOut):
    """A part of the list of files."""

    items: list[FileOut]


class FilePatch(Body):
    """A new name to show."""

    name: Word


def analysis_view(file: PrintFile) -> dict[str, Any] | None:
    """What is known of a file's content."""
    if file.analysis is None:
        return None
    plain = file.analysis.to_dict()
    plain["has_thumbnail"] = plain.pop("thumbnail") is not None
    return plain


def file_view(who: Caller, file: PrintFile) -> dict[str, Any]:
    """A file as it is answered; people of other groups are not named."""
    return {
        "id": file.id,
        "name": file.name,
        "sha256": file.sha256,
        "size": file.size,
        "state": file.state,
        "created_at": file.created_at,
        "sent_by": file.sent_by if who.groups is None else None,
        "analysis": analysis_view(file),
    }


@router.post(
    "/files",
    status_code=201,
    responses={200: {"model": FileOut}, 201: {"model": FileOut}},
    dependencies=[OPERATE],
    openapi_extra=UPLOAD,
)
async def upload(
    rooms: AllRooms,
    request: Request,
    who: Operator,
    x_filename: Annotated[str | None, Header(description="of a raw body, percent-encoded")] = None,
    content_digest: Annotated[str | None, Header(description="RFC 9530, sha-256")] = None,
) -> Response:
    """Upload a print file: a form with one part `file`, or the raw content with X-Filename.

    Streamed to the disk and durable when this answers. The same content twice is one file (200).
    """
    length = _length(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        if length is not None and length > rooms.limits.file + MOST_AROUND:
            raise TooLarge(rooms.limits.file)
        body = _checked(request.stream(), content_digest)
        form = MultipartFile(body, request.headers["content-type"])
        stored = await rooms.files.receive(form.content(), await form.name())
    else:
        if x_filename is None:
            problem = "it is no form, and there is no X-Filename"
            raise BadMultipart(problem)
        name = _decoded(x_filename)
        stored = await rooms.files.receive(request.stream(), name, content_digest, length)
    where = {"location": f"/api/v1/files/{stored.file.id}"}
    return Json(file_view(who, stored.file), 201 if stored.created else 200, where)


def _length(request: Request) -> int | None:
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else None


def _decoded(name: str) -> str:
    """A header's file name: percent-encoded UTF-8, or UTF-8 as it is."""
    try:
        return unquote(name.encode("latin-1").decode())
    except UnicodeDecodeError:
        return unquote(name)


async def _checked(pieces: AsyncIterator[bytes], digest: str | None) -> AsyncIterator[bytes]:
    """The pieces of a form, whose Content-Digest is that of the whole form."""
    announced = announced_sha256(digest)
    hasher = BlobHasher()
    async for piece in pieces:
        if announced is not None:
            hasher.update(piece)
        yield piece
    if announced is not None and hasher.blob().sha256 != announced:
        raise DigestMismatch(hasher.blob().sha256, announced)


@router.get("/files", responses={200: {"model": FilePage}})
async def list_files(
    rooms: AllRooms,
    who: Viewer,
    limit: Limit = 100,
    cursor: IdCursor = None,
    name: str | None = None,
    state: FileState | None = None,
    sha256: str | None = None,
) -> Response:
    """List the files, newest first."""
    asked = {"name": name, "state": state and state.value, "sha256": sha256}
    filters = {field: value for field, value in asked.items() if value is not None}
    found = await rooms.files.list_page(limit=limit, cursor=cursor, filters=filters)
    return page([file_view(who, file) for file in found.items], found.next_cursor)


@router.get("/files/{file_id}", responses={200: {"model": FileOut}})
async def get_file(rooms: AllRooms, who: Viewer, file_id: InPath) -> Response:
    """Look at one file."""
    return _tagged(who, await rooms.files.get(file_id))


@router.patch("/files/{file_id}", responses={200: {"model": FileOut}}, dependencies=[OPERATE])
async def rename_file(
    rooms: AllRooms,
    who: Operator,
    file_id: InPath,
    body: FilePatch,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Change the name that is shown."""
    was = None
    if if_match is not None and if_match.strip() != "*":
        found = await rooms.files.get(file_id)
        check_tag(if_match, _tag(found))
        was = found.name
    return _tagged(who, await rooms.files.rename(file_id, body.name, was))


def _tag(file: PrintFile) -> str:
    """Of all that is answered of a file, only its name and its state change."""
    return hashlib.sha256(f"{file.id} {file.state} {file.name}".encode()).hexdigest()[:16]


def _tagged(who: Caller, file: PrintFile) -> Json:
    return Json(file_view(who, file), headers={"etag": f'"{_tag(file)}"'})


@router.delete("/files/{file_id}", status_code=204, dependencies=[OPERATE])
async def delete_file(rooms: AllRooms, file_id: InPath) -> Response:
    """Delete a file that no unfinished job needs."""
    await rooms.files.delete(file_id)
    rooms.file_deleted(file_id)
    return Response(status_code=204)


@router.get(
    "/files/{file_id}/content",
    response_class=Response,
    responses={200: {"content": {"text/x.gcode": {}}}, 409: {}},
)
async def file_content(rooms: AllRooms, file_id: InPath) -> Response:
    """Fetch the content exactly as it was uploaded."""
    found = await rooms.files.get(file_id)
    headers = {
        "content-length": str(found.size),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "etag": f'"{found.sha256}"',
    }
    pieces = rooms.files.content(found)
    first = await anext(pieces, b"")
    return StreamingResponse(_from(first, pieces), headers=headers, media_type="text/x.gcode")


async def _from(first: bytes, rest: Any) -> AsyncIterator[bytes]:
    """The pieces, the first of which was read before the answer began, so that errors can be."""
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece


@router.get("/files/{file_id}/analysis", responses={200: {"model": AnalysisOut}, 409: {}})
async def file_analysis(rooms: AllRooms, file_id: InPath) -> Response:
    """What the content says about the print."""
    found = await rooms.files.get(file_id)
    return Json(_analysed(found))


def _analysed(file: PrintFile) -> dict[str, Any]:
    view = analysis_view(file)
    if view is not None:
        return view
    if file.state is FileState.ANALYSING:
        hint = "Ask again in a moment."
        raise Refusal(409, "analysis_pending", "the file is still being read", hint)
    hint = "It can be printed where a job names its build_volume; check that it fits."
    raise Refusal(404, "analysis_failed", "reading the file gave no result", hint)


@router.get(
    "/files/{file_id}/layers",
    responses={
        200: {"model": LayersOut},
        304: {"description": "They are those that If-None-Match names."},
        409: {},
    },
)
async def file_layers(
    rooms: AllRooms,
    file_id: InPath,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Where the file's layers begin: with a print's progress this tells the layer it is at."""
    file = await rooms.files.get(file_id)
    # Which marks are known may change with the release that looks.
    tag = f'"{file.sha256}-layers-{VERSION}"'
    headers = {"cache-control": "private, max-age=86400", "etag": tag}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    starts = await rooms.files.layers.starts(file.sha256, lambda: rooms.files.content(file))
    return Json({"size": file.size, "starts": list(starts)}, headers=headers)


@router.get(
    "/files/{file_id}/thumbnail",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}, "image/jpeg": {}}},
        304: {"description": "It is the one that If-None-Match names."},
    },
)
async def file_thumbnail(
    rooms: AllRooms,
    file_id: InPath,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Fetch the best picture that the slicer put into the file."""
    return await _picture(rooms, file_id, if_none_match)


async def _picture(rooms: Rooms, file_id: str, known: str | None) -> Response:
    file = await rooms.files.get(file_id)
    # Which of its pictures a content's best one is may change with the release that looks.
    place = file.analysis and file.analysis.thumbnail
    headers = {"cache-control": "private, max-age=86400"}
    if place:
        headers["etag"] = f'"{file.sha256}-{place.offset}"'
        if matches(known, headers["etag"]):
            return Response(status_code=304, headers=headers)
    found = await rooms.files.thumbnail(file_id)
    if found is None:
        hint = "Switch on thumbnails in the slicer's printer settings."
        raise Refusal(404, "no_thumbnail", "the file has no picture", hint)
    return Response(found.data, media_type=found.media_type, headers=headers)
