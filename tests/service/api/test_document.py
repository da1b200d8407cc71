"""The OpenAPI document can be read and built upon: examples that hold, units, stable names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jsonschema_rs import validator_for

from buildplate import __version__
from buildplate.api.application import openapi_document
from buildplate.api.illustrations import illustrate, operation_id, operations

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi_document(__version__)))
PICTURES = {"image/png", "image/jpeg", "application/x-tar", "application/offset+octet-stream"}
"""Bytes have no example in JSON."""


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body that is asked for or answered, with where it is."""
    for path, method, operation in operations(DOCUMENT):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for what, body in bodies.items():
            for kind, media in body.get("content", {}).items():
                yield f"{method} {path} {what} {kind}", media
    for name, response in DOCUMENT["components"]["responses"].items():
        for kind, media in response["content"].items():
            yield f"{name} {kind}", media


def test_everything_asked_for_or_answered_has_an_example_that_its_schema_takes() -> None:
    wrong = {}
    for where, media in contents():
        if where.rpartition(" ")[2] in PICTURES:
            continue
        if "example" not in media:
            wrong[where] = "has no example"
            continue
        schema = {**media["schema"], "components": DOCUMENT["components"]}
        errors = [str(error) for error in validator_for(schema).iter_errors(media["example"])]
        if errors:
            wrong[where] = errors[0]
    assert wrong == {}


def test_the_example_of_a_problem_says_what_and_what_to_do() -> None:
    for name, response in DOCUMENT["components"]["responses"].items():
        shown = response["content"]["application/problem+json"]["example"]
        assert shown["code"], name
        assert shown["hint"], name
        assert name in {f"Refused{shown['status']}", "Refused5XX"}


def test_every_field_has_a_sample_of_its_own() -> None:
    """A line in `buildplate/api/samples.py` is what is asked for here."""
    assert illustrate(json.loads(json.dumps(DOCUMENT))) == set()


def test_a_field_without_a_sample_is_named() -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["components"]["schemas"]["JobOut"]["properties"]["colour_of_joy"] = {"type": "string"}
    assert illustrate(document) == {"JobOut.colour_of_joy"}


def test_every_measure_has_a_unit() -> None:
    bare = []
    for model, schema in DOCUMENT["components"]["schemas"].items():
        for field, shape in schema.get("properties", {}).items():
            kinds = [one.get("type") for one in (shape, *shape.get("anyOf", ()))]
            if "number" in kinds and "description" not in json.dumps(shape):
                bare.append(f"{model}.{field}")
    assert bare == []


def test_every_parameter_says_what_it_is() -> None:
    for path, method, operation in operations(DOCUMENT):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (method, path, parameter["name"])


def test_operations_have_names_that_follow_from_method_and_path_alone() -> None:
    names = [operation["operationId"] for _, _, operation in operations(DOCUMENT)]
    assert len(set(names)) == len(names) > 70
    for path, method, operation in operations(DOCUMENT):
        assert operation["operationId"] == operation_id(method, path)
    assert operation_id("post", "/api/v1/jobs/{job_id}/hold") == "post_jobs_job_id_hold"
    assert operation_id("get", "/health") == "get_health"


def test_no_answer_is_documented_as_just_anything() -> None:
    assert [where for where, media in contents() if not media.get("schema")] == []
