"""The HTTP surface: every path, what it takes and answers, and who may call it."""

from buildplate.api.application import create_app
from buildplate.api.rooms import Rooms
from buildplate.api.web_files import WebFiles

__all__ = ["Rooms", "WebFiles", "create_app"]
