"""What the built-in provider ``sim`` says: small, deterministic answers in OpenAI's shape, pure.

A token of ``sim`` is a word, so every figure can be checked by counting. ``sim/echo`` repeats the last user text,
``sim/lorem?tokens=N`` writes N words, ``sim/embed`` gives a unit vector, ``sim/error?status=N`` fails on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any
from urllib.parse import parse_qsl

import orjson

from gateway.wire.shapes import is_array, is_object

WORDS = [
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet",
    "consectetur",
    "adipiscing",
    "elit",
    "sed",
    "do",
    "eiusmod",
    "tempor",
    "incididunt",
    "ut",
    "labore",
    "et",
    "dolore",
    "magna",
    "aliqua",
    "ut",
    "enim",
    "ad",
    "minim",
    "veniam",
    "quis",
    "nostrud",
    "exercitation",
    "ullamco",
    "laboris",
    "nisi",
    "ut",
    "aliquip",
    "ex",
    "ea",
    "commodo",
    "consequat",
]
MODELS = ("sim/echo", "sim/lorem", "sim/embed")
MAX_TOKENS = 1_000_000
# An answer with another status would be no error to the client.
ERRORS = (400, 599)
MAX_DEPTH = 20
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
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body: Json = {"error": {"message": message, "type": kind, "param": None, "code": code}}


def split_model(name: str) -> tuple[str, dict[str, str]]:
    """Split ``lorem?tokens=5`` into its name and its parameters; a leading ``sim/`` is dropped."""
    base, _, query = name.removeprefix("sim/").partition("?")
    return base, dict(parse_qsl(query))


def number(options: dict[str, str], key: str, default: int, bounds: tuple[int, int]) -> int:
    """Read a parameter of a model name.

    Raises:
        SimError: It is no number, or not within its bounds.
    """
    text = options.get(key)
    if text is None:
        return default
    least, most = bounds
    if not text.isdecimal() or not least <= int(text[:20]) <= most:
        raise SimError(400, f"'{key}' in the model's name must be a number from {least} to {most}.", "invalid_request")
    return int(text)


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


def obj(value: Any) -> Json:
    """The value if it is an object, else an empty one."""
    return value if is_object(value) else {}


def objects(value: Any) -> list[Json]:
    """The objects of a list; nothing when it is none."""
    return [item for item in value if is_object(item)] if is_array(value) else []


def text_of(content: Any) -> str:
    """The text of a message's content, parts joined."""
    return content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in objects(content))


def inputs(source: Any) -> list[Any]:
    """A prompt or an input as a list, whether it came as one or not."""
    return source if is_array(source) else [source]


def prompt_tokens(document: Json) -> int:
    """Words in all of a request's messages, or in its prompt or input."""
    if "messages" in document:
        return sum(len(text_of(message.get("content")).split()) for message in objects(document["messages"]))
    items = inputs(document.get("prompt", document.get("input", "")))
    return sum(len(item.split()) if isinstance(item, str) else 1 for item in items)


def answer_text(document: Json) -> str:
    """What the model named in the request says to it.

    Raises:
        SimError: No such model, or ``sim/error``.
    """
    base, options = split_model(str(document.get("model", "")))
    if base == "error":
        raise SimError(number(options, "status", 500, ERRORS), "sim fails as asked.", "sim_error")
    if base == "lorem":
        count = number(options, "tokens", 16, (0, MAX_TOKENS))
        return " ".join(WORDS[i % len(WORDS)] for i in range(count))
    if base != "echo":
        raise SimError(404, f"The model '{base}' does not exist.", "model_not_found")
    wanted = obj(document.get("response_format"))
    if wanted.get("type") in ("json_object", "json_schema"):
        schema = obj(obj(wanted.get("json_schema")).get("schema"))
        return orjson.dumps(instance(schema)).decode() if schema else "{}"
    if "messages" not in document:
        prompts = inputs(document.get("prompt", ""))
        return str(prompts[0]) if prompts else ""
    users = [message for message in objects(document["messages"]) if message.get("role") == "user"]
    return text_of(users[-1].get("content")) if users else ""


def tool_calls(document: Json) -> list[Json]:
    """A call of the tool that the request chose, or of its first, once: not when a tool's result is already there."""
    functions = [obj(tool.get("function")) for tool in objects(document.get("tools"))]
    choice = document.get("tool_choice", "auto")
    answered = any(message.get("role") == "tool" for message in objects(document.get("messages")))
    if not functions or choice == "none" or answered:
        return []
    wanted = obj(obj(choice).get("function")).get("name")
    chosen = next((each for each in functions if each.get("name") == wanted), functions[0])
    arguments = orjson.dumps(instance(obj(chosen.get("parameters")))).decode()
    said = {"name": str(chosen.get("name", "")), "arguments": arguments}
    return [{"id": "call_sim_0001", "type": "function", "function": said}]


def instance(schema: Json, depth: int = 0) -> Any:
    """The smallest value that fits a JSON schema, for the keywords that function tools use."""
    if "const" in schema:
        return schema["const"]
    if is_array(schema.get("enum")) and schema["enum"]:
        return schema["enum"][0]
    kind: Any = inputs(schema.get("type"))[0] if schema.get("type") else None
    if depth > MAX_DEPTH:
        return None
    if kind == "object" or "properties" in schema or not schema:
        return {name: instance(obj(each), depth + 1) for name, each in obj(schema.get("properties")).items()}
    if kind == "array":
        return [instance(obj(schema.get("items")), depth + 1)] if schema.get("minItems") else []
    least = schema.get("minimum", 0)
    return {"string": "text", "integer": least, "number": least, "boolean": False}.get(str(kind))


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
