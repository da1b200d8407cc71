"""Says what a change of the API would break for clients that were written against it before.

`docs/reference/api-contract.json` is what they rely on: one line a parameter, a field that may be
sent, a field that is answered. What only adds to it passes; `--accept` writes it anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildplate import __version__
from buildplate.api.application import openapi_document
from buildplate.api.illustrations import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "api-contract.json"
Contract = dict[str, str]
SENT, ANSWERED, ASKED = " > ", " < ", " ? "
NEEDED = "needed "


def contract(document: dict[str, Any]) -> Contract:
    """What clients rely on, by where it is: the types that are taken or answered there."""
    found: Contract = {}
    schemas = document["components"]["schemas"]
    for path, method, operation in operations(document):
        here = f"{method.upper()} {path}"
        found[here] = operation["operationId"]
        for one in operation.get("parameters", ()):
            needed = NEEDED if one.get("required") else ""
            found[f"{here}{ASKED}{one['in']} {one['name']}"] = needed + _type(
                one["schema"], schemas
            )
        for media in operation.get("requestBody", {}).get("content", {}).values():
            found |= {f"{here}{SENT}{w}": t for w, t in _fields(media["schema"], schemas)}
        for status, answer in operation["responses"].items():
            if status < "3":
                found[f"{here}{ANSWERED}{status}"] = " ".join(sorted(answer.get("content", {})))
                for media in answer.get("content", {}).values():
                    fields = _fields(media["schema"], schemas)
                    said = {f"{here}{ANSWERED}{status} {w}": t for w, t in fields}
                    found |= {w: t.removeprefix(NEEDED) for w, t in said.items()}
    return found


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _choices(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    whole = _resolved(schema, schemas)
    return [inner for one in whole.get("anyOf", [whole]) for inner in [_resolved(one, schemas)]]


def _type(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Its types, or its words where only some are taken."""
    found = set()
    for one in _choices(schema, schemas):
        words = one.get("enum", [one["const"]] if "const" in one else [])
        found |= {f"'{word}'" for word in words} or {str(one.get("type", "anything"))}
    return "|".join(sorted(found))


def _fields(
    schema: dict[str, Any], schemas: dict[str, Any], where: str = ""
) -> Iterator[tuple[str, str]]:
    """Every field under a schema with its type."""
    for one in _choices(schema, schemas):
        if one.get("type") == "array":
            yield from _fields(one["items"], schemas, f"{where}[]")
        for name, shape in one.get("properties", {}).items():
            needed = NEEDED if name in one.get("required", ()) else ""
            inside = f"{where}.{name}".lstrip(".")
            yield inside, needed + _type(shape, schemas)
            yield from _fields(shape, schemas, inside)


def breaks(old: Contract, new: Contract) -> list[str]:
    """What a client of the old contract would stumble over in the new one."""
    gone = [where for where in old if where not in new]
    found = [f"{where} is gone" for where in gone if _parent(where) not in gone]
    for where in old.keys() & new.keys():
        found += _changed(where, old[where], new[where])
    for where in new.keys() - old.keys():
        if new[where].startswith(NEEDED) and _parent(where) in old:
            found.append(f"{where} is new, and has to be sent")
    return sorted(found)


def _parent(where: str) -> str:
    """What has to be there for this to be: the object of a field, the operation of an object."""
    for mark in (ASKED, SENT, ANSWERED):
        here, found, inside = where.partition(mark)
        if found and "." in inside:
            return where.rpartition(".")[0].removesuffix("[]")
        if found and mark == ANSWERED and " " in inside:
            return where.rpartition(" ")[0]
        if found:
            return here
    return ""


def _changed(where: str, old: str, new: str) -> list[str]:
    if ANSWERED in where:
        # More words may be answered than before, but no other types; DESIGN: codes are open-ended.
        more = {one for one in set(new.split("|")) - set(old.split("|")) if one[:1] != "'"}
        return [f"{where} may now be {', '.join(sorted(more))}"] if more else []
    if SENT not in where and ASKED not in where:
        return [] if old == new else [f"{where} was called {old}, and is now {new}"]
    found = []
    if new.startswith(NEEDED) and not old.startswith(NEEDED):
        found.append(f"{where} has to be sent now")
    taken = {"integer", "number"} if "number" in new else set()
    known = set(new.removeprefix(NEEDED).split("|")) | taken
    less = set(old.removeprefix(NEEDED).split("|")) - known
    if less and not ("string" in known and all(one[:1] == "'" for one in less)):
        found.append(f"{where} does not take {', '.join(sorted(less))} any more")
    return found


def main() -> int:
    """Exit code 1 where something breaks, and nobody has accepted that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true", help="take the API as it is now")
    new = contract(openapi_document(__version__))
    if parser.parse_args().accept:
        KEPT.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"wrote {KEPT.name}: {len(new)} lines")
        return 0
    found = breaks(json.loads(KEPT.read_text(encoding="utf-8")), new)
    for one in found:
        print(f"breaks clients: {one}")
    if found:
        print("Keep what was there beside the new, or accept it with --accept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
