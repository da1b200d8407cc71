"""Keeps secrets out of the log, whoever wrote them there: the last step before a line is written.

Fields whose names say that they hold a secret are hidden; API keys and tokens are known by their
shape; printers' secrets are known because they were opened here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

HIDDEN = "[hidden]"
NAMES = re.compile(
    r"api_?key|authori[sz]ation|cookie|credential|passphrase|passw(or)?d|private_?key|secret|token",
    re.IGNORECASE,
)
FINE = frozenset({"key_name", "secrets"})
SHAPES = re.compile(
    r"bp_[A-Za-z0-9_-]{43}"  # our API keys
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web tokens (RFC 7519)
    r"|(?<=://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"  # user:password@ in addresses
)
SHORTEST = 6
"""A secret that is shorter would hide ordinary words."""
DEEPEST = 4


class Redaction:
    """What this process knows of secrets."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._shapes: Sequence[str] = ()

    def learn(self, secret: Any) -> None:
        """Keep this out of the log from now on, whatever line it comes with."""
        if not isinstance(secret, str) or len(secret) < SHORTEST:
            return
        if secret not in self._known:
            self._known.add(secret)
            shown = repr(secret)[1:-1]
            # As it is, as Python shows it, and either as Python or JSON writes it once more.
            shapes = {*self._shapes, secret, shown, repr(shown)[1:-1]}
            for one in (secret, shown):
                shapes |= {json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1]}
            self._shapes = sorted(shapes, key=len, reverse=True)

    def fields(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """As a processor of structlog: hide what is named as a secret."""
        for name, value in line.items():
            line[name] = self._value(name, value, DEEPEST)
        return line

    def text(self, line: str) -> str:
        """A finished line without any secret that is known or has a known shape."""
        found = line
        # What is known comes first: a shape may be a part of it. One by one, the longest first: one
        # pattern of all had to be made anew with each secret, 1.6 s of CPU time for 200 printers,
        # and `re` keeps the last 512 patterns it has made.
        for shape in self._shapes:
            if shape in found:
                found = found.replace(shape, HIDDEN)
        return SHAPES.sub(HIDDEN, found)

    def _value(self, name: str, value: Any, depth: int) -> Any:
        if name not in FINE and NAMES.search(name) and value not in (None, "", True, False):
            return HIDDEN
        if isinstance(value, Mapping) and depth:
            return {key: self._value(str(key), inner, depth - 1) for key, inner in value.items()}
        if isinstance(value, list | tuple) and depth:
            return [self._value("", inner, depth - 1) for inner in value]
        return value


REDACTION = Redaction()
"""That of this process: there is one log."""
