"""The path of what an administrator may change while the server runs: how much is logged."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, Field, Strict
from starlette.responses import Response

from buildplate.api.answers import Json
from buildplate.api.guard import ADMIN
from buildplate.api.log_levels import LogLevel, levels, set_levels
from buildplate.api.schemas import Body

router = APIRouter(prefix="/api/v1", tags=["settings"], dependencies=[ADMIN])
_LOG = structlog.get_logger("farm")
Level = Annotated[LogLevel | None, Strict(strict=False)]


class LevelsPatch(Body):
    """How much each room logs; what is left out stays, null takes it back to `LOG_LEVEL`."""

    api: Level = None
    app: Level = None
    dispatch: Level = None
    files: Level = None
    fleet: Level = None
    storage: Level = None


class SettingsPatch(Body):
    """A merge patch of the settings that can be changed while the server runs."""

    log_levels: LevelsPatch = Field(default_factory=LevelsPatch)


class LevelsOut(BaseModel):
    """How much each room logs."""

    api: LogLevel
    app: LogLevel
    dispatch: LogLevel
    files: LogLevel
    fleet: LogLevel
    storage: LogLevel


class SettingsOut(BaseModel):
    """The settings that can be changed while the server runs; a restart forgets changes."""

    log_levels: LevelsOut


def _present() -> dict[str, Any]:
    return {"log_levels": levels()}


@router.get("/settings", responses={200: {"model": SettingsOut}})
async def get_settings() -> Response:
    """Look at the settings that can be changed while the server runs."""
    return Json(_present())


@router.patch("/settings", responses={200: {"model": SettingsOut}})
async def patch_settings(body: SettingsPatch) -> Response:
    """Change how much is logged, room by room, until the next restart."""
    wanted = body.log_levels.model_dump(exclude_unset=True)
    set_levels(wanted)
    _LOG.warning("settings.changed", action="set log levels", log_levels=wanted)
    return Json(_present())
