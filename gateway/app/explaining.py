"""Explains a verdict: a request body, or the bodies that were captured of an exchange, before the guards in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import orjson

from gateway.core.explanation import Explanation
from gateway.core.ports import Dialect
from gateway.core.verdict import CallFacts
from gateway.guards.engine import GuardEngine
from gateway.guards.explain import explain
from gateway.wire import (
    anthropic_messages,
    bedrock_converse,
    gemini,
    invoked,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
    passthrough,
    triton,
)
from gateway.wire.select import error_dialect
from gateway.wire.shapes import is_array, is_object

# A key that only requests of one dialect have, and where they go.
_BY_KEY: tuple[tuple[str, str, Dialect], ...] = (
    ("messages", "/v1/chat/completions", openai_chat.DIALECT),
    ("prompt", "/v1/completions", openai_completions.DIALECT),
    ("input", "/v1/embeddings", openai_embeddings.DIALECT),
    ("contents", "/v1beta/models/{model}:generateContent", gemini.DIALECT),
    ("generateContentRequest", "/v1beta/models/{model}:countTokens", gemini.COUNT),
    ("content", "/v1beta/models/{model}:embedContent", gemini.EMBED),
    ("text_input", "/v2/models/{model}/generate", triton.DIALECT),
    ("inputs", "/v2/models/{model}/infer", passthrough.KSERVE),
)
_CONVERSE, _INVOKE = "/model/{model}/converse", "/model/{model}/invoke"
# And one that only requests of Responses have beside their input, unless that is a list of items.
_OF_RESPONSES = frozenset(
    ("instructions", "max_output_tokens", "previous_response_id", "reasoning", "stream", "text", "tools")
)
# What only a request for a message of Anthropic's has beside its messages.
_OF_MESSAGES = frozenset(("system", "stop_sequences", "thinking", "output_config"))
_ELSEWHERE = "/v1/*"
CAPTURED = "captured bodies are what was left after edits: what was taken out then is not found again"


class NothingToExplain(Exception):
    """There is no body, or none that can be read; the message says why."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be explained.

    Attributes:
        facts: Who calls, and how.
        dialect: Knows the documents.
        request: The request's document; ``None`` when there is only an answer.
        answer: The whole answer's document, when there is one.
        notes: What to know about them.
    """

    facts: CallFacts
    dialect: Dialect
    request: Any = None
    answer: Any = None
    notes: tuple[str, ...] = ()


def asked_of_body(body: bytes, facts: CallFacts) -> Asked:
    """Make a question of a request's body.

    Args:
        body: JSON.
        facts: What is known of the caller; route, model and stream are taken from the body where they are not said.

    Raises:
        NothingToExplain: It is no JSON object.
    """
    document = _parsed(body, "the file")
    route, dialect = facts.route, dialect_of(facts.route, document)
    if not route:
        found = _conversation(document) or next(((path, each) for key, path, each in _BY_KEY if key in document), None)
        route, dialect = found or (_ELSEWHERE, error_dialect(_ELSEWHERE))
    said = msgspec.structs.replace(
        facts,
        route=route,
        model=facts.model or str(document.get("model", "")),
        stream=facts.stream or document.get("stream") is True,
    )
    if "candidates" in document:
        return Asked(facts=said, dialect=gemini.DIALECT, answer=document)
    if "choices" in document:
        return Asked(facts=said, dialect=openai_chat.DIALECT, answer=document)
    if document.get("type") == "message":
        return Asked(facts=said, dialect=anthropic_messages.DIALECT, answer=document)
    if document.get("object") == "response":
        return Asked(facts=said, dialect=openai_responses.DIALECT, answer=document)
    if is_object(document.get("output")) and "stopReason" in document:
        return Asked(facts=said, dialect=bedrock_converse.DIALECT, answer=document)
    return Asked(facts=said, dialect=dialect, request=document)


def asked_of_exchange(row: Mapping[str, Any], revision: str) -> Asked:
    """Make a question of a recorded exchange.

    Args:
        row: As the operator gives it, bodies included.
        revision: Of the policies that will explain it.

    Raises:
        NothingToExplain: No body of it was captured, or none that is whole.
    """
    bodies = cast("Mapping[str, Any]", row.get("bodies") or {})
    request, answer = bodies.get("request_body"), bodies.get("response_body")
    if not request and not answer:
        raise NothingToExplain(
            "no body of this exchange was captured: capture.bodies is none, it never had one, or its time is over"
        )
    notes = [CAPTURED]
    if row.get("policy_revision") and row["policy_revision"] != revision:
        notes.append(f"the exchange was judged by policies {row['policy_revision']}; these are {revision}")
    facts = CallFacts(
        route=str(row.get("route") or ""),
        model=str(row.get("model_requested") or ""),
        provider=str(row.get("provider") or ""),
        key=str(row.get("key_id") or ""),
        team=str(row.get("team") or ""),
        tenant=str(row.get("tenant") or ""),
        session=str(row.get("session_id") or ""),
        tags=dict(row.get("tags") or {}),
        stream=bool(row.get("stream")),
    )
    document = _parsed(request.encode(), "the captured request") if request else None
    return Asked(
        facts=facts,
        dialect=dialect_of(facts.route, document),
        request=document,
        answer=_parsed(answer.encode(), "the captured answer") if answer else None,
        notes=tuple(notes),
    )


def dialect_of(route: str, document: dict[str, Any] | None) -> Dialect:
    """Give the dialect of a route; bodies of ``invoke`` say themselves what they are."""
    if document is not None and route.removesuffix("-with-response-stream").endswith("/invoke"):
        return invoked.dialect_of(document)
    return error_dialect(route)


async def explain_call(engine: GuardEngine, asked: Asked) -> tuple[Explanation, ...]:
    """Explain a request, its answer, or both. Detectors outside are asked, as for a call."""
    found: list[Explanation] = []
    if asked.request is not None:
        found.append(await explain(engine, asked.facts, "request", asked.dialect, asked.request))
    if asked.answer is not None:
        answer = explain(engine, asked.facts, "response", asked.dialect, asked.answer, request=asked.request)
        found.append(await answer)
    return tuple(found)


def _conversation(document: dict[str, Any]) -> tuple[str, Dialect] | None:
    """Tell requests apart that have a key in common: ``input`` or ``messages``."""
    if invoked.holds_messages(document) or (invoked.holds_turns(document) and "schemaVersion" in document):
        return _INVOKE, invoked.dialect_of(document)
    if invoked.holds_turns(document) or "toolConfig" in document:
        return _CONVERSE, bedrock_converse.DIALECT
    if "messages" in document and document.keys() & _OF_MESSAGES:
        return "/v1/messages", anthropic_messages.DIALECT
    given: Any = document.get("input")
    items = is_array(given) and bool(given) and is_object(given[0])
    if given is None or not (items or document.keys() & _OF_RESPONSES):
        return None
    return openai_responses.CREATE, openai_responses.DIALECT


def _parsed(body: bytes, what: str) -> dict[str, Any]:
    try:
        document = cast("object", orjson.loads(body))
    except orjson.JSONDecodeError:
        raise NothingToExplain(
            f"{what} is not JSON, or was cut (capture.max_body_bytes)" if "captured" in what else f"{what} is not JSON"
        ) from None
    if not isinstance(document, dict):
        raise NothingToExplain(f"{what} is no JSON object")
    return cast("dict[str, Any]", document)
