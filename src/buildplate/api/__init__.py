"""The HTTP surface: every path, what it takes and answers, and who may call it."""

from buildplate.api.application import create_app
from buildplate.api.rooms import Rooms

__all__ = ["Rooms", "create_app"]
