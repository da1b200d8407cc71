"""`buildplate serve`: run a farm here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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


def add_to(app: typer.Typer) -> None:
    """Offer the command."""
    app.command()(serve)
