"""The paths of backups: take one, look, fetch, delete. For administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response, StreamingResponse

from buildplate.api.answers import Json, page
from buildplate.api.guard import ADMIN
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import Body, InPath, PageOut
from buildplate.backups.folder import file_name
from buildplate.backups.model import Backup, BackupState

router = APIRouter(prefix="/api/v1", tags=["backups"], dependencies=[ADMIN])
TAR = "application/x-tar"


class BackupBody(Body):
    """A backup to take; with a passphrase the key file goes in, sealed with it."""

    passphrase: Annotated[str | None, Field(min_length=1, max_length=1000)] = None


class BackupOut(BaseModel):
    """A backup. Sizes in bytes; `progress` is 0 to 1, `problem` says why it failed.

    `key_file`: the key file is in it, sealed by a passphrase. `missing_files`: how many print
    files' contents were gone or spoiled when it was taken.
    """

    id: str
    state: BackupState
    taken_at: AwareDatetime
    size: int
    progress: float
    database: str | None
    schema_revision: str | None
    release: str | None
    key_file: bool | None
    files: int | None
    missing_files: int | None
    rows: int | None
    problem: str | None
    hint: str | None


class BackupPage(PageOut):
    """All backups."""

    items: list[BackupOut]


def backup_view(backup: Backup) -> dict[str, Any]:
    """A backup as it is answered."""
    told = backup.manifest
    ready = backup.state is BackupState.READY
    return {
        "id": backup.id,
        "state": backup.state,
        "taken_at": backup.taken_at,
        "size": backup.size,
        "progress": 1.0 if ready else backup.done / max(backup.total, 1),
        "database": None if told is None else told.database,
        "schema_revision": None if told is None else told.schema,
        "release": None if told is None else told.release,
        "key_file": None if told is None else told.key_file,
        "files": None if told is None else told.files,
        "missing_files": None if told is None else len(told.missing),
        "rows": None if told is None else sum(told.rows.values()),
        "problem": backup.problem or None,
        "hint": backup.hint or None,
    }


@router.get("/backups", responses={200: {"model": BackupPage}})
async def list_backups(rooms: AllRooms) -> Response:
    """List the backups, newest first, in one page; the one that is being taken, too."""
    return page([backup_view(one) for one in await rooms.backups.backups()], None)


@router.post("/backups", status_code=202, responses={202: {"model": BackupOut}})
async def take_backup(rooms: AllRooms, body: BackupBody | None = None) -> Response:
    """Begin a backup of rows and print files; it goes on by itself. One at a time.

    The oldest backups beyond the number that is kept are deleted once it is whole.
    """
    begun = await rooms.backups.begin(body.passphrase if body else None)
    return Json(backup_view(begun), 202, {"location": f"/api/v1/backups/{begun.id}"})


@router.get("/backups/{backup_id}", responses={200: {"model": BackupOut}})
async def get_backup(rooms: AllRooms, backup_id: InPath) -> Response:
    """Look at one backup; how far it is while it is taken."""
    return Json(backup_view(await rooms.backups.backup(backup_id)))


@router.get(
    "/backups/{backup_id}/content",
    response_class=Response,
    responses={200: {"content": {TAR: {}}}, 409: {}},
)
async def backup_content(rooms: AllRooms, backup_id: InPath) -> Response:
    """Fetch a finished backup: a tar archive for `buildplate restore`."""
    found, pieces = await rooms.backups.content(backup_id)
    name = f"buildplate-{file_name(found.id, found.taken_at)}"
    headers = {
        "content-length": str(found.size),
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
    }
    return StreamingResponse(pieces, headers=headers, media_type=TAR)


@router.delete("/backups/{backup_id}", status_code=204)
async def delete_backup(rooms: AllRooms, backup_id: InPath) -> Response:
    """Delete a finished backup."""
    await rooms.backups.delete(backup_id)
    return Response(status_code=204)
