"""What a request asks for, whatever dialect it is written in: the same bytes for the same question.

Two requests are the same when no model could tell them apart: labels, sessions, the caller's own user, marks for a
provider's cache and the order of fields stay out, and what every provider takes for granted counts as written. The
order of tools, and of anything inside a schema, is seen by models and stays. Temperatures that nobody named differ from
one provider to the next, so naming none is not the same as naming one.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal, cast

import msgspec
import orjson

from gateway.core.cache_rules import ExactRule
from gateway.core.chat import ChatRequest, Part, Tool, ToolChoice, ToolResult, Turn
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.core.exchange import Request
from gateway.wire.bridge import CODECS

# Dialects of conversations whose answers are kept; one that has an answer may be given it in another.
CONVERSATIONS = frozenset(("openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock_converse"))
# Those whose requests are compared as they are.
PLAIN = frozenset(("openai_completions", "openai_embeddings"))
# Changes when the same question gets other bytes.
_FORMAT = b"1"
_USUAL_TEMPERATURE = 1.0
# Fields that only tell callers apart, or how an answer travels.
_UNSEEN = frozenset(
    (
        "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store",
        "stream", "stream_options", "user",
    )
)  # fmt: skip
# Fields by which a provider looks something up, keeps it, or does something elsewhere.
_ACTING = frozenset(
    (
        "background", "container", "conversation", "mcp_servers", "previous_response_id", "prompt",
        "web_search_options", "audio", "cachedContent", "cached_content", "prediction",
    )
)  # fmt: skip
_BETA = b"anthropic-beta"
_encode = msgspec.json.Encoder().encode

# Why a request is no question whose answer is kept.
Unfit = Literal["", "unwanted", "unreadable", "tools", "stored", "media", "sampling", "framing"]


class Canonical(msgspec.Struct, frozen=True):
    """A request, read for the cache.

    Attributes:
        digest: Of what it asks for, 32 bytes; none where ``unfit``.
        unfit: Why no answer to it is kept; empty where one is.
        chat: The conversation; ``None`` for what is none.
    """

    digest: bytes = b""
    unfit: Unfit = ""
    chat: ChatRequest | None = None


def canonical(request: Request, document: Any, path: str, headers: dict[bytes, bytes], rule: ExactRule) -> Canonical:
    """Read a request.

    Args:
        request: As its dialect understands it.
        document: As admitted.
        path: Path and query as the client wrote them.
        headers: Of the client.
        rule: Which requests are kept.
    """
    if not isinstance(document, dict) or request.stored or request.detached or request.after is not None:
        return Canonical(unfit="stored")
    if request.dialect in PLAIN:
        return _plain(request, cast("dict[str, Any]", document), rule)
    if request.dialect == "gemini" and request.stream and "alt=sse" not in path:
        return Canonical(unfit="framing")
    try:
        chat = CODECS[request.dialect].read_request(document, path)
    except (MalformedRequest, UnsupportedField):
        # The provider may understand more than we do.
        return Canonical(unfit="unreadable")
    unfit = _unfit(request, chat, rule)
    if unfit:
        return Canonical(unfit=unfit, chat=chat)
    # An answer that never told its usage cannot tell it to who wants it.
    tells = request.wants_usage if request.stream and request.dialect == "openai_chat" else True
    return Canonical(
        _digest(_said(chat), chat.model, (request.stream, tells, headers.get(_BETA, b"").decode())), "", chat
    )


def _plain(request: Request, document: dict[str, Any], rule: ExactRule) -> Canonical:
    if not _samples(document.get("temperature"), document.get("seed"), rule) and request.operation != "embeddings":
        return Canonical(unfit="sampling")
    asked = {name: value for name, value in sorted(document.items()) if name not in _UNSEEN}
    return Canonical(
        _digest(orjson.dumps(asked), request.model, (request.dialect, request.stream, request.wants_usage))
    )


def _digest(said: bytes, model: str, ways: tuple[Any, ...]) -> bytes:
    made = hashlib.blake2b(_FORMAT, digest_size=32)
    for part in (orjson.dumps([model, *ways]), said):
        made.update(len(part).to_bytes(8, "big"))
        made.update(part)
    return made.digest()


def _unfit(request: Request, chat: ChatRequest, rule: ExactRule) -> Unfit:
    kept = chat.store if chat.store is not None else request.dialect == "openai_responses"
    if kept or chat.previous or not _ACTING.isdisjoint(chat.extras):
        return "stored"
    if any(tool.opaque is not None for tool in chat.tools):
        return "tools"
    if chat.modalities and chat.modalities != ("text",):
        return "media"
    if not _samples(chat.sampling.temperature, chat.sampling.seed, rule):
        return "sampling"
    return ""


def _samples(temperature: Any, seed: Any, rule: ExactRule) -> bool:
    """Whether answers that are drawn in this manner are kept."""
    if seed is not None:
        return rule.seed != "never"
    if rule.seed == "only":
        return False
    drawn = temperature if isinstance(temperature, int | float) else _USUAL_TEMPERATURE
    return rule.max_temperature is None or drawn <= rule.max_temperature


def _said(chat: ChatRequest) -> bytes:
    """Write down what a model is asked."""
    sampling = chat.sampling
    drawn = msgspec.structs.replace(
        sampling,
        frequency_penalty=sampling.frequency_penalty or None,
        presence_penalty=sampling.presence_penalty or None,
        logprobs=sampling.logprobs or None,
        logit_bias=dict(sorted(sampling.logit_bias.items())) if sampling.logit_bias else None,
    )
    extras = {name: value for name, value in sorted(chat.extras.items()) if name not in _UNSEEN}
    return _encode(
        (
            tuple(_unmarked(turn) for turn in chat.turns),
            tuple(_plainer(tool) for tool in chat.tools),
            _choice(chat),
            chat.parallel_tools is not False,
            None if chat.format is None or chat.format.kind == "text" else chat.format,
            drawn,
            chat.thinking,
            chat.choices,
            chat.prefilled,
            # What has no place of its own means something in its own dialect only.
            [chat.dialect, extras] if extras else None,
        )
    )


def _choice(chat: ChatRequest) -> ToolChoice | None:
    choice = chat.tool_choice
    return None if choice is None or (choice.mode == "auto" and not choice.names) else choice


def _plainer(tool: Tool) -> Tool:
    return tool if tool.cache is None else msgspec.structs.replace(tool, cache=None)


def _unmarked(turn: Turn) -> Turn:
    """A turn without marks for a provider's cache."""
    if all(_is_unmarked(part) for part in turn.parts):
        return turn
    return msgspec.structs.replace(turn, parts=tuple(_unmarked_part(part) for part in turn.parts))


def _is_unmarked(part: Part) -> bool:
    marked = getattr(part, "cache", None) is not None
    return not marked and (not isinstance(part, ToolResult) or all(each.cache is None for each in part.parts))


def _unmarked_part(part: Part) -> Any:
    if isinstance(part, ToolResult):
        inner = tuple(each if each.cache is None else msgspec.structs.replace(each, cache=None) for each in part.parts)
        return msgspec.structs.replace(part, parts=inner, cache=None)
    return msgspec.structs.replace(part, cache=None) if getattr(part, "cache", None) is not None else part
