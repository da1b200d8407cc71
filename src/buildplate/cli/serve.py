"""`buildplate serve`: run a farm here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

SPARED = ("pydantic.v1", "rich")
"""What libraries load only because it is there, and a server never uses: FastAPI to see whether a
model is one of pydantic 1, structlog for tracebacks that would show secrets.
"""


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 0: any.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Rows, files, process id.")] = None,
    demo: Annotated[
        int | None, typer.Option(min=1, max=100, help="Add so many virtual printers and orders.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="The certificate (PEM): answer over HTTPS only.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Mutual TLS: the authority of the clients' certificates.")
    ] = None,
) -> None:
    """Run the server until Ctrl-C. Its first start prints a one-time set-up link."""
    with _as_if_missing(SPARED):  # 4.5 MB, for as long as the server runs
        from buildplate.app.serve import serve as run

    run(
        demo=demo,
        host=host,
        port=port,
        data_dir=data_dir or context.obj.data_dir,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
    )


@contextmanager
def _as_if_missing(packages: tuple[str, ...]) -> Iterator[None]:
    """Let those who look for an optional package while they are loaded find none.

    None in `sys.modules` is what Python's import system documents for it. Later imports find it.
    """
    missing = [name for name in packages if name not in sys.modules]
    sys.modules |= dict.fromkeys(missing)  # type: ignore[arg-type]  # typeshed knows no None there
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


def add_to(app: typer.Typer) -> None:
    """Offer the command."""
    app.command()(serve)
