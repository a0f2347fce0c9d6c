"""Requests to generate: what we read of them, and every text in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import MalformedRequest, RouteNotFound
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.gemini import paths
from gateway.wire.gemini.parts import CONTENTS, NUMBER, SYSTEM
from gateway.wire.gemini.spelling import either, read
from gateway.wire.grammar import Found, constant, each, fields, leaves, nothing, schema, text
from gateway.wire.patch import dump
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

DIALECT_NAME = "gemini"
MAX_CANDIDATES = 128

_LEAF = leaves()
# Google's schema words that JSON Schema spells otherwise.
_TYPES = frozenset(
    {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "nullable", "propertyOrdering", "anyOf"}
)


def _schema(path: Path, role: str, value: Any, found: Found) -> None:
    start = len(found)
    schema(path, role, value, found)
    found[start:] = [segment for segment in found[start:] if segment.text not in _TYPES]


_FUNCTION = fields(
    either(
        {
            "name": text("tool_name"),
            "description": text("tool_description"),
            "parameters": _schema,
            "parametersJsonSchema": _schema,
            "response": _schema,
            "responseJsonSchema": _schema,
            "behavior": constant("BLOCKING", "NON_BLOCKING"),
        }
    )
)
_TOOLS = each(
    fields(
        either(
            {
                "functionDeclarations": each(_FUNCTION),
                **dict.fromkeys(
                    ("googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "googleMaps", "retrieval",
                     "computerUse", "fileSearch", "enterpriseWebSearch"),
                    _LEAF,
                ),
            }
        )
    )
)  # fmt: skip
_CALLING = fields(
    either(
        {
            "mode": constant("AUTO", "ANY", "NONE", "VALIDATED"),
            "allowedFunctionNames": each(text("tool_name")),
            "streamFunctionCallArguments": NUMBER,
        }
    )
)
_SAFETY = fields(
    {
        "category": constant(
            "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_DANGEROUS_CONTENT", "HARM_CATEGORY_HARASSMENT",
            "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_CIVIC_INTEGRITY",
        ),
        "threshold": constant("BLOCK_NONE", "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "OFF"),
        "method": constant("SEVERITY", "PROBABILITY"),
    }
)  # fmt: skip
_GENERATION = fields(
    either(
        {
            **dict.fromkeys(
                (
                    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "presencePenalty",
                    "frequencyPenalty", "responseLogprobs", "logprobs", "seed", "audioTimestamp",
                    "enableEnhancedCivicAnswers", "enableAffectiveDialog",
                ),
                NUMBER,
            ),
            "stopSequences": each(_LEAF),
            "responseMimeType": constant("text/plain", "application/json", "text/x.enum"),
            "responseSchema": _schema,
            "responseJsonSchema": _schema,
            "responseModalities": each(constant("TEXT", "IMAGE", "AUDIO")),
            "mediaResolution": constant("MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"),
            "thinkingConfig": fields(
                either(
                    {
                        "includeThoughts": NUMBER,
                        "thinkingBudget": NUMBER,
                        "thinkingLevel": constant("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
                    }
                )
            ),
            **dict.fromkeys(("speechConfig", "imageConfig", "routingConfig", "modelSelectionConfig"), _LEAF),
        }
    )
)  # fmt: skip
GENERATES = {
    "model": nothing,
    "contents": CONTENTS,
    "systemInstruction": SYSTEM,
    "tools": _TOOLS,
    "toolConfig": fields(either({"functionCallingConfig": _CALLING, "retrievalConfig": _LEAF})),
    "safetySettings": each(_SAFETY),
    "generationConfig": _GENERATION,
    "cachedContent": _LEAF,
    "labels": _LEAF,
    "serviceTier": constant("unspecified", "flex", "standard", "priority"),
    "store": NUMBER,
}
_REQUEST = fields(either(GENERATES))


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a request to generate: see :meth:`gateway.core.ports.Dialect.parse`."""
    document = body_object(document)
    contents = document.get("contents")
    if not (is_object(contents) or is_text(contents) or (is_array(contents) and all(map(is_object, contents)))):
        raise MalformedRequest("'contents' must be an array of objects.", param="contents")
    generation = read(document, "generationConfig")
    if generation is not None and not is_object(generation):
        raise MalformedRequest("'generationConfig' must be an object.", param="generationConfig")
    request = read_target(incoming, document, dialect=DIALECT_NAME, operation="chat")
    request.stream = request.route.endswith(paths.STREAM)
    # Every event of a stream has its usage, whether it is asked for or not.
    request.wants_usage = request.stream
    if request.stream and paths.wants_array(incoming.query):
        request.stream_type = b"application/json; charset=UTF-8"
    request.choices = _candidates(generation)
    most = read(generation, "maxOutputTokens")
    request.max_output_tokens = most if is_integer(most) and most >= 0 else None
    return request


def read_target(incoming: Incoming, document: dict[str, Any], *, dialect: str, operation: str) -> Request:
    """Read what the path says.

    Raises:
        RouteNotFound: It is none of Gemini's.
    """
    target = paths.find(incoming.path, incoming.method)
    if target is None:
        raise RouteNotFound("No such path.")
    return Request(
        dialect=dialect,
        operation=operation,
        route=target.route,
        upstream_path=target.upstream(incoming.query),
        model_in_path=True,
        document=document,
        body=incoming.body,
        model=target.model,
    )


def body_object(document: Any) -> dict[str, Any]:
    """Return the document when it is an object.

    Raises:
        MalformedRequest: It is not.
    """
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    return document


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a request, in the order in which it stands there."""
    found: Found = []
    _REQUEST((), "", document, found)
    return iter(found)


def upstream_body(request: Request, document: Any, model: str) -> bytes:
    """Give the bytes for the provider; a model that the body names again is the one of the path."""
    named = with_model(document, model or request.model)
    return request.body if named is request.document else dump(named)


def with_model(document: Any, model: str) -> Any:
    """Return the document naming a model wherever it names one; itself when nothing changes.

    Bodies repeat the model of the path, in each member of a batch too. One that differs from the path's would be
    answered by another model than the one that was asked for, and permitted.
    """
    if not is_object(document):
        return document
    changes: dict[str, Any] = {}
    said = document.get("model")
    if said is not None and (name := _resource(said, model)) != said:
        changes["model"] = name
    for field in ("generateContentRequest", "generate_content_request"):
        if field in document and (inner := with_model(document[field], model)) is not document[field]:
            changes[field] = inner
    requests = document.get("requests")
    if is_array(requests):
        named = [with_model(item, model) for item in requests]
        if any(new is not old for new, old in zip(named, requests, strict=True)):
            changes["requests"] = named
    return {**document, **changes} if changes else document


def _resource(said: Any, model: str) -> str:
    collection = said.partition("/")[0] if is_text(said) else ""
    return f"{collection}/{model}" if collection in ("models", "tunedModels") else f"models/{model}"


def _candidates(generation: Any) -> int:
    count = read(generation, "candidateCount")
    if count is None:
        return 1
    if not is_integer(count) or not 1 <= count <= MAX_CANDIDATES:
        raise MalformedRequest(
            f"'candidateCount' must be an integer from 1 to {MAX_CANDIDATES}.", param="generationConfig.candidateCount"
        )
    return count
