"""What makes the OpenAPI document readable: examples, units, stable names of operations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from buildplate.api.samples import MOMENTS, PARAMETERS, SAMPLES, UNITS

Schema = dict[str, Any]
JSON = "application/json"
GCODE = "; a very small print\nG28\nG1 X10 Y10 Z0.2 F1000\nG1 X20 Y20 E2\nM104 S0\n"
PLAIN = {
    "text/plain": "# TYPE buildplate_health gauge\nbuildplate_health 1.0\n",
    "text/x.gcode": GCODE,
    "application/octet-stream": GCODE,
    "multipart/form-data": {"file": GCODE},
}
"""Examples of bodies that are no JSON; a picture is shown by none."""
DOWN = "503"
"""Only the farm's health is answered with this by a path itself: then it is down."""
PREFIX = re.compile(r"^/(api/v\d+/)?")


class Illustrator:
    """Makes an example of anything that a document's schemas describe."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas
        self.missing: set[str] = set()
        """Fields without a sample of their own."""

    def example(self, schema: Schema, model: str = "", field: str = "") -> Any:
        """A value that the schema takes."""
        for key in (f"{model}.{field}", field):
            if key in SAMPLES and not self._is_other(schema, SAMPLES[key]):
                return SAMPLES[key]
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._of_model(name)
        for choice in schema.get("anyOf", ()):
            if choice.get("type") != "null":
                return self.example(choice, model, field)
        return self._plain(schema, model, field)

    def _is_other(self, schema: Schema, sample: Any) -> bool:
        """Whether a field of this name means something else here: a model, or other words."""
        models = [one for one in (schema, *schema.get("anyOf", ())) if "$ref" in one]
        shapes = [self._schemas[one["$ref"].rpartition("/")[2]] for one in models]
        words = [*shapes, schema]
        return sample is not None and (
            any("properties" in shape for shape in shapes)
            or any(sample not in shape["enum"] for shape in words if "enum" in shape)
        )

    def _of_model(self, name: str) -> Any:
        schema = self._schemas[name]
        if "properties" not in schema:
            return self._plain(schema, name, "")
        fields = schema["properties"].items()
        found = {field: self.example(shape, name, field) for field, shape in fields}
        asked = name.endswith(("Body", "Patch", "Job", "Need", "Requirements", "Volume"))
        needed = schema.get("required", ())
        return {f: v for f, v in found.items() if v is not None or not asked or f in needed}

    def _plain(self, schema: Schema, model: str, field: str) -> Any:
        kind, form = schema.get("type"), schema.get("format")
        if "const" in schema:
            found = schema["const"]
        elif "enum" in schema:
            found = schema["enum"][0]
        elif kind == "array":
            found = [self.example(schema["items"], model, field)]
        elif kind == "boolean":
            found = schema.get("default", False)
        elif form in MOMENTS:
            found = MOMENTS[form]
        else:
            self.missing.add(f"{model}.{field}")
            found = {"string": field, "integer": 1, "number": 1.0, "object": {}}.get(kind or "")
        return found


def illustrate(document: dict[str, Any]) -> set[str]:
    """Complete a document in place; the fields that have no sample of their own."""
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        for field, shape in schema.get("properties", {}).items():
            _with_unit(field, shape)
    illustrator = Illustrator(schemas)
    for path, method, operation in operations(document):
        operation["operationId"] = operation_id(method, path)
        for parameter in operation.get("parameters", ()):
            _described(parameter)
        bodies = {"": operation.get("requestBody", {}), **operation["responses"]}
        for status, body in bodies.items():
            for kind, media in body.get("content", {}).items():
                _exemplified(illustrator, kind, media)
                if status == DOWN:
                    media["example"] |= {"status": "down"}
    return illustrator.missing


def _exemplified(illustrator: Illustrator, kind: str, media: dict[str, Any]) -> None:
    """Give a body its example, and a schema where it has none."""
    if kind == JSON:
        media["example"] = illustrator.example(media["schema"])
    elif kind in PLAIN:
        media.setdefault("schema", {"type": "string"})
        media["example"] = PLAIN[kind]
    else:
        media.setdefault("schema", {"type": "string", "format": "binary"})


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its path and its method."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def operation_id(method: str, path: str) -> str:
    """A name for programs that follows from method and path alone: it stays as long as they do."""
    return re.sub(r"\W+", "_", f"{method}_{PREFIX.sub('', path)}").strip("_")


def _with_unit(field: str, shape: Schema) -> None:
    """Say what a number counts in, where its description does not."""
    kinds = {one.get("type") for one in (shape, *shape.get("anyOf", ()))}
    if kinds & {"number", "integer"}:
        known = (unit for end, unit in UNITS.items() if field == end or field.endswith(end))
        unit = next(known, None) if field not in UNITS else UNITS[field]
        if unit is not None:
            shape.setdefault("description", unit)


def _described(parameter: dict[str, Any]) -> None:
    if "description" not in parameter:
        name = parameter["name"]
        said = parameter["schema"].get("description")
        parameter["description"] = said or PARAMETERS.get(name, f"only those with this `{name}`")
