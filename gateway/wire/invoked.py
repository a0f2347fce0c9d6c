"""The forms in which bodies of Bedrock's ``invoke`` are conversations: Anthropic's, OpenAI's, Amazon's own.

A body says of itself in which form it is; the model's name would not (an ARN does not tell).
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.ports import Dialect
from gateway.wire import anthropic_messages, bedrock_converse, openai_chat, passthrough
from gateway.wire.bedrock_converse.invoke import BedrockInvoke
from gateway.wire.bedrock_converse.invoke_codec import BedrockInvokeCodec, Form
from gateway.wire.bedrock_converse.invoke_packing import EVENTS, FRAMES, METRICS, Events
from gateway.wire.bedrock_converse.paths import Target
from gateway.wire.openai_chat.codec import CODEC as OPENAI_CHAT
from gateway.wire.shapes import is_array, is_object, is_text

_NOVA = "messages-"
# Amazon's names of what Converse calls otherwise.
_RENAMED = {"max_new_tokens": "maxTokens", "top_p": "topP", "stop_sequences": "stopSequences"}
_MORE = "additionalModelRequestFields"
# Of Amazon's models, beside what Converse has for all models.
_OWN = {"topK": "top_k", "top_k": "top_k", "reasoningConfig": "reasoningConfig"}
_EVENTS = frozenset(
    ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
)


def holds_messages(document: Any) -> bool:
    """Say whether a body is one for Anthropic's models, of whatever version."""
    return is_object(document) and is_text(document.get("anthropic_version")) and "messages" in document


def holds_turns(document: Any) -> bool:
    """Say whether a body is one for Amazon's own models: blocks without types."""
    if not is_object(document) or "anthropic_version" in document or not is_array(document.get("messages")):
        return False
    version = document.get("schemaVersion")
    if (is_text(version) and version.startswith(_NOVA)) or "inferenceConfig" in document:
        return True
    contents = [each.get("content") for each in document["messages"] if is_object(each)]
    return bool(contents) and all(is_array(each) and all(map(_is_bare, each)) for each in contents)


def holds_chat(document: Any) -> bool:
    """Say whether a body is one for models that are spoken to as OpenAI's are: gpt-oss, Mistral's, Qwen, DeepSeek."""
    return (
        is_object(document)
        and "anthropic_version" not in document
        and is_array(document.get("messages"))
        and not holds_turns(document)
    )


def _is_bare(block: Any) -> bool:
    return is_object(block) and "type" not in block


def _as_messages(document: dict[str, Any], target: Target) -> dict[str, Any]:
    body = {name: value for name, value in document.items() if name != "anthropic_version"}
    return _as_chat(body, target)


def _as_chat(document: dict[str, Any], target: Target) -> dict[str, Any]:
    return {**document, "model": target.model, "stream": target.stream}


def _as_turns(document: dict[str, Any], _: Target) -> dict[str, Any]:
    """Both are in the path there, too."""
    body = {name: value for name, value in document.items() if name != "schemaVersion"}
    config = body.get("inferenceConfig")
    if not is_object(config):
        return body
    body["inferenceConfig"] = {_RENAMED.get(name, name): value for name, value in config.items() if name not in _OWN}
    own = {_OWN[name]: value for name, value in config.items() if name in _OWN}
    if own:
        body[_MORE] = own
    return body


def _is_chunk(said: bytes) -> bool:
    """Say whether a document is a chunk: some models answer with whole messages in its place."""
    choices = _read(said).get("choices")
    return is_array(choices) and all(is_object(each) and "delta" in each for each in choices)


def _is_event(said: bytes) -> bool:
    """Say whether a document is an event of Converse."""
    document = _read(said)
    document.pop(METRICS, None)
    return len(document) == 1 and _EVENTS.issuperset(document)


def _read(said: bytes) -> dict[str, Any]:
    try:
        document: Any = orjson.loads(said)
    except orjson.JSONDecodeError:
        return {}
    return document if is_object(document) else {}


_NAMED = Events(b"content_block_delta")
FORMS = (
    Form(holds_messages, anthropic_messages.DIALECT, anthropic_messages.CODEC, _NAMED, _as_messages),
    Form(holds_turns, bedrock_converse.DIALECT, bedrock_converse.CODEC, FRAMES, _as_turns, _is_event),
    Form(holds_chat, openai_chat.DIALECT, OPENAI_CHAT, EVENTS, _as_chat, _is_chunk),
)
CODEC = BedrockInvokeCodec(FORMS)
# A body that nobody knows.
UNKNOWN = BedrockInvoke(passthrough.DIALECT, parses=False)
_KNOWN = tuple((form, form.invoked(passthrough.DIALECT)) for form in FORMS)


def dialect_of(document: Any) -> Dialect:
    """Find the dialect of a body."""
    return next((dialect for form, dialect in _KNOWN if form.holds(document)), UNKNOWN)
