"""Marlin's serial protocol and its dialects, sans I/O: bytes in, events out, time an argument."""

from buildplate.protocols.marlin.conversation import Conversation, Event
from buildplate.protocols.marlin.framing import (
    AnswerLines,
    Block,
    block_of,
    checksum,
    cleaned,
    numbered,
)
from buildplate.protocols.marlin.replies import (
    Ability,
    Action,
    Busy,
    CardState,
    Failure,
    Idle,
    Ok,
    Reply,
    Resend,
    Said,
    Skipped,
    Started,
    read_reply,
)
from buildplate.protocols.marlin.reports import (
    Dialect,
    Firmware,
    Heat,
    Position,
    Temperatures,
    dialect_of,
)
from buildplate.protocols.marlin.sender import Answered, OutOfStep, Sender, SendLimits

__all__ = [
    "Ability",
    "Action",
    "AnswerLines",
    "Answered",
    "Block",
    "Busy",
    "CardState",
    "Conversation",
    "Dialect",
    "Event",
    "Failure",
    "Firmware",
    "Heat",
    "Idle",
    "Ok",
    "OutOfStep",
    "Position",
    "Reply",
    "Resend",
    "Said",
    "SendLimits",
    "Sender",
    "Skipped",
    "Started",
    "Temperatures",
    "block_of",
    "checksum",
    "cleaned",
    "dialect_of",
    "numbered",
    "read_reply",
]
