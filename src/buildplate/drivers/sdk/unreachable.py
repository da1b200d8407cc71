"""Says why a host cannot be reached in words a person understands; the raw error is for the log."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import NamedTuple

from buildplate.drivers.sdk.errors import PrinterOffline


class Words(NamedTuple):
    """A cause: a stable code for programs and translations, what happened, and what to do."""

    code: str
    detail: str
    hint: str = PrinterOffline.hint


AGAIN = "it is tried again by itself."
NO_CHECK = "or switch off the check of the certificate in the printer's connection."

NO_CONNECTION = Words("no_connection", "no connection to the host can be made")
NO_ANSWER = Words("no_answer", "the host does not answer")
NO_ROUTE = Words("no_route", "no way leads to the host: it is off, or in another network")
BROKEN_OFF = Words("connection_broken", "the host broke the connection off")
REFUSED = Words(
    "connection_refused",
    "the host refuses the connection: nothing listens at this address and port",
    f"Start the printer's software there, and check the port in the address; {AGAIN}",
)
NAME_UNKNOWN = Words(
    "name_unknown",
    "the host's name is not known in this network",
    f"Check how the name is spelt, or enter the host's IP address instead; {AGAIN}",
)
NAME_UNCLEAR = Words(
    "name_unclear",
    "nobody can say at the moment which address the host's name has",
    f"Check the network of the machine that Buildplate runs on, and its name server; {AGAIN}",
)
UNTRUSTED = Words(
    "certificate_untrusted",
    "the host's certificate comes from nobody whom this machine trusts",
    f"Make the authority that signed it known to this machine, {NO_CHECK}",
)
EXPIRED = Words(
    "certificate_expired",
    "the host's certificate has expired",
    f"Renew the certificate on the host, {NO_CHECK}",
)
OTHER_NAME = Words(
    "certificate_name",
    "the host's certificate is for another name than the one in the address",
    f"Enter the name that the certificate is for, {NO_CHECK}",
)
NO_TLS = Words(
    "tls_failed",
    "no encrypted connection to the host can be made",
    "Check the port, and whether the address should begin with http:// instead of https://.",
)

_CERTIFICATES = {10: EXPIRED, 62: OTHER_NAME, 64: OTHER_NAME}
"""X509_V_ERR_CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL."""
_NAMES = {socket.EAI_AGAIN: NAME_UNCLEAR, socket.EAI_FAIL: NAME_UNCLEAR}
_NUMBERS = {
    errno.ECONNREFUSED: REFUSED,
    errno.ETIMEDOUT: NO_ANSWER,
    errno.EHOSTUNREACH: NO_ROUTE,
    errno.ENETUNREACH: NO_ROUTE,
    errno.EHOSTDOWN: NO_ROUTE,
    errno.ECONNRESET: BROKEN_OFF,
    errno.ECONNABORTED: BROKEN_OFF,
    errno.EPIPE: BROKEN_OFF,
}


def unreachable(error: BaseException) -> PrinterOffline:
    """The error to raise where a connection could not be made: what happened, and what to do."""
    words = _words(error)
    return PrinterOffline(words.detail, words.hint, code=words.code, cause=in_words(error))


def no_answer(seconds: float) -> PrinterOffline:
    """The error to raise where a host took longer than this to answer completely."""
    return PrinterOffline(f"no complete answer within {seconds:g} s", code=NO_ANSWER.code)


def in_words(error: BaseException) -> str:
    """The raw error in one line, for the log."""
    return f"{type(error).__name__}: {error}"[:300]


def _words(error: BaseException) -> Words:
    match error:
        case ssl.SSLCertVerificationError():
            return _CERTIFICATES.get(getattr(error, "verify_code", 0), UNTRUSTED)
        case ssl.SSLError():
            return NO_TLS
        case socket.gaierror():
            return _NAMES.get(error.errno or 0, NAME_UNKNOWN)
        case UnicodeError():  # no name that a host could have
            return NAME_UNKNOWN
        case TimeoutError():
            return NO_ANSWER
        case OSError():
            return _NUMBERS.get(error.errno or 0, NO_CONNECTION)
    return NO_CONNECTION
