"""TLS for the server: its context, made before anything is started, with plain words on failure."""

from __future__ import annotations

import ssl
from pathlib import Path

from buildplate.app.settings import Settings, SettingsError


class TlsError(SettingsError):
    """The certificate, its key or the client authority cannot be used."""

    code = "tls"
    hint = "Give a certificate chain and its key in PEM, the key not encrypted and readable here."


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's context, TLS 1.2 or newer; None without a certificate. TlsError."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (settings.tls_cert, settings.tls_key, settings.tls_client_ca):
        if path is not None:
            _readable(path)
    try:
        # A password that is never asked for: OpenSSL would wait for it at the terminal.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=lambda: b"")
    except (ssl.SSLError, ValueError):
        message = f"{settings.tls_cert} and {settings.tls_key} are no certificate and its key"
        raise TlsError(message) from None
    if settings.tls_client_ca is not None:
        _only_clients_of(context, settings.tls_client_ca)
    return context


def _only_clients_of(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError:
        message = f"{authority} holds no certificate of an authority"
        raise TlsError(message) from None
    context.verify_mode = ssl.CERT_REQUIRED


def _readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise TlsError(message) from None
