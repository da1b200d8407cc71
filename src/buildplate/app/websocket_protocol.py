"""The websocket protocol of the server: a refusal is no error, and no secret gets into the log."""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_LOG = logging.getLogger("uvicorn.websocket")
_LOG.setLevel(logging.WARNING)  # it would show addresses with tickets, and headers with keys


class LiveProtocol(WebSocketsSansIOProtocol):
    """For `uvicorn.Config(ws=LiveProtocol)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = _LOG
        self.conn.debug = False

    async def send(self, message: Any) -> None:
        """Send what the application says; with an answer in place of a socket it is done, too."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True
