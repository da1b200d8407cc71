"""How a virtual printer says no."""

from __future__ import annotations


class RefusedError(Exception):
    """The printer says no; `code` is a word for programs, the text one for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
