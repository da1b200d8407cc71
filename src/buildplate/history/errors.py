"""What can be wrong with a question about the past."""

from typing import ClassVar


class HistoryError(Exception):
    """The question cannot be answered; `hint` says what to ask instead."""

    code: ClassVar[str] = "history_error"
    hint: ClassVar[str] = "See docs/reference/api.md."


class InvalidRange(HistoryError):
    """The times asked about are no range, or too long a one."""

    code = "invalid_range"
    hint = "Ask from an earlier time to a later one, at most 92 days apart."
