"""The list of models in Gemini's form: ``GET /v1beta/models`` and ``GET /v1beta/models/{model}``. No body goes in.

https://ai.google.dev/api/models. Names of models may hold slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from gateway.core.errors import GatewayError, MalformedRequest, MethodNotAllowed, ModelNotFound
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect
from gateway.core.segments import Segment
from gateway.wire.gemini import errors
from gateway.wire.gemini.paths import take_key
from gateway.wire.unstreamed import Unstreamed

NAME = "gemini_models"
# What the service itself gives at once, and at most.
PAGE, MAX_PAGE = 50, 1_000
_PATH = re.compile(r"(?:/gemini)?/(?:v1beta|v1alpha|v1)/models(?:/(?P<model>[^:]+))?/?")
_CLIENT = b"x-goog-api-client"
_GENERATES = ("generateContent", "countTokens")


class GeminiModels(Unstreamed):
    """``core.ports.Dialect`` for the list of models."""

    __slots__ = ()

    name: str = NAME

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request for one model or for all of them.

        Raises:
            MethodNotAllowed: It is no GET.
            MalformedRequest: The model's name is not percent-encoded UTF-8.
        """
        if incoming.method != "GET":
            raise MethodNotAllowed("This path takes GET.")
        take_key(incoming)
        found = _PATH.fullmatch(incoming.path)
        encoded = found["model"] if found is not None else None
        try:
            model = unquote(encoded or "", errors="strict").removesuffix("/")
        except UnicodeDecodeError:
            model = "\0"
        if not model.isprintable():
            raise MalformedRequest("The path does not name a model.")
        path = f"/models/{encoded}" if encoded else "/models"
        return Request(
            dialect=NAME,
            operation="",
            route="/v1beta/models/{model}" if encoded else "/v1beta/models",
            upstream_path=f"{path}?{incoming.query}" if incoming.query else path,
            model=model,
        )

    def segments(self, document: Any) -> Iterator[Segment]:
        """Give nothing: there is no body."""
        return iter(())

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Give nothing: names of models are not what a model said."""
        return iter(())

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give nothing: there is no body."""
        return b""

    def read_answer(self, document: Any) -> AnswerFacts:
        """Give nothing: nothing was generated."""
        return AnswerFacts()

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as Google does."""
        return errors.error_body(error, exchange_id)


MODELS: Dialect = GeminiModels()


def listing_of(incoming: Incoming) -> Dialect | None:
    """Give the dialect of a path that lists models; ``None`` when it is none of these.

    ``/v1/models`` is OpenAI's path as well; who names Google's client is Google's.
    """
    path = incoming.path
    if path.startswith("/v1/") and _CLIENT not in incoming.headers:
        return None
    return MODELS if _PATH.fullmatch(path) is not None else None


def listed_models(names: Sequence[str], path: str) -> tuple[int, bytes]:
    """Answer from a list of names.

    Args:
        names: Of all models.
        path: Path and query below a base URL, as :meth:`GeminiModels.parse` writes them.

    Returns:
        Status and body.
    """
    plain, _, query = path.partition("?")
    name = unquote(plain.removeprefix("/models").strip("/"))
    if name:
        if name in names:
            return 200, orjson.dumps(_model(name))
        return 404, errors.error_body(ModelNotFound(f"The model '{name[:200]}' does not exist."), "")
    asked = parse_qs(query)
    size, start = _number(asked, "pageSize", PAGE) or PAGE, _number(asked, "pageToken", 0)
    size = min(size, MAX_PAGE)
    document: dict[str, Any] = {"models": [_model(each) for each in names[start : start + size]]}
    if start + size < len(names):
        document["nextPageToken"] = str(start + size)
    return 200, orjson.dumps(document)


def _number(asked: dict[str, list[str]], name: str, default: int) -> int:
    value = asked.get(name, [""])[0]
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 9 else default


def _model(name: str) -> dict[str, Any]:
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": _GENERATES}
