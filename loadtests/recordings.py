"""Reads recorded calls of OpenAI's API: cassettes as public projects keep them for their tests.

Nothing of them is part of this project: they lie in a folder of somebody's own, one sub-folder for each repository that
they are from. Read are the cassettes of Python's and Ruby's VCR, those of Datadog's test agent, and HTTP archives.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import orjson
import yaml

# Azure serves OpenAI's models by OpenAI's counts; who else speaks the dialect counts as he likes.
_HOSTS = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com")
_MODELS = ("gpt-", "chatgpt-", "o1", "o3", "o4")
_PATHS = {"/chat/completions": "openai_chat", "/responses": "openai_responses"}
_ENDINGS = {".yaml", ".yml", ".json", ".gz", ".har"}
_JSON = {".json", ".har"}
_GZIP = b"\x1f\x8b"


class Recording(msgspec.Struct, kw_only=True):
    """One call whose answer says what it used.

    Attributes:
        repository: Which sub-folder it was in.
        path: Of its file.
        dialect: ``openai_chat`` or ``openai_responses``.
        asked: The request.
        answer: The answer; of a stream, ``None``.
        stream: The answer as it came, of a stream.
        model: As the answer names it.
        usage: As the answer tells it.
    """

    repository: str
    path: str
    dialect: str
    asked: dict[str, Any]
    answer: dict[str, Any] | None
    stream: bytes
    model: str
    usage: dict[str, Any]


def read(folder: Path) -> Iterator[Recording]:
    """Read every call below a folder, each once however often it was recorded."""
    known: set[bytes] = set()
    for file in sorted(folder.rglob("*")):
        if file.suffix in _ENDINGS and file.is_file():
            repository = file.relative_to(folder).parts[0]
            for each in _calls(file):
                recording = _recording(each, repository, str(file))
                if recording is None:
                    continue
                key = orjson.dumps([recording.model, recording.asked], option=orjson.OPT_SORT_KEYS)
                if key not in known:
                    known.add(key)
                    yield recording


def _calls(file: Path) -> Iterator[dict[str, Any]]:
    """The pairs of requests and answers in a file; none where it is no cassette."""
    data = file.read_bytes()
    if data[:2] == _GZIP:
        data = gzip.decompress(data)
    if not any(path.encode() in data for path in _PATHS):
        return
    try:
        document: Any = orjson.loads(data) if file.suffix in _JSON else yaml.load(data, Loader=yaml.CSafeLoader)
    except (orjson.JSONDecodeError, yaml.YAMLError, ValueError):
        return
    if isinstance(document, dict):
        whole = cast("dict[str, Any]", document)
        log: Any = whole.get("log")
        archived: Any = cast("dict[str, Any]", log).get("entries") if isinstance(log, dict) else None
        pairs: Any = whole.get("interactions") or whole.get("http_interactions") or archived or [whole]
        if isinstance(pairs, list):
            yield from (each for each in cast("list[Any]", pairs) if isinstance(each, dict))


def _recording(pair: dict[str, Any], repository: str, path: str) -> Recording | None:
    request, response = pair.get("request"), pair.get("response")
    if not (isinstance(request, dict) and isinstance(response, dict)):
        return None
    sent, got = cast("dict[str, Any]", request), cast("dict[str, Any]", response)
    address = urlsplit(str(sent.get("uri") or sent.get("url") or ""))
    dialect = next((name for end, name in _PATHS.items() if address.path.endswith(end)), "")
    if not dialect or not (address.hostname or "").endswith(_HOSTS):
        return None
    asked, answered = _parsed(_body(sent)), _body(got)
    whole = _parsed(answered)
    told = whole if whole is not None else _last_of_stream(answered)
    if asked is None or told is None or not isinstance(told.get("usage"), dict):
        return None
    model = str(told.get("model") or asked.get("model"))
    if not model.startswith(_MODELS):
        return None
    return Recording(
        repository=repository,
        path=path,
        dialect=dialect,
        asked=asked,
        answer=whole,
        stream=answered if whole is None else b"",
        model=model,
        usage=told["usage"],
    )


def _body(side: dict[str, Any]) -> bytes:
    """What was sent or answered, however the cassette writes it."""
    if "parsed_body" in side:
        return orjson.dumps(side["parsed_body"], default=str)
    body: Any = side.get("body") or side.get("content") or side.get("postData")
    if isinstance(body, dict):
        inner = cast("dict[str, Any]", body)
        body = inner.get("string") or inner.get("base64_string") or inner.get("text") or ""
    data = body.encode(errors="replace") if isinstance(body, str) else body if isinstance(body, bytes) else b""
    if data[:2] == _GZIP:
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return b""
    return data


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        document: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _last_of_stream(data: bytes) -> dict[str, Any] | None:
    """The event of a stream that tells the usage."""
    for line in reversed(data.splitlines()):
        if line.startswith(b"data:") and b'"usage"' in line:
            event = _parsed(line.removeprefix(b"data:"))
            if event is None:
                continue
            told = event.get("response", event)
            if isinstance(told, dict) and isinstance(cast("dict[str, Any]", told).get("usage"), dict):
                return cast("dict[str, Any]", told)
    return None
