"""The public contract for printer drivers: everything that a driver may import from Buildplate."""

from buildplate.core.evidence import Ending, Evidence, Reading, Run
from buildplate.core.printers import Activity, Link
from buildplate.drivers.sdk.answers import Accepted, Answer, Deleted, Refused, Unknown
from buildplate.drivers.sdk.contract import (
    Driver,
    FileBody,
    Identity,
    Push,
    PushKind,
    Temperature,
    Watch,
)
from buildplate.drivers.sdk.errors import (
    AuthRequired,
    BadConnectionSettings,
    DriverError,
    FileUnreadable,
    HostConfused,
    HostFull,
    HostRefused,
    PrinterOffline,
    WrongContent,
)
from buildplate.drivers.sdk.manifest import Capability, Manifest
from buildplate.drivers.sdk.patience import Patience
from buildplate.drivers.sdk.timing import DriverTimings, boot_time
from buildplate.drivers.sdk.together import together

__all__ = [
    "Accepted",
    "Activity",
    "Answer",
    "AuthRequired",
    "BadConnectionSettings",
    "Capability",
    "Deleted",
    "Driver",
    "DriverError",
    "DriverTimings",
    "Ending",
    "Evidence",
    "FileBody",
    "FileUnreadable",
    "HostConfused",
    "HostFull",
    "HostRefused",
    "Identity",
    "Link",
    "Manifest",
    "Patience",
    "PrinterOffline",
    "Push",
    "PushKind",
    "Reading",
    "Refused",
    "Run",
    "Temperature",
    "Unknown",
    "Watch",
    "WrongContent",
    "boot_time",
    "together",
]
