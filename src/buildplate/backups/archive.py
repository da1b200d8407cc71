"""The file that a backup is: a plain tar archive, of which there is only one right form.

The first member is the manifest, named by its own sha256; the others follow in the manifest's
order. Their headers say nothing but name and size, so a reader can write each header itself and
compare it byte for byte. What is not exactly what this program writes is refused: a flipped bit in
whatever place, a member too many, a link, a name that leads elsewhere, a file that was cut short.
`tar` reads such an archive like any other.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from buildplate.backups.errors import Damaged
from buildplate.backups.model import KEY, NO_MANIFEST, Manifest, Part

BLOCK = tarfile.BLOCKSIZE
RECORD = tarfile.RECORDSIZE
PIECE = 1 << 20
LARGEST_MANIFEST = 256 << 20
_MANIFEST_NAME = re.compile(r"manifest-([0-9a-f]{64})\.json")
_PART_NAME = re.compile(r"tables/[a-z_]{1,60}\.jsonl|files/[0-9a-f]{64}|key\.sealed")


def header(name: str, size: int) -> bytes:
    """The one header that a member of this name and size has."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def padding(size: int) -> bytes:
    """What fills a member up to the next block."""
    return bytes(-size % BLOCK)


def place_of(manifest: Manifest, name: str) -> int:
    """Where in the archive the bytes of a part begin."""
    place = BLOCK + _whole(len(manifest.dump()))
    for part in manifest.parts:
        if part.name == name:
            return place + BLOCK
        place += BLOCK + _whole(part.size)
    raise KeyError(name)


def _whole(size: int) -> int:
    return size + (-size % BLOCK)


def write_archive(
    target: BinaryIO, manifest: Manifest, contents: Callable[[Part], Iterable[bytes]]
) -> None:
    """Write the archive; `contents` gives each part's bytes, which are those the manifest names.

    Raises `Damaged` where they are not, and OSError.
    """
    text = manifest.dump()
    name = f"manifest-{hashlib.sha256(text).hexdigest()}.json"
    target.write(header(name, len(text)) + text + padding(len(text)))
    for part in manifest.parts:
        target.write(header(part.name, part.size))
        target.writelines(checked(part, contents(part)))
        target.write(padding(part.size))
    used = target.tell() + 2 * BLOCK
    target.write(bytes(2 * BLOCK + (-used % RECORD)))


def checked(part: Part, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, which come to exactly this part; Damaged at their end where they do not."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        if size > part.size:
            break
        yield piece
    if (size, digest.hexdigest()) != (part.size, part.sha256):
        message = f"the part {part.name} is not as it was"
        raise Damaged(message)


def read_manifest(source: BinaryIO) -> Manifest:
    """The manifest, from the beginning of an archive. Damaged, TooNew."""
    start = source.read(BLOCK)
    try:
        info = tarfile.TarInfo.frombuf(start, "ascii", "strict")
    except (tarfile.HeaderError, ValueError):
        raise Damaged(NO_MANIFEST) from None
    named = _MANIFEST_NAME.fullmatch(info.name)
    if named is None or not 0 <= info.size <= LARGEST_MANIFEST:
        raise Damaged(NO_MANIFEST)
    if start != header(info.name, info.size):
        raise Damaged(NO_MANIFEST)
    text = source.read(info.size)
    if hashlib.sha256(text).hexdigest() != named[1]:
        message = "the manifest is not as it was"
        raise Damaged(message)
    _expect(source, padding(info.size), "the manifest")
    manifest = Manifest.load(text)
    if manifest.dump() != text:
        raise Damaged(NO_MANIFEST)
    _check_names(manifest)
    return manifest


def _check_names(manifest: Manifest) -> None:
    names = [part.name for part in manifest.parts]
    for part in manifest.parts:
        fits = part.name.removeprefix("files/") in (part.name, part.sha256)
        if _PART_NAME.fullmatch(part.name) is None or part.size < 0 or not fits:
            message = f"a backup has no part named {part.name[:100]!r}"
            raise Damaged(message)
    if len(set(names)) != len(names):
        message = "a part is named twice"
        raise Damaged(message)
    if manifest.key_file != (KEY in names):
        message = "what it says of the key file is not so"
        raise Damaged(message)


def read_parts(
    source: BinaryIO, manifest: Manifest, take: Callable[[Part, Iterator[bytes]], None]
) -> None:
    """Read what follows the manifest, to the last byte; `take` consumes each part's pieces.

    A part is right only once its pieces have come to their end without an error: what `take` makes
    of it is of no use before. Damaged.
    """
    for part in manifest.parts:
        _expect(source, header(part.name, part.size), f"the beginning of {part.name}")
        pieces = checked(part, _pieces(source, part.size))
        take(part, pieces)
        for _ in pieces:
            pass
        _expect(source, padding(part.size), f"the end of {part.name}")
    end = -source.tell() % RECORD
    end += RECORD if end < 2 * BLOCK else 0
    _expect(source, bytes(end), "the end of the archive")
    if source.read(1):
        message = "something follows the end of the archive"
        raise Damaged(message)


def skip(_: Part, pieces: Iterator[bytes]) -> None:
    """Take a part by looking at it alone."""
    for _piece in pieces:
        pass


def verify(source: BinaryIO) -> Manifest:
    """Read a whole archive and find every byte as it was written; its manifest. Damaged, TooNew."""
    manifest = read_manifest(source)
    read_parts(source, manifest, skip)
    return manifest


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = source.read(min(PIECE, left))
        if not piece:
            message = "the file was cut short"
            raise Damaged(message)
        left -= len(piece)
        yield piece


def _expect(source: BinaryIO, wanted: bytes, where: str) -> None:
    found = source.read(len(wanted))
    if found != wanted:
        cut = len(found) < len(wanted)
        message = "the file was cut short" if cut else f"{where} is not as it was"
        raise Damaged(message)
