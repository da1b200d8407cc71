"""The built web UI as files that can be answered: found once, read when first asked for."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

BUILT = Path(__file__).with_name("web_dist")
"""Where the build of `web/` puts what it makes; a wheel carries it."""

INDEX = "/index.html"
SUFFIXES = MappingProxyType({"br": ".br", "gzip": ".gz"})
"""Content codings that the build makes, the smaller first, and how their files end."""

TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".webmanifest": "application/manifest+json",
        ".woff2": "font/woff2",
    }
)


@dataclass(slots=True)
class Variant:
    """One coding of a file: its bytes and its strong ETag, read when first asked for."""

    path: Path
    content: bytes = b""
    etag: bytes = b""

    def read(self) -> None:
        """Have the bytes; blocks, OSError where the file has gone."""
        if not self.etag:
            self.content = self.path.read_bytes()
            self.etag = b'"%b"' % sha256(self.content).hexdigest()[:32].encode()


@dataclass(slots=True)
class WebFile:
    """A file of the UI in its codings; `identity` is always among them."""

    media_type: bytes
    immutable: bool
    variants: dict[str, Variant] = field(default_factory=dict)


class WebFiles:
    """What was built, by the path it is asked for under.

    Only files that were found at the start are ever opened, so that no path leads out of the
    folder, however it is written.
    """

    def __init__(self, root: Path = BUILT) -> None:
        self._files: dict[str, WebFile] = {}
        if (root / INDEX[1:]).is_file():
            self._find(root)

    @property
    def built(self) -> bool:
        """Whether there is a UI at all."""
        return bool(self._files)

    def get(self, path: str) -> WebFile | None:
        """The file under a path, if there is one."""
        return self._files.get(path)

    def _find(self, root: Path) -> None:
        for path in sorted(root.rglob("*")):
            name = f"/{path.relative_to(root).as_posix()}"
            is_own = path.is_file() and not path.is_symlink() and "/." not in name
            if not is_own or path.suffix in SUFFIXES.values():
                continue
            variants = {
                coding: Variant(path.with_name(path.name + suffix))
                for coding, suffix in SUFFIXES.items()
                if path.with_name(path.name + suffix).is_file()
            }
            variants["identity"] = Variant(path)
            self._files[name] = WebFile(_type_of(path), name.startswith("/assets/"), variants)


def _type_of(path: Path) -> bytes:
    known = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return (known or "application/octet-stream").encode()


def chosen(accept_encoding: str | None, offered: dict[str, Variant]) -> str:
    """The coding to answer with: the smallest that the client takes (RFC 9110, 12.5.3)."""
    weights = _weights(accept_encoding or "")
    anything = weights.get("*", 0.0)
    for coding in offered:
        if coding != "identity" and weights.get(coding, anything) > 0:
            return coding
    return "identity"


def _weights(header: str) -> dict[str, float]:
    found = {}
    for part in header.split(","):
        coding, _, rest = part.strip().lower().partition(";")
        name, _, value = rest.strip().partition("=")
        try:
            found[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            found[coding.strip()] = 0.0  # what cannot be read is not asked for
    return found


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has this very content already (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
