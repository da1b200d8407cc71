"""The limit an upload is measured against: receive, hash, write and fsync, and nothing else.

`python -m bench.receive_limit FOLDER PORT` answers one HTTP upload after the other.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from pathlib import Path

PIECE = 1 << 18
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def main(folder: Path, port: int) -> None:
    """Serves until it is ended."""
    with socket.create_server(("127.0.0.1", port)) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                digest = _receive(connection, folder / "upload")
                answer = f'{{"sha256": "{digest}"}}'
                head = f"HTTP/1.1 201 Created\r\nContent-Length: {len(answer)}\r\n\r\n"
                connection.sendall((head + answer).encode())


def _receive(connection: socket.socket, path: Path) -> str:
    buffer = memoryview(bytearray(PIECE))
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    length = LENGTH.search(head)
    assert length
    left = int(length[1])
    digest = hashlib.sha256()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        while left:
            got = connection.recv_into(buffer, min(PIECE, left))
            if not got:
                raise ConnectionError(left)
            digest.update(buffer[:got])
            os.write(fd, buffer[:got])
            left -= got
        os.fsync(fd)
    finally:
        os.close(fd)
    return digest.hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
