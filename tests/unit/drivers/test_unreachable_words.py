"""Whatever keeps a host from being reached has words that a person understands."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

import pytest

from buildplate.drivers.sdk import PrinterOffline
from buildplate.drivers.sdk.unreachable import unreachable

RAW = re.compile(r"Errno|Error|Exception|SSL:|_[A-Z]|0x|\(")


def by_number(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (by_number(errno.ECONNREFUSED), "connection_refused"),
        (by_number(errno.ETIMEDOUT), "no_answer"),
        (TimeoutError(), "no_answer"),
        (by_number(errno.EHOSTUNREACH), "no_route"),
        (by_number(errno.ENETUNREACH), "no_route"),
        (by_number(errno.ECONNRESET), "connection_broken"),
        (by_number(errno.EPIPE), "connection_broken"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name_unknown"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "name_unclear"),
        (UnicodeError("label empty or too long"), "name_unknown"),
        (certificate(18), "certificate_untrusted"),
        (certificate(20), "certificate_untrusted"),
        (certificate(10), "certificate_expired"),
        (certificate(62), "certificate_name"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "tls_failed"),
        (by_number(errno.EMFILE), "no_connection"),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 113] b"), "no_connection"),
        (ValueError("[Errno 5] odd"), "no_connection"),
    ],
)
def test_every_cause_is_told_in_words_and_kept_raw_for_the_log(error: Exception, code: str) -> None:
    told = unreachable(error)
    assert isinstance(told, PrinterOffline)
    assert told.code == code
    for said in (str(told), told.hint):
        assert not RAW.search(said), said
        assert len(said.split()) > 3, "a sentence, not a name"
    assert str(error) in told.cause
    assert type(error).__name__ in told.cause
