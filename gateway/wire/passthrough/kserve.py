"""The rest of KServe's V2 protocol: ``/infer``, ``/ready``, ``/config``, ``/stats`` of a model, and its description.

Tensors are passed through as they are, recorded, and scanned as far as they are text; see :mod:`.binary` for those that
lie raw. What a server says of itself is said of the gateway. https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from gateway.core.errors import GatewayError, GatewayFault, RouteNotFound
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect
from gateway.core.segments import Path, Segment
from gateway.wire.counted_texts import RAW
from gateway.wire.passthrough import text
from gateway.wire.passthrough.binary import HEAD_LENGTH, Side, has_binary, read_binary, write_binary
from gateway.wire.passthrough.dialect import PassThrough
from gateway.wire.request_target import model_in
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

DIALECT_NAME = "kserve"

# A model's name may hold slashes: aliases are called what their owners like.
_PATH = re.compile(
    r"/v2/models/(?P<model>.+?)(?P<version>/versions/[0-9]{1,19})?(?:/(?P<method>infer|ready|config|stats))?"
)
# What models of text call what they read and what they write; and what tells a text again once it is written.
_READ, _WRITTEN = ("text_input", "prompt"), "text_output"
_REPEATS = frozenset({
    "output_log_probs", "cum_log_probs", "context_logits", "generation_logits", "output_ids", "token_ids", "logprobs",
})  # fmt: skip
_MOST_TOKENS = "max_tokens"


# What a server says of itself; whoever lists models knows.
SERVER_PATHS = frozenset({"/v2", "/v2/repository/index"})
_OURSELVES = "weighbridge"


class KServe(PassThrough):
    """``core.ports.Dialect`` for models that are called in tensors; the name is in the path."""

    __slots__ = ()

    name: str = DIALECT_NAME

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand as much of a request as can be.

        Raises:
            RouteNotFound: The path is none of these.
            MalformedRequest: The body is not what its headers say.
        """
        if incoming.path in SERVER_PATHS:
            return Request(
                dialect=DIALECT_NAME,
                operation="",
                route=incoming.path,
                upstream_path=incoming.path,
                provider=_OURSELVES,
                document=document,
                body=incoming.body,
            )
        if document is None and HEAD_LENGTH in incoming.headers:
            document = read_binary(incoming.body, incoming.headers[HEAD_LENGTH])
        found = _PATH.fullmatch(incoming.path)
        model = model_in(found["model"]) if found else ""
        if found is None or not model:
            raise RouteNotFound("No such path. What a server says of itself is below /providers/{name}/v2.")
        below = f"/{found['method']}" if found["method"] else ""
        path = f"/v2/models/{{model}}{found['version'] or ''}{below}"
        writes = any(_name(tensor) in _READ for tensor in _tensors(document, "inputs"))
        return Request(
            dialect=DIALECT_NAME,
            operation="text_completion" if writes else "",
            route=f"/v2/models/{{model}}{below}",
            upstream_path=f"{path}?{incoming.query}" if incoming.query else path,
            model_in_path=True,
            document=document,
            body=incoming.body,
            model=model,
            max_output_tokens=_most_tokens(document) if writes else None,
            describes=below != "/infer",
        )

    def segments(self, document: Any) -> Iterator[Segment]:
        """Yield every leaf of a request; what a model reads is what its user says."""
        return _segments(document, "inputs", _READ, "user")

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Yield every leaf of an answer."""
        return _segments(document, "outputs", (_WRITTEN,), "assistant")

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give the client's own bytes, unless a rule edited them; the model is in the path."""
        if document is not request.document and has_binary(request.document):
            return write_binary(document, request.body)
        return super().upstream_body(request, document, "")

    def read_answer(self, document: Any) -> AnswerFacts:
        """Read which model answered; tensors say nothing else of an answer that all servers mean alike."""
        facts = AnswerFacts()
        if is_object(document) and is_text(name := document.get("model_name")):
            facts.model_served = name
        return facts

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """Leave out the tokens and their probabilities once any text was edited."""
        outputs = _tensors(document, "outputs")
        if not paths or _REPEATS.isdisjoint(map(_name, outputs)):
            return document
        return {**document, "outputs": [each for each in outputs if _name(each) not in _REPEATS]}

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """Join what the model wrote."""
        told = [each.text for each in self.answer_segments(document) if each.kind == "text"]
        return "\n".join(told)

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as the protocol does: one sentence."""
        message = error.public_message
        if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
            message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
        return orjson.dumps({"error": message})


def _tensors(document: Any, side: Side) -> list[dict[str, Any]]:
    tensors = document.get(side) if is_object(document) else None
    return [each for each in tensors if is_object(each)] if is_array(tensors) else []


def _name(tensor: Any) -> str:
    name = tensor.get("name") if is_object(tensor) else None
    return name if is_text(name) else ""


def _segments(document: Any, side: Side, names: tuple[str, ...], role: str) -> Iterator[Segment]:
    tensors = document.get(side) if is_object(document) else None
    spoken = {at for at, each in enumerate(tensors if is_array(tensors) else ()) if _name(each) in names}
    for segment in text.segments(document):
        path = segment.path
        if segment.kind == "json_key":
            if segment.text != RAW:
                yield segment
        elif path[:1] == (side,) and path[2:3] == ("data",) and path[1] in spoken:
            yield msgspec.structs.replace(segment, role=role, kind="text")
        else:
            yield segment


def _most_tokens(document: Any) -> int | None:
    """Read what stands in the open; what lies raw is read by who knows numbers."""
    for tensor in _tensors(document, "inputs"):
        if _name(tensor) != _MOST_TOKENS:
            continue
        value = tensor.get("data")
        if isinstance(raw := tensor.get(RAW), bytes) and len(raw) <= 8:
            value = int.from_bytes(raw, "little", signed=True)
        while is_array(value) and value:
            value = value[0]
        if is_integer(value) and value > 0:
            return value
    return None


KSERVE: Dialect = KServe()
