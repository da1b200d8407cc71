"""The roles, as the command line takes them."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a key or a user may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
