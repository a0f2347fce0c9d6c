"""What the operator plane offers, as data: the router, ``/openapi.json`` and the console are all made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from html import escape
from typing import Any

import msgspec
from aiohttp import web

from gateway import __version__

Schema = dict[str, Any]
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

OBJECT: Schema = {"type": "object"}
ROWS: Schema = {"type": "array", "items": OBJECT}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of an operation, in the query unless the path names it."""

    name: str
    summary: str
    schema: Schema = msgspec.field(default_factory=lambda: {"type": "string"})
    required: bool = False


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path.

    Attributes:
        name: ``operationId``.
        body: Schema of the JSON body, when it takes one.
        answer: Schema of a JSON answer; ``None`` when :attr:`media` is not JSON.
        media: Content types of the answer.
        status: Status of a good answer.
        available: False for what the contract names and this version refuses.
    """

    path: str
    name: str
    summary: str
    handle: Handle
    method: str = "GET"
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    answer: Schema | None = None
    media: tuple[str, ...] = ("application/json",)
    status: int = 200
    available: bool = True


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Write operations down as OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Weighbridge operator plane",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "operator.token of the configuration; without one only loopback is served",
                }
            },
            "schemas": {"Error": _ERROR},
            "responses": {
                "Error": {
                    "description": "What went wrong.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
            },
        },
    }


def page(operations: Iterable[Operation]) -> str:
    """The console's page as HTML: what there is, and where."""
    lines = "\n".join(_listed(operation) for operation in operations)
    return _PAGE.replace("{version}", escape(__version__)).replace("{operations}", lines)


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    if operation.parameters:
        described["parameters"] = [_parameter(operation.path, one) for one in operation.parameters]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    error = {"$ref": "#/components/responses/Error"}
    if not operation.available:
        return described | {"responses": {"501": error}}
    content: dict[str, Any] = {
        media: {"schema": operation.answer} if operation.answer is not None else {} for media in operation.media
    }
    good = {"description": operation.summary, "content": content}
    return described | {"responses": {str(operation.status): good, "default": error}}


def _parameter(path: str, parameter: Parameter) -> dict[str, Any]:
    in_path = f"{{{parameter.name}}}" in path
    return {
        "name": parameter.name,
        "in": "path" if in_path else "query",
        "required": in_path or parameter.required,
        "description": parameter.summary,
        "schema": parameter.schema,
    }


def _listed(operation: Operation) -> str:
    name = escape(operation.path)
    reachable = operation.method == "GET" and operation.available and "{" not in operation.path
    shown = f'<a href="{name}">{name}</a>' if reachable else name
    note = "" if operation.available else " (not yet available)"
    return (
        f"<tr><td>{operation.method}</td><td><code>{shown}</code></td><td>{escape(operation.summary)}{note}</td></tr>"
    )


_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Weighbridge</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
td { padding: .2rem 1rem .2rem 0; vertical-align: top }
</style>
</head>
<body>
<h1>Weighbridge {version}</h1>
<p>This is the operator plane: recorded exchanges, spending, metrics. The same is at hand on the command line:
<code>weighbridge traces --help</code>, <code>weighbridge spend --help</code>.</p>
<table>
{operations}
</table>
</body>
</html>
"""
