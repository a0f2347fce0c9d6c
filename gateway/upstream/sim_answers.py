"""What the built-in provider ``sim`` says: small, deterministic answers in OpenAI's shape, pure.

A token of ``sim`` is a word, so every figure can be checked by counting. ``sim/echo`` repeats the last user text,
``sim/lorem?tokens=N`` writes N words, ``sim/embed`` gives a unit vector, ``sim/error?status=N`` fails on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson

WORDS = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna "
    "aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat"
).split()
MODELS = ("sim/echo", "sim/lorem", "sim/embed")
MAX_TOKENS = 1_000_000
DIMENSIONS = 256
CREATED = 1_700_000_000
Json = dict[str, Any]


class SimError(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        body: OpenAI's error document.
    """

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def split_model(name: str) -> tuple[str, dict[str, str]]:
    """Split ``lorem?tokens=5`` into its name and its parameters; a leading ``sim/`` is dropped."""
    base, _, query = name.removeprefix("sim/").partition("?")
    return base, dict(parse_qsl(query))


def number(options: dict[str, str], key: str, default: int, most: int) -> int:
    """Read a parameter of a model name."""
    text = options.get(key, "")
    return min(int(text), most) if text.isdecimal() else default


def words(text: str) -> list[str]:
    """The tokens of a text: each word with the space before it, so that joining them gives the text back."""
    parts: list[str] = []
    at = 0
    for word in text.split():
        end = text.index(word, at) + len(word)
        parts.append(text[at:end])
        at = end
    if parts and at < len(text):
        parts[-1] += text[at:]
    return parts


def text_of(content: Any) -> str:
    """The text of a message's content, parts joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        return " ".join(str(cast("Json", p).get("text", "")) for p in parts if isinstance(p, dict))
    return ""


def prompt_tokens(document: Json) -> int:
    """Words in all of a request's messages, or in its prompt or input."""
    if isinstance(document.get("messages"), list):
        return sum(len(text_of(m.get("content")).split()) for m in document["messages"] if isinstance(m, dict))
    source = document.get("prompt", document.get("input", ""))
    items = cast("list[Any]", source) if isinstance(source, list) else [source]
    return sum(len(item.split()) if isinstance(item, str) else 1 for item in items)


def answer_text(document: Json) -> str:
    """What the model named in the request says to it.

    Raises:
        SimError: No such model, or ``sim/error``.
    """
    base, options = split_model(str(document.get("model", "")))
    if base == "error":
        raise SimError(number(options, "status", 500, 599), "sim fails as asked.", "sim_error")
    if base == "lorem":
        count = number(options, "tokens", 16, MAX_TOKENS)
        return " ".join(WORDS[i % len(WORDS)] for i in range(count))
    if base != "echo":
        raise SimError(404, f"The model '{base}' does not exist.", "model_not_found")
    wanted = document.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") in {"json_object", "json_schema"}:
        schema = wanted.get("json_schema", {}).get("schema", {})
        return _json(instance(schema)) if schema else "{}"
    if "messages" not in document:
        prompt = document.get("prompt", "")
        return prompt if isinstance(prompt, str) else str(prompt[0]) if prompt else ""
    users = [m for m in document["messages"] if isinstance(m, dict) and m.get("role") == "user"]
    return text_of(users[-1].get("content")) if users else ""


def tool_calls(document: Json) -> list[Json]:
    """A call of the tool that the request chose, or of its first, once: not when a tool's result is already there."""
    tools = [t for t in document.get("tools") or [] if isinstance(t, dict) and isinstance(t.get("function"), dict)]
    choice = document.get("tool_choice", "auto")
    if not tools or choice == "none" or any(m.get("role") == "tool" for m in document.get("messages", [])):
        return []
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    chosen = next((t for t in tools if t["function"].get("name") == named), tools[0])["function"]
    arguments = _json(instance(chosen.get("parameters") or {}))
    call = {"id": "call_sim_0001", "type": "function", "function": {"name": chosen.get("name", ""), "arguments": arguments}}
    return [call]


def instance(schema: Any, depth: int = 0) -> Any:
    """The smallest value that fits a JSON schema, for the keywords that function tools use."""
    if not isinstance(schema, dict) or depth > 20:
        return None
    node = cast("Json", schema)
    if "const" in node:
        return node["const"]
    if node.get("enum"):
        return node["enum"][0]
    kind = node.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in node:
        fields = node.get("properties") or {}
        return {name: instance(each, depth + 1) for name, each in fields.items()}
    if kind == "array":
        return [instance(node.get("items"), depth + 1)] if node.get("minItems") else []
    return {"string": "text", "integer": node.get("minimum", 0), "number": node.get("minimum", 0), "boolean": False}.get(
        str(kind)
    )


def embedding(text: str, dimensions: int, *, encoded: bool) -> list[float] | str:
    """A unit vector that depends on the words of a text; base64 of little-endian float32 when ``encoded``."""
    sums = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        sums[int.from_bytes(digest[:4]) % dimensions] += 1.0 if digest[4] & 1 else -1.0
    norm = sum(x * x for x in sums) ** 0.5 or 1.0
    vector = [x / norm for x in sums]
    if encoded:
        return base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
    return vector


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
