"""A transport that holds every answer to the OpenAPI document: what it says is what is sent."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator, validator_for

from buildplate.api.application import ROUTES, openapi_document

JSON_KINDS = ("application/json", "application/problem+json")


# The document of a version is made once, so what is made of it is kept for all apps of a version.


@cache
def _document(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(openapi_document(version)))
    return found


@cache
def _paths(version: str) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    found = []
    routed = {getattr(route, "path", "") for route in ROUTES}
    for path, methods in _document(version)["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", path)
        slash = "/?" if f"{path}/" in routed else ""
        found.append((re.compile(pattern + slash), methods))
    # A fixed path wins over one with a parameter.
    return sorted(found, key=lambda one: one[0].pattern.count("[^/]+"))


@cache
def _validator(version: str, schema: str) -> Draft202012Validator:
    whole = {**json.loads(schema), "components": _document(version)["components"]}
    checked = validator_for(whole)
    assert isinstance(checked, Draft202012Validator)
    return checked


def _answer(version: str, answers: dict[str, Any], status: int) -> dict[str, Any]:
    """What an operation documents for a status; nothing is documented by a `default`."""
    found: dict[str, Any] = answers.get(str(status)) or answers.get(f"{status // 100}XX") or {}
    name = found.get("$ref", "").rpartition("/")[2]
    return _document(version)["components"]["responses"][name] if name else found


def promised(app: FastAPI, request: httpx.Request, response: httpx.Response) -> dict[str, Any]:
    """The schema that the document promises for this answer; {} where it says nothing."""
    for pattern, methods in _paths(app.version):
        if pattern.fullmatch(request.url.path):
            operation = methods.get(request.method.lower())
            if operation is None:
                return {}
            answer = _answer(app.version, operation["responses"], response.status_code)
            kind = response.headers.get("content-type", "").partition(";")[0]
            schema: dict[str, Any] = answer.get("content", {}).get(kind, {}).get("schema", {})
            assert schema or kind not in JSON_KINDS or not response.content, (
                f"{request.method} {request.url.path} does not promise {response.status_code}"
            )
            return schema
    return {}


class CheckedTransport(httpx.AsyncBaseTransport):
    """Calls the app in this process, and checks each answer against its document."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._inner = httpx.ASGITransport(app)
        _paths(app.version)  # makes the document, which takes a second, before an answer is timed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        kind = response.headers.get("content-type", "").partition(";")[0]
        if kind in JSON_KINDS:
            content = await response.aread()
            schema = promised(self._app, request, response)
            if schema and content:
                _validator(self._app.version, json.dumps(schema)).validate(json.loads(content))
        return response
