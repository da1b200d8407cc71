"""What people write in one word: a material, TYPE[/COLOR[/VARIANT]][:GRAMS], and a size, XxYxZ."""

from __future__ import annotations

import re
from typing import Any

from buildplate.cli.failures import USAGE, fail

FORM = "TYPE[/COLOR[/VARIANT]][:GRAMS]"


def materials(given: list[str] | None, grams: str) -> list[dict[str, Any]]:
    """Materials as the API takes them, the first for tool 0; `grams` is what it calls them."""
    return [_material(tool, text, grams) for tool, text in enumerate(given or ())]


def _material(tool: int, text: str, grams: str) -> dict[str, Any]:
    words, colon, weight = text.partition(":")
    kind, *rest = words.split("/")
    if not kind or len(rest) > 2:  # noqa: PLR2004 (colour and variant)
        fail(f"--material {text}: write {FORM}, as in PLA/black/matte:250", code=USAGE)
    color, variant = (*rest, "", "")[:2]
    found: dict[str, Any] = {"tool": tool, "type": kind, "color": color or None}
    found["variant"] = variant or None
    if colon:
        try:
            found[grams] = float(weight)
        except ValueError:
            fail(f"--material {text}: {weight or 'nothing'} is no weight in grams", code=USAGE)
    return found


def volume(text: str) -> dict[str, float]:
    """A size in mm as the API takes it."""
    sizes = re.fullmatch(r"(\d+(?:\.\d+)?)[x×*](\d+(?:\.\d+)?)[x×*](\d+(?:\.\d+)?)", text)
    if sizes is None:
        fail(f"--build-volume {text}: write XxYxZ in mm, as in 250x210x220", code=USAGE)
    return dict(zip("xyz", map(float, sizes.groups()), strict=True))
