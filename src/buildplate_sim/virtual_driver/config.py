"""How a virtual printer is reached: its connection form and the checked settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from buildplate.drivers.sdk import BadConnectionSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Virtual printer",
    "required": ["host", "port"],
    "additionalProperties": False,
    "properties": {
        "host": {
            "type": "string",
            "title": "Address",
            "description": "Where the simulator listens, as its first line of output says.",
        },
        "port": {"type": "integer", "title": "Port", "minimum": 1, "maximum": 65535},
    },
}
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class VirtualConfig:
    """Checked connection settings."""

    host: str
    port: int

    @classmethod
    def checked(cls, connection: Mapping[str, Any]) -> Self:
        """Check a connection form; `BadConnectionSettings` names what is wrong."""
        unknown = connection.keys() - {"host", "port"}
        if unknown:
            why = f"unknown settings: {', '.join(sorted(unknown))}"
            raise BadConnectionSettings(why)
        host, port = connection.get("host"), connection.get("port")
        if not isinstance(host, str) or not host:
            raise _wrong("host", "an address is needed")
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port <= _LAST_PORT:
            raise _wrong("port", "a number from 1 to 65535 is needed")
        return cls(host, port)


def _wrong(field: str, why: str) -> BadConnectionSettings:
    return BadConnectionSettings(f"{field}: {why}", fields={field: why})
